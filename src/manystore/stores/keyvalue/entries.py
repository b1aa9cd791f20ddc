"""Which entries, claims and references a record has, by the stored catalog, and whether a change moves any of them.

Works on raw records, the dicts of their JSON, and on the stored schema: never on a program's classes. An index or
unique that is still building is kept up like a ready one; one that is absent is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from ...errors import SchemaMismatch
from ...schema.catalog import Catalog
from ...schema.encoding import NONE, Encode, check_entries, descending, encoder
from ...schema.schema import Collection, Index, Reference, Unique
from .layout import GAP, claims_space, column_of, entries_space, records_space, reference_tail, references_space

Raw: TypeAlias = dict[str, Any]
Pick: TypeAlias = Callable[[Sequence[str]], tuple[str, ...]]


class Texts:
    """The ordered texts of a record's indexed columns: each worked out once, then joined to names by their places."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.encoders: list[Encode] = []
        self._places: dict[tuple[str, bool], int] = {}

    def place(self, column: str, encode: Encode, *, is_descending: bool = False) -> int:
        """Give the place of a column's text; places 0 and 1 are the key and the gap."""
        wanted = (column, is_descending)
        if wanted not in self._places:
            self._places[wanted] = len(self.columns) + 2
            self.columns.append(column)
            self.encoders.append(descending(encode) if is_descending else encode)
        return self._places[wanted]


class Claim:
    """One unique of a collection. place: where its name stands among the names of a record."""

    def __init__(self, unique: Unique, places: Sequence[int], live: str | None, space: str) -> None:
        self.unique = unique
        self.space = space
        self.live = live  # the column that must be false for the claim to be held
        self._places = tuple(places)

    def name(self, texts: Sequence[str], raw: Raw) -> str | None:
        """Give the name of a record's claim; None when it has none."""
        if self.live is not None and raw.get(self.live):
            return None
        parts = [texts[place] for place in self._places]
        return None if NONE in parts else "".join(parts)


class Pointer:
    """One reference of a collection."""

    def __init__(self, reference: Reference, column: str, place: int, collection: str) -> None:
        self.reference = reference
        self.column = column
        self.place = place
        self.space = references_space(reference.target)
        self.targets = records_space(reference.target)
        self.tail = reference_tail(collection, column)


class Upkeep:
    """What keeps one collection's entries right. Made once for each epoch."""

    def __init__(self, collection: Collection, catalog: Catalog) -> None:
        self.collection = collection
        self.model = collection.model
        self.space = records_space(collection.name)
        self.columns = tuple(f.column for f in collection.fields)
        self.key_columns = tuple(column_of(collection, name) for name in collection.key)
        self._key = [encoder(collection.field(name).kind) for name in collection.key]
        self._texts = Texts()
        self.entries = self._entries(catalog)
        self.claims = self._claims(catalog)
        self.pointers = [self._pointer(r) for r in collection.references]
        self._check = check_entries(collection)
        live = {claim.live for claim in self.claims if claim.live is not None}
        self._watched = (*self._texts.columns, *live)
        self._encoders = list(zip(self._texts.encoders, self._texts.columns, strict=True))
        self.is_plain = not (self.claims or self.pointers)

    def _place(self, name: str, *, is_descending: bool = False) -> int:
        field = self.collection.field(name)
        return self._texts.place(field.column, encoder(field.kind), is_descending=is_descending)

    def _entries(self, catalog: Catalog) -> list[tuple[str, Pick]]:
        made: list[tuple[str, Pick]] = []
        for index in _indexes(self.collection, catalog):
            pairs = zip(index.fields, index.descending, strict=True)
            places = [self._place(name, is_descending=flag) for name, flag in pairs]
            made.append((entries_space(self.collection.name, index), itemgetter(*places, 1, 0)))
        return made

    def _claims(self, catalog: Catalog) -> list[Claim]:
        made: list[Claim] = []
        for unique in self.collection.uniques:
            if catalog.state(self.collection.name, unique.name) != "absent":
                live = self.collection.live if unique.among == "live" else None
                column = None if live is None else column_of(self.collection, live)
                places = [self._place(name) for name in unique.fields]
                made.append(Claim(unique, places, column, claims_space(self.collection.name, unique)))
        return made

    def _pointer(self, reference: Reference) -> Pointer:
        column = column_of(self.collection, reference.field)
        return Pointer(reference, column, self._place(reference.field), self.collection.name)

    def key_text(self, key: Sequence[Any]) -> str:
        """Write a bound key as the name of its record."""
        if len(self._key) == 1:
            return self._key[0](key[0])
        return "".join([encode(part) for encode, part in zip(self._key, key, strict=True)])

    def raw_key(self, raw: Raw) -> tuple[Any, ...]:
        """Take the key out of a raw record."""
        return tuple([raw[column] for column in self.key_columns])

    def texts(self, raw: Raw, name: str) -> list[str]:
        """Work out the texts of a record; name: of the record."""
        get = raw.get
        return [name, GAP, *[encode(get(column)) for encode, column in self._encoders]]

    def is_unmoved(self, old: Raw, new: Raw) -> bool:
        """Tell whether no entry, claim or reference differs between two raw forms of a record."""
        watched = self._watched
        return [*map(old.get, watched)] == [*map(new.get, watched)]

    def check(self, raw: Raw) -> None:
        """Raise ValueRefused when an entry would be longer than any store's may be."""
        if self._check is not None:
            self._check([*map(raw.get, self.columns)])


class Keeper:
    """The upkeep of every collection under one epoch."""

    def __init__(self, catalog: Catalog) -> None:
        self.epoch = catalog.epoch
        self.catalog = catalog
        self.schema = catalog.head
        self._made: dict[str, Upkeep] = {}

    def of(self, collection: str) -> Upkeep:
        """Give the upkeep of a collection."""
        made = self._made.get(collection)
        if made is None:
            if collection not in self.schema:
                raise SchemaMismatch((f"{collection} is missing there",))
            made = self._made[collection] = Upkeep(self.schema.collection(collection), self.catalog)
        return made


def _indexes(collection: Collection, catalog: Catalog) -> list[Index]:
    """Give the indexes to keep up: those of the head, and those that programs of the base still read."""
    found = list(collection.indexes)
    if catalog.base is not catalog.head and collection.name in catalog.base:
        names = {field.name for field in collection.fields}
        older = catalog.base.collection(collection.name).indexes
        found += [i for i in older if i not in found and names.issuperset(i.fields)]
    return [i for i in found if catalog.state(collection.name, i.name) != "absent"]
