"""MariaDB: one server."""

from __future__ import annotations

from .binaries import program
from .server import HOST, Server, ask

DATABASE = "manystore"


class MariaDB(Server):
    """One mariadbd with an empty database; its user root has no password."""

    kind = "mariadb"
    unprivileged = True

    def make(self) -> None:
        """Make the data folder."""
        # A file that is carried out before the first connection is taken.
        (self.folder / "first.sql").write_text(f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n")
        (self.folder / "first.sql").chmod(0o644)
        self.carry_out(
            [
                program("mariadb-install-db"),
                *("--no-defaults", f"--datadir={self.folder}/data", "--auth-root-authentication-method=normal"),
                *("--skip-test-db", "--skip-name-resolve", "--force", "--innodb-flush-method=nosync"),
                # One that starts clears away what others have open in the same one.
                f"--tmpdir={self.folder}/data",
            ]
        )

    def command(self) -> list[str]:
        """Give the command."""
        durability = ["--innodb-flush-log-at-trx-commit=1"]
        if not self.durable:
            # A table made and dropped is synced a dozen times beside what InnoDB does, and each test makes ten.
            durability = ["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--loose-debug-no-sync"]
        return [
            program("mariadbd"),
            # A tmpdir of its own: a server that starts clears away what others have open in the same one.
            *("--no-defaults", f"--datadir={self.folder}/data", f"--tmpdir={self.folder}/data"),
            *(f"--port={self.port}", f"--bind-address={HOST}"),
            *(f"--socket={self.folder}/socket", f"--pid-file={self.folder}/mariadbd.pid", "--skip-name-resolve"),
            *("--skip-log-bin", "--innodb-buffer-pool-size=32M", "--performance-schema=OFF", "--max-connections=400"),
            f"--init-file={self.folder}/first.sql",
            *durability,
            *self.options,
        ]

    def answers(self) -> bool:
        """Say whether it greets."""
        return ask(self.port, b"", b"MariaDB")

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"mariadb://root@{HOST}:{self.port}/{DATABASE}"
