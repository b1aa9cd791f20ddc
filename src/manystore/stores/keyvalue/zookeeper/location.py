"""What a URL says: `zookeeper://user:password@h1:2181,h2:2181/path?options`. Knows no driver."""

from __future__ import annotations

import re

import msgspec

from ....errors import URLError
from ....store.url import StoreURL

JUTE_MAXBUFFER = 1_048_575  # what a server takes in one request unless it was told otherwise
_TIMEOUT, _SESSION_TIMEOUT = 10, 10
_OPTIONS = (
    "timeout",
    "session_timeout",
    "reads",
    "jute_maxbuffer",
    "tls",
    "ca",
    "certfile",
    "keyfile",
    "verify_certs",
)
# As ZooKeeper's own PathUtils has it; a text outside the basic plane is two surrogates there.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\U0010ffff]")
_LONGEST = 255  # it stands in front of every path, and names are 2,600 bytes at most


class Location(msgspec.Struct, frozen=True):
    """Where a database is, and how to get there."""

    hosts: str
    root: str
    login: str | None
    timeout: float
    session_timeout: float
    reads_latest: bool
    jute_maxbuffer: int
    use_tls: bool
    ca: str | None
    certfile: str | None
    keyfile: str | None
    verify_certs: bool

    def __repr__(self) -> str:
        return f"Location({self.hosts}{self.root})"  # without the login


def location_of(url: StoreURL) -> Location:
    """Read a URL; raise URLError for what is missing, unknown or wrong."""
    url.allow(*_OPTIONS)
    options = url.options
    if not url.hosts:
        raise URLError("zookeeper: name a server, as in zookeeper://localhost:2181/path")
    if (url.user is None) != (url.password is None):
        raise URLError("zookeeper: a login is a user and a password")
    timeout, session = url.option("timeout", _TIMEOUT), url.option("session_timeout", _SESSION_TIMEOUT)
    if timeout <= 0 or session <= 0:
        raise URLError("zookeeper: timeout and session_timeout take a number above 0")
    files = {name: options.get(name) for name in ("ca", "certfile", "keyfile")}
    use_tls = _flag(url, "tls", default=any(files.values()) or "verify_certs" in options)
    if not use_tls and (any(files.values()) or "verify_certs" in options):
        raise URLError("zookeeper: ca, certfile, keyfile and verify_certs mean nothing with tls=no")
    if files["keyfile"] and not files["certfile"]:
        raise URLError("zookeeper: keyfile wants a certfile")
    return Location(
        hosts=",".join(url.hosts),
        root=_root(url),
        login=None if url.user is None else f"{url.user}:{url.password}",
        timeout=timeout,
        session_timeout=session,
        reads_latest=_choice(url, "reads", ("sync", "session")) == "sync",
        jute_maxbuffer=int(url.option("jute_maxbuffer", JUTE_MAXBUFFER)),
        use_tls=use_tls,
        verify_certs=_flag(url, "verify_certs", default=True),
        **files,
    )


def _root(url: StoreURL) -> str:
    parts = [*([url.path] if url.path else []), *([url.prefix] if url.prefix else [])]
    parts = "/".join(parts).split("/")
    if "" in parts or "/" in url.prefix:
        raise URLError(
            "zookeeper: the URL ends in a path, as in zookeeper://localhost:2181/path; a prefix has no slash"
        )
    if parts[0] == "zookeeper":
        raise URLError("zookeeper: the server keeps /zookeeper for itself")
    root = "/" + "/".join(parts)
    if "." in parts or ".." in parts or _FORBIDDEN.search(root) or len(root.encode()) > _LONGEST:
        raise URLError(f"zookeeper: no such path can be; it has {_LONGEST} bytes at most and no control characters")
    return root


def _choice(url: StoreURL, name: str, choices: tuple[str, ...]) -> str:
    value = url.options.get(name, choices[0])
    if value not in choices:
        raise URLError(f"zookeeper: the option {name} takes {' or '.join(choices)}")
    return value


def _flag(url: StoreURL, name: str, *, default: bool) -> bool:
    if name not in url.options:
        return default
    return _choice(url, name, ("yes", "no")) == "yes"
