"""What type checkers must say of a user's code: nothing of right lines, something of each wrong one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from manystore import UsageError

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HEADER = "from sample import *\n\n\ndef wrong(shop: Shop, band: Band, release: Release) -> None:\n"


@dataclass(frozen=True)
class Block:
    who: str
    what: str
    says: str
    lines: tuple[str, ...]


def blocks() -> list[Block]:
    _, *parts = (HERE / "wrong.txt").read_text().split("\n>>> ")
    found: list[Block] = []
    for part in parts:
        title, *lines = part.strip().splitlines()
        who, _, rest = title.partition(" ")
        what, _, says = rest.partition(" => ")
        found.append(Block(who, what, says, tuple(lines)))
    return found


@dataclass(frozen=True)
class Checked:
    """The generated file's blocks, with their line numbers, and the lines that each checker complained of."""

    spans: dict[str, range]
    mypy: dict[int, str]
    pyright: dict[int, str]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Run both checkers once, on the sample and on one file made of all wrong blocks."""
    place = tmp_path_factory.mktemp("typing")
    sample = (HERE / "sample.py").read_text()
    (place / "sample.py").write_text(sample)
    text, spans = HEADER, dict[str, range]()
    for block in blocks():
        first = text.count("\n") + 1
        text += textwrap.indent("\n".join(block.lines), "    ") + "\n"
        spans[block.what] = range(first, first + len(block.lines))
    (place / "wrong.py").write_text(text)
    return Checked(spans, _mypy(place), _pyright(place))


def _mypy(place: Path) -> dict[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-version=3.11", "--config-file=", "sample.py", "wrong.py"],
        cwd=place,
        env={**os.environ, "MYPYPATH": str(ROOT / "src"), "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return _by_line(re.findall(r"^(\S+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE))


def _pyright(place: Path) -> dict[int, str]:
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": [str(ROOT / "src")]}
    (place / "pyrightconfig.json").write_text(json.dumps({**settings, "reportWildcardImportFromLibrary": False}))
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=place,
        env={**os.environ, "PYRIGHT_PYTHON_GLOBAL_NODE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [
        (Path(d["file"]).name, str(d["range"]["start"]["line"] + 1), d["message"])
        for d in json.loads(done.stdout)["generalDiagnostics"]
        if d["severity"] == "error"
    ]
    return _by_line(found)


def _by_line(found: list[tuple[str, str, str]]) -> dict[int, str]:
    """Give message by line of wrong.py; the sample must have none."""
    assert [f for f in found if f[0] != "wrong.py"] == []
    return {int(line): message for _, line, message in found}


CAUGHT = [block for block in blocks() if block.who == "both"]
REFUSED = [block for block in blocks() if block.who == "run"]


def test_the_list_is_whole() -> None:
    assert len(CAUGHT) >= 31
    assert len(REFUSED) == 4
    assert len({block.what for block in blocks()}) == len(blocks())


@pytest.mark.slow
@pytest.mark.parametrize("block", CAUGHT, ids=lambda b: b.what)
def test_both_checkers_catch(block: Block, checked: Checked) -> None:
    span = checked.spans[block.what]
    assert any(line in checked.mypy for line in span), "mypy says nothing"
    assert any(line in checked.pyright for line in span), "pyright says nothing"


@pytest.mark.slow
@pytest.mark.parametrize("block", REFUSED, ids=lambda b: b.what)
def test_checkers_let_pass_what_the_run_refuses(block: Block, checked: Checked) -> None:
    # When a checker learns to see one of these, it belongs among the others.
    assert not any(line in checked.mypy and line in checked.pyright for line in checked.spans[block.what])


@pytest.mark.parametrize("block", REFUSED, ids=lambda b: b.what)
def test_refused_at_run_time(block: Block, sample: dict[str, object]) -> None:
    shop = sample["Shop"].connect("memory://")  # type: ignore[attr-defined]
    with shop, pytest.raises(UsageError, match=re.escape(block.says)):
        exec("\n".join(block.lines), {**sample, "shop": shop})


@pytest.fixture(scope="module")
def sample() -> dict[str, object]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("typing_sample", HERE / "sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return vars(module)


@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
def test_the_sample_runs(scheme: str, sample: dict[str, object], tmp_path: Path) -> None:
    url = "memory://" if scheme == "memory" else f"sqlite:///{tmp_path}/shop.db"
    assert sample["main"](url) == [  # type: ignore[operator]
        "Live at Home: 2 left at 9.5, The Stores, True",
        "[] [2]",
        "1 gone",
    ]
