"""The servers of a test session: one of each kind for all its processes, begun by the first that asks.

pytest-xdist gives its workers a common name, by which they meet in one folder (run.py). One set for all is cheaper than
one a worker: the cores are what is short. Tests keep apart by prefixes (provision.py).
"""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from .etcd import Etcd
from .mariadb import MariaDB
from .postgresql import PostgreSQL
from .redis import Redis
from .run import Run
from .server import Server
from .zookeeper import ZooKeeper

KINDS: dict[str, type[Server]] = {kind.kind: kind for kind in (Etcd, MariaDB, PostgreSQL, Redis, ZooKeeper)}
_COMMON_NAME = "PYTEST_XDIST_TESTRUNUID"


class Session:
    """This process's part in a session. Its servers are not durable: tests of durability start their own."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def url(self, kind: str) -> str:
        """Give the URL of the session's server of a kind, which then answers; raise MissingServer or DidNotStart."""
        known = self.run.folder / f"{kind}.url"
        if not known.exists():
            with open(self.run.folder / f"{kind}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not known.exists():
                    server = KINDS[kind](self.run).start()
                    server.leave()  # others may use it for longer than this process lives
                    part = known.with_suffix(".part")
                    part.write_text(server.url)
                    part.rename(known)  # whole, or not there
        return known.read_text()

    def urls(self, *kinds: str) -> dict[str, str]:
        """Give the URLs of several kinds, begun side by side."""
        with ThreadPoolExecutor(len(kinds)) as starting:
            return dict(zip(kinds, starting.map(self.url, kinds), strict=True))


@cache
def _session(pid: int) -> Session:
    del pid  # a forked child is in the run as long as it lives, with what it inherited; its servers are its own
    return Session(Run(os.environ.get(_COMMON_NAME, "")))


def session() -> Session:
    """Give this process's session; it ends with the process."""
    return _session(os.getpid())


def this_run() -> Run:
    """Give the run that private servers belong to."""
    return session().run


def url(kind: str) -> str:
    """Give the URL of the session's server of a kind."""
    return session().url(kind)
