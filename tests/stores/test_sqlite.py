"""The suite on sqlite."""

import pytest

from manystore.testing.suite import *  # noqa: F403

STORE = "sqlite:"
pytestmark = pytest.mark.slow  # a third of the time of make check, which has the suite on memory
