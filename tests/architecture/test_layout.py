"""Files and functions stay short, and nothing above the stores knows which stores there are."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import manystore

ROOT = Path(manystore.__file__).parent
# The flagship and the conformance suite are shipped with the core, but are no part of it.
BESIDE_THE_CORE = {"nova", "testing"}

LONGEST_FILE = 400
LONGEST_FUNCTION = 40

# Memory is missing on purpose: it is an English word that the core has other uses for.
STORE_NAME = re.compile("sqlite|postgres|mysql|mariadb|redis|zookeeper|etcd", re.IGNORECASE)
# A file is the noun of what it holds; these hold whatever was left over.
DRAWERS = {"base", "common", "helper", "helpers", "misc", "util", "utils"}


def core_files() -> list[Path]:
    inside = (path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in BESIDE_THE_CORE)
    return sorted(inside)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT.parent))


def bare_strings(tree: ast.AST) -> Iterator[ast.Expr]:
    """Docstrings, and strings that stand below an attribute to describe it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node


def net_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def code_tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    """Everything Python acts on: names and strings, but neither comments nor docstrings."""
    prose = {line for node in bare_strings(ast.parse(source)) for line in range(node.lineno, node.end_lineno + 1)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_prose = token.type == tokenize.STRING and token.start[0] in prose
        if token.type != tokenize.COMMENT and not is_prose:
            yield token


def test_files_are_short():
    lengths = {shown(path): len(path.read_text().splitlines()) for path in core_files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short():
    too_long = {}
    for path in core_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and net_lines(node) > LONGEST_FUNCTION:
                too_long[f"{shown(path)}:{node.lineno} {node.name}"] = net_lines(node)
    assert too_long == {}


def test_no_store_is_named_outside_the_stores():
    named = [
        f"{shown(path)}:{token.start[0]} {token.string}"
        for path in core_files()
        if path.relative_to(ROOT).parts[0] != "stores"
        for token in code_tokens(path.read_text())
        if STORE_NAME.search(token.string)
    ]
    assert named == []


def test_no_file_is_a_drawer():
    assert [shown(path) for path in core_files() if path.stem in DRAWERS or path.parent.name in DRAWERS] == []


def test_prose_may_name_a_store_and_code_may_not():
    source = '''
"""Redis."""
url = "redis://"  # redis
async def sqlite(name=f"{1}etcd"):
    """SQLite."""
'''
    found = {token.string for token in code_tokens(source) if STORE_NAME.search(token.string)}
    assert {"sqlite", '"redis://"'} <= found
    assert len(found) == 3  # the third is the f-string, which Python 3.12 cuts into pieces
