"""load=: related records read in batches, one read a level, and put into their slots."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Sequence
from types import MemberDescriptorType
from typing import Any, TypeAlias

from ..errors import DeclarationError, UsageError
from ..model.model import model_of
from ..query.predicate import Compare

Reader: TypeAlias = Callable[[type[Any], Compare, bool], list[Any]]
"""Reads a model's records whose field is among some values; the flag asks for soft-deleted ones too."""


def load_related(records: Sequence[Any], slots: Iterable[object], cls: type[Any], read: Reader) -> None:
    """Fill related slots in the order given; a later one may belong to records that an earlier one brought."""
    found: dict[type[Any], list[Any]] = {cls: list(records)}
    for slot in slots:
        owner, name, by = _relation(slot)
        if owner not in found:
            raise UsageError(
                f"load=: {owner.__name__}.{name} belongs to no record read here; name what leads to it first"
            )
        target = _load_slot(found[owner], owner, name, by, read)
        found.setdefault(target[0], []).extend(target[1])


def _relation(slot: object) -> tuple[type[Any], str, str]:
    """Give owner, name and declaration of a related slot; raise UsageError for anything else."""
    if not isinstance(slot, MemberDescriptorType):
        written = "related fields written on their class, as in load=(Book.author,)"
        raise UsageError(f"load= takes {written}; not a {type(slot).__name__}")
    owner, name = slot.__objclass__, slot.__name__
    relation = next((r for r in model_of(owner).related if r.name == name), None)
    if relation is None:
        raise UsageError(f"load=: {owner.__name__}.{name} is no related record")
    return owner, name, relation.by


def _load_slot(
    records: Sequence[Any], owner: type[Any], name: str, by: str, read: Reader
) -> tuple[type[Any], list[Any]]:
    annotation = model_of(owner).annotation(name)
    many = typing.get_origin(annotation) is list
    members = [a for a in typing.get_args(annotation) if a is not type(None)]
    target: type[Any] = members[0] if members else annotation
    model_name, _, field_name = by.partition(".")
    if many:
        if model_name != target.__name__:
            raise DeclarationError(
                f"{owner.__name__}.{name}: a list of {target.__name__} is related by one of its fields"
            )
        return target, _load_many(records, owner, name, (target, field_name), read)
    return target, _load_one(records, name, target, field_name, read)


def _load_one(records: Sequence[Any], name: str, target: type[Any], field_name: str, read: Reader) -> list[Any]:
    key = model_of(target).key[0]
    wanted = dict.fromkeys(v for r in records if (v := getattr(r, field_name)) is not None)
    # A reference may point at a soft-deleted record.
    got = read(target, Compare(target, key.name, "in", tuple(wanted), optional=False), True) if wanted else []
    by_key = {getattr(record, key.name): record for record in got}
    put = _putter(records)
    for record in records:
        put(record, name, by_key.get(getattr(record, field_name)))
    return got


def _load_many(
    records: Sequence[Any], owner: type[Any], name: str, related: tuple[type[Any], str], read: Reader
) -> list[Any]:
    target, field_name = related
    key = model_of(owner).key[0].name
    wanted = tuple(dict.fromkeys(getattr(record, key) for record in records))
    spec = model_of(target).field(field_name)
    got = read(target, Compare(target, field_name, "in", wanted, spec.optional), False) if wanted else []
    groups: dict[Any, list[Any]] = {value: [] for value in wanted}
    for record in got:
        groups[getattr(record, field_name)].append(record)
    put = _putter(records)
    for record in records:
        put(record, name, groups[getattr(record, key)])
    return got


def _putter(records: Sequence[Any]) -> Callable[[Any, str, Any], None]:
    # A frozen model refuses setattr, but a related slot is no part of its value.
    return object.__setattr__ if records else setattr
