"""What several programs do to Nova's hosts and instances at the same time."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Self

from manystore import OutOfBounds
from manystore.nova.database import Nova
from manystore.nova.exception import ComputeHostNotFound, InstanceNotFound, ServiceNotFound
from manystore.nova.model.instance import Instance
from manystore.testing.crew import Seat
from manystore.testing.provision import Place

from .contest import outcome


class Address(NamedTuple):
    """Where the cloud is: what a Place is in another process."""

    url: str
    prefix: str

    @classmethod
    def of(cls, place: Place) -> Self:
        return cls(place.url, place.prefix)

    def connect(self) -> Nova:
        return Nova.connect(self.url, prefix=self.prefix)


def destroy_or_add(seat: Seat, address: Address, instances: list[int], group: int) -> list[str]:
    """The first seat destroys each instance while the others pin things to it and put it under a group."""
    outcomes: list[str] = []
    with address.connect() as db:
        for instance in instances:

            def act(instance: int = instance) -> None:
                if seat.number == 0:
                    db.instance.destroy(instance)
                elif seat.number == 1:
                    db.instance.add_security_group(instance, group)
                elif seat.number == 2:
                    db.instance_metadata.replace(instance, {"by": "replace"}, delete=True)
                else:
                    db.instance.update(instance, metadata={"by": "update"})

            seat.meet()
            outcomes.append(outcome(act, InstanceNotFound))
    return outcomes


def pin(seat: Seat, address: Address, instances: list[int]) -> None:
    """Pin one key that all others pin too, and one of its own, to each instance."""
    with address.connect() as db:
        for instance in instances:
            seat.meet()
            metadata = {"shared": str(seat.number), f"own-{seat.number}": "here"}
            db.instance_metadata.replace(instance, metadata, delete=False)


def specify(seat: Seat, address: Address, types: list[int]) -> None:
    """Ask one thing that all others ask too, and one of its own, of each size."""
    with address.connect() as db:
        for kind in types:
            seat.meet()
            specs = {"shared": str(seat.number), f"own-{seat.number}": "here"}
            db.instance_type_extra_spec.update_or_create(kind, specs)


def meter(seat: Seat, address: Address, instance: int, periods: list[datetime]) -> None:
    """Note the traffic of the same instance, network and period as all others."""
    with address.connect() as db:
        for period in periods:
            seat.meet()
            db.bw_usage.record(instance, "public", period, seat.number, seat.number)


def join(seat: Seat, address: Address, instances: list[int], group: int) -> None:
    """Put each instance under the same group as all others do."""
    with address.connect() as db:
        for instance in instances:
            seat.meet()
            db.instance.add_security_group(instance, group)


def fill(seat: Seat, address: Address, node: int, vcpus: int, memory_mb: int) -> int:
    """Take room on a host until there is none; tell how often."""
    taken = 0
    with address.connect() as db:
        seat.meet()
        while (
            outcome(lambda: db.atomic(lambda tx: tx.compute_node.take(node, vcpus, memory_mb)), OutOfBounds) == "done"
        ):
            taken += 1
    return taken


def retire(seat: Seat, address: Address, services: list[int], nodes: list[int]) -> list[tuple[bool, bool]]:
    """The first seat destroys each service while others use it and its node, and the last looks at both together."""
    seen: list[tuple[bool, bool]] = []
    with address.connect() as db:
        for service, node in zip(services, nodes, strict=True):

            def look(tx: Nova, service: int = service, node: int = node) -> tuple[bool, bool]:
                there = tx.service.get(service, deleted="any", load=())
                return there.deleted, tx.compute_node.get(node, deleted="any").deleted

            def act(service: int = service, node: int = node) -> None:
                if seat.number == 0:
                    db.service.destroy(service)
                elif seat.number == 1:
                    db.service.report(service)
                else:
                    db.atomic(lambda tx: tx.compute_node.take(node, 1, 1))

            seat.meet()
            if seat.number < seat.size - 1:
                outcome(act, ServiceNotFound, ComputeHostNotFound)
            else:
                seen += [db.retrying(look) for _ in range(4)]
    return seen


def make_or_look(seat: Seat, address: Address, times: int) -> list[dict[str, str | None]]:
    """Half of the seats make instances with metadata; the others tell what is pinned to those that they see."""
    seen: list[dict[str, str | None]] = []
    with address.connect() as db:
        seat.meet()
        for _ in range(times):
            if seat.number % 2:
                db.instance.create(Instance(project_id="p"), metadata={"a": "1", "b": "2"})
            else:
                seen += [instance.metadata_by_key for instance in db.instance.get_all_by_project("p")]
    return seen
