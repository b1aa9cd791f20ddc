"""The dialect: what one database calls a column's type, how a table is named, and how a built statement becomes text.

Knows SQLAlchemy's compiler; must not know plans or changes. A further SQL database begins with a file like this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

import msgspec
from sqlalchemy import BIGINT, BLOB, INTEGER, REAL, TEXT, BindParameter, bindparam
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from ...store.protocol import Form, Kind

FORMS: dict[Kind, Form] = {
    "bool": Form(load=bool),
    "json": Form(dump=lambda value: msgspec.json.encode(value).decode(), load=msgspec.json.decode),
}
"""What a column cannot hold as it is. The names of a JSON object keep their order, as they do on every store."""

_TYPES: dict[Kind, type[TypeEngine[Any]]] = {
    "bool": INTEGER,
    "int": INTEGER,
    "decimal": INTEGER,
    "float": REAL,
    "bytes": BLOB,
}
LONG = BIGINT


class _Compiler(SQLiteCompiler):
    def limit_clause(self, select: Any, **kw: Any) -> str:
        # SQLAlchemy's own adds an OFFSET of zero to each LIMIT, as one more parameter.
        text = ""
        if select._limit_clause is not None:  # noqa: SLF001 - what the method overridden here reads
            text = "\n LIMIT " + self.process(select._limit_clause, **kw)  # noqa: SLF001
        if select._offset_clause is not None:  # noqa: SLF001
            text += " OFFSET " + self.process(select._offset_clause, **kw)  # noqa: SLF001
        return text


def _made() -> SQLiteDialect:
    dialect = SQLiteDialect(paramstyle="qmark")
    dialect.statement_compiler = _Compiler
    return dialect


DIALECT = _made()


def column_type(kind: Kind) -> TypeEngine[Any]:
    """Give the type of a column for values of one kind."""
    return _TYPES.get(kind, TEXT)()


def table_name(collection: str, prefix: str) -> str:
    """Name the table of a collection."""
    name = prefix + collection
    # This beginning is the database's own; no collection's name begins with an underscore, so nothing else gets it.
    return f"_{name}" if name.lower().startswith("sqlite_") else name


def parameter(name: str) -> BindParameter[Any]:
    """Make a parameter of a statement."""
    made: BindParameter[Any] = bindparam(name)
    return made


def ddl_text(element: Any) -> str:
    """Write a CREATE statement."""
    return str(element.compile(dialect=DIALECT)).strip()


def _picker(places: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda pool: tuple([pool[place] for place in places])


class Statement:
    """A statement's text, and which value of a pool goes to which place in it."""

    __slots__ = ("constants", "pick", "text")

    def __init__(self, element: Executable, places: Mapping[str, int], size: int) -> None:
        """places: each parameter's place in the pool; size: how long the pool is before constants are put behind it."""
        compiled = cast("SQLCompiler", cast("ClauseElement", element).compile(dialect=DIALECT))
        self.text: str = compiled.string
        names: list[str] = list(compiled.positiontup or ())
        constants: Mapping[str, Any] = compiled.params
        loose = [name for name in dict.fromkeys(names) if name not in places]
        self.constants = tuple([constants[name] for name in loose])
        every = {**places, **{name: size + at for at, name in enumerate(loose)}}
        self.pick = _picker([every[name] for name in names])

    def bind(self, pool: list[Any]) -> tuple[Any, ...]:
        """Put the pool's values in the order of the statement's parameters."""
        if self.constants:
            pool = [*pool, *self.constants]
        return self.pick(pool)
