"""Fitted plans: what of a plan of the head is asked of a store that keeps another shape, and what is done here.

Knows plans and fittings; must not know stores. The access is put to what is kept. The whole filter is looked at again
on each record of the head's shape, so a fitted plan may find too much, never too little.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..query.plan import Access, AllOf, AnyOf, Claimed, Condition, Lookup, Nothing, Ordering, Plan, Range, Test, Union
from ..schema.schema import Index, Unique
from .fitting import Fitting, StoredCodec
from .lifting import LiftingCodec


class Fitted(msgspec.Struct, frozen=True):
    """plan: for the store, giving objects of the head. is_ordered: in the order of the plan that it was made for.

    is_exact: all that it gives matches, so nothing is left to be looked at. is_through: the answer is the store's own.
    """

    plan: Plan
    is_ordered: bool
    is_exact: bool
    is_through: bool


def fitted(plan: Plan, fitting: Fitting, *, native: bool) -> Fitted:
    """Fit a plan of a collection of the head. native: the store itself runs filters, so that it is given none."""
    names = fitting.names
    is_ordered = all(term.field in fitting.sure for term in plan.order)
    order = plan.order if is_ordered else tuple(Ordering(name) for name in plan.collection.key)
    access = _access(plan.access, fitting)
    is_exact = plan.residual is None
    keeps_filter = not native and not is_exact
    made = Plan(
        fitting.kept,
        access,
        _condition(access),
        plan.residual if keeps_filter else None,
        tuple(Ordering(names[term.field], term.descending) for term in order),
        plan.presorted if is_ordered else len(order),
        output="records",
        is_scan=plan.is_scan,
        codec=LiftingCodec(fitting, plan.codec),
        matches=None if native else plan.matches,
        sort_keys=plan.sort_keys if is_ordered else (),
        is_after=plan.is_after if is_ordered else None,
    )
    is_exact = is_exact or keeps_filter
    return Fitted(made, is_ordered, is_exact, is_ordered and is_exact and plan.output == "records")


def lookup(fitting: Fitting, *, several: bool) -> Plan:
    """Make the plan that reads stored records by their keys as they are; several: a tuple of values of a lone key."""
    key = fitting.kept.key
    tests = (Test(key[0], "in", 0),) if several else tuple(Test(name, "eq", at) for at, name in enumerate(key))
    access = Lookup(tests)
    order = tuple(Ordering(name) for name in key)
    return Plan(fitting.kept, access, _condition(access), None, order, len(order), codec=StoredCodec(fitting))


def _access(access: Access, fitting: Fitting) -> Access:
    if isinstance(access, Lookup):
        return Lookup(_tests(access.tests, fitting))
    if isinstance(access, Claimed):
        unique = _part(fitting.kept.uniques, access.unique)
        return Claimed(unique, _tests(access.tests, fitting))
    if isinstance(access, Union):
        return Union(tuple(_access(part, fitting) for part in access.parts))
    if isinstance(access, Nothing):
        return access
    index = None if access.index is None else _part(fitting.kept.indexes, access.index)
    lower, upper, prefix = (
        None if test is None else _test(test, fitting) for test in (access.lower, access.upper, access.prefix)
    )
    return Range(index, _tests(access.equal, fitting), lower, upper, prefix, access.reverse)


def _part(parts: tuple[Any, ...], wanted: Index | Unique) -> Any:
    return next(part for part in parts if (part.name, part.generation) == (wanted.name, wanted.generation))


def _test(test: Test, fitting: Fitting) -> Test:
    return Test(fitting.names[test.field], test.op, test.param)


def _tests(tests: tuple[Test, ...], fitting: Fitting) -> tuple[Test, ...]:
    return tuple(_test(test, fitting) for test in tests)


def _condition(access: Access) -> Condition:
    """Write as a condition what an access finds."""
    if isinstance(access, Union):
        return AnyOf(tuple(map(_condition, access.parts)))
    if isinstance(access, Nothing):
        return AnyOf(())
    if isinstance(access, Range):
        tests = (*access.equal, access.lower, access.upper, access.prefix)
        return AllOf(tuple(test for test in tests if test is not None))
    return AllOf(access.tests)
