"""A program's collection beside the stored one: bound values to JSON, to names and to watched values, compiled once.

Knows the record's form (docs/format.md). A Struct of the stored names writes and reads JSON twice as fast as a dict; a
record with fields that the program does not know goes through a dict, which keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from ...errors import Corrupted, SchemaMismatch
from ...schema.catalog import Catalog, IndexState
from ...schema.schema import Collection, Schema
from .entries import KEPT_UP, Pointer, Raw, Upkeep, Watched
from .layout import column_of, reference_tail
from .protocol import all_of

_ENCODE = msgspec.json.Encoder().encode
_DECODE: Callable[[bytes], Raw] = msgspec.json.Decoder(dict[str, Any]).decode
HEAD = ("_revision", "_previous", "_version")
EXTRAS = "_extras"
_PLAIN = (bool, int, float, str)


def decoded(data: bytes, model: str) -> Raw:
    """Read a stored record as a dict."""
    try:
        return _DECODE(data)
    except msgspec.MsgspecError as reason:
        raise Corrupted(f"{model}: a stored record cannot be read: {reason}") from None


encoded: Callable[[Any], bytes] = _ENCODE
"""Write a record that was read as a dict, or the twin of one."""


class Shape:
    """One collection as a program declares it, on the stored one.

    older: the upkeep of records that are not rewritten yet; None when there are none such. sheds: whether a sweep takes
    members from records under their tokens (Keeper.shed).
    """

    def __init__(
        self, collection: Collection, upkeep: Upkeep, older: Upkeep | None = None, *, sheds: bool = False
    ) -> None:
        self._sheds = sheds
        self.collection = collection  # keeps it alive, since shapes are found by its id
        self.upkeep = upkeep
        self.older = older
        self.space = upkeep.space
        self.model = collection.model
        self._version = collection.version
        members = [*HEAD, *collection.columns]
        self._twin, self._read = twin(tuple(members), *map(self._default, members))
        self._has_extras = EXTRAS in collection.columns
        self._made = _without(self._twin, members.index(EXTRAS)) if self._has_extras else self._twin
        places = {column: place for place, column in enumerate(collection.columns)}
        self._are_known = all(column in places for column in upkeep.columns)
        watched = [places.get(column, 0) for column in upkeep.columns]
        self._of_values: Callable[[Any], Watched] = _several(itemgetter, watched)
        self._of_twin: Callable[[Any], Watched] = _several(attrgetter, [f"f{place + len(HEAD)}" for place in watched])
        self.name: Callable[[Sequence[Any]], str] = _namer(upkeep, collection.key_positions)
        """Give the name of the record with these bound values."""

    def seen(self, data: bytes) -> bytes:
        """Give what a record to change must still begin with, beside its token: the whole of it while it sheds."""
        return all_of(data) if self._sheds else b""

    def _default(self, column: str) -> Any:
        """Give what a record that lacks a column holds there, where an entry may be made of it."""
        default = self.upkeep.absent.get(column)
        return default if isinstance(default, _PLAIN) else None

    def inserted(self, values: Sequence[Any], token: str) -> tuple[bytes, Watched]:
        """Make a new record: its JSON, and its watched values."""
        data = _ENCODE(self._made(token, None, self._version, *values))
        if self._are_known:
            return data, self._of_values(values)
        return data, self.upkeep.watched(decoded(data, self.model))

    def replaced(self, old: bytes, values: Sequence[Any], tokens: tuple[str, str]) -> tuple[bytes, Watched, Watched]:
        """Make a record anew; tokens: the new and the old. Gives its JSON, and what was watched before and after."""
        if self._are_known:
            try:
                before = self._of_twin(self._read(old))
            except msgspec.ValidationError:  # a field that this program does not know
                pass
            else:
                return _ENCODE(self._made(*tokens, self._version, *values)), before, self._of_values(values)
        raw = decoded(old, self.model)
        new = self._headed(raw, tokens)
        new.update(zip(self.collection.columns, values, strict=True))
        return self._written(new), self.upkeep.watched(raw), self.upkeep.watched(new)

    def lifted(self, raw: Raw, values: Sequence[Any], tokens: tuple[str, str]) -> tuple[bytes, Watched]:
        """Make a record of the older shape anew in the kept one: what only the older has is left behind."""
        assert self.older is not None
        gone = left_behind(self.older.collection, self.upkeep.collection)
        new = {column: value for column, value in self._headed(raw, tokens).items() if column not in gone}
        new.update(zip(self.collection.columns, values, strict=True))
        return self._written(new), self.upkeep.watched(new)

    def _written(self, new: Raw) -> bytes:
        if self._has_extras and new.get(EXTRAS) is None:
            new.pop(EXTRAS, None)
        return _ENCODE(new)

    def _headed(self, raw: Raw, tokens: tuple[str, str]) -> Raw:
        return {**raw, "_revision": tokens[0], "_previous": tokens[1], "_version": self._version}

    def patched(self, raw: Raw, sets: Raw, tokens: tuple[str, str]) -> tuple[bytes, Watched]:
        """Make a record with some columns anew; raise ValueRefused when an entry gets too long."""
        new = self._headed(raw, tokens)
        new.update(sets)
        self.upkeep.check(new)
        return self._written(new), self.upkeep.watched(new)


class Keeper:
    """Upkeep and shapes of every collection, under one epoch.

    states: of the indexes, uniques and references that count. While records of an older shape may be there, a record's
    version tells which upkeep is its own.
    """

    def __init__(self, catalog: Catalog, states: Container[IndexState] = KEPT_UP) -> None:
        self._states = states
        self.epoch = catalog.epoch
        self.catalog = catalog
        self.schema = catalog.kept
        self._upkeeps: dict[str, Upkeep] = {}
        self._older: dict[str, Upkeep | None] = {}
        self._shapes: dict[int, Shape] = {}
        self._referring: dict[str, dict[str, str]] = {}
        self._building: dict[str, list[tuple[Upkeep, Pointer]]] = {}
        self.unbuilt: dict[tuple[str, str], Mapping[str, Sequence[str]]] = {}  # what unbuilt.py found once

    def upkeep(self, collection: str, version: int | None = None) -> Upkeep:
        """Give the upkeep of a stored collection; version: of the record that it is for."""
        made = self._upkeeps.get(collection)
        if made is None:
            if collection not in self.schema:
                raise SchemaMismatch((f"{collection} is missing there",))
            stored = self.schema.collection(collection)
            made = self._upkeeps[collection] = Upkeep(stored, self.catalog, self.schema, self._states)
        if version is None or version == made.version:
            return made
        return self.older(collection) or made

    def older(self, collection: str) -> Upkeep | None:
        """Give the upkeep of a collection's records that are not rewritten yet; None when there are none such."""
        if self.catalog.older is None:
            return None
        if collection not in self._older:
            self._older[collection] = self._find_older(collection, self.catalog.older)
        return self._older[collection]

    def _find_older(self, collection: str, schema: Schema) -> Upkeep | None:
        kept = self.upkeep(collection).collection
        if collection not in schema:
            return None
        found = schema.collection(collection)
        # A collection that was copied has no records of an older shape where it is now.
        if found.stored != kept.stored or found.version == kept.version:
            return None
        return Upkeep(found, self.catalog, schema, self._states)

    def shed(self, collection: str) -> frozenset[str]:
        """Give the members that a sweep takes from records under the token and the version that they have.

        So it is where a window was dropped, in collections that it led over. Whoever read a record before and writes it
        after would bring them back.
        """
        older, kept = self.catalog.older, self.upkeep(collection).collection
        if older is None or collection not in older or self.older(collection) is not None:
            return frozenset()
        before = older.collection(collection)
        return frozenset(before.columns).difference(kept.columns) if before.stored == kept.stored else frozenset()

    def referring(self, target: Collection) -> dict[str, str]:
        """Give what stands in the names of references to a collection (reference_tail), and whose records these are."""
        made = self._referring.get(target.name)
        if made is None:
            made = self._referring[target.name] = {}
            for schema in (self.schema, self.catalog.older):
                if schema is None or target.name not in schema:
                    continue
                if schema.collection(target.name).stored == target.stored:
                    known = [pair for pair in schema.referrers(target.name) if pair[0].name in self.schema]
                    for collection, reference in known:  # what a collection that goes held is left over until Clear
                        tail = reference_tail(collection.stored, column_of(collection, reference.field))
                        made.setdefault(tail, collection.name)
        return made

    def building(self, target: Collection) -> Sequence[tuple[Upkeep, Pointer]]:
        """Give the references to a collection that are building, each with the upkeep of its own collection."""
        made = self._building.get(target.name)
        if made is None:
            is_kept = target.name in self.schema and self.schema.collection(target.name).stored == target.stored
            referring = self.schema.referrers(target.name) if is_kept else ()
            upkeeps = [self.upkeep(name) for name in dict.fromkeys(collection.name for collection, _ in referring)]
            made = self._building[target.name] = [
                (upkeep, pointer)
                for upkeep in upkeeps
                for pointer in upkeep.pointers
                if pointer.is_building and pointer.reference.target == target.name
            ]
        return made

    def shape(self, collection: Collection) -> Shape:
        """Give the shape of a program's collection."""
        made = self._shapes.get(id(collection))
        if made is None:
            upkeep = self.upkeep(collection.name)
            if collection.generation not in (1, upkeep.collection.generation):  # programs declare none, which is 1
                raise SchemaMismatch((f"{collection.stored} is missing there",))
            made = self._shapes[id(collection)] = Shape(
                collection, upkeep, self.older(collection.name), sheds=bool(self.shed(collection.name))
            )
        return made


@lru_cache(maxsize=256, typed=True)  # a default of 1 is none of True
def twin(members: tuple[str, ...], /, *defaults: Any) -> tuple[Callable[..., Any], Callable[[bytes], Any]]:
    """Make the Struct of some stored names, and what reads it: the n-th is the attribute f<n>.

    defaults: one for each; NODEFAULT for what must be there.
    """
    names = [f"f{place}" for place in range(len(members))]
    made = msgspec.defstruct(
        "Twin",
        [(name, Any, default) for name, default in zip(names, defaults, strict=True)],
        rename=dict(zip(names, members, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )
    return made, msgspec.json.Decoder(made).decode


def left_behind(older: Collection, kept: Collection) -> frozenset[str]:
    """Give the members that a record loses on its way from one shape to another."""
    return frozenset(older.columns).difference(kept.columns) | {EXTRAS}


def _without(twin: Callable[..., Any], place: int) -> Callable[..., Any]:
    """Make a twin's constructor that leaves one member out of the JSON where it is None."""

    def made(*members: Any) -> Any:
        if members[place] is None:
            members = (*members[:place], msgspec.UNSET, *members[place + 1 :])
        return twin(*members)

    return made


def _namer(upkeep: Upkeep, places: Sequence[int]) -> Callable[[Sequence[Any]], str]:
    if len(places) == 1:
        (encode,), place = upkeep.key_encoders, places[0]
        return lambda values: encode(values[place])
    return lambda values: upkeep.key_text([values[place] for place in places])


def _several(getter: Callable[..., Any], wanted: Sequence[Any]) -> Callable[[Any], Watched]:
    """Make a getter of a tuple, also of one value or none."""
    if not wanted:
        return lambda _: ()
    get = getter(*wanted)
    return get if len(wanted) > 1 else lambda source: (get(source),)
