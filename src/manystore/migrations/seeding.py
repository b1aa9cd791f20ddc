"""Seeding: the records that a window's Seed operations put into a store, each once, while the window is open.

Knows rewriting (what the records are in the head), the window store and the system's idempotency keys; must not know
when it is due. While they are not all there, the catalog says so: `<collection>.records.seed` is building.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from ..errors import Duplicate, MissingReference
from ..model.types import dump_datetime
from ..schema.catalog import Catalog, IndexState, state_key
from ..schema.schema import Collection
from ..schema.system import COMMITTED
from ..store.protocol import Insert, Store, Wait
from ..store.revision import new_revision
from .lens import Record
from .operation import refuse
from .passage import Passage
from .record_form import RecordForm
from .records import Records
from .rewriting import Rewriting
from .window_store import WindowStore

_PART = "records.seed"


class Seeding:
    """The seeds of one passage on one store."""

    def __init__(self, store: Store, passage: Passage, wait: Wait) -> None:
        self._store = store
        self._passage = passage
        self._wait = wait
        self._seeds = Rewriting(passage.window).seeds()

    @property
    def states(self) -> dict[str, IndexState]:
        """Give what the catalog says until all are there."""
        return {state_key(name, _PART): "building" for name, _ in self._seeds}

    def put(self, opened: Catalog) -> None:
        """Put them, as a program of the head does; those whose key is taken are left as they are.

        Of one that refers to another, in whatever order they come, the other is put first.
        """
        # All verbs of a Store, but it is not opened by a URL.
        store = cast("Store", WindowStore(self._store, self._passage, opened, self._wait))
        left = list(enumerate(self._seeds))
        while left:
            before, missing = len(left), ""
            again: list[tuple[int, tuple[str, Record]]] = []
            for place, (name, record) in left:
                try:
                    self._put(store, opened, place, (self._passage.head.collection(name), record))
                except MissingReference as reason:
                    again.append((place, (name, record)))
                    missing = str(reason)
            if len(again) == before:
                refuse(f"a record to be put there has no record to refer to: {missing}")
            left = again

    def _put(self, store: Store, opened: Catalog, place: int, seed: tuple[Collection, Record]) -> None:
        collection, record = seed
        # An idempotency key of this opening: a run that goes on from one that was cut off puts nothing twice.
        mark = f"seed {opened.epoch} {place}"
        columns = {field.column: record.get(field.name) for field in collection.fields}
        if collection.generated:
            self._count(opened, collection, columns)
        values = RecordForm(collection, self._store.forms).values(columns)
        at = RecordForm(COMMITTED, self._store.forms).values(
            {"key": mark, "at": dump_datetime(datetime.now(UTC))}
        )  # fmt: skip
        changes = [Insert(collection, values, new_revision()), Insert(COMMITTED, at, new_revision())]
        try:
            store.write(changes, epoch=opened.epoch)
        except Duplicate:
            return  # its key is taken, or it was put by the run before

    def _count(self, opened: Catalog, collection: Collection, columns: Record) -> None:
        """Give a record the next key, or see to it that nobody gets the one that it has."""
        records, column = Records(self._store, opened), collection.field(collection.key[0]).column
        if columns[column] is None:
            columns[column] = records.reserve(collection.name)
        else:
            records.pass_over(collection.name, columns[column])
