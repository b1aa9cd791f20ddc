"""The suite's options, fixtures and marks, for our own stores as for anybody's."""

import pytest

pytest_plugins = ["manystore.testing.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --histories."""
    parser.addoption(
        "--histories", metavar="NUMBER", default="1000", help="how many histories of windows the soak test runs"
    )
