"""A program's collection beside the stored one: bound values to JSON, to names and to watched values, compiled once.

Knows the record's form (docs/format.md). A Struct of the stored names writes and reads JSON twice as fast as a dict; a
record with fields that the program does not know goes through a dict, which keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from ...errors import Corrupted, SchemaMismatch
from ...schema.catalog import Catalog
from ...schema.schema import Collection
from .entries import Raw, Upkeep, Watched

_ENCODE = msgspec.json.Encoder().encode
_DECODE: Callable[[bytes], Raw] = msgspec.json.Decoder(dict[str, Any]).decode
_HEAD = ("_revision", "_previous", "_version")


def decoded(data: bytes, model: str) -> Raw:
    """Read a stored record as a dict."""
    try:
        return _DECODE(data)
    except msgspec.MsgspecError as reason:
        raise Corrupted(f"{model}: a stored record cannot be read: {reason}") from None


def encoded(raw: Raw) -> bytes:
    """Write a record that was read as a dict."""
    return _ENCODE(raw)


class Shape:
    """One collection as a program declares it, on the stored one."""

    def __init__(self, collection: Collection, upkeep: Upkeep) -> None:
        self.collection = collection  # keeps it alive, since shapes are found by its id
        self.upkeep = upkeep
        self.space = upkeep.space
        self.model = collection.model
        self._version = collection.version
        members = [*_HEAD, *collection.columns]
        names = [f"f{place}" for place in range(len(members))]
        self._twin = msgspec.defstruct(
            "Twin",
            [(name, Any, None) for name in names],
            rename=dict(zip(names, members, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self._read = msgspec.json.Decoder(self._twin).decode
        places = {column: place for place, column in enumerate(collection.columns)}
        self._are_known = all(column in places for column in upkeep.columns)
        watched = [places.get(column, 0) for column in upkeep.columns]
        self._of_values: Callable[[Any], Watched] = _several(itemgetter, watched)
        self._of_twin: Callable[[Any], Watched] = _several(attrgetter, [names[place + len(_HEAD)] for place in watched])
        self.name: Callable[[Sequence[Any]], str] = _namer(upkeep, collection.key_positions)
        """Give the name of the record with these bound values."""

    def inserted(self, values: Sequence[Any], token: str) -> tuple[bytes, Watched]:
        """Make a new record: its JSON, and its watched values."""
        data = _ENCODE(self._twin(token, None, self._version, *values))
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
                return _ENCODE(self._twin(*tokens, self._version, *values)), before, self._of_values(values)
        raw = decoded(old, self.model)
        new = self._headed(raw, tokens)
        new.update(zip(self.collection.columns, values, strict=True))
        return _ENCODE(new), self.upkeep.watched(raw), self.upkeep.watched(new)

    def _headed(self, raw: Raw, tokens: tuple[str, str]) -> Raw:
        return {**raw, "_revision": tokens[0], "_previous": tokens[1], "_version": self._version}

    def patched(self, raw: Raw, sets: Raw, tokens: tuple[str, str]) -> tuple[bytes, Watched]:
        """Make a record with some columns anew; raise ValueRefused when an entry gets too long."""
        new = self._headed(raw, tokens)
        new.update(sets)
        self.upkeep.check(new)
        return _ENCODE(new), self.upkeep.watched(new)


class Keeper:
    """Upkeep and shapes of every collection, under one epoch."""

    def __init__(self, catalog: Catalog) -> None:
        self.epoch = catalog.epoch
        self.catalog = catalog
        self.schema = catalog.kept
        self._upkeeps: dict[str, Upkeep] = {}
        self._shapes: dict[int, Shape] = {}

    def upkeep(self, collection: str) -> Upkeep:
        """Give the upkeep of a stored collection."""
        made = self._upkeeps.get(collection)
        if made is None:
            if collection not in self.schema:
                raise SchemaMismatch((f"{collection} is missing there",))
            made = self._upkeeps[collection] = Upkeep(self.schema.collection(collection), self.catalog)
        return made

    def shape(self, collection: Collection) -> Shape:
        """Give the shape of a program's collection."""
        made = self._shapes.get(id(collection))
        if made is None:
            made = self._shapes[id(collection)] = Shape(collection, self.upkeep(collection.name))
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
