"""Each operation of migrations, cut off before and after each of its steps, and given again: as if nothing had been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from manystore.testing.cutting import Cut, CutCommits, CutEverywhere
from manystore.testing.holdings import holdings

from .conftest import SERVERS
from .operation_cases import CASE, CASES, KINDS, Case
from .operation_stage import Stage, content, staged

pytestmark = pytest.mark.slow
NUMBER = 12
EVER = 2000
SAMPLE = ("type-indexed", "add-unique", "translate")


def enough(case: Case) -> list[pytest.MarkDecorator]:
    """One case of each operation is enough for `make test`; `make soak` has all."""
    return [] if case in KINDS else [pytest.mark.soak]


def repeated(work: Callable[[], None]) -> int:
    """Do something until it is not cut off any more; give how often it was."""
    for times in range(EVER):
        try:
            work()
        except Cut:
            continue
        return times
    raise AssertionError("it never came to an end")


def everywhere(stage: Stage) -> None:
    store = CutEverywhere(stage.site.store)
    assert repeated(lambda: stage.up(store)) == store.cuts > 3
    stage.look_there()
    if stage.is_two_way:
        store = CutEverywhere(stage.site.store)
        assert repeated(lambda: stage.down(store)) == store.cuts > 3
        stage.look_back()


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        *(pytest.param(case, "memory", id=f"{case.name}-memory", marks=enough(case)) for case in CASES),
        *(pytest.param(case, "sqlite", id=f"{case.name}-sqlite") for case in KINDS[::2]),
    ],
)
def test_at_each_step(case: Case, kind: str, tmp_path: Path) -> None:
    with staged(case, kind, tmp_path, NUMBER) as stage:
        everywhere(stage)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.server) for kind in SERVERS])
@pytest.mark.parametrize("name", SAMPLE)
def test_at_each_step_on_servers(name: str, kind: str, tmp_path: Path) -> None:
    with staged(CASE[name], kind, tmp_path, NUMBER) as stage:
        everywhere(stage)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name, marks=enough(case)) for case in CASES])
def test_at_each_commit(case: Case, tmp_path: Path) -> None:
    """By itself, each in a database of its own: not only one after the other."""
    wanted: Any = None
    number = 0
    while True:
        cut = False
        for after in (False, True):
            with staged(case, "memory", tmp_path, NUMBER, comparing=False) as stage:
                store: Any = stage.site.store
                whole, store._kv = store._kv, CutCommits(store._kv, number, after=after)
                try:
                    stage.up()
                except Cut:
                    cut = True
                store._kv = whole
                stage.up()
                found = holdings(store, "", stage.base, stage.head), content(store, stage.site.catalog)
                if wanted is None:
                    wanted = found
                    assert found[1] == case.after(stage.given)
                assert found == wanted
        if number and not cut:
            break
        number += 1
    assert number > 3


@contextmanager
def cut_statements(store: Any) -> Iterator[None]:
    """Let the user of an SQL store die before and after each statement with which tables are altered, once each."""
    seen, altering = Counter[str](), store._altering

    def cut(run: Callable[..., Any]) -> Callable[..., Any]:
        def running(text: Any, *rest: Any) -> Any:
            seen[repr(text)] += 1
            times = seen[repr(text)]
            done = run(text, *rest) if times > 1 else None
            if times < 3:
                raise Cut
            return done

        return running

    def opened() -> Any:
        connection = altering()
        connection.execute = cut(connection.execute)
        return connection

    store._altering = opened
    try:
        yield
    finally:
        del store._altering


@pytest.mark.parametrize("name", ["rename", "type-indexed", "index-anew", "translate"])
def test_at_each_statement(name: str, tmp_path: Path) -> None:
    with staged(CASE[name], "sqlite", tmp_path, NUMBER) as stage:
        with cut_statements(stage.site.store):
            assert repeated(stage.up) > 10
        stage.look_there()
        with cut_statements(stage.site.store):
            assert repeated(stage.down) > 10
        stage.look_back()
