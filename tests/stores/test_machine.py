"""Random histories on every known store and the oracle: some in every run, very many in `make soak`."""

import os

import pytest

from manystore.testing import machine, provision

STORES = provision.bare_urls()
SERVERLESS = tuple(url for url in STORES if not provision.needs_server(url))
SOAK_STEPS = int(os.environ.get("SOAK_STEPS", "200000"))


def case(name, *urls):
    marks = [] if set(urls) <= set(SERVERLESS) else [pytest.mark.server]
    # All that need no server at once are enough for make check.
    return pytest.param(urls, id=name, marks=[*marks, pytest.mark.slow] if len(urls) == 1 else marks)


CASES = [*(case(url[:-1], url) for url in STORES), case("serverless", *SERVERLESS), case("all", *STORES)]


@pytest.mark.parametrize("stores", [each for each in CASES if each.id != "all" or STORES != SERVERLESS])
def test_histories(stores):
    """On all at once, the same history must give identical answers, page by page and cursor by cursor."""
    assert machine.play(*stores, examples=12, steps=40) >= 12 * 2


@pytest.mark.soak
def test_soak(capsys):
    def report(reached):
        with capsys.disabled():
            print(f"\r{reached:,} of {SOAK_STEPS:,} steps on {' and '.join(STORES)}", end="", flush=True)  # noqa: T201

    assert machine.soak(*STORES, steps=SOAK_STEPS, report=report) >= SOAK_STEPS
