"""Binding: between a field's primitive, as JSON has it, and what a store binds and gives, by the forms it asks for.

Knows kinds and forms; must not know stores or models. docs/format.md has the primitives. Neither way ever sees None.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..model.types import FieldType, Kind
from ..schema.schema import Field
from .protocol import Form

Turn: TypeAlias = Callable[[Any], Any]
_PLAIN = Form()


def binder(field: Field, forms: Mapping[Kind, Form]) -> Turn | None:
    """Give the function from a field's primitive to what is bound; None: nothing to be done."""
    if field.kind == "bytes":
        return b64decode
    form = forms.get(field.kind, _PLAIN)
    if not form.native:
        return form.dump
    load, dump = _type(field).load, form.dump
    return load if dump is None else lambda primitive: dump(load(primitive))


def loader(field: Field, forms: Mapping[Kind, Form]) -> Turn | None:
    """Give the function from what the store gives to the field's primitive; None: nothing to be done."""
    if field.kind == "bytes":
        return lambda value: b64encode(value).decode()
    form = forms.get(field.kind, _PLAIN)
    if not form.native:
        return form.load
    dump, load = _type(field).dump, form.load
    return dump if load is None else lambda value: dump(load(value))


def _type(field: Field) -> FieldType:
    return FieldType(field.kind, (), field.length, field.digits, field.scale)
