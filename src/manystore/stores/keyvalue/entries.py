"""Which entries, claims and references a record has, by the stored catalog, and whether a change moves any of them.

Works on the watched values of a record, those that some entry is made of, and on the stored schema: never on a
program's classes. What is still building is kept up like what is ready; what is absent is not.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, TypeAlias

from ...generated import function
from ...schema.catalog import Catalog, IndexState
from ...schema.encoding import NONE, Encode, check_entries, descending, encoder
from ...schema.schema import Collection, Reference, Schema, Unique
from .layout import GAP, claims_space, column_of, entries_space, records_space, reference_tail, references_space
from .protocol import Key, Put

Raw: TypeAlias = dict[str, Any]  # a record as its JSON says it
Watched: TypeAlias = tuple[Any, ...]  # the values of an upkeep's columns, in their order
Texts: TypeAlias = list[str]  # the name of a record, the gap, and its watched values as ordered text
Moves: TypeAlias = tuple[list[Key], list[Put]]  # the entries that go, and those that come in their places
KEPT_UP: frozenset[IndexState] = frozenset(("building", "ready"))
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
    """One unique of a collection. live: the place of the flag that must be false for the claim to be held.

    is_building: a record that was there before may not hold it yet, nor anybody else for it.
    """

    __slots__ = ("_live", "_places", "is_building", "space", "unique")

    def __init__(
        self, unique: Unique, places: Sequence[int], live: int | None, space: str, *, is_building: bool
    ) -> None:
        self.unique = unique
        self.space = space
        self.is_building = is_building
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
    """One reference of a collection. place: of its text.

    is_building: a record that was there before may have no entry of it yet.
    """

    __slots__ = ("column", "is_building", "place", "reference", "space", "tail", "targets")

    def __init__(
        self, reference: Reference, column: str, place: int, stored: tuple[str, str], *, is_building: bool
    ) -> None:
        collection, target = stored
        self.is_building = is_building
        self.reference = reference
        self.column = column
        self.place = place
        self.space = references_space(target)
        self.targets = records_space(target)
        self.tail = reference_tail(collection, column)


class Upkeep:
    """What keeps one collection's entries right. Made once for each epoch.

    schema: the collection's, which says where targets are. states: of the parts that count.
    """

    def __init__(
        self, collection: Collection, catalog: Catalog, schema: Schema, states: Container[IndexState] = KEPT_UP
    ) -> None:
        self.collection = collection
        self.model = collection.model
        self.version = collection.version
        self.space = records_space(collection.stored)
        self.absent: Raw = catalog.absent.get(collection.name, {})
        self._catalog = catalog
        self._states = states
        self.key_encoders = tuple(encoder(collection.field(name).kind) for name in collection.key)
        self._columns = _Columns()
        parts = self._parts()
        self.spaces = tuple(space for space, _ in parts)
        self.entries: Callable[[Texts], list[Put]] = self._make_entries(parts, ", b''")
        self._names: Callable[[Texts], list[Key]] = self._make_entries(parts, "")
        self.claims = self._claims()
        self.pointers = [
            self._pointer(reference, schema.collection(reference.target).stored)
            for reference in collection.references
            if self._counts(f"{reference.field}.reference")
        ]
        self.columns = tuple(self._columns.names)
        self._defaults = tuple(map(self.absent.get, self.columns))
        self._has_defaults = any(default is not None for default in self._defaults)
        self.texts = self._make_texts(self._columns.encoders)
        self.moves = self._make_moves(parts)
        self._check = check_entries(collection)

    def _place(self, name: str, *, is_descending: bool = False) -> int:
        field = self.collection.field(name)
        return self._columns.place(field.column, encoder(field.kind), is_descending=is_descending)

    def _state(self, part: str, generation: int = 1) -> IndexState:
        return self._catalog.state(self.collection.name, part, generation)

    def _counts(self, part: str, generation: int = 1) -> bool:
        return self._state(part, generation) in self._states

    def _parts(self) -> list[tuple[str, list[int]]]:
        """List the indexes to keep up: the space of each, and the places of its texts."""
        parts: list[tuple[str, list[int]]] = []
        for index in self.collection.indexes:
            if not self._counts(index.name, index.generation):
                continue
            pairs = zip(index.fields, index.descending, strict=True)
            places = [self._place(name, is_descending=flag) for name, flag in pairs]
            parts.append((entries_space(self.collection.stored, index), places))
        return parts

    @staticmethod
    def _make_entries(parts: Sequence[tuple[str, Sequence[int]]], value: str) -> Callable[[Texts], Any]:
        """Make entries(texts): those of a record, one an index, in the same order for every record."""
        names, entries = dict[str, Any](), list[str]()
        for number, (space, places) in enumerate(parts):
            names[f"s{number}"] = space
            text = "".join(f"{{t[{place}]}}" for place in (*places, 1, 0))
            entries.append(f"(s{number}, f'{text}'{value})")
        return function("entries", f"def made(t): return [{', '.join(entries)}]", names)

    def by_columns(self) -> list[tuple[str, Callable[[Sequence[str], Sequence[Sequence[Any]]], list[str]]]]:
        """Give of each index its space, and what makes the names of its entries for many records at once.

        It takes the names of the records, and for each watched column a value a record.
        """
        names: dict[str, Any] = {f"e{place}": encode for place, encode in enumerate(self._columns.encoders)}
        found = list[tuple[str, Any]]()
        for space, places in self._parts():
            at = [place - _FIRST for place in places]
            text = "".join(f"{{e{place}(v{place})}}" for place in at)
            each = "".join(f", v{place}" for place in dict.fromkeys(at))
            lists = "".join(f", w[{place}]" for place in dict.fromkeys(at))
            source = f"def made(names, w): return [f'{text}{GAP}{{name}}' for name{each} in zip(names{lists})]"
            found.append((space, function("entries by columns", source, dict(names))))
        return found

    @staticmethod
    def _make_texts(encoders: Sequence[Encode]) -> Callable[[Watched, str], Texts]:
        """Make texts(watched, name): the texts of a record; name: of the record."""
        names: dict[str, Any] = {f"e{place}": encode for place, encode in enumerate(encoders)}
        texts = ["name", repr(GAP), *(f"e{place}(w[{place}])" for place in range(len(encoders)))]
        return function("entries", f"def made(w, name): return [{', '.join(texts)}]", names)

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
        return function("entries", "\n".join([*body, " return gone, come"]), names)

    def _claims(self) -> list[Claim]:
        made: list[Claim] = []
        for unique in self.collection.uniques:
            state = self._state(unique.name, unique.generation)
            if state in self._states:
                live = self.collection.live if unique.among == "live" else None
                flag = None if live is None else self._place(live)
                places = [self._place(name) for name in unique.fields]
                space = claims_space(self.collection.stored, unique)
                made.append(Claim(unique, places, flag, space, is_building=state == "building"))
        return made

    def _pointer(self, reference: Reference, target: str) -> Pointer:
        column = column_of(self.collection, reference.field)
        is_building = self._state(f"{reference.field}.reference") == "building"
        stored = (self.collection.stored, target)
        return Pointer(reference, column, self._place(reference.field), stored, is_building=is_building)

    def held(self, texts: Texts) -> dict[Key, Claim]:
        """Give the claims of a record."""
        return {(claim.space, name): claim for claim in self.claims if (name := claim.name(texts)) is not None}

    def places(self, texts: Texts) -> list[Key]:
        """Give where the entries and references of a record are."""
        found = self._names(texts)
        if self.pointers:
            name = texts[0]
            found += [(p.space, texts[p.place] + p.tail + name) for p in self.pointers if texts[p.place] != NONE]
        return found

    @property
    def is_risky(self) -> bool:
        """Whether an entry may be too long."""
        return self._check is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is kept beside the records."""
        return not self.spaces and not self.claims and not self.pointers

    def pointer(self, tail: str) -> Pointer | None:
        """Give the pointer whose names have this between target and referrer."""
        return next((pointer for pointer in self.pointers if pointer.tail == tail), None)

    def key_text(self, key: Sequence[Any]) -> str:
        """Write a bound key as the name of its record."""
        if len(self.key_encoders) == 1:
            return self.key_encoders[0](key[0])
        return "".join([encode(part) for encode, part in zip(self.key_encoders, key, strict=True)])

    def watched(self, raw: Raw) -> Watched:
        """Take the values of the watched columns out of a raw record; None where one is missing and nothing is said."""
        if self._has_defaults:
            return tuple(map(raw.get, self.columns, self._defaults))
        return tuple(map(raw.get, self.columns))

    def check(self, raw: Raw) -> None:
        """Raise ValueRefused when an entry would be longer than any store's may be."""
        if self._check is not None:
            self._check([raw.get(field.column) for field in self.collection.fields])

    def check_values(self, values: Sequence[Any]) -> None:
        """Do the same for the values of all fields in order."""
        if self._check is not None:
            self._check(values)
