"""Model: what @model learned of a class, and how to get at it from the class or from one of its slots.

Knows Python classes; must not know schemas, queries or stores. builder.py makes a Model; schema/schema.py says what a
store must hold for it.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from functools import cached_property
from types import MemberDescriptorType
from typing import Any

import msgspec

from ..errors import DeclarationError
from .field import FieldSpec, IndexDecl, RelatedDecl, UniqueDecl
from .slotted import RelatedSlot

INFO = "__manystore__"  # the class attribute that holds the Model


class Model(msgspec.Struct, frozen=True, eq=False, dict=True):
    """What @model learned of a class. was: the class's name before.

    namespace: the names of the function, if any, that the class was made in.
    """

    cls: type[Any]
    name: str
    collection: str
    fields: tuple[FieldSpec, ...]
    related: tuple[RelatedDecl, ...]
    indexes: tuple[IndexDecl, ...]
    uniques: tuple[UniqueDecl, ...]
    small: bool
    soft_delete: bool
    version: int
    was: str | None
    namespace: Mapping[str, Any]

    @cached_property
    def _by_name(self) -> dict[str, FieldSpec]:
        return {spec.name: spec for spec in self.fields}

    def field(self, name: str) -> FieldSpec:
        """Give a field by name; raise KeyError."""
        return self._by_name[name]

    @cached_property
    def key(self) -> tuple[FieldSpec, ...]:
        """Give the fields of the key, in order."""
        return tuple(spec for spec in self.fields if spec.key)

    @cached_property
    def generated(self) -> FieldSpec | None:
        """Give the key that comes from the model's counter, if it does."""
        return next((spec for spec in self.fields if spec.generated), None)

    @cached_property
    def scope(self) -> FieldSpec | None:
        """Give the field that `db.scoped` fills and checks."""
        return next((spec for spec in self.fields if spec.declared.scope), None)

    def stamped(self, stamp: str) -> tuple[FieldSpec, ...]:
        """Give the fields that the clock fills when a record is created, updated or deleted."""
        return tuple(spec for spec in self.fields if spec.declared.stamp == stamp)

    @cached_property
    def codecs(self) -> dict[int, Any]:
        """Hold the codecs made for this model, by the forms that they speak; api/codec.py fills it."""
        return {}

    @cached_property
    def _annotations(self) -> dict[str, Any]:
        return {}

    def annotation(self, name: str) -> Any:
        """Give the annotation of a related slot, resolved; raise DeclarationError when it names nothing known."""
        if name not in self._annotations:
            self._annotations[name] = self._resolved(name, {})
        return self._annotations[name]

    def link(self, models: Mapping[str, type[Any]]) -> None:
        """Resolve the related slots among the models of a database: some are imported for type checkers only."""
        for relation in self.related:
            if relation.name not in self._annotations:
                try:
                    self._annotations[relation.name] = self._resolved(relation.name, models)
                except DeclarationError:
                    continue  # its model is not of this database, which matters only to a load= of this slot

    def _resolved(self, name: str, models: Mapping[str, type[Any]]) -> Any:
        module = sys.modules.get(self.cls.__module__)
        # A class made inside a function leaves its neighbours in that function's frame, not in its module.
        names = {**models, **(vars(module) if module else {}), **self.namespace}
        annotation = inspect.get_annotations(self.cls)[name]
        # This one alone: the others may name what only type checkers import.
        holder = type(self.name, (), {"__annotations__": {name: annotation}})
        try:
            return typing.get_type_hints(holder, names)[name]
        except NameError as reason:
            raise DeclarationError(f"{self.name}.{name}: cannot read its annotation: {reason}") from None


def model_of(cls: type[Any]) -> Model:
    """Give what @model learned of a class; raise DeclarationError when it is no model."""
    info = cls.__dict__.get(INFO)
    if not isinstance(info, Model):
        raise DeclarationError(f"{cls.__name__} is no model; decorate it with @model")
    return info


def owner_of(slot: object) -> tuple[type[Any], str]:
    """Give the class and the name of `Book.title`; raise TypeError for anything but a slot."""
    if not isinstance(slot, (MemberDescriptorType, RelatedSlot)):
        raise TypeError(
            f"a field of a model is wanted, written on its class, as in Book.title; not {type(slot).__name__}"
        )
    return slot.__objclass__, slot.__name__
