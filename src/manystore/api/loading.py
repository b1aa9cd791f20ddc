"""load=: related records read in batches, one read a level, and put into their slots."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from types import MemberDescriptorType
from typing import Any, TypeAlias

import msgspec

from ..errors import DeclarationError, NoAccessPath, UsageError
from ..model.model import model_of
from ..model.slotted import RelatedSlot
from ..query.predicate import Compare

Reader: TypeAlias = Callable[[type[Any], Compare, bool], list[Any]]
"""Reads a model's records whose field is among some values; the flag asks for soft-deleted ones too."""


class Relation(msgspec.Struct, frozen=True):
    """A related slot, resolved. field: of the owner's reference, or when is_list of the target's."""

    owner: type[Any]
    name: str
    target: type[Any]
    field: str
    is_list: bool


def load_related(records: Sequence[Any], slots: Iterable[object], cls: type[Any], read: Reader) -> None:
    """Fill related slots in the order given; a later one may belong to records that an earlier one brought."""
    found: dict[type[Any], list[Any]] = {cls: list(records)}
    for slot in slots:
        if not isinstance(slot, (MemberDescriptorType, RelatedSlot)):
            written = "related fields written on their class, as in load=(Book.author,)"
            raise UsageError(f"load= takes {written}; not a {type(slot).__name__}")
        relation = _relation(slot)
        if relation.owner not in found:
            where = f"{relation.owner.__name__}.{relation.name}"
            raise UsageError(f"load=: {where} belongs to no record read here; name what leads to it first")
        load = _load_many if relation.is_list else _load_one
        found.setdefault(relation.target, []).extend(load(found[relation.owner], relation, read))


@cache  # reading annotations takes a millisecond, and a model is declared once
def _relation(slot: MemberDescriptorType | RelatedSlot) -> Relation:
    owner, name = slot.__objclass__, slot.__name__
    declared = next((r for r in model_of(owner).related if r.name == name), None)
    if declared is None:
        raise UsageError(f"load=: {owner.__name__}.{name} is no related record")
    annotation = model_of(owner).annotation(name)
    members = [a for a in typing.get_args(annotation) if a is not type(None)]
    target: type[Any] = members[0] if members else annotation
    model_name, _, field = declared.by.partition(".")
    is_list = typing.get_origin(annotation) is list
    if is_list and model_name != target.__name__:
        raise DeclarationError(f"{owner.__name__}.{name}: a list of {target.__name__} is related by one of its fields")
    return Relation(owner, name, target, field, is_list)


def _load_one(records: Sequence[Any], relation: Relation, read: Reader) -> list[Any]:
    name, target, field_name = relation.name, relation.target, relation.field
    key = model_of(target).key[0]
    wanted = dict.fromkeys(v for r in records if (v := getattr(r, field_name)) is not None)
    # A reference may point at a soft-deleted record.
    got = read(target, Compare(target, key.name, "in", tuple(wanted), optional=False), True) if wanted else []
    by_key = {getattr(record, key.name): record for record in got}
    for record in records:
        object.__setattr__(record, name, by_key.get(getattr(record, field_name)))
    return got


def _load_many(records: Sequence[Any], relation: Relation, read: Reader) -> list[Any]:
    name, target, field_name = relation.name, relation.target, relation.field
    key = model_of(relation.owner).key[0].name
    wanted = tuple(dict.fromkeys(getattr(record, key) for record in records))
    spec = model_of(target).field(field_name)
    try:
        got = read(target, Compare(target, field_name, "in", wanted, spec.optional), False) if wanted else []
    except NoAccessPath as error:
        raise NoAccessPath(error.model, f"load= of {relation.owner.__name__}.{name}", error.index) from None
    groups: dict[Any, list[Any]] = {value: [] for value in wanted}
    for record in got:
        groups[getattr(record, field_name)].append(record)
    for record in records:
        object.__setattr__(record, name, groups[getattr(record, key)])
    return got
