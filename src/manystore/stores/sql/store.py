"""The SQL store: `sqlite:///file.db`, the outer waist over a file of SQLite's.

Knows the parts and puts them together: location.py looks at the file, reading.py and writer.py do the work.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import insert

from ...errors import Unavailable
from ...query.capabilities import Capabilities
from ...query.plan import CATALOG, Nothing, Plan
from ...schema.catalog import Catalog
from ...schema.operation import CreateDatabase, Operation
from ...store.protocol import Change, Form, Kind, Read, Values, Written
from .connections import Connection, Connections
from .dialect import FORMS, Statement
from .location import examine, file_of
from .reader import Reader
from .reading import Reading
from .tables import Layout
from .translate import translate
from .writer import Writer
