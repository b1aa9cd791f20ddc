"""A standard dataclass with slots, one of them hidden: the revision the object was loaded with.

`dataclass(slots=True)` will not do: related records need slots that are no dataclass fields, the revision must be
carried by replace() yet stay out of fields(), repr and ==, and super() must survive the rebuilt class.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Container, Iterable, Sequence
from typing import Any

from ..errors import NotLoaded

REVISION = "_revision"


class RelatedSlot:
    """The slot of a related record, which says what is missing while nothing was loaded into it.

    A `__getattr__` of the class could say so as well; but CPython reads all attributes of a class that has one three
    times slower.
    """

    __slots__ = ("__name__", "__objclass__", "_slot")

    def __init__(self, slot: types.MemberDescriptorType) -> None:
        self.__name__ = slot.__name__
        self.__objclass__ = slot.__objclass__
        self._slot = slot

    def __get__(self, record: Any, owner: type[Any] | None = None) -> Any:
        if record is None:
            return self
        try:
            return self._slot.__get__(record, owner)
        except AttributeError:
            name, where = self.__name__, f"{type(record).__name__}.{self.__name__}"
            raise NotLoaded(f"{where} is not loaded; ask for it with load=({where},)", name=name, obj=record) from None

    def __set__(self, record: Any, value: Any) -> None:
        self._slot.__set__(record, value)

    def __delete__(self, record: Any) -> None:
        self._slot.__delete__(record)


def slotted_dataclass(cls: type[Any], *, extra: Sequence[str], frozen: bool) -> type[Any]:
    """Make cls a keyword-only dataclass whose slots are its fields, the revision and the extra names."""
    cls.__annotations__ = {**inspect.get_annotations(cls), REVISION: "int | None"}
    setattr(cls, REVISION, dataclasses.field(default=None, repr=False, compare=False))
    made = dataclasses.dataclass(kw_only=True, frozen=frozen)(cls)
    names = [f.name for f in dataclasses.fields(made)]
    slotted = rebuilt(made, [*names, *extra], without=[*names, *extra])
    # An InitVar pseudo-field is unseen by fields(), asdict, == and repr, while replace() passes it on. The name is
    # private to the standard library and the same from 3.11 on; tests/unit/model pins it.
    hidden: Any = slotted.__dataclass_fields__[REVISION]
    hidden._field_type = dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]  # noqa: SLF001
    if frozen:
        # The standard ones leave the revision out.
        setattr(slotted, "__getstate__", _getstate)  # noqa: B010 - checkers compare it with object's
        setattr(slotted, "__setstate__", _setstate)  # noqa: B010
    return slotted


def rebuilt(cls: type[Any], slots: Sequence[str], *, without: Container[str]) -> type[Any]:
    """Make a class anew with slots, leaving some attributes out: slots can only be given when a class is made."""
    left_out = ("__dict__", "__weakref__")
    namespace = {k: v for k, v in cls.__dict__.items() if k not in without and k not in left_out}
    namespace["__slots__"] = tuple(slots)
    metaclass: Any = type(cls)
    made: type[Any] = metaclass(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    # super() without arguments finds its class in a closure cell, which still holds the class that was replaced
    # (CPython mends this itself from 3.14 on).
    for member in namespace.values():
        for function in _functions_of(member):
            for cell in function.__closure__ or ():
                if _cell_contents(cell) is cls:
                    cell.cell_contents = made
    return made


def _functions_of(member: Any) -> Iterable[types.FunctionType]:
    parts: tuple[Any, ...] = (member,)
    if isinstance(member, property):
        parts = (member.fget, member.fset, member.fdel)
    elif type(member) in (classmethod, staticmethod):
        parts = (member.__func__,)
    for part in parts:
        if isinstance(part, types.FunctionType):
            yield part
            yield inspect.unwrap(part)  # a decorated method wraps the one that says super()


def _cell_contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell: a name that is not bound yet
        return None


def _getstate(self: Any) -> dict[str, Any]:
    return {name: getattr(self, name) for name in self.__slots__ if hasattr(self, name)}


def _setstate(self: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        object.__setattr__(self, name, value)
