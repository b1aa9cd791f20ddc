"""What came of each test of the suite on each store: gathered by a pytest plug-in, written to a file, summed up.

`-p manystore.testing.outcomes` prints the sums of a run; `--outcomes FILE` also writes them as JSON. With
`--collect-only` the file says what a run without failures would give: needs(...) fixes every gap beforehand, and a gap
that healed is a failure. matrix.py makes a page of such files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import pytest

from manystore.query.capabilities import Capabilities
from manystore.store.registry import store_class
from manystore.testing.provision import VERBS

Result: TypeAlias = Literal["passed", "gap", "failed"]
_WIDTH = 18


class Outcome(msgspec.Struct, frozen=True, order=True):
    """One test on one store. gap: the capabilities whose lack explains that it cannot pass."""

    store: str
    area: str
    test: str
    result: Result
    gap: str = ""


def capabilities(scheme: str) -> dict[str, object]:
    """Give what a store states of itself."""
    stated: Capabilities = store_class(scheme).capabilities
    return msgspec.structs.asdict(stated)


def read(path: Path) -> list[Outcome]:
    """Read what a run wrote."""
    return msgspec.json.decode(path.read_bytes(), type=list[Outcome])


def column(outcomes: Iterable[Outcome]) -> list[str]:
    """Give the lines of the support matrix's column for each store that was run."""
    found = sorted(outcomes)
    lines: list[str] = []
    for store in sorted({each.store for each in found}):
        ours = [each for each in found if each.store == store]
        lines += ["", f"{'area':<{_WIDTH}}{store}"]
        lines += [f"{area:<{_WIDTH}}{cell(ours, area)}" for area in sorted({each.area for each in ours})]
        lines += ["", *(f"{name:<{_WIDTH}}{shown(value)}" for name, value in capabilities(store).items()), ""]
        lines += [f"gap: {each.test}, for want of {each.gap}" for each in ours if each.result == "gap"]
        lines += [f"failed: {each.test}" for each in ours if each.result == "failed"]
        counts = {result: sum(each.result == result for each in ours) for result in ("passed", "gap", "failed")}
        lines.append(f"{store}: {counts['passed']} passed, {counts['gap']} gaps, {counts['failed']} failed")
    return lines


def cell(outcomes: Iterable[Outcome], area: str) -> str:
    """Give how many tests of an area pass, and of how many if not all; a dash for an area that the store has not."""
    ours = [each for each in outcomes if each.area == area]
    if not ours:
        return "-"
    passed = sum(each.result == "passed" for each in ours)
    return str(passed) if passed == len(ours) else f"{passed} of {len(ours)}"


def shown(value: object) -> str:
    """Give a capability's value in words."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


class Gathering:
    """Gathers the outcomes of one run."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to be expected, if nothing is to be run."""
        if session.config.option.collectonly:
            for item in session.items:
                self._note(item.nodeid, dict(item.user_properties), "passed")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        """Stop behind the verbs when one fails: what stands on it would fail in hundreds of ways, or never end."""
        result = yield
        if nextitem is not None and _area(item) == VERBS != _area(nextitem) and self._has_failed(VERBS):
            item.session.shouldstop = "the rest of the suite was not run: it stands on the verbs, and some of them fail"
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test, or what comes before and after it, went."""
        properties = dict(report.user_properties)
        if hasattr(report, "wasxfail") and report.skipped:
            self._note(report.nodeid, properties, "gap")
        elif report.failed or report.skipped:  # the suite skips nothing: what was not run was not shown
            self._note(report.nodeid, properties, "failed")
        elif report.when == "call":
            self._note(report.nodeid, properties, "passed")

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        if self.path is not None:
            Path(self.path).write_bytes(msgspec.json.encode(sorted(self.outcomes.values())))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the sums."""
        if not terminalreporter.config.option.collectonly:
            for line in column(self.outcomes.values()):
                terminalreporter.write_line(line)

    def _has_failed(self, area: str) -> bool:
        return any(each.area == area and each.result == "failed" for each in self.outcomes.values())

    def _note(self, node: str, properties: dict[str, object], result: Result) -> None:
        before = self.outcomes.get(node)
        if "store" not in properties or (before is not None and before.result == "failed"):
            return
        gap = str(properties.get("gap", ""))
        if gap and result == "passed":
            result = "gap"  # expected; what passes against expectation is reported as failed
        store, area = str(properties["store"]), str(properties["area"])
        self.outcomes[node] = Outcome(store, area, node.rpartition("::")[2], result, gap)


def _area(item: pytest.Item) -> object:
    return dict(item.user_properties).get("area")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --outcomes."""
    parser.addoption("--outcomes", metavar="FILE", default=None, help="write what came of the suite's tests as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Gather in the process that all reports come to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gathering(config.getoption("--outcomes")), "manystore-outcomes")
