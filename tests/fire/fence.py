"""Writers that hold a raw store and the epoch that they saw last, and the models that they write."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from manystore import Database, EpochChanged, Repository, field, model
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.store.protocol import Change, Patch, Step, Store
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing.crew import Seat

# Seconds between two writes: a lock of a file is not fair, and who never lets go of it keeps others out for long.
BREATH = 0.003
STUBBORN = 3  # more writes under an epoch that is known to be over


@model
class Mark:
    """Says under which epoch it was written."""

    id: int = field(key=True)
    epoch: str = field(index=True, max_length=16)


@model
class Pen:
    """One writer's own: written again and again."""

    id: int = field(key=True)
    epoch: str = field(default="", max_length=16)
    count: int = 0


class Ledger(Database):
    mark: Repository[Mark, int]
    pen: Repository[Pen, int]


class Log(NamedTuple):
    """What one writer was told. marks: how many it made under each epoch; strokes: writes of its pen."""

    marks: Counter[str]
    strokes: int
    refused: int
    leaks: int


def raw_store(url: str, prefix: str) -> Store:
    """Open a store that nobody follows the catalog for."""
    return open_store(parse_url(url, prefix), wait=time.sleep)


def epoch_in_force(store: Store) -> str:
    """Give the epoch of the stored catalog."""
    catalog: Catalog = store.read(CATALOG, (), epoch="").rows[0]
    return catalog.epoch


class Writer:
    """Makes the changes of one seat, each seat its own kind: an insert, several in a step, a patch, a replacement."""

    def __init__(self, db: Ledger, seat: Seat) -> None:
        engine = db._engine
        self._marks, self._pens = engine.mapper(Mark), engine.mapper(Pen)
        self._seat = seat
        self._number = 0
        self._pen = db.pen.get(seat.number)
        self._revision: int = self._pen._revision  # type: ignore[attr-defined]
        self.count = 0

    def changes(self, epoch: str) -> tuple[Sequence[Change], int]:
        """Give the next step and how many marks it makes."""
        kind = self._seat.number % 4
        if kind == 0:
            return [self._mark(epoch)], 1
        if kind == 1:
            return [self._stroke(epoch), self._mark(epoch), self._mark(epoch)], 2
        if kind == 2:
            return [self._stroke(epoch)], 0
        pen = Pen(id=self._seat.number, epoch=epoch, count=self.count + 1)
        replace = self._pens.replace(pen, self._revision, ())
        self._next = replace.revision
        return [replace], 0

    def written(self) -> None:
        """Note that the step was carried out."""
        if self._seat.number % 4:
            self.count += 1
        if self._seat.number % 4 == 3:
            self._revision = self._next

    def _mark(self, epoch: str) -> Change:
        self._number += 1
        return self._marks.insert(Mark(id=self._number * self._seat.size + self._seat.number, epoch=epoch))

    def _stroke(self, epoch: str) -> Change:
        made = self._pens.patch((self._seat.number,), {"epoch": epoch}, steps=(Step("count", 1),))
        assert isinstance(made, Patch)
        return made


def write(seat: Seat, url: str, prefix: str) -> Log:
    """Write on and on under the epoch last seen, and on under one that is over, until told to stop."""
    log = Counter[str]()
    refused = leaks = 0
    store = raw_store(url, prefix)
    with Ledger.connect(url, prefix=prefix) as db:
        writer = Writer(db, seat)
        epoch = epoch_in_force(store)
        seat.meet()
        while not seat.is_over:
            changes, marks = writer.changes(epoch)
            try:
                store.write(changes, epoch=epoch)
            except EpochChanged:
                refused += 1
                for _ in range(STUBBORN):
                    leaks += _lands(store, writer.changes(epoch)[0], epoch)
                epoch = epoch_in_force(store)
                continue
            writer.written()
            log[epoch] += marks
            seat.step()
            time.sleep(BREATH)
    store.close()
    return Log(log, writer.count, refused, leaks)


def _lands(store: Store, changes: Sequence[Change], epoch: str) -> bool:
    try:
        store.write(changes, epoch=epoch)
    except EpochChanged:
        return False
    return True
