"""What several programs do to Nova's hosts and instances at the same time."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Self

from manystore import OutOfBounds
from manystore.nova.database import Nova
from manystore.nova.exception import InstanceNotFound
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
