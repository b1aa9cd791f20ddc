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
from .protocol import Key, Put

Raw: TypeAlias = dict[str, Any]  # a record as its JSON says it
Watched: TypeAlias = tuple[Any, ...]  # the values of an upkeep's columns, in their order
Texts: TypeAlias = list[str]  # the name of a record, the gap, and its watched values as ordered text
Moves: TypeAlias = tuple[list[Key], list[Put]]  # the entries that go, and those that come in their places
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

    @property
    def places(self) -> Sequence[int]:
        """Give the places of all the texts that it is made of."""
        return self._places if self._live is None else (self._live, *self._places)

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
        parts = self._parts(catalog)
        self.entries = self._make_entries(parts)
        self.claims = self._claims(catalog)
        self.pointers = [self._pointer(r) for r in collection.references]
        self.columns = tuple(self._columns.names)
        self.texts = self._make_texts(self._columns.encoders)
        self.moves = self._make_moves(parts)
        self._check = check_entries(collection)

    def _place(self, name: str, *, is_descending: bool = False) -> int:
        field = self.collection.field(name)
        return self._columns.place(field.column, encoder(field.kind), is_descending=is_descending)

    def _parts(self, catalog: Catalog) -> list[tuple[str, list[int]]]:
        """List the indexes to keep up: the space of each, and the places of its texts."""
        parts: list[tuple[str, list[int]]] = []
        for index in _indexes(self.collection, catalog):
            pairs = zip(index.fields, index.descending, strict=True)
            places = [self._place(name, is_descending=flag) for name, flag in pairs]
            parts.append((entries_space(self.collection.name, index), places))
        return parts

    @staticmethod
    def _make_entries(parts: Sequence[tuple[str, Sequence[int]]]) -> Callable[[Texts], list[Put]]:
        """Make entries(texts): those of a record, one an index, in the same order for every record."""
        names, entries = dict[str, Any](), list[str]()
        for number, (space, places) in enumerate(parts):
            names[f"s{number}"] = space
            text = "".join(f"{{t[{place}]}}" for place in (*places, 1, 0))
            entries.append(f"(s{number}, f'{text}', b'')")
        return _compiled(f"def made(t): return [{', '.join(entries)}]", names)

    @staticmethod
    def _make_texts(encoders: Sequence[Encode]) -> Callable[[Watched, str], Texts]:
        """Make texts(watched, name): the texts of a record; name: of the record."""
        names: dict[str, Any] = {f"e{place}": encode for place, encode in enumerate(encoders)}
        texts = ["name", repr(GAP), *(f"e{place}(w[{place}])" for place in range(len(encoders)))]
        return _compiled(f"def made(w, name): return [{', '.join(texts)}]", names)

    def _make_moves(
        self, parts: Sequence[tuple[str, Sequence[int]]]
    ) -> Callable[[Watched, Watched, str], Moves | None]:
        """Make moves(was, will, name): of the entries, when neither a claim nor a reference moves; else it gives None.

        Only values that changed, and those beside them in an index, are written as text.
        """
        names: dict[str, Any] = {f"e{place}": encode for place, encode in enumerate(self._columns.encoders)}
        body = ["def made(was, will, name):", " gone, come = [], []"]
        held = {place for claim in self.claims for place in claim.places} | {p.place for p in self.pointers}
        for place in sorted(at - _FIRST for at in held):
            old, new = f"was[{place}]", f"will[{place}]"
            body.append(f" if {old} != {new} and e{place}({old}) != e{place}({new}): return None")
        for number, (space, places) in enumerate(parts):
            names[f"s{number}"], at = space, [place - _FIRST for place in places]
            old, new = ("".join(f"{{e{p}({side}[{p}])}}" for p in at) + GAP + "{name}" for side in ("was", "will"))
            body.append(f" if {' or '.join(f'was[{p}] != will[{p}]' for p in at)}:")
            body.append(f"  old, new = f'{old}', f'{new}'")
            body.append(f"  if old != new: gone.append((s{number}, old)); come.append((s{number}, new, b''))")
        return _compiled("\n".join([*body, " return gone, come"]), names)

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
    exec(compile(source, "<manystore entries>", "exec"), names)
    made: Callable[..., Any] = names["made"]
    return made


def _indexes(collection: Collection, catalog: Catalog) -> list[Index]:
    """Give the indexes to keep up: those of the head, and those that programs of the base still read."""
    found = list(collection.indexes)
    if catalog.base is not catalog.head and collection.name in catalog.base:
        names = {field.name for field in collection.fields}
        older = catalog.base.collection(collection.name).indexes
        found += [i for i in older if i not in found and names.issuperset(i.fields)]
    return [i for i in found if catalog.state(collection.name, i.name) != "absent"]
