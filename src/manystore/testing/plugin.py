"""The pytest plug-in of the suite: the option --store, its fixtures, and the marks that gate a test by capability.

`pytest -p manystore.testing.plugin --pyargs manystore.testing.suite --store URL` runs the suite against any store; a
test file may instead say `STORE = "URL"` and import the suite. A test never asks which store it runs on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from manystore.store.registry import store_class
from manystore.testing import provision
from manystore.testing.models import Cloud, Library, Samples

DEFAULT_STORE = "memory:"
SUITE = "manystore.testing.suite.test_"
VERBS = "manystore.testing.verbs"
pytest.register_assert_rewrite("manystore.testing.suite", VERBS)
# A loaded machine makes slow examples, not wrong ones; the same seeds every time, so that a failure can be repeated.
settings.register_profile(
    "manystore",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --store."""
    parser.addoption("--store", metavar="URL", default=None, help="the store that manystore's suite is run against")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks and choose hypothesis's settings."""
    config.addinivalue_line("markers", "needs(capability): fails, and must fail, on a store that states it lacks this")
    config.addinivalue_line("markers", "soak: runs for minutes, to find what is rare")
    config.addinivalue_line("markers", "server: needs a server; given to all tests of a store that is one")
    # A driver's thread may draw while hypothesis makes an example: kazoo's does, for the pause after a lost connection.
    config.addinivalue_line(
        "filterwarnings", "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
    )
    settings.load_profile("manystore")


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Turn needs(...) into strict expected failures: a gap that healed, or was never one, is news."""
    if idle := [item for item in items if _module(item).startswith(VERBS) and not provision.has_verbs(_url(item))]:
        config.hook.pytest_deselected(items=idle)
        items[:] = [item for item in items if item not in idle]
    for item in items:
        # They travel with the report: outcomes.py makes the support matrix of them.
        module = _module(item)
        if module.startswith((SUITE, VERBS)):
            area = provision.VERBS if module.startswith(VERBS) else module[len(SUITE) :]
            item.user_properties += [("store", _url(item).partition(":")[0]), ("area", area)]
        if "place" in getattr(item, "fixturenames", ()) and provision.needs_server(_url(item)):
            item.add_marker("server")
        for mark in item.iter_markers("needs"):
            capabilities = store_class(_url(item).partition(":")[0]).capabilities
            stated = {f.name for f in msgspec.structs.fields(capabilities)}
            assert stated.issuperset(mark.args), f"{item.nodeid}: no such capability as {mark.args}"
            if lacking := [name for name in mark.args if not getattr(capabilities, name)]:
                item.user_properties.append(("gap", ", ".join(lacking)))
                told = f"`capabilities` says that the store is not {', '.join(lacking)}, so this must fail"
                item.add_marker(pytest.mark.xfail(reason=told, strict=True))


def _module(item: pytest.Item) -> str:
    return str(getattr(getattr(item, "function", None), "__module__", ""))


def _url(item: pytest.Item) -> str:
    module = item.getparent(pytest.Module)
    assert module is not None
    return str(getattr(module.obj, "STORE", None) or item.config.getoption("--store") or DEFAULT_STORE)


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of the store under test: what its file says, else --store."""
    return _url(request.node)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Iterator[provision.Place]:
    """A fresh place on the store under test."""
    with provision.place(store_url, tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> provision.Clock:
    """The clock that the databases below were given."""
    return provision.Clock()


@pytest.fixture
def library(place: provision.Place, clock: provision.Clock) -> Library:
    """An empty library."""
    return place.connect(Library, clock=clock)


@pytest.fixture
def cloud(place: provision.Place, clock: provision.Clock) -> Cloud:
    """An empty cloud."""
    return place.connect(Cloud, clock=clock)


@pytest.fixture
def samples(place: provision.Place) -> Samples:
    """An empty collection of samples."""
    return place.connect(Samples)
