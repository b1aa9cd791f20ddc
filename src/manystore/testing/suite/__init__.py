"""All tests of the suite. A store's own test file sets `STORE` and says `from manystore.testing.suite import *`."""

from __future__ import annotations

from .test_catalog import *
from .test_create_all import *
from .test_entries import *
from .test_errors import *
from .test_load import *
from .test_mixed_versions import *
from .test_observability import *
from .test_paging import *
from .test_projection import *
from .test_queries import *
from .test_races import *
from .test_records import *
from .test_references import *
from .test_retrying import *
from .test_round_trips import *
from .test_scope import *
from .test_soft_delete import *
from .test_transactions import *
from .test_types import *
from .test_uniques import *
from .test_writes import *
