"""The suite on etcd."""

from manystore.testing.suite import *  # noqa: F403
from manystore.testing.verbs import *  # noqa: F403

STORE = "etcd:"
