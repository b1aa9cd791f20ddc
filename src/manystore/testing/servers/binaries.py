"""Where the programs of the servers are, and what to say when they are not there.

Debian's places, then PATH. Knows file names only.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# A daemon's folder is not on every user's PATH.
_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
_POSTGRESQL = Path("/usr/lib/postgresql")
_JAVA = Path("/usr/share/java")
_PACKAGES = {
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "etcd": "etcd-server",
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "java": "default-jre-headless",
    "zookeeper.jar": "libzookeeper-java",
    "postgres": "postgresql",
}


class MissingServer(Exception):
    """A server's program is not on this machine. Says how it gets there."""

    def __init__(self, program: str) -> None:
        package = _PACKAGES.get(program, program)
        super().__init__(
            f"{program} is not here. Install what the tests need with: make servers"
            f" (or this alone: apt-get install --no-install-recommends {package})"
        )


def program(name: str) -> str:
    """Give the path of a program; raise MissingServer."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_FOLDERS)))
    if found is None:
        raise MissingServer(name)
    return found


def postgresql_versions() -> list[str]:
    """Give the versions of PostgreSQL that are here in Debian's places, oldest first."""
    found = (path.parent.parent.name for path in _POSTGRESQL.glob("*/bin/postgres"))
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def postgresql(name: str, version: str | None = None) -> str:
    """Give the path of a program of PostgreSQL, of the newest version if none is named; raise MissingServer."""
    versions = postgresql_versions()
    if version is None and not versions:
        if shutil.which("postgres"):
            return program(name)
        raise MissingServer("postgres")
    path = _POSTGRESQL / (version or versions[-1]) / "bin" / name
    if not path.exists():
        raise MissingServer(f"postgresql-{version}")
    return str(path)


def zookeeper_classes() -> str:
    """Give ZooKeeper's class path; its jar's manifest names the rest. Raise MissingServer."""
    if not (_JAVA / "zookeeper.jar").exists():
        raise MissingServer("zookeeper.jar")
    return f"{_JAVA}/zookeeper.jar:{_JAVA}/slf4j-nop.jar"
