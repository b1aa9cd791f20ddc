"""Operands: from the values that come with a plan to a statement's shape and the pool that it picks parameters from.

Knows plans and codecs; must not know SQL. select.py says what stands where in the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ...query.plan import Plan
from .condition import Cursor, Mark, beyond_prefix
from .select import Selects

Dump: TypeAlias = Callable[[Any], Any]
Sizes: TypeAlias = tuple[tuple[int, int], ...]


class Operands:
    """Binds the operands of one plan."""

    def __init__(self, plan: Plan, selects: Selects) -> None:
        self._plan = plan
        self._selects = selects
        positions, dumps = plan.collection.positions, plan.codec.dumps
        self._dump_of: dict[str, Dump | None] = {name: dumps[at] for name, at in positions.items()}
        self._lists = [(param, self._dump_of[selects.fields[param]]) for param in selects.lists]
        lists = set(selects.lists)
        found = [(p, self._dump_of[name]) for p, name in selects.fields.items() if p not in lists]
        self.dumps: list[tuple[int, Dump]] = [(param, dump) for param, dump in found if dump is not None]
        self.parameters = selects.parameters
        self.is_flat = not selects.lists and not selects.prefixes

    def bound(self, values: Sequence[Any]) -> list[Any]:
        """Bind the operands; each `in` is left as it is."""
        pool = list(values[: self.parameters])
        for param, dump in self.dumps:
            pool[param] = dump(pool[param])
        return pool

    def lists(self, pool: list[Any], values: Sequence[Any]) -> Sizes:
        """Add the values of each `in` to the pool."""
        sizes: list[tuple[int, int]] = []
        for param, dump in self._lists:
            members = list(values[param]) if dump is None else [dump(value) for value in values[param]]
            size = 0
            if members:
                kind = self._plan.collection.field(self._selects.fields[param]).kind
                size, bound = self._selects.dialect.listed(members, kind)
                pool += bound
            sizes.append((param, size))
        return tuple(sizes)

    def ends(self, pool: list[Any], values: Sequence[Any]) -> frozenset[int]:
        """Add each prefix's end to the pool; give those that have none."""
        endless: list[int] = []
        for param in self._selects.prefixes:
            end = beyond_prefix(values[param])
            if end is None:
                endless.append(param)
            else:
                pool.append(end)
        return frozenset(endless)

    def cursor(self, pool: list[Any], bound: Sequence[Any], after: Sequence[Any]) -> Cursor:
        """Add a cursor's values to the pool, and say what comes after it.

        A field that the filter binds to one value needs no place in the statement: the cursor's value is the same, or
        the whole result stands before or after the cursor from there on.
        """
        marks: list[Mark] = []
        inclusive: bool | None = None
        for place, (term, value) in enumerate(zip(self._plan.order, after, strict=True)):
            dump = self._dump_of[term.field]
            there = value if value is None or dump is None else dump(value)
            pool.append(there)
            if inclusive is not None:
                continue
            if term.field not in self._selects.fixed:
                marks.append(Mark(place, term, value is None))
                continue
            param = self._selects.fixed[term.field]
            here = None if param < 0 else bound[param]
            if here != there:
                above = here is not None and (there is None or here > there)
                inclusive = above != term.descending
        return Cursor(tuple(marks), bool(inclusive))
