"""The suite on postgresql."""

from manystore.testing.suite import *  # noqa: F403

STORE = "postgresql:"
