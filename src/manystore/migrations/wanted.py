"""Wanted: what models say to `make`: their schema, the names that they and their fields had, and constant defaults.

Knows models; must not know histories or stores.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

import msgspec

from ..model.field import FieldSpec
from ..model.model import model_of
from ..schema.schema import Field, Schema
from .model_operation import CreateModel
from .operation import FILL_IN, Operation


class Wanted(msgspec.Struct, frozen=True):
    """models: former names by collection; fields: former names, and defaults: primitives, by collection and field."""

    schema: Schema
    models: Mapping[str, str]
    fields: Mapping[tuple[str, str], tuple[str, ...]]
    defaults: Mapping[tuple[str, str], Any]

    @classmethod
    def of(cls, models: Iterable[type[Any]]) -> Wanted:
        """Read some models; raise DeclarationError when they do not fit together."""
        classes = tuple(models)
        infos = [model_of(found) for found in classes]
        specs = [(info.collection, spec) for info in infos for spec in info.fields]
        return cls(
            Schema.of(classes),
            {info.collection: info.was for info in infos if info.was is not None},
            {(name, spec.name): _several(spec.declared.was) for name, spec in specs if spec.declared.was is not None},
            {(name, spec.name): _default(spec) for name, spec in specs},
        )

    def default(self, collection: str, field: Field) -> Any:
        """Give what records made before hold in a new field: its default, None if it may be, else to be filled in."""
        return self.defaults[collection, field.name]

    def known(self, state: Schema, operations: Sequence[Operation]) -> set[str]:
        """Name the collections that are not new."""
        made = {o.collection.name for o in operations if isinstance(o, CreateModel)}
        return {c.name for c in state.collections} - made


def _several(was: str | tuple[str, ...]) -> tuple[str, ...]:
    return (was,) if isinstance(was, str) else tuple(was)


def _default(spec: FieldSpec) -> Any:
    if spec.default is MISSING and spec.factory is not MISSING:
        made = spec.factory()
        # A factory may count or roll dice; only what it makes twice the same is a constant.
        value = made if made == spec.factory() and spec.type.refusal(made) is None else MISSING
    else:
        value = spec.default
    if value is None or (value is MISSING and spec.optional):
        return None if spec.optional else FILL_IN
    if value is MISSING:
        return FILL_IN
    primitive = spec.type.dump(value)
    return b64encode(primitive).decode() if isinstance(primitive, bytes) else primitive
