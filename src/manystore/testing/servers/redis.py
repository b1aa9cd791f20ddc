"""Redis: one server, and a cluster of three masters with a replica each."""

from __future__ import annotations

from collections.abc import Sequence

from .binaries import program
from .cluster import Cluster
from .run import Run
from .server import HOST, Server, ask

_NODES = 6


class Redis(Server):
    """One redis-server. Not durable: nothing outlives it."""

    kind = "redis"

    def command(self) -> list[str]:
        """Give the command."""
        durability = ["--appendonly", "yes", "--appendfsync", "always"] if self.durable else ["--appendonly", "no"]
        place = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.folder), "--save", ""]
        return [program("redis-server"), *place, *durability, *self.options]

    def answers(self) -> bool:
        """Say whether it answers PING; LOADING is no answer."""
        return ask(self.port, b"PING\r\n", b"PONG")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://{HOST}:{self.port}"


class RedisNode(Redis):
    """One node of a cluster."""

    def command(self) -> list[str]:
        """Give the command; the bus would be at port + 10,000, which need not be free."""
        cluster = {
            "port": self.second_port,
            "enabled": "yes",
            "config-file": "nodes.conf",
            "node-timeout": 500,
            "require-full-coverage": "no",
            "replica-validity-factor": 0,
        }
        settings = [part for name, value in cluster.items() for part in (f"--cluster-{name}", str(value))]
        # A replica that waits for the default five seconds would make the cluster as slow to begin.
        return [*super().command(), *settings, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]

    def says(self, request: bytes, *answers: bytes) -> bool:
        """Say whether the answer to a command holds all of these."""
        return all(ask(self.port, request + b"\r\n", answer) for answer in answers)

    def is_content(self) -> bool:
        """Say whether it knows all nodes and finds nothing amiss."""
        return self.says(b"CLUSTER INFO", b"state:ok", b"known_nodes:6", b"size:3")


class RedisCluster(Cluster[RedisNode]):
    """Three masters with a replica each. A new master refuses writes for 2 s: no start is quicker than that."""

    def __init__(self, run: Run, *, durable: bool = False, options: Sequence[str] = ()) -> None:
        super().__init__([RedisNode(run, durable=durable, options=options) for _ in range(_NODES)])

    def form(self) -> None:
        """Join the nodes and wait until every one of them says that all is well."""
        for node in self.nodes:
            node.until(node.answers)
        hosts = [f"{HOST}:{node.port}" for node in self.nodes]
        create = [program("redis-cli"), "--cluster", "create", *hosts, "--cluster-replicas", "1", "--cluster-yes"]
        self.nodes[0].carry_out(create)
        self.settle()

    def settle(self) -> None:
        """Wait until all nodes know of each other, and as many replicas follow as there should."""
        for node in self.nodes:
            node.until(node.is_content)
        self.nodes[-1].until(lambda: len(self.replicas()) == _NODES // 2)

    def replicas(self) -> list[RedisNode]:
        """Give the nodes that follow a master, and have caught up with it."""
        return [node for node in self.nodes if node.is_running and node.says(b"ROLE", b"slave", b"connected")]

    @property
    def hosts(self) -> str:
        """The hosts of a URL."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis+cluster://{self.hosts}"
