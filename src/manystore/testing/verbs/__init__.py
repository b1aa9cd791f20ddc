"""The verbs of a key-value store, held to their promises one by one: what a suite through the API shows late, or never.

Runs on stores that have verbs, before the suite. A store's own test file says `from manystore.testing.verbs import *`.
"""

from __future__ import annotations

from .test_commits import *
from .test_moments import *
from .test_reads import *
