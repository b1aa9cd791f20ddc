"""What a store must hold: collections, fields, indexes, uniques and references, frozen and neutral to every store.

Knows names, kinds and lengths; must not know Python classes beyond `Schema.of`, nor any store. Stores read this, and
never a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

import msgspec

from ..errors import DeclarationError
from ..model.field import Among, FieldSpec, OnDelete
from ..model.model import Model, model_of, owner_of
from ..model.types import Kind

ENTRY_BYTES = 2600  # a key and an index entry together: what the narrowest store's index row takes


class Field(msgspec.Struct, frozen=True):
    """A stored field. name: the program's word; column: the stored one; length: code points, or bytes of bytes."""

    name: str
    column: str
    kind: Kind
    optional: bool = False
    length: int | None = None
    digits: int | None = None
    scale: int | None = None
    choices: tuple[str | int, ...] | None = None


class Index(msgspec.Struct, frozen=True):
    """An ordered access path; entries end in the record's key. descending: one flag a field."""

    name: str
    fields: tuple[str, ...]
    descending: tuple[bool, ...]
    generation: int = 1


class Unique(msgspec.Struct, frozen=True):
    """A claim on a tuple of values, ignored when one of them is None. among: all records, or the live ones."""

    name: str
    fields: tuple[str, ...]
    among: Among = "all"
    generation: int = 1


class Reference(msgspec.Struct, frozen=True):
    """A field that holds the key of a record in the target collection."""

    field: str
    target: str
    on_delete: OnDelete = "restrict"


class Collection(msgspec.Struct, frozen=True, dict=True):
    """The named set of records of one model. model: its name, for messages; live: the soft-delete flag's field.

    Generations, of itself and of its indexes and uniques, are the catalog's; programs declare none.
    """

    name: str
    model: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    uniques: tuple[Unique, ...] = ()
    references: tuple[Reference, ...] = ()
    version: int = 1
    live: str | None = None
    scope: str | None = None
    generated: bool = False
    small: bool = False
    generation: int = 1

    @cached_property
    def stored(self) -> str:
        """Give the name that its records are kept under: another one each time that they are all made anew."""
        return self.name if self.generation == 1 else f"{self.name}@{self.generation}"

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {f.name: f for f in self.fields}

    def field(self, name: str) -> Field:
        """Give a field by the program's word for it; raise KeyError."""
        return self._by_name[name]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Give each field's place in the collection's order: the order of bound values and of rows."""
        return {f.name: place for place, f in enumerate(self.fields)}

    @property
    def is_system(self) -> bool:
        """Say whether it is manystore's own (schema/system.py), and no program's."""
        return self.name.startswith("_")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Give the stored names of the fields, in the collection's order."""
        return tuple(f.column for f in self.fields)

    @cached_property
    def key_positions(self) -> tuple[int, ...]:
        """Give the places of the key's fields."""
        return tuple(self.positions[name] for name in self.key)


class Schema(msgspec.Struct, frozen=True, dict=True):
    """All collections of a database, sorted by name; those of schema/system.py among them."""

    collections: tuple[Collection, ...]

    @classmethod
    def of(cls, models: Iterable[type[Any]], system: Iterable[Collection] = ()) -> Schema:
        """Build the schema of some models (and add system collections); raise DeclarationError when they do not fit."""
        infos = [model_of(m) for m in models]
        made = [_collection(info, infos) for info in infos]
        # Some stores tell names apart by their letters' case and some do not.
        names = [info.collection.lower() for info in infos]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DeclarationError(f"two models are stored in the collection {twice}")
        schema = cls.made_of((*made, *system))
        for info in infos:
            info.link({other.name: other.cls for other in infos})
            _check_related(info, infos)
        for collection in schema.collections:
            _check_references(schema, collection)
        return schema

    @classmethod
    def made_of(cls, collections: Iterable[Collection]) -> Schema:
        """Give the schema of some collections, in whatever order they come; of one name the last counts."""
        named = {c.name: c for c in collections}
        return cls(tuple(named[name] for name in sorted(named)))

    @cached_property
    def _by_name(self) -> dict[str, Collection]:
        return {c.name: c for c in self.collections}

    def collection(self, name: str) -> Collection:
        """Give a collection by name; raise KeyError."""
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def _referrers(self) -> dict[str, tuple[tuple[Collection, Reference], ...]]:
        return {
            target.name: tuple((c, r) for c in self.collections for r in c.references if r.target == target.name)
            for target in self.collections
        }

    def referrers(self, target: str) -> tuple[tuple[Collection, Reference], ...]:
        """Give the collections and references that point at a collection."""
        return self._referrers[target]

    @cached_property
    def declared(self) -> Schema:
        """Give the schema as programs declare it: without the catalog's generations."""
        return Schema(tuple(_declared(c) for c in self.collections))

    @cached_property
    def own(self) -> Schema:
        """Give the schema without the system's collections."""
        return Schema(tuple(c for c in self.collections if not c.is_system))

    @cached_property
    def fingerprint(self) -> str:
        """Give 16 hex digits that change when any stored shape does; generations are left out."""
        import hashlib  # noqa: PLC0415 - 4 ms of `import manystore`, for what only a connect needs

        return hashlib.sha256(msgspec.json.encode(self.declared.to_primitive(), order="sorted")).hexdigest()[:16]

    def to_primitive(self) -> dict[str, Any]:
        """Give the schema as JSON values, the form in which the catalog keeps it (docs/format.md)."""
        return {c.name: _to_primitive(c) for c in self.collections}

    @classmethod
    def from_primitive(cls, stored: dict[str, Any]) -> Schema:
        """Read a schema back from the catalog's form."""
        return cls(tuple(_from_primitive(name, stored[name]) for name in sorted(stored)))

    def differences(self, other: Schema) -> tuple[str, ...]:
        """Say in sentences how another schema differs from this one, the first differences first."""
        mine, theirs = self.declared.to_primitive(), other.declared.to_primitive()
        found = [f"{name} is missing there" for name in mine if name not in theirs]
        found += [f"{name} is unknown here" for name in theirs if name not in mine]
        for name in mine:
            if name in theirs:
                found += _differences(name, mine[name], theirs[name])
        return tuple(found)


def _declared(collection: Collection) -> Collection:
    return msgspec.structs.replace(
        collection,
        generation=1,
        indexes=tuple(msgspec.structs.replace(index, generation=1) for index in collection.indexes),
        uniques=tuple(msgspec.structs.replace(unique, generation=1) for unique in collection.uniques),
    )


def _differences(name: str, mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Name each part of a collection that differs, and which of its fields, indexes, uniques or references do."""
    found: list[str] = []
    for part, here in mine.items():
        there = theirs.get(part)
        if here == there:
            continue
        if part in ("fields", "indexes", "uniques", "references"):
            left, right = _by_first(here), _by_first(there or [])
            names = [n for n in (*left, *(n for n in right if n not in left)) if left.get(n) != right.get(n)]
            found.append(f"{name}: {part} differ ({', '.join(names) if names else 'in their order'})")
        else:
            found.append(f"{name}: {part} is {_shown(here)}, there {_shown(there)}")
    return found


def _shown(part: Any) -> str:
    return ", ".join(map(str, cast("Sequence[object]", part))) if isinstance(part, (list, tuple)) else str(part)


def _by_first(parts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {next(iter(part.values())): part for part in parts}


def _to_primitive(collection: Collection) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(collection)
    del plain["name"]
    return plain


def _from_primitive(name: str, stored: dict[str, Any]) -> Collection:
    return msgspec.convert({**stored, "name": name}, Collection)


def _collection(info: Model, infos: list[Model]) -> Collection:
    indexes = tuple(_index(info, declared.fields, declared.name, scoped=declared.scoped) for declared in info.indexes)
    uniques = tuple(_unique(info, declared) for declared in info.uniques)
    names = [name.lower() for name in (*(i.name for i in indexes), *(u.name for u in uniques))]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise DeclarationError(f"{info.name}: two indexes or uniques are called {twice}; give one a name=")
    return Collection(
        name=info.collection,
        model=info.name,
        fields=tuple(_field(spec) for spec in info.fields),
        key=tuple(spec.name for spec in info.key),
        indexes=indexes,
        uniques=uniques,
        references=tuple(_reference(info, spec, infos) for spec in info.fields if spec.declared.reference),
        version=info.version,
        live="deleted" if info.soft_delete else None,
        scope=info.scope.name if info.scope else None,
        generated=info.generated is not None,
        small=info.small,
    )


def _field(spec: FieldSpec) -> Field:
    t = spec.type
    return Field(spec.name, spec.column, t.kind, spec.optional, t.length, t.digits, t.scale, t.choices)


def _index(info: Model, declared: tuple[str, ...], name: str | None, *, scoped: bool) -> Index:
    fields = tuple(part.removeprefix("-") for part in declared)
    descending = tuple(part.startswith("-") for part in declared)
    if scoped and info.scope and info.scope.name not in fields:
        fields, descending = (info.scope.name, *fields), (False, *descending)
    return Index(name or "by_" + "_".join(fields), fields, descending)


def _unique(info: Model, declared: Any) -> Unique:
    fields = tuple(declared.fields)
    if declared.scoped and info.scope and info.scope.name not in fields:
        fields = (info.scope.name, *fields)
    return Unique(declared.name or "unique_" + "_".join(fields), fields, declared.among)


def _reference(info: Model, spec: FieldSpec, infos: list[Model]) -> Reference:
    assert spec.declared.reference is not None
    target = spec.declared.reference.target
    where = f"{info.name}.{spec.name}"
    if isinstance(target, str):
        model_name, _, field_name = target.partition(".")
        found = next((other for other in infos if other.name == model_name), None)
        if found is None:
            raise DeclarationError(f"{where}: refers to {target}, which is no model of this database")
    else:
        try:
            cls, field_name = owner_of(target() if callable(target) else target)
        except (TypeError, NameError, AttributeError) as reason:
            raise DeclarationError(f"{where}: {reason}") from None
        found = next((other for other in infos if other.cls is cls), None)
        if found is None:
            raise DeclarationError(f"{where}: refers to {cls.__name__}, which is no model of this database")
    if [part.name for part in found.key] != [field_name]:
        raise DeclarationError(f"{where}: refers to {found.name}.{field_name}, which is not its whole key")
    return Reference(spec.name, found.collection, spec.declared.reference.on_delete)


def _check_references(schema: Schema, collection: Collection) -> None:
    for reference in collection.references:
        mine, target = collection.field(reference.field), schema.collection(reference.target)
        theirs = target.field(target.key[0])
        if (mine.kind, mine.scale) != (theirs.kind, theirs.scale):
            raise DeclarationError(
                f"{collection.model}.{mine.name}: holds {_kind(mine)}, "
                f"but {target.model}.{theirs.name} is {_kind(theirs)}"
            )


def _kind(field: Field) -> str:
    return field.kind if field.scale is None else f"{field.kind} of scale {field.scale}"


def _check_related(info: Model, infos: list[Model]) -> None:
    """Refuse a related slot that is by no field of its own model and by no reference of another.

    A model that is not of this database matters only to a load=.
    """
    for relation in info.related:
        model_name, _, field_name = relation.by.partition(".")
        found = next((other for other in infos if other.name == model_name), None)
        if found is None:
            continue
        spec = next((spec for spec in found.fields if spec.name == field_name), None)
        if spec is None or (spec.declared.reference is None and found is not info):
            raise DeclarationError(f"{info.name}.{relation.name}: {relation.by} is no ref()")
