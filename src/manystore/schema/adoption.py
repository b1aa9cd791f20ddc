"""Adoption: what a database that manystore did not make holds, told in our words, and the operation that takes it over.

Knows schemas and kinds; must not know any store, nor what its types are called beyond their text. A store that cannot
take anything over raises Unsupported.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from ..model.types import Kind
from .catalog import Catalog
from .schema import Collection, Schema

FoundKind: TypeAlias = Kind | Literal["any", "other"]
"""Of what a column holds. any: it says nothing, and its values decide; other: nothing that a field takes."""


class FoundField(msgspec.Struct, frozen=True):
    """A column as it is. type: as the database writes it; length, digits, scale, choices: as of a Field."""

    name: str
    kind: FoundKind
    type: str
    optional: bool = True
    length: int | None = None
    digits: int | None = None
    scale: int | None = None
    choices: tuple[str, ...] | None = None


class FoundIndex(msgspec.Struct, frozen=True):
    """An index or a unique. partial: it stands over some of the records only."""

    name: str
    fields: tuple[str, ...]
    unique: bool = False
    partial: bool = False


class FoundReference(msgspec.Struct, frozen=True):
    """A foreign key. rule: what the database does when the target goes, as SQL says it."""

    name: str
    fields: tuple[str, ...]
    target: str
    target_fields: tuple[str, ...]
    rule: str = "NO ACTION"


class FoundTable(msgspec.Struct, frozen=True):
    """A table as it is. generated: the database counts its key up; triggers: the names of those on it."""

    name: str
    fields: tuple[FoundField, ...]
    key: tuple[str, ...] = ()
    generated: bool = False
    indexes: tuple[FoundIndex, ...] = ()
    references: tuple[FoundReference, ...] = ()
    triggers: tuple[str, ...] = ()

    def field(self, name: str) -> FoundField | None:
        """Give a column by name; None if there is none."""
        return next((field for field in self.fields if field.name == name), None)


class Survey(msgspec.Struct, frozen=True):
    """Say what tables are there, whoever made them; alter gives Surveyed."""


class Surveyed(msgspec.Struct, frozen=True):
    """The tables of a store, by name in order, the catalog's among them if there is one."""

    tables: tuple[FoundTable, ...]

    def table(self, name: str) -> FoundTable | None:
        """Give a table by name; None if there is none."""
        return next((table for table in self.tables if table.name == name), None)


class Adopt(msgspec.Struct, frozen=True):
    """Take over tables that manystore did not make: bring them into our form, and put the catalog in force.

    All of it or nothing, whenever it is cut off; then it can be given again. alter gives Adopted; when that has
    differences, the tables were left as they were. is_dry: only look. fill: by collection and field, the primitive that
    takes the place of a null which the field does not take. new: collections without a table, which are made empty.
    """

    catalog: Catalog
    is_dry: bool = True
    fill: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict[str, dict[str, Any]])
    new: tuple[str, ...] = ()


class Adopted(msgspec.Struct, frozen=True):
    """steps: what was done, or will be; notes: what is left alone or lost; differences: why nothing is done.

    is_ours: nothing was to be done, since manystore has the database already.
    """

    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    records: int = 0
    is_ours: bool = False


_TAKEN: dict[Kind, tuple[FoundKind, ...]] = {
    "bool": ("bool", "int"),
    "int": ("int", "bool", "decimal"),
    "float": ("float", "int", "decimal"),
    "str": ("str",),
    "bytes": ("bytes",),
    "datetime": ("datetime", "str"),
    "date": ("date", "str"),
    "decimal": ("decimal", "int", "float"),
    "uuid": ("uuid", "str", "bytes"),
    "ip": ("ip", "str"),
    "network": ("network", "str"),
    "json": ("json", "str"),
}
"""What a column may be for a field of a kind; its values are looked at one by one besides."""


def shape_differences(schema: Schema, found: Surveyed, new: tuple[str, ...], prefix: str = "") -> dict[str, list[str]]:
    """Say by collection what keeps tables from being taken for a schema's, as far as that shows without their values.

    Collections of ours, and those that are to be made new, must have no table; what is well is left out.
    """
    said = dict[str, list[str]]()
    for collection in schema.collections:
        table = found.table(prefix + collection.name)
        if collection.is_system or collection.name in new:
            lines = [] if table is None else [f"{collection.name}: there is a table of that name already"]
        elif table is None:
            lines = [f"{collection.name}: there is no such table (--new {collection.name} makes it, empty)"]
        else:
            lines = _table_differences(collection, table)
        if lines:
            said[collection.name] = lines
    return said


def _table_differences(collection: Collection, table: FoundTable) -> list[str]:
    name = collection.name
    columns = {field.column for field in collection.fields}
    lines = [
        f"{name}.{field.name}: {field.type}, and no field of it" for field in table.fields if field.name not in columns
    ]
    for field in collection.fields:
        found = table.field(field.column)
        if found is None:
            lines.append(f"{name}.{field.column}: there is no such column")
        elif found.kind != "any" and found.kind not in _TAKEN[field.kind]:
            lines.append(f"{name}.{field.column}: {found.type} there, {field.kind} here")
    key = tuple(collection.field(part).column for part in collection.key)
    if table.key != key:
        there = ", ".join(table.key) or "none"
        lines.append(f"{name}: its primary key is {', '.join(key)} here, {there} there")
    return lines
