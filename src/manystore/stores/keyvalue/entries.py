"""Which entries, claims and references a record has, by the stored catalog, and whether a change moves any of them.

Works on the watched values of a record, those that some entry is made of, and on the stored schema: never on a
program's classes. An index or unique that is still building is kept up like a ready one; one that is absent is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ...schema.catalog import Catalog
from ...schema.encoding import NONE, Encode, check_entries, descending, encoder
from ...schema.schema import Collection, Index, Reference, Unique
from .layout import GAP, claims_space, column_of, entries_space, records_space, reference_tail, references_space
from .protocol import Put

Raw: TypeAlias = dict[str, Any]  # a record as its JSON says it
Watched: TypeAlias = tuple[Any, ...]  # the values of an upkeep's columns, in their order
Texts: TypeAlias = list[str]  # the name of a record, the gap, and its watched values as ordered text
_FIRST = 2  # the place of the first column's text; the key's name and the gap come before


class _Columns:
    """The watched columns, each with its encoder once a direction: worked out once, joined to names by their places."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.encoders: list[Encode] = []
        self._places: dict[tuple[str, bool], int] = {}

    def place(self, column: str, encode: Encode, *, is_descending: bool = False) -> int:
        """Give the place of a column's text among the texts of a record."""
        wanted = (column, is_descending)
        if wanted not in self._places:
            self._places[wanted] = len(self.names) + _FIRST
            self.names.append(column)
            self.encoders.append(descending(encode) if is_descending else encode)
        return self._places[wanted]


class Claim:
    """One unique of a collection. live: the place of the flag that must be false for the claim to be held."""

    __slots__ = ("_live", "_places", "space", "unique")

    def __init__(self, unique: Unique, places: Sequence[int], live: int | None, space: str) -> None:
        self.unique = unique
        self.space = space
        self._live = live
        self._places = tuple(places)

    def name(self, texts: Sequence[str]) -> str | None:
        """Give the name of a record's claim; None when it has none."""
        if self._live is not None and texts[self._live] == "1":
            return None
        if len(self._places) == 1:
            text = texts[self._places[0]]
            return None if text == NONE else text
        parts = [texts[place] for place in self._places]
        return None if NONE in parts else "".join(parts)


class Pointer:
    """One reference of a collection. place: of its text."""

    __slots__ = ("column", "place", "reference", "space", "tail", "targets")

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
        self.key_encoders = tuple(encoder(collection.field(name).kind) for name in collection.key)
        self._columns = _Columns()
        self.entries = self._make_entries(catalog)
        self.claims = self._claims(catalog)
        self.pointers = [self._pointer(r) for r in collection.references]
        self.columns = tuple(self._columns.names)
        self.texts = self._make_texts(self._columns.encoders)
        self._check = check_entries(collection)

    def _place(self, name: str, *, is_descending: bool = False) -> int:
        field = self.collection.field(name)
        return self._columns.place(field.column, encoder(field.kind), is_descending=is_descending)

    def _make_entries(self, catalog: Catalog) -> Callable[[Texts], list[Put]]:
        """Make entries(texts): those of a record, one an index, in the same order for every record."""
        names, entries = dict[str, Any](), list[str]()
        for number, index in enumerate(_indexes(self.collection, catalog)):
            names[f"s{number}"] = entries_space(self.collection.name, index)
            pairs = zip(index.fields, index.descending, strict=True)
            places = [self._place(name, is_descending=flag) for name, flag in pairs]
            text = "".join(f"{{t[{place}]}}" for place in (*places, 1, 0))
            entries.append(f"(s{number}, f'{text}', b'')")
        return _compiled(f"lambda t: [{', '.join(entries)}]", names)

    @staticmethod
    def _make_texts(encoders: Sequence[Encode]) -> Callable[[Watched, str], Texts]:
        """Make texts(watched, name): the texts of a record; name: of the record."""
        names: dict[str, Any] = {f"e{place}": encode for place, encode in enumerate(encoders)}
        texts = ["name", repr(GAP), *(f"e{place}(w[{place}])" for place in range(len(encoders)))]
        return _compiled(f"lambda w, name: [{', '.join(texts)}]", names)

    def _claims(self, catalog: Catalog) -> list[Claim]:
        made: list[Claim] = []
        for unique in self.collection.uniques:
            if catalog.state(self.collection.name, unique.name) != "absent":
                live = self.collection.live if unique.among == "live" else None
                flag = None if live is None else self._place(live)
                places = [self._place(name) for name in unique.fields]
                made.append(Claim(unique, places, flag, claims_space(self.collection.name, unique)))
        return made

    def _pointer(self, reference: Reference) -> Pointer:
        column = column_of(self.collection, reference.field)
        return Pointer(reference, column, self._place(reference.field), self.collection.name)

    def key_text(self, key: Sequence[Any]) -> str:
        """Write a bound key as the name of its record."""
        if len(self.key_encoders) == 1:
            return self.key_encoders[0](key[0])
        return "".join([encode(part) for encode, part in zip(self.key_encoders, key, strict=True)])

    def watched(self, raw: Raw) -> Watched:
        """Take the values of the watched columns out of a raw record; what is missing there is None."""
        return tuple(map(raw.get, self.columns))

    def check(self, raw: Raw) -> None:
        """Raise ValueRefused when an entry would be longer than any store's may be."""
        if self._check is not None:
            self._check([raw.get(field.column) for field in self.collection.fields])


def _compiled(source: str, names: dict[str, Any]) -> Callable[..., Any]:
    """Compile a generated function, in half the time of a loop; its source holds places only, never a name."""
    made: Callable[..., Any] = eval(compile(source, "<manystore entries>", "eval"), names)
    return made


def _indexes(collection: Collection, catalog: Catalog) -> list[Index]:
    """Give the indexes to keep up: those of the head, and those that programs of the base still read."""
    found = list(collection.indexes)
    if catalog.base is not catalog.head and collection.name in catalog.base:
        names = {field.name for field in collection.fields}
        older = catalog.base.collection(collection.name).indexes
        found += [i for i in older if i not in found and names.issuperset(i.fields)]
    return [i for i in found if catalog.state(collection.name, i.name) != "absent"]
