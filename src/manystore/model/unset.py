"""UNSET: the value of a generated key before the record is created. It stands for nothing and mixes with nothing."""

from __future__ import annotations

from enum import Enum
from typing import Final, NoReturn


class Unset(Enum):
    """The type of UNSET; an enum so that it is one object, pickles as itself and narrows in type checkers."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("UNSET: this record has no key yet; create it first")

    __str__ = __format__ = __int__ = __index__ = __float__ = _refuse  # type: ignore[assignment]
    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse  # noqa: PIE796 - methods, not members
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse  # noqa: PIE796
    __mod__ = __truediv__ = __neg__ = _refuse  # noqa: PIE796


UNSET: Final = Unset.UNSET
