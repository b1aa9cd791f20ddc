"""The suite's options, fixtures and marks, for our own stores as for anybody's."""

import gc
from collections.abc import Iterator

import pytest

pytest_plugins = ["manystore.testing.plugin"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Collect without looking for garbage, and leave what was made out of every later look.

    The tests are 700,000 objects that stay to the end: each full look at them takes half a second, in every worker.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --histories."""
    parser.addoption(
        "--histories", metavar="NUMBER", default="1000", help="how many histories of windows the soak test runs"
    )
