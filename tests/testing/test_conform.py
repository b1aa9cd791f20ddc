"""`manystore conform`: a store of a third party's that is right passes, one that is wrong fails, and both are told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HOW_TO = ROOT / "docs" / "how-to" / "add-a-store.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def shelf(tmp_path):
    """The how-to's store, installed as its page says; the folder that is on Python's path."""
    blocks = BLOCK.findall(HOW_TO.read_text())
    (entry_point,) = [text for kind, text in blocks if kind == "toml"]
    group, line = re.search(r'entry-points\."(.*?)"\]\n(.*)', entry_point).groups()
    (tmp_path / "shelf.py").write_text("\n".join(text for kind, text in blocks if kind == "python"))
    installed = tmp_path / "shelf-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    return tmp_path


def conform(path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "manystore", "conform", *arguments],
        env={**os.environ, "PYTHONPATH": str(path)},
        cwd=path,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_how_to_s_store_passes_the_whole_suite(shelf):
    ran = conform(shelf, f"shelf:///{shelf}/conform.shelf?durability=off", "--junit", "report.xml")
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr
    counts = re.search(r"^shelf: (\d+) passed, (\d+) gaps, 0 failed$", ran.stdout, re.MULTILINE)
    assert int(counts[1]) > 600
    assert counts[2] == "0"
    assert re.search(r"^verbs +\d+$", ran.stdout, re.MULTILINE)
    assert re.search(r"^references +\d+$", ran.stdout, re.MULTILINE)
    assert re.search(r"^persistent +yes$", ran.stdout, re.MULTILINE)
    report = xml.parse(shelf / "report.xml").getroot().find("testsuite")
    assert int(report.get("tests")) == int(counts[1]) + int(counts[2])


BREAKAGES = {  # what is wrong, and where the suite through the API sees it too
    "forgets deletes": ("for space, name in deletes:", "for space, name in []:", "uniques"),
    "does not look": ("if not self._holds(step, check):", "if False:", "uniques"),
    "ignores the epoch": ("if epoch is not None and", "if False and", "catalog"),
    "reads backwards": ('" DESC LIMIT ?" if reverse', '" LIMIT ?" if reverse', "paging"),
}
VERBS = {  # what is wrong, and a test that says so
    **{name: (right, wrong, "") for name, (right, wrong, _) in BREAKAGES.items()},
    "takes a rewritten record for the same": (
        "value.startswith(head) if head else ",
        "",
        "test_a_check_decides[Same with a head: another version]",
    ),
    "takes any record for the same": (
        "(value.startswith(head) if head else token_of(value) == token)",
        "True",
        "test_a_check_decides[Same: another token]",
    ),
    "looks at no range": (
        "self._names(step, span, len(seen) + 1) == list(seen)",
        "True",
        "test_a_check_decides[Range: one has come at the end]",
    ),
    "does not see who came last": (
        "len(seen) + 1",
        "len(seen)",
        "test_a_check_decides[Range: one has come at the end]",
    ),
    "names another check": ("return place", "return 0", "test_one_failing_check_is_named_and_nothing_is_done[2]"),
    "counts the limit for each span": (
        "None if limit is None else limit - len(names)",
        "limit",
        "test_the_limit_counts_over_all_spans_together",
    ),
    "leaves out the first of a span": ("name >= ?", "name > ?", "test_a_span_holds_its_low_bound_and_not_its_high_one"),
    "gives one name too many": ("name < ?", "name <= ?", "test_a_span_holds_its_low_bound_and_not_its_high_one"),
    "turns the order of spans": (
        "for span in spans:",
        "for span in spans[:: -1 if reverse else 1]:",
        "test_reverse_turns_each_span_and_not_their_order",
    ),
    "writes in many steps": (
        'with self._step("BEGIN IMMEDIATE") as step:',
        'with self._step("SELECT 1") as step:',
        "test_a_get_sees_all_of_a_commit_or_nothing",
    ),
    "reads at many moments": (
        'with self._step("BEGIN") as step:\n            values',
        'with self._step("SELECT 1") as step:\n            values',
        "test_a_get_sees_all_of_a_commit_or_nothing",
    ),
    "shares what prefixes keep apart": (
        "self.prefix = prefix",
        'self.prefix = ""',
        "test_prefixes_keep_databases_apart",
    ),
}


def broken(shelf, right, wrong, *arguments):
    source = (shelf / "shelf.py").read_text()
    assert right in source
    (shelf / "shelf.py").write_text(source.replace(right, wrong))
    return conform(shelf, f"shelf:///{shelf}/conform.shelf?durability=off", *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKAGES)
def test_a_store_that_is_wrong_fails(shelf, name):
    right, wrong, area = BREAKAGES[name]
    ran = broken(shelf, right, wrong, "-k", area)
    assert ran.returncode == 1
    assert re.search(r"^failed: test_", ran.stdout, re.MULTILINE), ran.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_a_wrong_verb_is_told_by_name_and_before_all_that_stands_on_it(shelf, name):
    right, wrong, test = VERBS[name]
    # Of those that are told by one test, that test and one of the rest are enough.
    chosen = ["-k", f"{test.partition('[')[0]} or test_created_record_is_read_back"] if test else []
    ran = broken(shelf, right, wrong, *chosen)
    assert ran.returncode == 1
    assert f"failed: {test}" in ran.stdout, ran.stdout[-3000:]
    assert "the rest of the suite was not run" in ran.stdout
    assert re.search(r"^verbs +\d+ of \d+$", ran.stdout, re.MULTILINE)
    assert not re.search(r"^records ", ran.stdout, re.MULTILINE)


@pytest.mark.slow
def test_what_passes_against_its_word_is_told(shelf):
    ran = broken(shelf, "persistent=True", "persistent=False", "-k", "outlive")
    assert ran.returncode == 1
    assert "`capabilities` says that the store is not persistent, so this must fail" in ran.stdout


@pytest.mark.slow
def test_gaps_are_told_with_the_capability(tmp_path):
    ran = conform(tmp_path, "memory:", "-k", "another_process")
    assert ran.returncode == 0
    assert "gap: test_another_process_sees_the_data, for want of " in ran.stdout
    assert re.search(r"^memory: \d+ passed, [1-9]\d* gaps, 0 failed$", ran.stdout, re.MULTILINE)


@pytest.mark.slow
def test_what_is_wrong_with_the_url_is_one_line(shelf):
    for url, message in [
        ("nowhere://x", "Error: no store for nowhere:; there are: "),
        ("sqlite:///missing/file.db", "Error: sqlite: there is no directory "),
        ("shelf:", "Error: a store's URL looks like scheme://place"),
    ]:
        ran = conform(shelf, url)
        assert ran.returncode == 1
        assert ran.stderr.startswith(message)
        assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_store_without_verbs_is_not_asked_for_them(tmp_path):
    ran = conform(tmp_path, f"sqlite:///{tmp_path}/s.db?durability=off", "-k", "verbs or uniques")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not re.search("^verbs", ran.stdout, re.MULTILINE)


@pytest.mark.slow
def test_neither_settings_nor_tests_of_the_folder_have_a_say(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit(3)")
    (tmp_path / "test_mine.py").write_text("def test_mine():\n    raise AssertionError\n")
    ran = conform(tmp_path, "memory:", "-k", "errors or mine")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_missing_extra_is_one_line_that_installs_it(tmp_path):
    program = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "hypothesis" else real(name, *rest)
from manystore.cli.main import main
main(["conform", "memory:"])
"""
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == "Error: conform needs hypothesis: pip install 'manystore[testing]'\n"


@pytest.mark.slow
def test_a_password_is_not_shown(shelf):
    ran = conform(shelf, "shelf://user:secret@host/nowhere/x", "-k", "paging")
    assert ran.returncode == 1
    assert "secret" not in ran.stdout + ran.stderr
