"""Random histories on the real stores and the oracle: some in every run, very many in `make soak`."""

import os

import pytest

from manystore.testing import machine

STORES = ("memory:", "sqlite:")
SOAK_STEPS = int(os.environ.get("SOAK_STEPS", "200000"))


@pytest.mark.parametrize("stores", [STORES[:1], STORES[1:], STORES], ids=["memory", "sqlite", "both"])
def test_histories(stores):
    """On both at once, the same history must give identical answers, page by page and cursor by cursor."""
    assert machine.play(*stores, examples=12, steps=40) >= 12 * 2


@pytest.mark.soak
def test_soak(capsys):
    def report(reached):
        with capsys.disabled():
            print(f"\r{reached:,} of {SOAK_STEPS:,} steps on {' and '.join(STORES)}", end="", flush=True)  # noqa: T201

    assert machine.soak(*STORES, steps=SOAK_STEPS, report=report) >= SOAK_STEPS
