"""From a scheme to a store, by entry point: unknown schemes, drivers that are missing, and faults of our own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from manystore import MissingDriver, URLError
from manystore.store import registry
from manystore.store.registry import known, open_store
from manystore.store.url import parse_url
from manystore.stores.keyvalue.memory import MemoryStore


def test_stores_of_this_installation() -> None:
    assert {"memory", "sqlite"} <= set(known())
    store = open_store(parse_url("memory://"), wait=time.sleep)
    assert isinstance(store, MemoryStore)
    store.close()


def test_an_unknown_scheme() -> None:
    with pytest.raises(URLError, match=r"^no store for mongo://; there are: .*memory.*sqlite"):
        open_store(parse_url("mongo://user:sesame@h"), wait=time.sleep)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is found as the store of the scheme exotic."""
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("exotic", "exotic_store:Store", registry.GROUP)
    monkeypatch.setattr(registry, "known", lambda: {"exotic": point})
    yield tmp_path / "exotic_store.py"
    sys.modules.pop("exotic_store", None)


def test_a_driver_that_is_not_installed(plugin: Path) -> None:
    plugin.write_text("import exoticdriver.client\n")
    with pytest.raises(MissingDriver) as caught:
        open_store(parse_url("exotic://h"), wait=time.sleep)
    assert str(caught.value) == "exotic:// needs exoticdriver: pip install 'manystore[exotic]'"
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("line", ["import manystore.no_such_part", "raise ImportError('libexotic.so is too old')"])
def test_faults_that_no_driver_mends(plugin: Path, line: str) -> None:
    plugin.write_text(line + "\n")
    with pytest.raises(ImportError) as caught:
        open_store(parse_url("exotic://h"), wait=time.sleep)
    assert not isinstance(caught.value, MissingDriver)
