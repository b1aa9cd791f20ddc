"""Fitting: one collection of the head beside the one that a store keeps, while a window is open, raised or swept.

Knows crossings, plans and codecs; must not know stores, but for the forms that one asks for. window_store.py reads and
writes with what is made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from ..errors import Corrupted
from ..model.types import Kind
from ..store.protocol import Form, Values
from .crossing import Crossing
from .lens import Record
from .record_form import EXTRAS, RecordForm

_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_OURS = ("_revision", "_previous", "_version", "_extras")


class Stored(msgspec.Struct, frozen=True):
    """A record as it is stored: its columns as primitives, its complement, and what stands beside them."""

    revision: int
    version: int
    columns: Record
    complement: Record | None


class Fitting:
    """A collection of the head (head), fitted to the one that is kept (kept). is_raised: records of both shapes.

    forms: of the store. fixed: all its records have the same columns. straight: for a head column whose value stands
    in an older record, the column where it does; derived: the lenses of the others.
    """

    def __init__(self, crossing: Crossing, forms: Mapping[Kind, Form], *, is_raised: bool) -> None:
        self.head = crossing.head
        self.is_raised = is_raised
        self._pin = crossing.pin
        self._physical = crossing.physical
        self.fixed = crossing.fixed
        kept = crossing.above if is_raised else crossing.between
        # Where each record has its own columns, what is raised is written as programs of the head declare it.
        self.is_plain = is_raised and not crossing.fixed
        self.kept = kept if self.is_plain else msgspec.structs.replace(kept, fields=(*kept.fields, EXTRAS))
        self.names: dict[str, str] = {f.name: f.name for f in self.head.fields} if is_raised else crossing.names
        self.sure: dict[str, str] = crossing.names
        self.straight = crossing.columns
        self.older_columns = crossing.between.columns
        self.absent = crossing.absent
        self.derived = tuple(lens for lens in crossing.pin.lenses if not set(lens.head) <= set(crossing.columns))
        self.head_form = RecordForm(self.head, forms)
        self.kept_form = RecordForm(self.kept, forms)
        stays = {f.name for f in self.head.fields if crossing.columns.get(f.column) == f.column}
        whole = {name for name in crossing.names if self.head.field(name).column not in crossing.absent}
        self._same = whole if self.fixed or not is_raised else whole & stays

    @cached_property
    def is_needed(self) -> bool:
        """Tell whether programs of the head cannot do without: the shapes differ, or records are to be lifted."""
        is_other = self.head.version != self.kept.version or self.head.fields != self.kept.fields[:-1]
        return self.is_raised or bool(self._pin.lenses) or is_other

    @cached_property
    def words(self) -> dict[str, str]:
        """Give for the name of a kept field that of the head's field."""
        return {kept: head for head, kept in self.names.items()}

    def keeps(self, name: str) -> bool:
        """Tell whether a field of the head is one of each kept record, with the same value, whatever its shape."""
        return name in self._same

    # -- reading --

    def is_older(self, version: int) -> bool:
        """Tell whether a record of this version has the older shape."""
        return not self.is_raised or version != self.head.version

    def lifted(self, stored: Stored) -> Record:
        """Give the head columns of a stored record."""
        if self.is_older(stored.version):
            return self._pin.load(stored.columns, stored.complement)
        if not self.fixed:
            return stored.columns
        return {column: stored.columns[there] for column, there in self._physical.items()}

    def of_row(self, row: Sequence[Any]) -> Stored:
        """Read a row of the kept collection: its fields, revision, version."""
        columns = self.kept_form.record(row[:-2])
        complement = columns.pop(EXTRAS.column, None)
        return Stored(row[-2], row[-1], columns, complement)

    def of_json(self, data: bytes) -> Stored:
        """Read a stored JSON record."""
        try:
            raw = _DECODE(data)
        except msgspec.MsgspecError as reason:
            raise Corrupted(f"{self.head.model}: a stored record cannot be read: {reason}") from None
        revision, version, complement = int(raw["_revision"], 16), raw["_version"], raw.get("_extras")
        for name in _OURS:
            raw.pop(name, None)
        return Stored(revision, version, raw, complement)

    def made(self, codec: Any, record: Record, revision: int) -> Any:
        """Make a program's object of head columns."""
        return codec.load((*self.head_form.values(record), revision, self.head.version))

    # -- writing --

    def put(self, record: Record, stored: Stored | None) -> Values:
        """Give the values of the kept collection for head columns; raise Pinned. stored: what is there now."""
        if self.is_raised:
            there = {self._physical[column]: value for column, value in record.items()} if self.fixed else record
            return self.kept_form.values(there)
        columns, complement = self._pin.put(
            record, None if stored is None else stored.columns, None if stored is None else stored.complement
        )
        # What the pin leaves as it is may be a column that the record lacks, and from now on has.
        return self.kept_form.values({**self.absent, **columns, EXTRAS.column: complement or None})


class StoredCodec:
    """A codec of stored records as they are. Operands are bound already."""

    def __init__(self, fitting: Fitting) -> None:
        self.load = fitting.of_row
        self.decode = fitting.of_json
        self.dumps: tuple[None, ...] = (None,) * len(fitting.kept.fields)
