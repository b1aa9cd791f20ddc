"""Primitives as JSON has them, in a statement's text; store/binding.py turns them into what a driver binds and gives.

Knows kinds and a dialect's forms; must not know tables. docs/format.md has the primitives.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from ...schema.schema import Field
from ...store.protocol import Form, Kind

_PLAIN = Form()
_PLAIN_TEXT = re.compile(r"[ -&(-\[\]-~]*")  # ASCII without quotes and backslashes


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
