"""Each operation of migrations on each store: carried out, looked at from all sides, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from manystore import migrations
from manystore.migrations import Operation

from .conftest import SERVERS
from .operation_cases import CASES, KINDS, Case
from .operation_stage import staged

NUMBER = 24


def test_no_operation_is_missing_in_the_table() -> None:
    named = {name for name in migrations.__all__ if isinstance(each := getattr(migrations, name), type)
             and issubclass(each, Operation) and each is not Operation}  # fmt: skip
    assert named == set[str]().union(*(case.kinds for case in CASES))


STORES = ["memory", "sqlite", *SERVERS]


BRIEF = ("mariadb", "zookeeper")  # like another, or slow: some cases are enough for `make test`


def marks(case: Case, store: str) -> list[pytest.MarkDecorator]:
    """On servers one case of each operation is enough for `make test`, or of each fourth; `make soak` has all."""
    if store not in SERVERS:
        return []
    enough = KINDS[::4] if store in BRIEF else KINDS
    return [pytest.mark.server, *([] if case in enough else [pytest.mark.soak])]


PAIRS = [
    pytest.param(case, store, id=f"{case.name}-{store}", marks=marks(case, store)) for case in CASES for store in STORES
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "kind"), PAIRS)
def test_there_and_back(case: Case, kind: str, tmp_path: Path) -> None:
    with staged(case, kind, tmp_path, NUMBER) as stage:
        stage.up()
        stage.look_there()
        if stage.is_two_way:
            stage.down()
            stage.look_back()
