"""The suite on mariadb."""

from manystore.testing.suite import *  # noqa: F403

STORE = "mariadb:"
