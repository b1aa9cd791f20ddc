"""The fence: when another epoch is in force, nothing that was written under an older one lands any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from manystore import EpochChanged, col
from manystore.query.plan import Claimed, Lookup, Nothing, Plan, Range
from manystore.schema.operation import ReplaceCatalog
from manystore.store.protocol import Change, Delete, Step
from manystore.testing.crew import Crew
from manystore.testing.provision import Place

from . import fence
from .conftest import SIZE
from .fence import CATALOG, Ledger, Mark, Pen


def labelled(ledger: Ledger, epoch: str) -> int:
    return ledger.mark.count(col(Mark.epoch) == epoch, scan=True)


@pytest.mark.parametrize("moves", [32, pytest.param(300, marks=pytest.mark.soak)])
def test_no_write_of_an_old_epoch_lands(place: Place, crew: Crew, moves: int) -> None:
    ledger = place.connect(Ledger, on_call=None)
    ledger.pen.create_all([Pen(id=number) for number in range(SIZE)])
    store = fence.raw_store(place.url, place.prefix)
    seen: dict[str, int] = {}
    shift = crew.begin(fence.write, place.url, place.prefix)
    assert shift.until(lambda steps: min(steps) > 3)
    for _ in range(moves):
        catalog = store.read(CATALOG, (), epoch="").rows[0]
        store.alter(ReplaceCatalog(catalog.epoch, catalog.changed()))
        # What is there now of the old epoch is all that there will ever be.
        seen[catalog.epoch] = labelled(ledger, catalog.epoch)
        pens = {pen.id: pen.count for pen in ledger.pen.find(scan=True)}
        before = shift.steps
        assert shift.until(lambda steps, old=before: all(now > then + 2 for now, then in zip(steps, old, strict=True)))
        for pen in ledger.pen.find(scan=True):
            assert pen.epoch != catalog.epoch or pen.count == pens[pen.id]
    logs = shift.end()
    store.close()
    assert [log.leaks for log in logs] == [0] * SIZE
    assert all(log.refused > moves // 4 for log in logs)
    assert {epoch: labelled(ledger, epoch) - count for epoch, count in seen.items()} == dict.fromkeys(seen, 0)
    # Nor was anything lost that was acknowledged.
    assert {epoch: sum(log.marks[epoch] for log in logs) for epoch in seen} == seen
    assert [pen.count for pen in ledger.pen.find(scan=True)] == [log.strokes for log in logs]


@pytest.fixture
def ledger(place: Place) -> Ledger:
    made = place.connect(Ledger, on_call=None)
    made.mark.create_all([Mark(id=number, epoch="e") for number in range(3)])
    made.pen.create(Pen(id=1))
    return made


def test_an_old_handle_writes_nothing(ledger: Ledger, place: Place) -> None:
    marks, pens = ledger._engine.mapper(Mark), ledger._engine.mapper(Pen)
    pen: Any = ledger.pen.get(1)
    store = fence.raw_store(place.url, place.prefix)
    old = fence.epoch_in_force(store)
    steps: list[Callable[[], list[Change]]] = [
        lambda: [marks.insert(Mark(id=7, epoch=old))],
        lambda: [marks.insert(Mark(id=8, epoch=old)), marks.insert(Mark(id=9, epoch=old))],
        lambda: [pens.patch((1,), {"epoch": old})],
        lambda: [pens.patch((1,), {}, steps=(Step("count", 1),))],
        lambda: [pens.replace(Pen(id=1, epoch=old), pen._revision, ())],
        lambda: [Delete(marks.collection, (1,))],
        lambda: [pens.patch((1,), {"epoch": old}), marks.insert(Mark(id=7, epoch=old)), Delete(marks.collection, (1,))],
        # What the data would refuse as well: the epoch comes first.
        lambda: [marks.insert(Mark(id=1, epoch=old))],
        lambda: [pens.replace(Pen(id=1, epoch=old), pen._revision + 1, ())],
        lambda: [Delete(marks.collection, (77,))],
    ]
    for warm in (True, False):  # a handle that has written under the epoch before, and one that has not
        if not warm:
            store.close()
            store = fence.raw_store(place.url, place.prefix)
        else:
            store.write([marks.insert(Mark(id=50, epoch="e"))], epoch=old)
        place.move_epoch()
        for step in steps:
            with pytest.raises(EpochChanged):
                store.write(step(), epoch=old)
    store.close()
    assert [mark.id for mark in ledger.mark.find(scan=True)] == [0, 1, 2, 50]
    assert {mark.epoch for mark in ledger.mark.find(scan=True)} == {"e"}
    assert ledger.pen.get(1) == pen


def test_an_old_handle_reads_nothing(ledger: Ledger, place: Place) -> None:
    ledger.mark.find(col(Mark.epoch) == "e")
    ledger.mark.find(col(Mark.id) > 0)
    ledger.mark.count(col(Mark.epoch) == "e")
    ledger.mark.get(1)
    plans: list[Plan] = list(ledger._engine.mapper(Mark).plans.values())
    assert {type(plan.access) for plan in plans} == {Range, Lookup}
    store = fence.raw_store(place.url, place.prefix)
    old = fence.epoch_in_force(store)
    values: dict[Any, tuple[Any, ...]] = {id(plan): _operands(plan) for plan in plans}
    for plan in plans:
        assert store.read(plan, values[id(plan)], epoch=old).rows
    place.move_epoch()
    for plan in plans:
        with pytest.raises(EpochChanged):
            store.read(plan, values[id(plan)], epoch=old)
    new = fence.epoch_in_force(store)
    for plan in plans:
        assert store.read(plan, values[id(plan)], epoch=new).rows
    store.close()


def _operands(plan: Plan) -> tuple[Any, ...]:
    assert not isinstance(plan.access, Claimed | Nothing)
    is_by_epoch = isinstance(plan.access, Range) and plan.access.index is not None
    return ("e",) if is_by_epoch else (1,)
