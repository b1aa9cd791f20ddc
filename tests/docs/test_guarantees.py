"""The page of guarantees names the tests that show them: each is there, and runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "guarantees.md"
TESTS = [
    node
    for path in [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "src" / "manystore" / "testing").rglob("test_*.py")]
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


def named() -> list[str]:
    return re.findall(r"`(test_\w+)`", PAGE.read_text())


def test_every_test_that_the_page_names_is_there_once() -> None:
    names = [test.name for test in TESTS]
    assert named()
    assert [name for name in named() if names.count(name) != 1] == []


def test_no_test_that_the_page_names_is_skipped() -> None:
    marks = {
        test.name: ast.unparse(decorator)
        for test in TESTS
        for decorator in test.decorator_list
        if re.search("skip|xfail", ast.unparse(decorator))
    }
    assert [name for name in named() if name in marks] == []


def test_the_page_speaks_of_every_store_and_says_where_it_loses() -> None:
    text = PAGE.read_text()
    for word in ("SQLite", "PostgreSQL", "MariaDB", "Redis", "ZooKeeper", "etcd", "memory", "**may be lost**"):
        assert word in text


def test_marked_soak_is_said_of_the_tests_that_only_run_there() -> None:
    soak = {test.name for test in TESTS if "pytest.mark.soak" in map(ast.unparse, test.decorator_list)}
    for line in PAGE.read_text().splitlines():
        if soak.intersection(re.findall(r"`(test_\w+)`", line)):
            assert "soak" in line, line
