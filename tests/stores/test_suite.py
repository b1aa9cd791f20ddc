"""The suite itself: a store's file gets all of it, and no test hides another."""

import ast
from pathlib import Path

from manystore.testing import suite, verbs

MODULES = sorted(Path(suite.__file__).parent.glob("test_*.py"))
VERBS = sorted(Path(verbs.__file__).parent.glob("test_*.py"))


def test_every_test_of_every_module_is_imported_once():
    names = [
        node.name
        for path in (*MODULES, *VERBS)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")  # tests and fixtures
    ]
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert [name for name in names if not (hasattr(suite, name) or hasattr(verbs, name))] == []


def test_the_suite_uses_public_names_only():
    allowed = ("manystore.testing.models", "manystore.testing.provision", "manystore.testing")
    found = [
        f"{path.name}: {node.module}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == "manystore"
        and node.module != "manystore"
        and node.module not in allowed
    ]
    assert found == []


def test_no_test_asks_which_store_it_runs_on():
    # A place elsewhere, to compare with, is no question about this one.
    for path in (*MODULES, *VERBS):
        text = path.read_text().replace('provision.place("memory:"', "")
        assert not any(
            name in text for name in ("sqlite", "memory:", "redis", "postgres", "mysql", "zookeeper", "etcd")
        ), path
