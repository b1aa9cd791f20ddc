"""Every ```python block of the README and the manual runs, and prints what its comments say.

The blocks of one page continue each other. `print(...)  # text` must print that text.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
from pathlib import Path

import pytest

from manystore import Database, Repository
from manystore.model.field import Declared

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.exists() and "```python\n" in page.read_text()
]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("docs_" + page.stem.lower())  # models look for their neighbours in their module
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = page.read_text()
    try:
        for block in _BLOCK.finditer(text):
            # Errors are then told with the page's own line numbers.
            source = "\n" * text[: block.start(1)].count("\n") + block[1]
            exec(compile(source, str(page), "exec"), module.__dict__)
            assert capsys.readouterr().out.splitlines() == _PRINTED.findall(block[1])
    finally:
        for value in list(vars(module).values()):
            if callable(getattr(value, "close", None)) and not isinstance(value, type):
                value.close()


def test_there_are_pages() -> None:
    assert {page.name for page in PAGES} >= {"README.md", "models.md", "queries.md", "transactions.md"}


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("owner", [Repository, Database])
def test_the_manual_names_every_method(owner: type[object]) -> None:
    manual = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    public = [name for name in dir(owner) if not name.startswith("_")]
    assert public
    assert [name for name in public if not re.search(rf"[`.]{name}\b", manual)] == []


def test_the_manual_names_every_option_of_field() -> None:
    manual = (ROOT / "docs" / "models.md").read_text()
    named = [name for name in inspect.signature(Declared).parameters if name not in ("reference", "generated", "key")]
    assert [name for name in named if f"{name}=" not in manual] == []
