"""The suite on memory."""

from manystore.testing.suite import *  # noqa: F403
from manystore.testing.verbs import *  # noqa: F403

STORE = "memory:"
