"""etcd: one server, and a cluster of three."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

from .binaries import program
from .cluster import Cluster
from .run import Run
from .server import HOST, Server

# A step of 1,000 primitive operations takes as many operations and, counted apart, compares.
_OPERATIONS = 4_096
_SPEED = ("--heartbeat-interval=20", "--election-timeout=200")  # by default one that restarts waits a second and a half
_QUOTA = 8 << 30


class Etcd(Server):
    """One etcd; `second_port` is for its peers."""

    kind = "etcd"
    name = "n0"
    members = ""
    """name=url of all members, with commas; set before it begins when there are several."""

    def command(self) -> list[str]:
        """Give the command."""
        client, peer = f"http://{HOST}:{self.port}", f"http://{HOST}:{self.second_port}"
        durability = [] if self.durable else ["--unsafe-no-fsync"]
        return [
            program("etcd"),
            *("--name", self.name, "--data-dir", str(self.folder / "data"), "--log-level", "warn"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", self.members or f"{self.name}={peer}", "--initial-cluster-state", "new"),
            *(f"--max-txn-ops={_OPERATIONS}", f"--quota-backend-bytes={_QUOTA}"),
            *_SPEED,
            *durability,
            *self.options,
        ]

    def answers(self) -> bool:
        """Say whether it has a leader: the port is open long before."""
        return bool(self.call("GET", "/health").get("health") == "true")

    def leads(self) -> bool:
        """Say whether it leads the cluster that it is in."""
        status = self.call("POST", "/v3/maintenance/status", {})
        return bool(status) and status.get("leader") == status["header"]["member_id"]

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask the gateway; {} for what is no answer."""
        connection = HTTPConnection(HOST, self.port, timeout=1)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = json.loads(connection.getresponse().read())
        except (HTTPException, ValueError):
            return {}
        finally:
            connection.close()
        return dict(answer)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"etcd://{HOST}:{self.port}"


class EtcdCluster(Cluster[Etcd]):
    """Three members, one of which leads."""

    def __init__(self, run: Run, *, durable: bool = False, options: Sequence[str] = ()) -> None:
        super().__init__([Etcd(run, durable=durable, options=options) for _ in range(3)])
        for number, node in enumerate(self.nodes):
            node.name = f"n{number}"
        for node in self.nodes:
            node.members = ",".join(f"{each.name}=http://{HOST}:{each.second_port}" for each in self.nodes)

    @property
    def url(self) -> str:
        """The URL that names all members."""
        return "etcd://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)
