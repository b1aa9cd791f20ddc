"""@model: an annotated class becomes a slotted dataclass that knows its fields, keys, indexes and references.

Knows Python classes; must not know schemas, queries or stores. schema/schema.py says what a store must hold for it.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from types import MemberDescriptorType
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

from ..errors import DeclarationError, NotLoaded
from .annotation import field_type, split_optional
from .field import DECLARED, Declared, FieldSpec, IndexDecl, RelatedDecl, UniqueDecl, field, ref, related
from .mapping import RESERVED, AsMapping
from .slotted import REVISION, slotted_dataclass
from .types import INDEXED_TEXT, FieldType

M = TypeVar("M")
_INFO = "__manystore__"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STORED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Model:
    """What @model learned of a class. related: slots that load= fills, with their annotations unresolved."""

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
    namespace: Mapping[str, Any]

    def field(self, name: str) -> FieldSpec:
        """Give a field by name; raise KeyError."""
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(name)

    @property
    def key(self) -> tuple[FieldSpec, ...]:
        return tuple(spec for spec in self.fields if spec.key)

    @property
    def generated(self) -> FieldSpec | None:
        return next((spec for spec in self.fields if spec.generated), None)

    @property
    def scope(self) -> FieldSpec | None:
        return next((spec for spec in self.fields if spec.declared.scope), None)

    def stamped(self, stamp: str) -> tuple[FieldSpec, ...]:
        """Give the fields that the clock fills when a record is created, updated or deleted."""
        return tuple(spec for spec in self.fields if spec.declared.stamp == stamp)

    def annotation(self, name: str) -> Any:
        """Resolve the annotation of a related slot; its model may have been declared later than this one."""
        # A class made inside a function leaves its neighbours in that function's frame, not in its module.
        hints = typing.get_type_hints(self.cls, {**vars(sys.modules[self.cls.__module__]), **self.namespace})
        return hints[name]


def model_of(cls: type[Any]) -> Model:
    """Give what @model learned of a class; raise DeclarationError when it is no model."""
    info = cls.__dict__.get(_INFO)
    if not isinstance(info, Model):
        raise DeclarationError(f"{cls.__name__} is no model; decorate it with @model")
    return info


def owner_of(slot: object) -> tuple[type[Any], str]:
    """Give the class and the name of `Book.title`; raise TypeError for anything but a slot."""
    if not isinstance(slot, MemberDescriptorType):
        raise TypeError(
            f"a field of a model is wanted, written on its class, as in Book.title; not {type(slot).__name__}"
        )
    return slot.__objclass__, slot.__name__


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
) -> Any:
    """Make a class a model: a slotted, keyword-only, standard dataclass with nothing of a store in it.

    abstract: only lends its fields to the models that inherit it. collection: the stored name (snake_case of the class).
    small: few records, so that reading all of them is no hidden scan. soft_delete: delete() sets its `deleted` field.
    version: the number of its shape. Raises DeclarationError, which names the class and the field.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the class may sit in a function, whose names its annotations use
    namespace = dict(frame.f_locals) if frame.f_locals is not frame.f_globals else {}

    def decorate(target: type[Any]) -> type[Any]:
        if abstract:
            return _abstract(target)
        builder = _Builder(target, namespace)
        return builder.build(
            collection=collection,
            indexes=indexes,
            uniques=uniques,
            small=small,
            soft_delete=soft_delete,
            frozen=frozen,
            version=version,
        )

    return decorate if cls is None else decorate(cls)


def _abstract(cls: type[Any]) -> type[Any]:
    # No slots of its own: two mixins with slots could not be combined, and Both.created_at would belong to neither.
    made = dataclasses.dataclass(kw_only=True)(cls)
    namespace = {
        k: v
        for k, v in made.__dict__.items()
        if k not in ("__dict__", "__weakref__") and k not in made.__dataclass_fields__
    }
    namespace["__slots__"] = ()
    return type(made)(made.__name__, made.__bases__, namespace)


class _Builder:
    """Builds one model, step by step; each refusal names the class and the field."""

    def __init__(self, cls: type[Any], namespace: Mapping[str, Any]) -> None:
        self.cls = cls
        self.namespace = namespace

    def refuse(self, reason: str, name: str | None = None) -> NoReturn:
        raise DeclarationError(f"{self.cls.__name__}{'.' + name if name else ''}: {reason}")

    def build(self, **options: Any) -> type[Any]:
        self._check_bases()
        annotations: dict[str, Any] = self.cls.__dict__.get("__annotations__", {})
        relations = self._take_relations(annotations)
        self._name_relations(relations)
        self.cls.__annotations__ = {k: v for k, v in annotations.items() if k not in {r.name for r in relations}}
        try:
            made = slotted_dataclass(self.cls, extra=[r.name for r in relations], frozen=options.pop("frozen"))
        except (TypeError, ValueError) as reason:
            self.refuse(str(reason))
        # Checkers and get_type_hints still find the related records' annotations.
        made.__annotations__ = {**annotations, REVISION: "int | None"}
        if relations:
            made.__getattr__ = _not_loaded(frozenset(r.name for r in relations))
        fields = self._fields(made)
        info = self._model(made, fields, tuple(relations), options)
        setattr(made, _INFO, info)
        if "__dict__" in dir(made) and any("__dict__" in vars(base) for base in made.__mro__[1:-1]):
            loose = next(base for base in made.__mro__[1:-1] if "__dict__" in vars(base))
            self.refuse(f"its base {loose.__name__} needs `__slots__ = ()`, or a misspelt attribute would be accepted")
        return made

    def _check_bases(self) -> None:
        for base in self.cls.__mro__[1:]:
            if _INFO in base.__dict__:
                self.refuse(f"inherits the model {base.__name__}; share fields through @model(abstract=True)")

    def _take_relations(self, annotations: Mapping[str, Any]) -> list[RelatedDecl]:
        found: list[RelatedDecl] = []
        for name in annotations:
            declared = self.cls.__dict__.get(name)
            if isinstance(declared, RelatedDecl):
                declared.name = name
                found.append(declared)
                delattr(self.cls, name)
        return found

    def _name_relations(self, relations: Sequence[RelatedDecl]) -> None:
        # In the class body a reference is still the object that ref() returned: find its name by identity.
        for relation in relations:
            if isinstance(relation.by, str):
                continue
            names = [k for k, v in self.cls.__dict__.items() if v is relation.by]
            if not names or not isinstance(relation.by, dataclasses.Field):
                self.refuse('related() takes a ref() of this class, or "Model.field"', relation.name)
            relation.by = f"{self.cls.__name__}.{names[0]}"

    def _fields(self, made: type[Any]) -> tuple[FieldSpec, ...]:
        scope = {**vars(sys.modules[made.__module__]), **self.namespace} if made.__module__ in sys.modules else {}
        specs: list[FieldSpec] = []
        for declared_field in dataclasses.fields(made):
            name = declared_field.name
            declared: Declared = declared_field.metadata.get(DECLARED, Declared())
            annotation, optional = split_optional(self._resolve(declared_field, scope))
            try:
                kind = field_type(annotation, length=declared.max_length, digits=declared.digits, scale=declared.scale)
            except TypeError as reason:
                self.refuse(str(reason), name)
            self._check_field(name, declared, kind, optional=optional)
            default = declared_field.default
            if declared_field.default_factory is not MISSING:
                default = declared_field.default_factory
            specs.append(FieldSpec(name, declared.column or name, kind, optional, declared, default))
            if default is not MISSING and not callable(default) and not declared.generated:
                self._check_default(specs[-1])
        return self._with_lengths(specs)

    def _resolve(self, declared_field: dataclasses.Field[Any], scope: dict[str, Any]) -> Any:
        annotation = declared_field.type
        if not isinstance(annotation, str):
            return annotation
        for base in self.cls.__mro__:  # an inherited field is read among the names of the file it was written in
            if declared_field.name in base.__dict__.get("__annotations__", {}):
                home = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
                scope = {**scope, **home, **self.namespace}
                break
        try:
            return eval(annotation, scope)
        except Exception as reason:  # noqa: BLE001 - whatever the annotation's own code raises
            self.refuse(f"cannot read its annotation: {reason}", declared_field.name)

    def _check_field(self, name: str, declared: Declared, kind: FieldType, *, optional: bool) -> None:
        if name.startswith("_"):
            self.refuse("a field's name may not begin with an underscore", name)
        if issubclass(self.cls, AsMapping) and name in RESERVED:
            self.refuse("this name is a method of AsMapping", name)
        if not _STORED_NAME.fullmatch(declared.column or name):
            self.refuse("a stored name is 1 to 63 letters, digits and underscores, a letter first", name)
        if declared.key and (optional or kind.kind in ("json", "float")):
            self.refuse("a key may be neither optional nor a float nor a JSON value", name)
        if declared.generated and kind.kind != "int":
            self.refuse("a generated key is an int", name)
        if kind.kind == "json" and (declared.index or declared.unique or declared.scope):
            self.refuse("a JSON value can be neither indexed nor unique nor the scope", name)
        if declared.stamp and (kind.kind != "datetime" or (not optional and declared.stamp != "created")):
            self.refuse("a stamp is a `datetime | None`", name)
        if declared.reference and declared.reference.on_delete == "set_null" and (not optional or declared.key):
            self.refuse('on_delete="set_null" needs an optional field', name)

    def _check_default(self, spec: FieldSpec) -> None:
        if spec.default is None:
            if not spec.optional and not spec.declared.stamp:
                self.refuse("the default None is refused: the field is not optional", spec.name)
        elif reason := spec.type.refusal(spec.default):
            self.refuse(f"its default is refused: {reason}", spec.name)

    def _with_lengths(self, specs: list[FieldSpec]) -> tuple[FieldSpec, ...]:
        """Give keyed, indexed, unique and referring text its default length."""
        return tuple(
            dataclasses.replace(spec, type=dataclasses.replace(spec.type, length=INDEXED_TEXT))
            if spec.type.kind in ("str", "bytes") and spec.type.length is None and self._is_indexed(spec)
            else spec
            for spec in specs
        )

    def _is_indexed(self, spec: FieldSpec) -> bool:
        d = spec.declared
        return bool(d.key or d.index or d.unique or d.reference or d.scope or spec.name in self._indexed_names)

    _indexed_names: frozenset[str] = frozenset()

    def _model(
        self,
        made: type[Any],
        fields: tuple[FieldSpec, ...],
        relations: tuple[RelatedDecl, ...],
        options: dict[str, Any],
    ) -> Model:
        collection = options["collection"] or _WORDS.sub("_", made.__name__).lower()
        if not _STORED_NAME.fullmatch(collection):
            self.refuse("a collection's name is 1 to 63 letters, digits and underscores, a letter first")
        self._indexed_names = frozenset(
            name.removeprefix("-")
            for declared in (*options["indexes"], *options["uniques"])
            for name in declared.fields
        )
        fields = self._with_lengths(list(fields))
        info = Model(
            cls=made,
            name=made.__name__,
            collection=collection,
            fields=fields,
            related=relations,
            indexes=_declared(fields, "index", IndexDecl) + tuple(options["indexes"]),
            uniques=_declared(fields, "unique", UniqueDecl) + tuple(options["uniques"]),
            small=options["small"],
            soft_delete=options["soft_delete"],
            version=options["version"],
            namespace=self.namespace,
        )
        self._check_model(info)
        return info

    def _check_model(self, info: Model) -> None:
        if not info.key:
            self.refuse("no key; declare one with field(key=True)")
        if info.generated and len(info.key) > 1:
            self.refuse("a generated key stands alone", info.generated.name)
        if len([spec for spec in info.fields if spec.declared.scope]) > 1:
            self.refuse("only one field may be the scope")
        columns = [spec.column.lower() for spec in info.fields]
        if twice := next((c for c in columns if columns.count(c) > 1), None):
            self.refuse(f"two fields are stored as {twice}")
        if info.soft_delete and not any(s.name == "deleted" and s.type.kind == "bool" for s in info.fields):
            self.refuse("soft_delete=True needs a field `deleted: bool = False`")
        if info.version < 1:
            self.refuse("a version is 1 or more")
        for declared in (*info.indexes, *info.uniques):
            self._check_index(info, declared)

    def _check_index(self, info: Model, declared: IndexDecl | UniqueDecl) -> None:
        names = [name.removeprefix("-") for name in declared.fields]
        word = "index" if isinstance(declared, IndexDecl) else "unique"
        known = {spec.name: spec for spec in info.fields}
        if not names or len(set(names)) < len(names):
            self.refuse(f"the {word} {', '.join(declared.fields)} names no field, or one twice")
        for name in names:
            if name not in known:
                self.refuse(f"the {word} {', '.join(declared.fields)} names {name}, which is no field")
            if known[name].type.kind == "json":
                self.refuse(f"a JSON value can't be in the {word}", name)
        if declared.scoped and info.scope is None:
            self.refuse(f"the {word} {', '.join(declared.fields)} is scoped, but no field is the scope")
        if isinstance(declared, UniqueDecl) and declared.among == "live" and not info.soft_delete:
            self.refuse(f"the unique {', '.join(declared.fields)} is among the live, but the model has no soft delete")


def _declared(fields: Sequence[FieldSpec], what: str, kind: type[Any]) -> tuple[Any, ...]:
    """Collect field(index=...) and field(unique=...) as declarations of one field each."""
    found: list[Any] = []
    for spec in fields:
        declared = getattr(spec.declared, what)
        if isinstance(declared, kind):
            found.append(dataclasses.replace(declared, fields=(spec.name,)))  # type: ignore[type-var]
        elif declared:
            found.append(kind((spec.name,)))
    return tuple(found)


def _not_loaded(names: frozenset[str]) -> Callable[[Any, str], NoReturn]:
    def __getattr__(self: Any, name: str) -> NoReturn:
        cls = type(self).__name__
        if name in names:
            raise NotLoaded(f"{cls}.{name} is not loaded; ask for it with load=({cls}.{name},)", name=name, obj=self)
        raise AttributeError(f"{cls!r} object has no attribute {name!r}", name=name, obj=self)

    return __getattr__
