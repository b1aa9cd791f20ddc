"""Agreement: whether what stands already under a name that is new to the catalog is what would be made under it.

Knows catalogs, what is wanted and inspected tables; must not know connections. An `up` that was cut off leaves what
would be made, and that is gone on with. Anything else is an earlier form of the migration's, or nobody's of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation

from ....errors import MigrationRefused
from ....schema.catalog import Catalog
from ..inspection import LiveColumn, LiveIndex, LiveTable, Tables
from ..tables import Layout
from .wanted import Wanted, supposed_index

_SHOWN = 3
_CAST = re.compile(r"::[a-z_ ]+(\(\d+\))?$")  # which PostgreSQL writes behind a constant
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_HEX = re.compile(r"X'((?:[0-9A-Fa-f]{2})*)'")


def agree(layout: Layout, now: Catalog | None, tables: Iterable[Wanted], live: Tables) -> None:
    """Raise MigrationRefused for what is there under a new name, and is not what would be made.

    now: the catalog in force, whose columns and indexes are ours, whatever they have become; None if there is none.
    """
    said = list[tuple[str, str]]()
    for table in tables:
        there = live.get(table.name)
        if there is not None:
            said += _Claim(layout, now, table, there).differences()
    if said:
        more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        parts = " and ".join(dict.fromkeys(f"that {part}" for part, _ in said[:_SHOWN]))
        raise MigrationRefused(
            f"{'; '.join(text for _, text in said[:_SHOWN])}{more}; nothing was changed. An `up` that was cut off "
            f"before the migration was edited may have left it, or somebody else made it: drop or rename {parts}, "
            "then `manystore migrate up` again"
        )


class _Claim:
    """What a migration wants of one table that is there."""

    def __init__(self, layout: Layout, now: Catalog | None, table: Wanted, there: LiveTable) -> None:
        self._layout = layout
        self._table = table
        self._there = there
        self._model = table.collections[-1].model  # as the head calls it
        schemas = () if now is None else (now.kept, now.older, now.base)
        collections = [c for s in schemas if s is not None for c in s.collections if layout.table_name(c) == table.name]
        self._is_known = bool(collections)
        self._columns = {column.name for c in collections for column in layout.table(c).columns}
        self._indexes = {str(i.name) for c in collections if now is not None for i in layout.indexes(c, now)}

    def differences(self) -> Iterator[tuple[str, str]]:
        """Say what is otherwise, each with the word for what is to be removed."""
        if not self._is_known:
            yield from (("table", text) for text in self._of_table())
        else:
            yield from self._of_columns()
        yield from (("index", text) for text in self._of_indexes())

    def _of_table(self) -> Iterator[str]:
        """Compare a table that is new as a whole: it is made by one statement, so that none is half ours."""
        wanted, there = self._table.supposed(), self._there
        already = f"the table {there.name} is there already"
        for column in wanted.columns:
            if there.column(column.name) is None:
                yield f"{self._place(column.name)}: {already}, with no column {column.name}"
        for column in there.columns:
            made = wanted.column(column.name)
            if made is None:
                yield f"{self._model}: {already}, with a column {column.name} that this migration does not make"
            elif not _is_like(column, made):
                yield f"{self._place(column.name)}: {already}, with {_beside(column, made)}"
        if there.key != wanted.key:
            keys = f"the key {', '.join(there.key) or 'of nothing'} where this migration makes {', '.join(wanted.key)}"
            yield f"{self._model}: {already}, with {keys}"

    def _of_columns(self) -> Iterator[tuple[str, str]]:
        for column in self._table.supposed().columns:
            there = None if column.name in self._columns else self._found(column.name)
            if there is not None and not (there.name == column.name and _is_like(there, column)):
                # It would stand in the column's way, or in the way of the next try, over what is left of its columns.
                over = [i.name for i in self._there.indexes if there.name in i.columns and i.name not in self._indexes]
                what = f"index {', '.join(over)} and that column" if over else "column"
                yield what, f"{self._place(column.name)}: the table {self._there.name} has {_beside(there, column)}"

    def _found(self, name: str) -> LiveColumn | None:
        there = self._there.column(name)
        if there is None and not self._layout.dialect.cased:
            return next((c for c in self._there.columns if c.name.lower() == name.lower()), None)
        return there

    def _of_indexes(self) -> Iterator[str]:
        for _, index in self._table.indexes(self._there):
            there = self._there.index(str(index.name))
            if there is None or there.name in self._indexes or not there.is_valid:
                continue  # what is not valid is a build that was cut off, and is made anew
            one, other = _terms(there), _terms(supposed_index(index))
            if one != other:
                place = f"{self._model}.{there.name.removeprefix(f'{self._table.name}.')}"
                yield f"{place}: there is an index {there.name} already, {one}, where this migration makes it {other}"

    def _place(self, column: str) -> str:
        """Name the field of a column; columns of ours have none."""
        fields = (field for c in self._table.collections[::-1] for field in c.fields if field.column == column)
        found = next(fields, None)
        return f"{self._model}.{column if found is None else found.name}"


def _beside(there: LiveColumn, wanted: LiveColumn) -> str:
    made = _written(wanted)
    return f"a column {there.name} already, {_written(there)}, where this migration makes {wanted.name} {made}"


def _written(column: LiveColumn) -> str:
    collation = f" COLLATE {column.collation}" if column.collation else ""
    default = "" if column.default is None else f" DEFAULT {column.default}"
    return f"{_bare(column.type)}{collation}{'' if column.nullable else ' NOT NULL'}{default}"


def _bare(text: str) -> str:
    """Give a type without what servers add to it, or leave out: how wide an int is shown, and the rules of text."""
    named = re.sub(r"\s+(character set|collate)\s+\S+", "", text.lower())
    return re.sub(r"^((?:tiny|small|medium|big)?int)\(\d+\)", r"\1", named)


def _is_like(there: LiveColumn, wanted: LiveColumn) -> bool:
    return (
        _bare(there.type) == _bare(wanted.type)
        and there.nullable == wanted.nullable
        and there.computed == wanted.computed
        and there.collation == wanted.collation
        and (there.computed or _is_like_default(there.default, wanted.default))
    )


def _is_like_default(there: str | None, wanted: str | None) -> bool:
    """Compare two defaults. Each database writes constants its own way; what is not understood is let pass."""
    if there is None or wanted is None or there == wanted:
        return there == wanted or (there is not None and _uncast(there).upper() == "NULL")
    one, other = _constant(there), _constant(wanted)
    return one is None or other is None or one == other or _value(one) == _value(other)


def _uncast(text: str) -> str:
    while True:
        bare = _CAST.sub("", text.strip())
        bare = bare[1:-1] if bare.startswith("(") and bare.endswith(")") else bare
        if bare == text:
            return text
        text = bare


def _constant(text: str) -> str | None:
    """Give what a constant says; None for anything else, and where it is not written plainly."""
    bare = _uncast(text)
    if found := _TEXT.fullmatch(bare):
        return None if "\\" in found[1].removeprefix("\\x") else found[1].replace("''", "'")
    if found := _HEX.fullmatch(bare):
        try:
            return bytes.fromhex(found[1]).decode()
        except UnicodeDecodeError:
            return None
    return bare if _value(bare) != bare or bare in ("true", "false") else None


def _value(text: str) -> object:
    """Give what a constant means, where it can be written in several ways."""
    try:
        return Decimal(text)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _terms(index: LiveIndex) -> str:
    over = f"{'unique ' if index.unique else ''}over {', '.join(index.columns)}"
    return over + (" of some records" if index.where is not None else "")
