"""Writes that reach several records, entries, claims and references each, for tests that break them off anywhere.

Each Step names what is there before, and one write. Whatever becomes of the program or the server, a fresh program must
find all of the write or none of it; `create_all` and generated keys, which are several writes, tell what else may be.
Only manystore's public names are used here. `python -m manystore.testing.steps URL PREFIX STEP` carries one out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from manystore import Database, Repository, col, field, index, model, ref

Contents: TypeAlias = dict[str, list[Any]]


@model
class Site:
    """Referred to by machines, which forbid its deletion."""

    id: str = field(key=True, max_length=20)
    name: str = field(unique=True, max_length=40)
    count: int = 0


@model(indexes=[index("rack", "-size"), index("site")])
class Machine:
    """Has two indexes, a unique and a reference."""

    id: int = field(key=True)
    serial: str = field(unique=True, max_length=40)
    rack: str = field(default="a", max_length=20)
    size: int = 0
    site: str = ref(Site.id)


@model(indexes=[index("machine")])
class Disk:
    """Goes with its machine; nobody refers to it."""

    id: int = field(key=True)
    machine: int = ref(Machine.id, on_delete="cascade")
    wwn: str = field(unique=True, max_length=40)
    size: int = 0


@model(indexes=[index("machine", "text")])
class Alarm:
    """Outlives its machine."""

    id: int = field(key=True)
    text: str = field(max_length=40)
    machine: int | None = ref(Machine.id, default=None, on_delete="set_null")
    code: str | None = field(default=None, unique=True, max_length=40)


@model(indexes=[index("text")])
class Event:
    """Has a generated key."""

    id: int = field(key=True, generated=True)
    text: str = field(max_length=40)


class Plant(Database):
    """All of them."""

    site: Repository[Site, str]
    machine: Repository[Machine, int]
    disk: Repository[Disk, int]
    alarm: Repository[Alarm, int]
    event: Repository[Event, int]


def contents(plant: Plant) -> Contents:
    """Give all records by repository, as plain values and without their revisions; generated keys are left out."""
    return {
        "site": [(s.id, s.name, s.count) for s in plant.site.find(scan=True)],
        "machine": [(m.id, m.serial, m.rack, m.size, m.site) for m in plant.machine.find(scan=True)],
        "disk": [(d.id, d.machine, d.wwn, d.size) for d in plant.disk.find(scan=True)],
        "alarm": [(a.id, a.text, a.machine, a.code) for a in plant.alarm.find(scan=True)],
        "event": sorted(e.text for e in plant.event.find(scan=True)),
    }


def clear(plant: Plant) -> None:
    """Delete every record, those that refer to others first."""
    plant.event.delete_where(col(Event.id) > 0, scan=True)
    plant.alarm.delete_where(col(Alarm.id) > 0, scan=True)
    plant.disk.delete_where(col(Disk.id) > 0, scan=True)
    plant.machine.delete_where(col(Machine.id) > 0, scan=True)
    plant.site.delete_where(col(Site.id) != "", scan=True)


def fill(plant: Plant) -> None:
    """Make what every step begins with."""
    with plant.transaction() as tx:
        tx.site.create(Site(id="north", name="North"))
        tx.site.create(Site(id="south", name="South"))
        for number in (1, 2):
            tx.machine.create(Machine(id=number, serial=f"S{number}", rack="b", size=number, site="north"))
    with plant.transaction() as tx:
        for number in (1, 2, 3):
            tx.disk.create(Disk(id=number, machine=1, wwn=f"W{number}"))
            tx.alarm.create(Alarm(id=number, text=f"alarm {number}", machine=1, code=f"C{number}"))


# --- the writes ------------------------------------------------------------------------------------------------------


def _create(plant: Plant) -> None:
    plant.machine.create(Machine(id=3, serial="S3", rack="c", size=5, site="south"))


def _save(plant: Plant) -> None:
    machine = plant.machine.get(2)
    machine.serial, machine.rack, machine.size, machine.site = "S2 new", "d", 9, "south"
    plant.machine.save(machine)


def _update(plant: Plant) -> None:
    with plant.machine.edit(2) as machine:
        machine.serial, machine.rack = "S2 edited", "e"


def _delete(plant: Plant) -> None:
    plant.machine.delete(plant.machine.get(1))  # with three disks, and three alarms that stay


def _transaction(plant: Plant) -> None:
    with plant.transaction() as tx:
        tx.machine.create(Machine(id=4, serial="S1", site="south"))  # takes what another gives up
        machine = tx.machine.get(1)
        machine.serial, machine.site = "S1 old", "south"
        tx.machine.save(machine)
        disk = tx.disk.get(2)
        disk.machine = 4
        tx.disk.save(disk)
        tx.disk.delete(tx.disk.get(3))
        tx.alarm.create(Alarm(id=4, text="alarm 4", machine=4, code="C4"))
        tx.machine.delete(tx.machine.get(2))
        tx.site.create(Site(id="west", name="West", count=1))


def _generated(plant: Plant) -> None:
    plant.event.create(Event(text="made"))


def _create_all(plant: Plant) -> None:
    plant.disk.create_all([Disk(id=number, machine=2, wwn=f"W{number}", size=number) for number in range(10, 22)])


class Step(NamedTuple):
    """One write."""

    write: Callable[[Plant], None]
    options: str = ""
    """What its program adds to the URL."""
    parts: str | None = None
    """The repository in which only a beginning of what it makes may be found; None: all of it or nothing."""


STEPS: dict[str, Step] = {
    "create": Step(_create),
    "save": Step(_save),
    "edit": Step(_update),
    "delete": Step(_delete),
    "transaction": Step(_transaction),
    "generated": Step(_generated),
    "create_all": Step(_create_all, "max_operations=40", "disk"),
}


def with_option(url: str, *options: str) -> str:
    """Give a URL with further options."""
    given = [option for option in options if option]
    return url + ("&" if "?" in url else "?") + "&".join(given) if given else url


def is_one_of(found: Contents, before: Contents, after: Contents, step: Step) -> bool:
    """Say whether a store holds what was there before a step or what is there after it."""
    if step.parts is None or found in (before, after):
        return found in (before, after)
    made = [each for each in after[step.parts] if each not in before[step.parts]]
    some = [each for each in found[step.parts] if each not in before[step.parts]]
    return {**found, step.parts: []} == {**before, step.parts: []} and some == made[: len(some)]


def carry_out(url: str, prefix: str, name: str) -> Iterator[None]:
    """Open the database; then carry out a step, and close it (death.py)."""
    step = STEPS[name]
    plant = Plant.connect(with_option(url, step.options), prefix=prefix)
    yield
    step.write(plant)
    plant.close()


def open_first(url: str, prefix: str) -> Iterator[None]:
    """Open a database that is not there yet, and close it (death.py)."""
    yield
    Plant.connect(url, prefix=prefix).close()


def main(arguments: Iterable[str]) -> None:
    """Carry out a step, or only open the database if none is named."""
    url, prefix, *names = arguments
    work = carry_out(url, prefix, names[0]) if names else open_first(url, prefix)
    for _ in work:
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
