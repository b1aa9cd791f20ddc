"""A hypothesis state machine: random histories, played on one or more stores and on the oracle, compared at every step.

`machine(urls)` gives the test case; `soak(urls, steps)` goes on until so many steps were compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from manystore.testing import provision
from manystore.testing.filters import Either, Every, Filter, Negated, Term
from manystore.testing.histories import MODELS, NOW, TABLES, Answer, World, outcome
from manystore.testing.oracle import Oracle
from manystore.testing.players import OraclePlayer, Player, StorePlayer

KEPT = 24  # records remembered for later saves: enough for some of them to be stale
TEXTS = (None, "", "a", "A", "ab", "a\u00e9", "b", "\u00e9", "\uffff", "\U0001f600", "\U0010ffff")
TIMES = (None, *(datetime(2011, 11, 1, tzinfo=UTC) + timedelta(microseconds=n) for n in (0, 1, 500_000, 1_000_000)))
ADDRESSES = (None, *map(ip_address, ("10.0.0.2", "10.0.0.10", "::1", "ffff::")))
VALUES: dict[str, dict[str, tuple[Any, ...]]] = {
    "Person": {
        "id": (1, 2, 3, 10, -1),
        "name": ("ann", "bob", "Bob", "b\u00f6b", "\U0001f600"),
        "team": (None, "x", "y", "y "),
        "grade": (-1, 0, 1, 2),
        "mentor": (None, None, 1, 2, 3, 99),
    },
    "Task": {
        "id": ("a", "b", "B", "c", "a/b"),
        "owner": (None, 1, 2, 3, 99),
        "slot": (None, 1, 2),
        "code": (None, None, "k", "K", "\u00e9"),
        "state": ("new", "busy", "done"),
        "points": (-(2**63), -1, 0, 1, 5, 2**63 - 1),
        "due": TIMES,
        "cost": (None, Decimal("0.00"), Decimal("-1.50"), Decimal("10.25")),
    },
    "Note": {
        "task": ("a", "b", "c", "zz"),
        "number": (1, 2, 11),
        "text": TEXTS,
        "weight": (None, -1.5, 0.0, 0.25, 1e300),
        "address": ADDRESSES,
    },
}
KEYS = {table.name: table.key for table in TABLES}
TEXT_FIELDS = {"name", "team", "code", "text"}
NUMBERS = {"Person": ("grade",), "Task": ("slot", "cost"), "Note": ("weight", "number")}
GROUPED = {"Person": ("team", "mentor"), "Task": ("state", "owner"), "Note": ("task", "text", "address")}
COUNTED = {"Person": "grade", "Task": "slot", "Note": "number"}


# --- strategies: one small draw for each part of a step --------------------------------------------------------------


def _row(table: str) -> st.SearchStrategy[dict[str, Any]]:
    rest = {"deleted": st.just(False), "deleted_at": st.none()} if table == "Task" else {}
    return st.fixed_dictionaries({**{name: st.sampled_from(values) for name, values in VALUES[table].items()}, **rest})


def _sets(table: str) -> st.SearchStrategy[dict[str, Any]]:
    free = {name: st.sampled_from(v) for name, v in VALUES[table].items() if name not in KEYS[table]}
    return st.sampled_from(sorted(free)).flatmap(lambda name: st.fixed_dictionaries({name: free[name]})) | st.tuples(
        *(st.sampled_from(sorted(free)) for _ in range(2))
    ).flatmap(lambda names: st.fixed_dictionaries({name: free[name] for name in names}))


def _term(table: str) -> st.SearchStrategy[Filter]:
    terms = [term for name in VALUES[table] for term in _terms(table, name)]
    # Not sampled_from: hypothesis writes its strategies out, and hundreds of terms take it seconds.
    return st.integers(0, len(terms) - 1).map(terms.__getitem__)


def _terms(table: str, name: str) -> list[Filter]:
    values = VALUES[table][name]
    some = sorted({v for v in values if v is not None}, key=str)
    terms: list[Filter] = [Term(name, op, value) for op in ("eq", "ne") for value in dict.fromkeys(values)]
    if name != "state":  # a Literal has an order too, but it is tested with the types
        terms += [Term(name, op, value) for op in ("lt", "le", "gt", "ge") for value in some]
        terms += [Term(name, "between", (low, high)) for low, high in pairwise(some)]
    terms += [Term(name, "in", values[:2]), Term(name, "in", tuple(some[:2])), Term(name, "in", ())]
    if name in TEXT_FIELDS:
        terms += [Term(name, "prefix", text) for text in ("", "a", "b", "\U0010ffff")]
    return terms


def _filter(table: str) -> st.SearchStrategy[Filter]:
    term = _term(table)
    pairs = st.lists(term, min_size=2, max_size=3).map(tuple)
    mixed = st.tuples(term, pairs.map(Either)).map(Every)
    return st.one_of(
        term, st.just(Every(())), pairs.map(Every), pairs.map(Either), term.map(Negated), mixed, mixed.map(Negated)
    )


def _order(table: str) -> st.SearchStrategy[tuple[tuple[str, bool], ...]]:
    terms = st.tuples(st.sampled_from(sorted(VALUES[table])), st.booleans())
    return st.lists(terms, max_size=2, unique_by=lambda term: term[0]).map(tuple)


def _per_table(part: Callable[[str], st.SearchStrategy[Any]]) -> dict[str, st.SearchStrategy[Any]]:
    return {table: part(table) for table in MODELS}


ROWS, SETS, FILTERS, ORDERS = _per_table(_row), _per_table(_sets), _per_table(_filter), _per_table(_order)
KEY_OF = _per_table(lambda table: st.tuples(*(st.sampled_from(VALUES[table][name]) for name in KEYS[table])))
LIVING = _per_table(lambda table: st.sampled_from(("no", "any", "only") if table == "Task" else ("no", "any")))
LIMITS = st.sampled_from((None, 0, 1, 2, 5))
ADDENDS = st.sampled_from((-2, 1, 2**63 - 1))
BOUNDS = st.sampled_from((None, 0, 3))


def _brief(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Hide what a strategy is made of: hypothesis writes out the strategies of all rules at every second step."""
    return st.deferred(lambda: strategy)


def _with(*parts: dict[str, st.SearchStrategy[Any]] | st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw a table, then the parts that depend on it."""
    each = {
        table: st.tuples(st.just(table), *(part[table] if isinstance(part, dict) else part for part in parts))
        for table in MODELS
    }
    return _brief(st.one_of(*each.values()))


INCREMENT = st.one_of(
    [
        st.tuples(
            st.just(table), KEY_OF[table], st.just(name), st.sampled_from((-2, 1, 2**63 - 1)), st.tuples(BOUNDS, BOUNDS)
        )
        for table, name in (("Person", "grade"), ("Task", "points"), ("Task", "slot"))
    ]
)
READS = st.one_of(
    st.tuples(st.just("get"), _with(KEY_OF, LIVING)),
    st.tuples(st.just("find"), _with(FILTERS, ORDERS, LIMITS, LIVING)),
    st.tuples(st.just("count"), _with(FILTERS, LIVING)),
)
CHANGES = st.one_of(
    st.tuples(st.just("edit"), _with(KEY_OF, SETS)),
    st.tuples(st.just("update"), _with(KEY_OF, SETS)),
    st.tuples(st.just("increment"), INCREMENT),
    st.tuples(st.just("delete"), _with(KEY_OF)),
    st.tuples(st.just("purge"), _with(KEY_OF)),
)
PART_OF_TRANSACTION = st.one_of(READS, CHANGES, st.tuples(st.just("create"), _with(ROWS)))
TOTAL = _brief(
    st.one_of(
        [
            st.tuples(
                st.just(table), st.sampled_from(("sum", "min", "max", "avg")), st.sampled_from(names), FILTERS[table]
            )
            for table, names in NUMBERS.items()
        ]
    )
)
GROUPS = _brief(
    st.one_of(
        [
            st.tuples(st.just(table), st.sampled_from(names), st.just(COUNTED[table]), FILTERS[table])
            for table, names in GROUPED.items()
        ]
    )
)


class Machine(RuleBasedStateMachine):
    """Plays each step on every store and on the oracle."""

    urls: ClassVar[Sequence[str]] = ("memory:",)
    done: ClassVar[list[int]] = [0]

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        directory = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        self.places = [self.closing.enter_context(provision.place(url, directory)) for url in self.urls]
        self.stores = [
            StorePlayer(place.connect(World, clock=lambda: NOW, wait=lambda _: None)) for place in self.places
        ]
        self.oracle = OraclePlayer(Oracle(TABLES))
        for player in self.players:
            player.create("Person", dict(zip(VALUES["Person"], (1, "eve", None, 0, None), strict=True)))

    @property
    def players(self) -> list[Player]:
        """All players, the oracle first."""
        return [self.oracle, *self.stores]

    def play(self, act: Callable[[Player], Answer]) -> Answer:
        """Have all players do the same; their answers must be equal."""
        self.done[0] += 1
        expected = outcome(lambda: act(self.oracle))
        for player in self.stores:
            answer = outcome(lambda player=player: act(player))  # type: ignore[misc]
            assert answer == expected, f"\n{type(player.database).__name__}: {answer}\noracle: {expected}"
        # The text of a cursor is the same on every store; the oracle has none.
        assert all(player.cursors == self.stores[0].cursors for player in self.stores)
        for player in self.stores:
            player.cursors.clear()
        for each in self.players:
            del each.kept[:-KEPT]
        return expected

    @rule(step=_with(ROWS))
    def create(self, step: tuple[str, Any]) -> None:
        """Create a record; often its key or a unique is taken, or a reference points nowhere."""
        self.play(lambda player: player.create(*step))

    @rule(step=_with(ROWS))
    def upsert(self, step: tuple[str, Any]) -> None:
        """Create or replace."""
        self.play(lambda player: player.upsert(*step))

    @precondition(lambda self: self.oracle.kept)
    @rule(place=st.integers(0, KEPT - 1), sets=_brief(st.fixed_dictionaries(SETS)))
    def save(self, place: int, sets: dict[str, Any]) -> None:
        """Save what was read some time ago; by now it may be stale."""
        place %= len(self.oracle.kept)
        table = self.oracle.kept[place][0]
        self.play(lambda player: player.save(place, sets[table]))

    @precondition(lambda self: self.oracle.kept)
    @rule(place=st.integers(0, KEPT - 1))
    def delete_kept(self, place: int) -> None:
        """Delete what was read some time ago."""
        place %= len(self.oracle.kept)
        self.play(lambda player: player.delete_kept(place))

    @rule(step=_brief(CHANGES))
    def change(self, step: tuple[str, Any]) -> None:
        """Change one record by its key."""
        name, arguments = step
        self.play(lambda player: getattr(player, name)(*arguments))

    @rule(step=_brief(READS))
    def read(self, step: tuple[str, Any]) -> None:
        """Read."""
        name, arguments = step
        self.play(lambda player: getattr(player, name)(*arguments))

    @rule(step=_with(FILTERS, ORDERS, LIMITS, LIVING))
    def find_by_index(self, step: tuple[Any, ...]) -> None:
        """Find without a scan where that is possible."""
        self.play(lambda player: player.find(*step, scan=False))

    @rule(step=_with(FILTERS, ORDERS, st.sampled_from((1, 2, 3))), text=st.booleans())
    def pages(self, step: tuple[Any, ...], text: bool) -> None:  # noqa: FBT001 - hypothesis passes by keyword
        """Read to the end page by page."""
        self.play(lambda player: player.pages(*step, text=text))

    @rule(step=TOTAL)
    def total(self, step: tuple[Any, ...]) -> None:
        """Aggregate."""
        self.play(lambda player: player.total(*step))

    @rule(step=GROUPS)
    def groups(self, step: tuple[Any, ...]) -> None:
        """Aggregate by group."""
        self.play(lambda player: player.groups(*step))

    @rule(step=_with(FILTERS, SETS))
    def update_where(self, step: tuple[Any, ...]) -> None:
        """Update all that match."""
        self.play(lambda player: player.update_where(*step))

    @rule(step=_with(FILTERS))
    def delete_where(self, step: tuple[Any, ...]) -> None:
        """Delete all that match."""
        self.play(lambda player: player.delete_where(*step))

    @rule(step=_with(FILTERS, SETS), place=st.integers(0, 9))
    def claim(self, step: tuple[str, Filter, Any], place: int) -> None:
        """Claim; which of several is taken is free, so that all players are given the same choice."""
        table, where, sets = step
        found = self.oracle.oracle.matching(table, where)
        if found:
            chosen = found[place % len(found)]
            where = Every((where, *(Term(name, "eq", chosen[name]) for name in KEYS[table])))
        self.play(lambda player: player.claim(table, where, sets))

    @rule(
        parts=_brief(st.lists(PART_OF_TRANSACTION, min_size=1, max_size=5)),
        fails=st.sampled_from((False, False, False, True)),
    )
    def transaction(self, parts: list[tuple[str, Any]], fails: bool) -> None:  # noqa: FBT001
        """Do several things in one step, or raise at its end."""
        last = len(parts) - 1
        base = self.oracle.oracle.rows
        # A key that is taken may be refused at once or at the end; then nothing may come after it.
        parts = [
            part
            for place, part in enumerate(parts)
            if (place == last and not fails) or part[0] != "create" or _key_in(part[1]) not in base[part[1][0]]
        ]

        def act(player: Player) -> Answer:
            answers: list[Answer] = []
            with player.transaction() as view:
                answers += [getattr(view, name)(*arguments) for name, arguments in parts]
                if fails:
                    raise _Stopped
            return answers

        def stopped(player: Player) -> Answer:
            try:
                return act(player)
            except _Stopped:
                return "stopped"

        self.play(stopped)

    @rule(parts=_brief(st.lists(READS | CHANGES, min_size=1, max_size=3)), outside=_with(KEY_OF, SETS))
    def raced_transaction(self, parts: list[tuple[str, Any]], outside: tuple[Any, ...]) -> None:
        """Change a record while a transaction is open: a Conflict if the transaction had read it."""
        # What counting looks at is not checked for certain: left out.
        parts = [part for part in parts if part[0] != "count"]

        def act(player: Player) -> Answer:
            with player.transaction() as view:
                answers = [getattr(view, name)(*arguments) for name, arguments in parts]
                answers.append(outcome(lambda: player.update(*outside)))
            return answers

        self.play(act)

    @rule()
    def everything(self) -> None:
        """Compare all there is, the dead as well."""
        self.play(lambda player: player.everything())

    def teardown(self) -> None:
        """Compare all there is once more; leave nothing behind."""
        try:
            self.play(lambda player: player.everything())
        finally:
            self.closing.close()


class _Stopped(Exception):
    """Ends a transaction."""


def _key_in(create: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(create[1][name] for name in KEYS[create[0]])


def machine(*stores: str) -> type[Machine]:
    """Give a machine that plays on stores."""
    return type("Played", (Machine,), {"urls": stores, "done": [0]})


def play(*stores: str, examples: int = 20, steps: int = 40, start: int | None = None) -> int:
    """Play histories on stores at once; give the number of steps that were compared."""
    made = machine(*stores)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=start is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(made if start is None else seed(start)(made), settings=chosen)
    return made.done[0]


def soak(*stores: str, steps: int, report: Callable[[int], object]) -> int:
    """Play until so many steps were compared, with other seeds each time; report how far it is."""
    reached, start = 0, 0
    while reached < steps:
        reached += play(*stores, examples=50, steps=100, start=start)
        start += 1
        report(reached)
    return reached
