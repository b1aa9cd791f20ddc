"""A program of any schema: a database class whose models declare exactly it, as a developer would write them.

Knows how models are declared and schemas; must not know stores or migrations.
"""

from __future__ import annotations

import types
from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal
from uuid import UUID

from manystore import Database, Repository, field, index, model, ref, unique
from manystore.schema.schema import Collection, Field, Reference, Schema, Unique
from manystore.schema.schema import Index as StoredIndex

_CLASSES: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "decimal": Decimal,
    "str": str,
    "bytes": bytes,
    "datetime": datetime,
    "date": date,
    "uuid": UUID,
    "ip": IPv4Address | IPv6Address,
    "network": IPv4Network | IPv6Network,
    "json": Any,
}


def program(schema: Schema) -> type[Database]:
    """Make the database class of a schema; its repositories are called as the collections."""
    own = [collection for collection in schema.collections if not collection.name.startswith("_")]
    models = {collection.name: _model(schema, collection) for collection in own}
    hints = {name: Repository[cls, Any] for name, cls in models.items()}  # type: ignore[valid-type]
    made: type[Database] = types.new_class("Program", (Database,), {}, lambda body: body.update(__annotations__=hints))
    return made


def _model(schema: Schema, there: Collection) -> type[Any]:
    references = {reference.field: reference for reference in there.references}
    body: dict[str, Any] = {"__annotations__": {}}
    for each in there.fields:
        body["__annotations__"][each.name] = _annotation(each)
        body[each.name] = _declared(schema, there, each, references.get(each.name))
    made = types.new_class(there.model, (), {}, lambda namespace: namespace.update(body))
    return model(
        collection=there.name,
        version=there.version,
        small=there.small,
        soft_delete=there.live is not None,
        indexes=[_index(part) for part in there.indexes],
        uniques=[_unique(part) for part in there.uniques],
    )(made)


def _annotation(each: Field) -> Any:
    plain: Any = _CLASSES[each.kind] if each.choices is None else Literal[each.choices]
    return plain | None if each.optional else plain


def _declared(schema: Schema, there: Collection, each: Field, reference: Reference | None) -> Any:
    declared: dict[str, Any] = {"column": each.column, "key": each.name in there.key}
    if there.scope == each.name:
        declared["scope"] = True
    if reference is not None:
        target = schema.collection(reference.target)
        return ref(to=f"{target.model}.{target.key[0]}", on_delete=reference.on_delete, **declared)
    if there.generated and each.name in there.key:
        return field(generated=True, column=each.column)
    if there.live == each.name:
        declared["default"] = False
    return field(max_length=each.length, digits=each.digits, scale=each.scale, **declared)


def _index(part: StoredIndex) -> Any:
    signs = ("-" if down else "" for down in part.descending)
    return index(*(sign + name for sign, name in zip(signs, part.fields, strict=True)), name=part.name)


def _unique(part: Unique) -> Any:
    return unique(*part.fields, among=part.among, name=part.name)
