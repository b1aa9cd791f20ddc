"""ZooKeeper: one server, and an ensemble of three."""

from __future__ import annotations

from collections.abc import Sequence

from .binaries import program, zookeeper_classes
from .cluster import Cluster
from .run import Run
from .server import HOST, Server, ask, free_ports

# Room for transactions of nearly a megabyte; a small heap ends in OutOfMemoryError, and then in silence.
_JAVA = ("-Xms32m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_SETTINGS = """\
tickTime=200
initLimit=50
syncLimit=25
dataDir={folder}/data
clientPort={port}
clientPortAddress={host}
admin.enableServer=false
4lw.commands.whitelist=*
maxClientCnxns=0
{members}
"""


class ZooKeeper(Server):
    """One ZooKeeper; ensembles give it a number and the lines that name all members."""

    kind = "zookeeper"
    number = 0
    members = ""

    def make(self) -> None:
        """Write its settings."""
        (self.folder / "data").mkdir()
        if self.number:
            (self.folder / "data" / "myid").write_text(str(self.number))

    def command(self) -> list[str]:
        """Give the command."""
        settings = self.folder / "zoo.cfg"
        settings.write_text(_SETTINGS.format(folder=self.folder, port=self.port, host=HOST, members=self.members))
        properties = ["-Dzookeeper.preAllocSize=1024"]  # KB; by default a log begins with 64 MB
        if not self.durable:
            properties.append("-Dzookeeper.forceSync=no")
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return [
            program("java"),
            *(*_JAVA, *properties, *self.options),
            *("-cp", zookeeper_classes(), main, str(settings)),
        ]

    def answers(self) -> bool:
        """Say whether it serves: a member without a leader has no mode."""
        return self.says(b"Mode:")

    def leads(self) -> bool:
        """Say whether it leads the ensemble that it is in."""
        return self.says(b"Mode: leader")

    def says(self, answer: bytes) -> bool:
        """Say whether what it tells of itself holds some bytes."""
        return ask(self.port, b"srvr", answer)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"zookeeper://{HOST}:{self.port}"


class ZooKeeperEnsemble(Cluster[ZooKeeper]):
    """Three members, one of which leads."""

    def __init__(self, run: Run, *, durable: bool = False, options: Sequence[str] = ()) -> None:
        super().__init__([ZooKeeper(run, durable=durable, options=options) for _ in range(3)])
        ports = iter(free_ports(6))
        lines = [f"server.{number}={HOST}:{next(ports)}:{next(ports)}" for number in (1, 2, 3)]
        for number, node in enumerate(self.nodes, 1):
            node.number, node.members = number, "\n".join(lines)

    @property
    def url(self) -> str:
        """The URL that names all members."""
        return "zookeeper://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)
