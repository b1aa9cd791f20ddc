"""Random histories on every known store and the oracle: some in every run, very many in `make soak`."""

import os

import pytest

from manystore.testing import machine, provision

STORES = provision.bare_urls()
SERVERLESS = tuple(url for url in STORES if not provision.needs_server(url))
SOAK_STEPS = int(os.environ.get("SOAK_STEPS", "200000"))


CASES = [
    pytest.param(SERVERLESS, id="serverless"),  # for make check
    *([pytest.param(STORES, id="all", marks=pytest.mark.server)] if STORES != SERVERLESS else []),
]


@pytest.mark.parametrize("stores", CASES)
def test_histories(stores):
    """The same histories give identical answers on all at once, page by page and cursor by cursor.

    One store by itself would be given the very same ones: what fails names it.
    """
    assert machine.play(*stores, examples=12, steps=40) >= 12 * 2


@pytest.mark.soak
def test_soak(capsys):
    def report(reached):
        with capsys.disabled():
            print(f"\r{reached:,} of {SOAK_STEPS:,} steps on {' and '.join(STORES)}", end="", flush=True)  # noqa: T201

    assert machine.soak(*STORES, steps=SOAK_STEPS, report=report) >= SOAK_STEPS
