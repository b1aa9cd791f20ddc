"""The suite on memory."""

from manystore.testing.suite import *  # noqa: F403

STORE = "memory:"
