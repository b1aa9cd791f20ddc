"""The suite on sqlite."""

from manystore.testing.suite import *  # noqa: F403

STORE = "sqlite:"
