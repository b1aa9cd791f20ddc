"""The support matrix is what the suite holds and what the stores state; that the tests pass, the run of CI shows.

What a test gives on a store is fixed before it runs: it passes, or it is a gap that a stated capability explains, and
anything else fails CI. So the page can be compared without running the suite once more.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from manystore.testing import matrix, outcomes, provision

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "support-matrix.md"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[outcomes.Outcome]:
    file = tmp_path_factory.mktemp("expected") / "outcomes.json"
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "manystore.testing.outcomes"]
    only = ["--outcomes", str(file), "tests/stores", "--ignore", "tests/stores/test_machine.py"]
    ran = subprocess.run([*command, *only], cwd=ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    return outcomes.read(file)


def test_the_page_is_up_to_date(expected: list[outcomes.Outcome]) -> None:
    assert PAGE.read_text() == matrix.page(expected), "the suite or a store has changed: make matrix"


def test_every_store_has_its_tests_and_its_column(expected: list[outcomes.Outcome]) -> None:
    assert {f"{each.store}:" for each in expected} == set(provision.bare_urls())


def test_every_store_has_the_whole_suite(expected: list[outcomes.Outcome]) -> None:
    found = [each for each in expected if each.area != provision.VERBS]
    tests = {store: {(o.area, o.test) for o in found if o.store == store} for store in {o.store for o in found}}
    assert len(set(map(frozenset, tests.values()))) == 1


def test_every_store_that_has_verbs_has_all_their_tests(expected: list[outcomes.Outcome]) -> None:
    found = [each for each in expected if each.area == provision.VERBS]
    tests = {store: {o.test for o in found if o.store == store} for store in {o.store for o in found}}
    assert set(tests) == {o.store for o in expected if provision.has_verbs(f"{o.store}:")}
    assert len(set(map(frozenset, tests.values()))) == 1


def test_a_page_tells_gaps_and_refuses_failures() -> None:
    made = [
        outcomes.Outcome("memory", "verbs", "test_v", "passed"),
        outcomes.Outcome("memory", "writes", "test_a", "passed"),
        outcomes.Outcome("memory", "writes", "test_b", "gap", "persistent"),
        outcomes.Outcome("sqlite", "writes", "test_a", "passed"),
        outcomes.Outcome("sqlite", "writes", "test_b", "passed"),
    ]
    lines = matrix.page(made).splitlines()
    assert "| writes | 1 of 2 | 2 |" in lines
    assert "| verbs | 1 | - |" in lines
    assert "| `persistent` | no | yes |" in lines
    assert "- `test_b`, on memory, for want of `persistent`" in lines
    with pytest.raises(ValueError, match="sqlite: test_c"):
        matrix.page([*made, outcomes.Outcome("sqlite", "writes", "test_c", "failed")])
