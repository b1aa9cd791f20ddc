"""The stores that are killed, cut off and traced: all that outlive a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from manystore.testing import servers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here as slow: all of it begins programs of its own."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


KINDS = [pytest.param(kind, marks=pytest.mark.server, id=kind) for kind in servers.KINDS]
