"""What a model may not declare: each check gives the reason, or None. builder.py adds the names of class and field.

Knows fields, indexes and models; must not know how a class is made of them.
"""

from __future__ import annotations

import re
from dataclasses import MISSING
from typing import Any, get_args

from .field import Among, FieldSpec, IndexDecl, OnDelete, Stamp, UniqueDecl
from .mapping import RESERVED, AsMapping
from .model import Model

STORED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_NAME_RULE = "is 1 to 63 letters, digits and underscores, a letter first"


def check_relation(cls: type[Any], name: str) -> str | None:
    """Say why a related slot may not have this name."""
    if name.startswith("_"):
        return "a related record's name may not begin with an underscore"
    return "this name is a method of AsMapping" if issubclass(cls, AsMapping) and name in RESERVED else None


def check_field(cls: type[Any], spec: FieldSpec) -> str | None:
    """Say why a field is refused."""
    if spec.name.startswith("_"):
        return "a field's name may not begin with an underscore"
    if issubclass(cls, AsMapping) and spec.name in RESERVED:
        return "this name is a method of AsMapping"
    if not STORED_NAME.fullmatch(spec.column):
        return f"a stored name {_NAME_RULE}"
    return _check_key(spec) or _check_words(spec) or _check_roles(spec)


def _check_key(spec: FieldSpec) -> str | None:
    kind = spec.type.kind
    if spec.key and (spec.optional or kind in ("json", "float")):
        return "a key may be neither optional nor a float nor a JSON value"
    if spec.generated and (kind != "int" or spec.type.enum is not None or spec.type.choices is not None):
        return "a generated key is an int"
    return None


def _check_words(spec: FieldSpec) -> str | None:
    """Look at the words that type checkers see to, where there is one."""
    declared = spec.declared
    if declared.stamp is not None and declared.stamp not in get_args(Stamp):
        return _choice("stamp", Stamp)
    if declared.reference is not None and declared.reference.on_delete not in get_args(OnDelete):
        return _choice("on_delete", OnDelete)
    if isinstance(declared.index, IndexDecl) and declared.index.fields:
        return "index() takes no field names inside field()"
    if isinstance(declared.unique, UniqueDecl) and declared.unique.fields:
        return "unique() takes no field names inside field()"
    if not isinstance(declared.index, (bool, IndexDecl)) or not isinstance(declared.unique, (bool, UniqueDecl)):
        return "index= and unique= take True, or what index() and unique() give"
    return None


def _choice(word: str, literal: Any) -> str:
    return f"{word}= takes {', '.join(get_args(literal))}"


def _check_roles(spec: FieldSpec) -> str | None:
    declared, kind = spec.declared, spec.type.kind
    if kind == "json" and (declared.index or declared.unique or declared.scope or declared.reference):
        return "a JSON value can be neither indexed nor unique nor the scope nor a reference"
    if declared.stamp and (kind != "datetime" or (not spec.optional and declared.stamp != "created")):
        return "a stamp is a `datetime | None`"
    if declared.stamp and spec.default is MISSING:
        return "a stamp needs default=None: the clock fills it"
    if declared.reference and declared.reference.on_delete == "set_null" and (not spec.optional or declared.key):
        return 'on_delete="set_null" needs an optional field'
    return None


def check_default(spec: FieldSpec) -> str | None:
    """Say why a field's default is refused; what a factory makes is looked at when a record is stored."""
    if spec.default is MISSING:
        return None
    if spec.default is None:
        is_stamped = spec.declared.stamp is not None
        return None if spec.optional or is_stamped else "the default None is refused: the field is not optional"
    reason = spec.type.refusal(spec.default)
    return f"its default is refused: {reason}" if reason else None


def check_model(info: Model) -> tuple[str] | tuple[str, str] | None:
    """Give the reason why a whole model is refused, and the field if it is one field's fault."""
    if not info.key:
        return ("no key; declare one with field(key=True)",)
    if info.generated and len(info.key) > 1:
        return "a generated key stands alone", info.generated.name
    if len([spec for spec in info.fields if spec.declared.scope]) > 1:
        return ("only one field may be the scope",)
    columns = [spec.column.lower() for spec in info.fields]
    if twice := next((c for c in columns if columns.count(c) > 1), None):
        return (f"two fields are stored as {twice}",)
    if info.soft_delete and not any(_is_flag(spec) for spec in info.fields):
        return ("soft_delete=True needs a field `deleted: bool = False`",)
    if info.version < 1:
        return ("a version is 1 or more",)
    declared: tuple[IndexDecl | UniqueDecl, ...] = (*info.indexes, *info.uniques)
    return next((found for part in declared if (found := _check_index(info, part))), None)


def _is_flag(spec: FieldSpec) -> bool:
    return spec.name == "deleted" and spec.type.kind == "bool" and not spec.optional and spec.default is False


def _check_index(info: Model, declared: IndexDecl | UniqueDecl) -> tuple[str] | tuple[str, str] | None:
    is_index = isinstance(declared, IndexDecl)
    what = f"the {'index' if is_index else 'unique'} {', '.join(declared.fields)}"
    names = [name.removeprefix("-") if is_index else name for name in declared.fields]
    if not names:
        return (f"an {'index' if is_index else 'unique'} names no field",)
    if len(set(names)) < len(names):
        return (f"{what} names a field twice",)
    if declared.name is not None and not STORED_NAME.fullmatch(declared.name):
        return (f"{what}: its name {_NAME_RULE}",)
    known = {spec.name: spec for spec in info.fields}
    for name in names:
        if name not in known:
            return (f"{what} names {name}, which is no field",)
        if known[name].type.kind == "json":
            return f"a JSON value can't be in {what}", name
    if declared.scoped and info.scope is None:
        return (f"{what} is scoped, but no field is the scope",)
    if isinstance(declared, UniqueDecl) and declared.among not in get_args(Among):
        return (f"{what}: {_choice('among', Among)}",)
    if isinstance(declared, UniqueDecl) and declared.among == "live" and not info.soft_delete:
        return (f"{what} is among the live, but the model has no soft delete",)
    return None
