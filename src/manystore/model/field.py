"""What a model's class body says of its attributes: field(), ref(), related(), index(), unique().

Knows declarations only; must not know classes, schemas or stores. model.py turns declarations into FieldSpecs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, Literal, TypeAlias, TypeVar, overload

import msgspec

from ..errors import DeclarationError
from .types import FieldType
from .unset import UNSET

V = TypeVar("V")
OnDelete: TypeAlias = Literal["restrict", "cascade", "set_null"]
Among: TypeAlias = Literal["all", "live"]
Stamp: TypeAlias = Literal["created", "updated", "deleted"]
DECLARED = "manystore"  # the place of a Declared in a dataclass field's metadata


class RefDecl(msgspec.Struct, frozen=True):
    """A reference as declared: a slot descriptor, a function that gives one, or the name "Model.field"."""

    target: Any
    on_delete: OnDelete


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """All that field() or ref() was told."""

    key: bool = False
    generated: bool = False
    unique: bool | UniqueDecl = False
    index: bool | IndexDecl = False
    max_length: int | None = None
    digits: int | None = None
    scale: int | None = None
    column: str | None = None
    was: str | tuple[str, ...] | None = None
    stamp: Stamp | None = None
    scope: bool = False
    reference: RefDecl | None = None


class IndexDecl(msgspec.Struct, frozen=True):
    """An index as declared. fields: attribute names, "-name" for descending."""

    fields: tuple[str, ...]
    name: str | None = None
    scoped: bool = False


class UniqueDecl(msgspec.Struct, frozen=True):
    """A unique as declared. among: whether soft-deleted records go on holding their values."""

    fields: tuple[str, ...]
    among: Among = "all"
    name: str | None = None
    scoped: bool = False


class RelatedDecl(msgspec.Struct, eq=False):
    """A related record as declared: by this model's reference, or by "Model.field" of another one."""

    by: Any
    name: str = ""


class FieldSpec(msgspec.Struct, frozen=True):
    """One stored field of a model, all questions answered. default, factory: MISSING when there is none."""

    name: str
    column: str
    type: FieldType
    optional: bool
    declared: Declared
    default: Any = MISSING
    factory: Any = MISSING

    @property
    def key(self) -> bool:
        """Tell whether the field is part of the key."""
        return self.declared.key

    @property
    def generated(self) -> bool:
        """Tell whether the store counts the field up."""
        return self.declared.generated


def index(*fields: str, name: str | None = None, scoped: bool = False) -> IndexDecl:
    """Declare an index over several fields, for `@model(indexes=[...])`; "-name" sorts that field downwards.

    scoped puts the model's scope field in front. Without fields, for `field(index=index(name=...))`.
    """
    return IndexDecl(fields, name, scoped)


def unique(*fields: str, among: Among = "all", name: str | None = None, scoped: bool = False) -> UniqueDecl:
    """Declare a unique over several fields, for `@model(uniques=[...])`, or for `field(unique=unique(among="live"))`.

    A tuple with a None in it is never held. among="live" lets go of the values of soft-deleted records.
    """
    return UniqueDecl(fields, among, name, scoped)


@overload
def field(
    *,
    generated: Literal[True],
    key: bool = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    init: Literal[False] = False,
) -> Any: ...
@overload
def field(
    *,
    default: V,
    key: bool = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    max_length: int | None = ...,
    digits: int | None = ...,
    scale: int | None = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    stamp: Stamp | None = ...,
    scope: bool = ...,
    repr: bool = ...,
) -> V: ...
@overload
def field(
    *,
    default_factory: Callable[[], V],
    key: bool = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    max_length: int | None = ...,
    digits: int | None = ...,
    scale: int | None = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
    repr: bool = ...,
) -> V: ...
@overload
def field(
    *,
    key: bool = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    max_length: int | None = ...,
    digits: int | None = ...,
    scale: int | None = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
    repr: bool = ...,
) -> Any: ...
def field(
    *,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    generated: bool = False,
    repr: bool = True,
    init: bool = False,  # for checkers only: a generated key is absent from the constructor they see
    **declared: Any,
) -> Any:
    """Declare a stored field: its default and what the store keeps for it.

    key: part of the key. generated: an int key from the model's counter. unique, index: True, or a declaration.
    max_length: code points or bytes. digits, scale: of a Decimal. column: the stored name. was: its name before, for
    `manystore migrate make`, or the names of those it was merged from. stamp: set by the clock when the record is
    created, updated or deleted. scope: the field that `db.scoped` fills and checks. repr: in the repr.
    """
    del init
    if generated:
        default, declared["key"] = UNSET, True
    return _dataclass_field(default, default_factory, Declared(generated=generated, **declared), shown=repr)


# Callable comes before V, or mypy infers Never for a lambda.
@overload
def ref(
    *,
    to: str,
    on_delete: OnDelete = ...,
    default: Any = ...,
    key: bool = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
) -> Any: ...
@overload
def ref(
    target: Callable[[], V],
    /,
    *,
    default: None,
    on_delete: OnDelete = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
) -> V | None: ...
@overload
def ref(
    target: Callable[[], V],
    /,
    *,
    on_delete: OnDelete = ...,
    key: bool = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
) -> V: ...
@overload
def ref(
    target: V,
    /,
    *,
    default: None,
    on_delete: OnDelete = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
) -> V | None: ...
@overload
def ref(
    target: V,
    /,
    *,
    on_delete: OnDelete = ...,
    key: bool = ...,
    unique: bool | UniqueDecl = ...,
    index: bool | IndexDecl = ...,
    column: str | None = ...,
    was: str | tuple[str, ...] | None = ...,
    scope: bool = ...,
) -> V: ...
def ref(
    target: Any = None,
    /,
    *,
    to: str | None = None,
    on_delete: OnDelete = "restrict",
    default: Any = MISSING,
    **declared: Any,
) -> Any:
    """Declare a field that holds another model's key: `author_id: int = ref(Author.id)`.

    `ref(lambda: Author.id)` when the name exists later, `ref(to="Author.id")` when two files name each other.
    on_delete: what happens when the target is deleted: restrict (the default), cascade or set_null.
    """
    if isinstance(target, str) or (to is not None and to.count(".") != 1):
        raise DeclarationError('ref() takes a field, as in ref(Author.id), or its name, as in ref(to="Author.id")')
    reference = RefDecl(to if target is None else target, on_delete)
    return _dataclass_field(default, MISSING, Declared(reference=reference, **declared), shown=True)


def related(by: object, *, init: Literal[False] = False) -> Any:
    """Declare a slot that `load=` fills: `author: Author = related(author_id)`, by a ref() of this model.
    A field() that holds such keys without promising that they exist will do: where there is none, None is loaded.

    `books: list[Book] = related("Book.author_id")` is the other direction. Reading it unloaded raises NotLoaded.
    """
    del init
    return RelatedDecl(by)


def _dataclass_field(default: Any, factory: Any, declared: Declared, *, shown: bool) -> Any:
    metadata = {DECLARED: declared}
    if factory is not MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata, repr=shown)
    if default is not MISSING:
        return dataclasses.field(default=default, metadata=metadata, repr=shown)
    return dataclasses.field(metadata=metadata, repr=shown)
