"""Filters, orders, pages and totals over records that programs of two versions wrote, while a window leads over them.

Whatever is asked is asked as well of a database in memory that holds the records fully upgraded (or, for the older
program, as it ever saw them): the answers are the same. Only an index that is not ready may stand in the way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manystore import (
    IndexNotReady,
    ManystoreError,
    NoAccessPath,
    Order,
    Predicate,
    asc,
    avg,
    col,
    count,
    desc,
    max_,
    min_,
    project,
    sum_,
)
from manystore.testing import mixture, provision
from manystore.testing.provision import Place

Ask = Callable[[Any, bool], Any]
"""ask(repository, scan): one question, answered as plain values."""
NAMES = ("chain", "rename", "index over a cast", "split", "add constant", "map values", "drop")
EXAMPLES = 25
MORE: dict[type, tuple[Any, ...]] = {str: ("", "A", "Cy", "Oslo", "n", "0"), int: (0, 3, 10**12)}


@dataclass
class _Group:
    by: Any
    number: int
    least: Any


def _values(kind: Any, side: str, name: str) -> list[Any]:
    pool = kind.sides[side].pools[name]
    kinds = {value.__class__ for value in pool if value is not None}
    return [value for value in pool if value is not None] + [more for cls in kinds for more in MORE.get(cls, ())]


def _terms(kind: Any, side: str, name: str) -> st.SearchStrategy[Predicate]:
    column = col(getattr(kind.sides[side].model, name))
    values = _values(kind, side, name)
    nothing = [None] if None in kind.sides[side].pools[name] else []
    value, several = st.sampled_from(values), st.lists(st.sampled_from([*values, *nothing]), max_size=3)
    chosen: list[st.SearchStrategy[Predicate]] = [
        value.map(lambda v: column == v),
        value.map(lambda v: column != v),
        value.map(lambda v: column < v),
        value.map(lambda v: column >= v),
        several.map(column.in_),
        st.tuples(value, value).map(lambda pair: column.between(min(pair), max(pair))),
    ]
    if nothing:
        chosen += [st.sampled_from(nothing).map(column.is_), st.sampled_from(nothing).map(column.is_not)]
    if isinstance(values[0], str):
        chosen.append(st.sampled_from(["", "A", "B", "C", "a", "0", "1", "Cy d"]).map(column.prefix))
    return st.one_of(chosen)


def _filters(kind: Any, side: str) -> st.SearchStrategy[Predicate]:
    names = list(kind.sides[side].pools)
    term = st.sampled_from(names).flatmap(lambda name: _terms(kind, side, name))
    pair = st.tuples(term, term)
    return st.one_of(term, term.map(lambda t: ~t), pair.map(lambda p: p[0] & p[1]), pair.map(lambda p: p[0] | p[1]))


def _orders(kind: Any, side: str) -> st.SearchStrategy[tuple[Order, ...]]:
    slots = [getattr(kind.sides[side].model, name) for name in ("id", *kind.sides[side].pools)]
    chosen = st.lists(st.sampled_from(range(len(slots))), max_size=2, unique=True)
    flags = st.tuples(st.booleans(), st.booleans())
    return st.tuples(chosen, flags).map(
        lambda drawn: tuple(desc(slots[at]) if down else asc(slots[at]) for at, down in zip(*drawn, strict=False))
    )


def _pages(things: Any, where: Predicate, order: Any, size: int, *, by_text: bool, scan: bool) -> list[Any]:
    found: list[Any] = []
    after: Any = None
    while page := things.find(where, order_by=order, limit=size, after=after, scan=scan):
        found += page
        after = things.cursor(page[-1], order_by=order) if by_text else page[-1]
    return found


def _questions(kind: Any, side: str) -> st.SearchStrategy[Ask]:
    where, order = _filters(kind, side), _orders(kind, side)
    size, flag = st.integers(1, 7), st.booleans()
    model, names = kind.sides[side].model, list(kind.sides[side].pools)
    field = st.sampled_from(names)

    def total(name: str, condition: Predicate) -> Ask:
        slot = getattr(model, name)
        functions: list[Any] = [min_, max_] + ([sum_, avg] if isinstance(_values(kind, side, name)[0], int) else [])
        return lambda things, scan: [things.aggregate(f(slot), condition, scan=scan) for f in functions]

    def groups(by: str, least: str, condition: Predicate) -> Ask:
        shape = project(_Group, by=getattr(model, by), number=count(), least=min_(getattr(model, least)))
        return lambda things, scan: things.select(shape, condition, scan=scan)

    asks: list[st.SearchStrategy[Ask]] = [
        st.builds(lambda w, o: lambda t, scan: t.find(w, order_by=o, scan=scan), where, order),
        st.builds(lambda w, o, n: lambda t, scan: t.find(w, order_by=o, limit=n, scan=scan), where, order, size),
        st.builds(
            lambda w, o, n, f: lambda t, scan: _pages(t, w, o, n, by_text=f, scan=scan), where, order, size, flag
        ),
        st.builds(lambda w: lambda t, scan: [t.count(w, scan=scan), t.exists(w, scan=scan)], where),
        st.builds(total, field, where),
        st.builds(groups, field, field, where),
    ]
    return st.one_of(asks)


def _answer(ask: Ask, things: Any, *, scan: bool) -> Any:
    try:
        return ask(things, scan)
    except ManystoreError as error:
        return type(error)


@pytest.mark.parametrize(("name", "stage"), [("add constant", "building"), *itertools.product(NAMES, mixture.STAGES)])
def test_answers_are_those_of_upgraded_records(place: Place, tmp_path: Path, name: str, stage: str) -> None:
    kind = mixture.KINDS[name]
    mixed = mixture.Mixture(place, kind, stage, seed=1)
    for side in mixture.SIDES[stage]:
        with provision.place("memory:", tmp_path) as elsewhere:
            _compare(kind, side, mixed.programs[side].thing, mixed.twin(side, elsewhere))


def _compare(kind: Any, side: str, things: Any, twin: Any) -> None:
    everything = twin.thing.find(scan=True)
    assert things.find(scan=True) == everything
    assert [things.get(record.id) for record in everything] == everything

    @settings(max_examples=EXAMPLES)
    @given(_questions(kind, side))
    def ask_both(ask: Ask) -> None:
        assert _answer(ask, things, scan=True) == _answer(ask, twin.thing, scan=True)
        found, wanted = _answer(ask, things, scan=False), _answer(ask, twin.thing, scan=False)
        assert found == wanted or (side == "head" and found is IndexNotReady)
        assert wanted is NoAccessPath or not isinstance(wanted, type)

    ask_both()
