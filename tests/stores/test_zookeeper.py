"""The suite on zookeeper."""

from manystore.testing.suite import *  # noqa: F403
from manystore.testing.verbs import *  # noqa: F403

STORE = "zookeeper:"
