"""A race on each database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from manystore.testing import provision

from .race import S_BASE, Race, Schema

URLS = [
    pytest.param("sqlite:", id="sqlite"),
    pytest.param("postgresql:", id="postgresql", marks=pytest.mark.server),
    pytest.param("mariadb:", id="mariadb", marks=pytest.mark.server),
]


@pytest.fixture(params=URLS)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Race]]:
    """Give fresh databases, each with the tables of a schema."""
    with ExitStack() as opened:

        def fresh(base: Schema = S_BASE) -> Race:
            place = opened.enter_context(provision.place(request.param, tmp_path))
            made = Race(place.url, place.prefix)
            opened.callback(made.close)
            return made.begin(base)

        yield fresh


@pytest.fixture
def race(places: Callable[..., Race]) -> Race:
    """A database with the tables of the base."""
    return places()
