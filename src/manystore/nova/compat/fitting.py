"""Values as the callers of 2011 gave them, made what a field or an argument takes, as the databases of the time did.

Knows annotations; must not know operations or records. What cannot be made one is given back as it is: who takes it
refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from numbers import Number
from typing import Any, TypeAlias
from uuid import UUID

Types: TypeAlias = frozenset[str]
"""The words of an annotation, as in "int | None"."""

NO_ID = -1
"""What no record has as its id: to be looked for in place of a text, a fraction or None."""

KEY = "K"
"""The type variable of a repository's key; among the types of an argument that is one."""

_TEXT: Types = frozenset({"str"})
_MAPPING: Types = frozenset({"Mapping"})
_TRUTH = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}
_SEVERAL = (list, tuple, set, frozenset)
_LARGEST = 2**63 - 1


def types_of(annotation: Any) -> Types:
    """Give the words of an annotation."""
    return frozenset(re.findall(r"\w+", annotation if isinstance(annotation, str) else annotation.__name__))


def aware(value: Any) -> Any:
    """Give a time without a zone the one that it is meant in."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def fitting(types: Types, value: Any) -> Any:
    """Turn text into the number, truth or time that it stands for, and the other way round."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if types == _TEXT else _read(types, value)
    if isinstance(value, datetime):
        return aware(value)
    if isinstance(value, Number):
        return _number(types, value)
    return str(value) if isinstance(value, UUID) and "str" in types else value


def _read(types: Types, text: str) -> Any:
    try:
        if "int" in types:
            return int(text)
        if "float" in types and "str" not in types:
            return float(text)
        if "datetime" in types:
            return aware(datetime.fromisoformat(text))
    except ValueError:
        return text
    return _TRUTH.get(text.lower(), text) if "bool" in types and "str" not in types else text


def _number(types: Types, value: Any) -> Any:
    if "int" in types:
        return int(value) if value == int(value) else value
    if "float" in types:
        return float(value)
    if "bool" in types:
        return bool(value) if value in (0, 1) else value
    return str(int(value) if isinstance(value, bool) else value) if "str" in types else value


def fitting_id(types: Types, value: Any) -> Any:
    """Do the same for an id that is looked for; what can be none is NO_ID: a record that is not there."""
    fit = fitting(types, value)
    if fit is None and KEY in types and "str" in types:
        return ""
    if "int" not in types or (fit is None and "None" in types) or ("str" in types and isinstance(fit, str)):
        return fit
    return fit if isinstance(fit, int) and abs(fit) <= _LARGEST else NO_ID


def fitting_several(types: Types, value: Any, fields: Mapping[str, Types]) -> Any:
    """Do the same within an argument that is a list, or a mapping: of one type, or by fields."""
    if _is_a(value, Mapping):
        if "Any" not in types:
            return {str(name): fitting(types - _MAPPING, one) for name, one in value.items()}
        return {name: _filter(fields.get(name, frozenset()), one) for name, one in value.items()}
    if _is_a(value, _SEVERAL):
        return [fitting_id(types, one) for one in value]
    return fitting(types, value)


def _filter(types: Types, value: Any) -> Any:
    if _is_a(value, Mapping):
        return fitting_several(_TEXT, value, {})
    if _is_a(value, _SEVERAL):
        return [_filter(types, one) for one in value]
    return fitting(types, value)


def _is_a(value: object, kinds: Any) -> bool:
    return isinstance(value, kinds)
