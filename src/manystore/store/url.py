"""Store URLs: `sqlite:///file?timeout=5`, `memory://name`.

Knows their grammar; must not know which stores there are.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from ..errors import URLError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
LIMITS = {"max_operations": 1_000, "max_bytes": 900_000, "max_examined": 10_000}
"""The options that every URL takes, with their defaults: what one atomic step may hold, and one call examine."""
_HOST = re.compile(r"\[[^\[\]]*\](:\d+)?|[^:]*(:\d+)?")


class StoreURL(msgspec.Struct, frozen=True):
    """A parsed URL. path: what follows the hosts, without its first slash. prefix: keeps several databases apart.

    foreign: whoever opens it knows that the tables there may not be manystore's, and asks for Survey or Adopt only.
    """

    scheme: str
    hosts: tuple[str, ...] = ()
    path: str = ""
    user: str | None = None
    password: str | None = None
    options: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    prefix: str = ""
    foreign: bool = False

    @property
    def name(self) -> str:
        """Give what stands in the place of a host: the name of `memory://name`."""
        return ",".join(self.hosts)

    def __str__(self) -> str:
        login = f"{self.user or ''}{':***' if self.password else ''}@" if self.user or self.password else ""
        return f"{self.scheme}://{login}{self.name}{'/' + self.path if self.path else ''}"

    def __repr__(self) -> str:
        return f"StoreURL({self})"  # neither the password nor the options, which may hold one

    def option(self, name: str, default: float) -> float:
        """Give a number from the options; raise URLError when it is none, or negative."""
        text = self.options.get(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise URLError(f"{self.scheme}: the option {name} takes a number, 0 or more")
        return value

    def limit(self, name: str) -> int:
        """Give one of LIMITS, as the URL has it."""
        return int(self.option(name, LIMITS[name]))

    def allow(self, *names: str) -> None:
        """Raise URLError for an option that is neither among these nor among LIMITS."""
        for name in self.options:
            if name not in names and name not in LIMITS:
                raise URLError(f"{self.scheme}: unknown option {name}; there are: {', '.join((*names, *LIMITS))}")


def parse_url(text: str, prefix: str = "") -> StoreURL:
    """Parse a store's URL; raise URLError, which never repeats the URL: it may hold a password."""
    if not isinstance(text, str):
        raise URLError(f"a store's URL is a str, not a {type(text).__name__}")
    if not isinstance(prefix, str) or not (prefix == "" or _PREFIX.fullmatch(prefix)):
        raise URLError("a prefix is 1 to 40 letters, digits and underscores, a letter first")
    scheme, colon, rest = text.partition("://")
    scheme = scheme.lower()
    if not colon or not _SCHEME.fullmatch(scheme):
        raise URLError("a store's URL looks like scheme://place, as in memory://name")
    try:
        # urlsplit drops the rest of a URL behind a '#', which is an ordinary character in a file's name.
        parts = urlsplit("//" + rest.replace("#", "%23"))
    except ValueError:  # its text repeats the hosts, and what stands before them
        raise URLError(f"{scheme}: the hosts cannot be read") from None
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise URLError(f"{scheme}: a port is a number; write / ? @ and % in a password as %2F %3F %40 %25")
    if "\0" in unquote(rest):
        raise URLError(f"{scheme}: a URL holds no NUL character")
    options = parse_qsl(parts.query, keep_blank_values=True)
    if len({name for name, _ in options}) < len(options):
        raise URLError(f"{scheme}: an option is given twice")
    return StoreURL(
        scheme=scheme,
        hosts=tuple(unquote(h) for h in hosts.split(",") if h),
        path=unquote(parts.path[1:]),
        user=unquote(user) or None,
        password=unquote(password) or None,
        options=dict(options),
        prefix=prefix,
    )
