"""@model: an annotated class becomes a slotted dataclass that knows its fields, keys, indexes and references.

Knows Python classes; must not know schemas, queries or stores. declaration.py says which declarations are refused.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

import msgspec

from ..errors import DeclarationError
from .annotation import field_type, split_optional
from .declaration import STORED_NAME, check_default, check_field, check_model, check_relation
from .field import DECLARED, Declared, FieldSpec, IndexDecl, RelatedDecl, UniqueDecl, field, ref, related
from .model import INFO, Model
from .slotted import REVISION, RelatedSlot, rebuilt, slotted_dataclass
from .types import INDEXED_TEXT

M = TypeVar("M")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@overload
def model(cls: type[M], /) -> type[M]: ...
@overload
def model(
    *,
    abstract: bool = ...,
    collection: str | None = ...,
    indexes: Sequence[IndexDecl] = ...,
    uniques: Sequence[UniqueDecl] = ...,
    small: bool = ...,
    soft_delete: bool = ...,
    frozen: bool = ...,
    version: int = ...,
    was: str | None = ...,
) -> Callable[[type[M]], type[M]]: ...
@dataclass_transform(kw_only_default=True, field_specifiers=(field, ref, related))
def model(
    cls: type[Any] | None = None,
    /,
    *,
    abstract: bool = False,
    collection: str | None = None,
    indexes: Sequence[IndexDecl] = (),
    uniques: Sequence[UniqueDecl] = (),
    small: bool = False,
    soft_delete: bool = False,
    frozen: bool = False,
    version: int = 1,
    was: str | None = None,
) -> Any:
    """Make a class a model: a slotted, keyword-only, standard dataclass with nothing of a store in it.

    abstract: only lends its fields to the models that inherit it. collection: the stored name, snake_case of the class
    if not given. small: few records, so that reading all of them is no hidden scan. soft_delete: delete() sets its
    `deleted` field. version: the number of its shape. was: the class's name before, for `manystore migrate make`.
    Raises DeclarationError, which names the class and the field.
    """
    # The class may sit in a function, whose names its annotations use.
    frame = inspect.currentframe()
    outer = frame.f_back if frame is not None else None
    namespace = dict(outer.f_locals) if outer is not None and outer.f_locals is not outer.f_globals else {}
    options: dict[str, Any] = {"indexes": _several(indexes), "uniques": _several(uniques)}
    options |= {"small": small, "soft_delete": soft_delete}
    options |= {"collection": collection, "version": version, "was": was}

    def decorate(target: type[Any]) -> type[Any]:
        builder = _Builder(target, namespace)
        return builder.abstract(frozen=frozen) if abstract else builder.build(frozen=frozen, **options)

    return decorate if cls is None else decorate(cls)


def _several(declared: Any) -> tuple[Any, ...]:
    """Take a list of declarations; one without a list stays itself, to be refused where the class has a name."""
    return tuple(declared) if hasattr(declared, "__iter__") else (None,)


class _Builder:
    """Builds one model, step by step; each refusal names the class and the field."""

    def __init__(self, cls: type[Any], namespace: Mapping[str, Any]) -> None:
        self.cls = cls
        self.namespace = namespace

    def refuse(self, reason: str, name: str | None = None) -> NoReturn:
        """Raise DeclarationError for the class, or for one of its fields."""
        raise DeclarationError(f"{self.cls.__name__}{'.' + name if name else ''}: {reason}")

    def abstract(self, *, frozen: bool) -> type[Any]:
        """Make a class that lends its fields and methods."""
        for name in inspect.get_annotations(self.cls):
            if isinstance(self.cls.__dict__.get(name), RelatedDecl):
                self.refuse("related() goes into the models themselves, not into what they inherit", name)
        made = self._dataclass(lambda: dataclasses.dataclass(kw_only=True, frozen=frozen)(self.cls))
        # No slots of its own: two mixins with slots could not be combined, and Both.created_at would belong to neither.
        return rebuilt(made, (), without=made.__dataclass_fields__)

    def build(self, *, frozen: bool, **options: Any) -> type[Any]:
        """Make the model."""
        self._check_bases()
        annotations = inspect.get_annotations(self.cls)
        if REVISION in annotations:
            self.refuse("a field's name may not begin with an underscore", REVISION)
        relations = self._take_relations(annotations)
        names = [relation.name for relation in relations]
        self.cls.__annotations__ = {k: v for k, v in annotations.items() if k not in names}
        made = self._dataclass(lambda: slotted_dataclass(self.cls, extra=names, frozen=frozen))
        # Checkers and get_type_hints still find the related records' annotations.
        made.__annotations__ = {**annotations, REVISION: "int | None"}
        for name in names:
            setattr(made, name, RelatedSlot(made.__dict__[name]))
        setattr(made, INFO, self._model(made, relations, options))
        loose = next((base for base in made.__mro__[1:-1] if "__dict__" in vars(base)), None)
        if loose is not None:
            self.refuse(f"its base {loose.__name__} needs `__slots__ = ()`, or a misspelt attribute would be accepted")
        return made

    def _dataclass(self, make: Callable[[], type[Any]]) -> type[Any]:
        try:
            return make()
        except (TypeError, ValueError) as reason:  # a mutable default, a frozen base: dataclasses says it well
            self.refuse(str(reason))

    def _check_bases(self) -> None:
        for base in self.cls.__mro__[1:]:
            if INFO in base.__dict__:
                self.refuse(f"inherits the model {base.__name__}; share fields through @model(abstract=True)")

    def _take_relations(self, annotations: Mapping[str, Any]) -> tuple[RelatedDecl, ...]:
        found: list[RelatedDecl] = []
        for name in annotations:
            declared = self.cls.__dict__.get(name)
            if isinstance(declared, RelatedDecl):
                if reason := check_relation(self.cls, name):
                    self.refuse(reason, name)
                found.append(RelatedDecl(self._by(declared.by, name), name))
        for relation in found:
            delattr(self.cls, relation.name)
        return tuple(found)

    def _by(self, by: object, name: str) -> str:
        if isinstance(by, str) and by.count(".") == 1:
            return by
        # In the class body a field is still the object that ref() or field() returned: find its name by identity.
        names = [k for k, v in self.cls.__dict__.items() if v is by]
        declared: Any = by.metadata.get(DECLARED) if isinstance(by, dataclasses.Field) else None
        if not names or not isinstance(declared, Declared):
            self.refuse('related() takes a ref() or field() of this class, or "Model.field"', name)
        return f"{self.cls.__name__}.{names[0]}"

    def _model(self, made: type[Any], relations: tuple[RelatedDecl, ...], options: dict[str, Any]) -> Model:
        for word, kind in (("indexes", IndexDecl), ("uniques", UniqueDecl)):
            if not all(isinstance(declared, kind) for declared in options[word]):
                self.refuse(f"{word}= takes a list of what {'index' if kind is IndexDecl else 'unique'}() gives")
        named = options["collection"]
        collection = named if named is not None else _WORDS.sub("_", made.__name__).lower()
        if not STORED_NAME.fullmatch(collection):
            self.refuse("a collection's name is 1 to 63 letters, digits and underscores, a letter first")
        fields = self._fields(made, (*options["indexes"], *options["uniques"]))
        info = Model(
            cls=made,
            name=made.__name__,
            collection=collection,
            fields=fields,
            related=relations,
            indexes=_declared(fields, "index", IndexDecl) + options["indexes"],
            uniques=_declared(fields, "unique", UniqueDecl) + options["uniques"],
            small=options["small"],
            soft_delete=options["soft_delete"],
            version=options["version"],
            was=options["was"],
            namespace=self.namespace,
        )
        if refused := check_model(info):
            self.refuse(*refused)
        return info

    def _fields(self, made: type[Any], declared: Sequence[IndexDecl | UniqueDecl]) -> tuple[FieldSpec, ...]:
        indexed = {name.removeprefix("-") for part in declared for name in part.fields}
        specs: list[FieldSpec] = []
        for slot in dataclasses.fields(made):
            spec = _with_length(self._field(slot), indexed)
            if reason := check_field(self.cls, spec) or check_default(spec):
                self.refuse(reason, spec.name)
            specs.append(spec)
        return tuple(specs)

    def _field(self, slot: dataclasses.Field[Any]) -> FieldSpec:
        declared: Declared = slot.metadata.get(DECLARED) or Declared()
        annotation, optional = split_optional(self._resolved(slot))
        try:
            kind = field_type(annotation, length=declared.max_length, digits=declared.digits, scale=declared.scale)
        except TypeError as reason:
            self.refuse(str(reason), slot.name)
        default = MISSING if declared.generated else slot.default
        return FieldSpec(
            slot.name, declared.column or slot.name, kind, optional, declared, default, slot.default_factory
        )

    def _resolved(self, slot: dataclasses.Field[Any]) -> Any:
        if not isinstance(slot.type, str):
            return slot.type
        # An inherited field is read among the names of the file that it was written in.
        home = next(b for b in self.cls.__mro__ if slot.name in inspect.get_annotations(b))
        names: dict[str, Any] = {}
        for cls in (self.cls, home):
            module = sys.modules.get(cls.__module__)
            names |= vars(module) if module else {}
        nested = {name: value for name, value in vars(home).items() if isinstance(value, type)}
        try:
            return eval(slot.type, {**names, **self.namespace}, nested)
        except Exception as reason:  # noqa: BLE001 - whatever the annotation's own code raises
            self.refuse(f"cannot read its annotation: {reason}", slot.name)


def _with_length(spec: FieldSpec, indexed: set[str]) -> FieldSpec:
    """Give keyed, indexed, unique, scoping and referring text its default length."""
    d, kind = spec.declared, spec.type
    # As `is not False`: a declaration has no truth value that would mean anything.
    is_indexed = d.index is not False or d.unique is not False or d.reference is not None or spec.name in indexed
    if kind.kind not in ("str", "bytes") or kind.length is not None or not (d.key or d.scope or is_indexed):
        return spec
    return msgspec.structs.replace(spec, type=msgspec.structs.replace(kind, length=INDEXED_TEXT))


def _declared(fields: Sequence[FieldSpec], what: str, kind: type[Any]) -> tuple[Any, ...]:
    """Collect field(index=...) and field(unique=...) as declarations of one field each."""
    found: list[Any] = []
    for spec in fields:
        declared = getattr(spec.declared, what)
        if isinstance(declared, kind):
            found.append(msgspec.structs.replace(declared, fields=(spec.name,)))
        elif declared:
            found.append(kind((spec.name,)))
    return tuple(found)
