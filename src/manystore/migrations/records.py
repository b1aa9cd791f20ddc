"""Records: what a store holds, as primitives by the names of fields, and such records put into it.

Knows plans, changes and record forms; must not know windows. It reads and writes what the catalog keeps, in any phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import Corrupted, Duplicate, NotFound
from ..query.plan import Plan
from ..query.planner import Query, plan
from ..schema.catalog import Catalog
from ..schema.schema import Collection
from ..schema.system import COUNTERS
from ..store.protocol import Delete, Insert, Patch, Step, Store, Values
from ..store.revision import new_revision
from .lens import Record
from .record_form import EXTRAS, RecordForm

_PAGE = 500
_OPERATIONS, _BYTES = 900, 700_000  # of one step; a little less than what every store takes


class Records:
    """The records of one store under one catalog."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    def read(self, name: str) -> Iterator[Record]:
        """Give all records of a kept collection in the order of their keys, the complement among them."""
        kept = self._catalog.kept.collection(name)
        with_extras = msgspec.structs.replace(kept, fields=(*kept.fields, EXTRAS))
        codec = _Codec(with_extras, self._store, self._catalog.absent.get(name, {}))
        names = [(field.name, field.column) for field in with_extras.fields]
        for page in self._pages(with_extras, codec):
            for columns in page:
                yield {field: columns.get(column) for field, column in names}

    def _pages(self, collection: Collection, codec: _Codec) -> Iterator[list[Record]]:
        made = plan(Query(collection, scan=True, limited=True), self._catalog)
        made.codec, made.matches = codec, lambda _, __: True
        after: Values | None = None
        while True:
            page = self._page(made, after)
            yield page
            if len(page) < _PAGE:
                return
            after = codec.key(page[-1])

    def _page(self, made: Plan, after: Values | None) -> list[Record]:
        return self._store.read(made, (), epoch=self._catalog.epoch, limit=_PAGE, after=after).rows

    def count(self, name: str) -> int:
        """Count the records of a kept collection."""
        kept = self._catalog.kept.collection(name)
        made = plan(Query(kept, output="count", scan=True), self._catalog)
        made.codec, made.matches = _Codec(kept, self._store, {}), lambda _, __: True
        found: int = self._store.read(made, (), epoch=self._catalog.epoch).rows[0]
        return found

    def put(self, collection: Collection, records: Iterable[Record]) -> Iterator[int]:
        """Insert records by the names of fields, step by step; give how many each step held."""
        form = RecordForm(collection, self._store.forms)
        cost = 2 + len(collection.indexes) + len(collection.uniques) + 2 * len(collection.references)
        step, size = list[Insert](), 0
        for record in records:
            columns = {field.column: record.get(field.name) for field in collection.fields}
            weight = len(msgspec.json.encode(columns))
            if step and (len(step) * cost + cost > _OPERATIONS or size + weight > _BYTES):
                yield self._written(step)
                step, size = [], 0
            step.append(Insert(collection, form.values(columns), new_revision(), weight))
            size += weight
        if step:
            yield self._written(step)

    def _written(self, step: Sequence[Insert]) -> int:
        self._store.write(step, epoch=self._catalog.epoch)
        return len(step)

    def clear(self, name: str) -> None:
        """Delete all records of a kept collection."""
        kept = self._catalog.kept.collection(name)
        codec = _Codec(kept, self._store, {})
        made = plan(Query(kept, scan=True, limited=True), self._catalog)
        made.codec, made.matches = codec, lambda _, __: True
        while page := self._page(made, None):
            for begin in range(0, len(page), 50):
                keys = [codec.key(columns) for columns in page[begin : begin + 50]]
                self._store.write([Delete(kept, key) for key in keys], epoch=self._catalog.epoch)

    def reserve(self, name: str, number: int = 1) -> int:
        """Reserve generated keys of a collection; give the first of them."""
        step = Step("next", number)
        while True:
            patch = Patch(COUNTERS, (name,), new_revision(), steps=(step,), codec=_Counter())
            try:
                after: int = self._store.write([patch], epoch=self._catalog.epoch).records[0]
                return after - number
            except NotFound:
                self._start(name)

    def pass_over(self, name: str, key: int) -> None:
        """See to it that no key reserved later is this one or below it."""
        if (first := self.reserve(name)) <= key:
            self.reserve(name, key - first)

    def _start(self, name: str) -> None:
        try:
            self._store.write([Insert(COUNTERS, (name, 1), new_revision())], epoch=self._catalog.epoch)
        except Duplicate:
            return  # another one did


class _Codec:
    """Reads records as primitives by column (store/protocol.py Codec). Operands are bound already."""

    def __init__(self, collection: Collection, store: Store, absent: Mapping[str, Any]) -> None:
        self._form = RecordForm(collection, store.forms)
        self._absent = absent
        self._places = collection.key_positions
        self._model = collection.model
        self.dumps: tuple[None, ...] = (None,) * len(collection.fields)

    def load(self, row: Sequence[Any]) -> Record:
        return self._form.record(row[:-2])

    def decode(self, data: bytes) -> Record:
        try:
            return {**self._absent, **msgspec.json.decode(data)}
        except msgspec.MsgspecError as reason:
            raise Corrupted(f"{self._model}: a stored record cannot be read: {reason}") from None

    def key(self, columns: Record) -> Values:
        """Give the bound key of a record."""
        values = self._form.values(columns)
        return tuple([values[place] for place in self._places])


class _Counter:
    """Reads how far a counter is."""

    dumps = (None, None)

    def load(self, row: Sequence[Any]) -> int:
        return int(row[1])

    def decode(self, data: bytes) -> int:
        return int(msgspec.json.decode(data)["next"])
