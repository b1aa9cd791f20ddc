"""PostgreSQL: one server of any version that is here, and a primary with a standby that confirms every commit."""

from __future__ import annotations

import fcntl
import hashlib
import signal
import struct
from collections.abc import Sequence

from .binaries import postgresql
from .cluster import Cluster
from .run import Run
from .server import HOST, Server, ask

_USER = "postgres"
# "Is somebody there who lets me in?", in the protocol of version 3; "starting up" is an answer too.
_WORDS = f"user\0{_USER}\0database\0{_USER}\0\0".encode()
_HELLO = struct.pack("!ii", 8 + len(_WORDS), 196_608) + _WORDS
_WELCOME = b"R\0\0\0\x08\0\0\0\0"


class PostgreSQL(Server):
    """One postgres, whose user postgres needs no password. version: as in /usr/lib/postgresql, the newest if None."""

    kind = "postgresql"
    unprivileged = True

    def __init__(
        self, run: Run, *, durable: bool = False, options: Sequence[str] = (), version: str | None = None
    ) -> None:
        super().__init__(run, durable=durable, options=options)
        self.version = version

    def make(self) -> None:
        """Make the data folder: a copy of the run's first one, which takes a fifth of the time."""
        self.carry_out(["cp", "-a", self._first(), f"{self.folder}/data"])

    def _first(self) -> str:
        """Give the folder that this run copies, of this version; no server was ever begun on it."""
        initdb = postgresql("initdb", self.version)
        known = self.run.folder / f"first-{hashlib.sha256(initdb.encode()).hexdigest()[:8]}"
        with open(known.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not known.exists():
                made = f"{self.new_folder()}/data"
                options = ["-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
                self.carry_out([initdb, "-D", made, *options])
                part = known.with_suffix(".part")
                part.write_text(made)
                part.rename(known)  # whole, or not there
        return known.read_text()

    def command(self) -> list[str]:
        """Give the command: postgres itself, so that its pid is known."""
        settings = [
            *(f"port={self.port}", f"listen_addresses={HOST}", "unix_socket_directories="),
            *("shared_buffers=16MB", "max_connections=200"),
            # Without fsync, pages still leave the process: what was confirmed outlives SIGKILL.
            *([] if self.durable else ["fsync=off", "full_page_writes=off"]),
            *self.options,
        ]
        each = [part for setting in settings for part in ("-c", setting)]
        return [postgresql("postgres", self.version), "-D", f"{self.folder}/data", *each]

    def answers(self) -> bool:
        """Say whether it lets its user in."""
        return ask(self.port, _HELLO, _WELCOME)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it without waiting for its clients."""
        super().stop(how)

    def sql(self, statement: str) -> str:
        """Run a statement as its user; give what psql prints."""
        client = [postgresql("psql", self.version), "-XAtq", "-h", HOST, "-p", str(self.port), "-U", _USER]
        return self.carry_out([*client, "-c", statement, _USER]).strip()

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"postgresql://{_USER}@{HOST}:{self.port}/{_USER}"


class Standby(PostgreSQL):
    """A copy that follows a primary."""

    primary: PostgreSQL

    def make(self) -> None:
        """Copy the primary, which must run."""
        source = ["-h", HOST, "-p", str(self.primary.port), "-U", _USER]
        copy = [postgresql("pg_basebackup", self.version), "-D", f"{self.folder}/data", *source]
        self.carry_out([*copy, "-X", "stream", "-c", "fast", "--no-sync"])
        self.follow(self.primary)

    def follow(self, primary: PostgreSQL) -> None:
        """Be a standby of that server from the next start on."""
        self.primary = primary
        self.carry_out(["touch", f"{self.folder}/data/standby.signal"])

    def command(self) -> list[str]:
        """Give the command, with the way to the primary."""
        primary = f"host={HOST} port={self.primary.port} user={_USER} application_name=standby"
        following = [f"primary_conninfo={primary}", "wal_retrieve_retry_interval=50ms"]
        return [*super().command(), *(part for setting in following for part in ("-c", setting))]

    def promote(self) -> None:
        """Take over: from now on it takes writes, and waits for no standby of its own."""
        self.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.sql("SELECT pg_promote(true, 10)")


class PostgreSQLPair(Cluster[PostgreSQL]):
    """A primary, then its standby; a commit returns when both have it.

    While no standby is there, a commit does not return; no timeout of the server's ends that.
    """

    def __init__(
        self, run: Run, *, durable: bool = False, options: Sequence[str] = (), version: str | None = None
    ) -> None:
        self.primary = PostgreSQL(run, durable=durable, options=options, version=version)
        self.standby = Standby(run, durable=durable, options=options, version=version)
        self.standby.primary = self.primary
        super().__init__([self.primary, self.standby])

    def start(self) -> PostgreSQLPair:
        """Begin the primary, copy it, and have the two agree."""
        self.primary.start()
        self.standby.start()
        self.form()
        return self

    def form(self) -> None:
        """Have every commit wait for the standby."""
        self.primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.primary.sql("SELECT pg_reload_conf()")
        synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        self.primary.until(lambda: self.primary.sql(synchronous) == "1")

    @property
    def url(self) -> str:
        """The URL that names both; a client takes the one that takes writes."""
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"postgresql://{_USER}@{hosts}/{_USER}?target_session_attrs=read-write"
