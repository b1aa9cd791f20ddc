"""All tests of the suite. A store's own test file sets `STORE` and says `from manystore.testing.suite import *`."""

from __future__ import annotations

from .test_records import *
from .test_uniques import *
from .test_types import *
from .test_queries import *
