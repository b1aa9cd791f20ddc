"""Primitives as JSON has them, turned into what a driver binds, gives back, or reads in a statement's text.

Knows kinds and a dialect's forms; must not know tables. docs/format.md has the primitives.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from ...schema.schema import Field
from ...store.protocol import Form, Kind

Turn: TypeAlias = Callable[[Any], Any]
_PLAIN = Form()
_PLAIN_TEXT = re.compile(r"[ -&(-\[\]-~]*")  # ASCII without quotes and backslashes


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


_NATIVE: Mapping[Kind, tuple[Turn, Turn]] = {
    "datetime": (datetime.fromisoformat, _moment),
    "date": (date.fromisoformat, date.isoformat),
    "uuid": (UUID, str),
}
_AS_JSON: Mapping[Kind, tuple[Turn, Turn]] = {"bytes": (b64decode, lambda value: b64encode(value).decode())}
"""Bound as Python has them, and text in JSON."""


def binder(field: Field, forms: Mapping[Kind, Form]) -> Turn | None:
    """Give the function from a field's JSON primitive, not None, to what the driver binds; None: nothing to be done."""
    form = forms.get(field.kind, _PLAIN)
    if form.native:
        return _NATIVE[field.kind][0]
    return _AS_JSON[field.kind][0] if field.kind in _AS_JSON else form.dump


def loader(field: Field, forms: Mapping[Kind, Form]) -> Turn | None:
    """Give the function from what the driver gives, not None, to the JSON primitive; None: nothing to be done."""
    form = forms.get(field.kind, _PLAIN)
    if form.native:
        return _NATIVE[field.kind][1]
    return _AS_JSON[field.kind][1] if field.kind in _AS_JSON else form.load


def literal(field: Field, primitive: Any, forms: Mapping[Kind, Form], name: str) -> str:
    """Write a field's JSON primitive in the text of a statement of a database, by SQLAlchemy's name for it."""
    if primitive is None:
        return "NULL"
    if field.kind == "bool":
        return str(primitive).lower() if name == "postgresql" else str(int(primitive))
    if field.kind == "bytes":
        digits = b64decode(primitive).hex()
        return f"'\\x{digits}'" if name == "postgresql" else f"X'{digits}'"
    if isinstance(primitive, (int, float)) and field.kind != "json":
        return repr(primitive)
    dump = forms.get(field.kind, _PLAIN).dump
    text = str(primitive if dump is None else dump(primitive))
    if name == "mysql" and not _PLAIN_TEXT.fullmatch(text):
        # MariaDB keeps the text of a default in the character set of the server.
        return f"X'{text.encode().hex()}'"
    return "'" + text.replace("'", "''") + "'"
