"""Operations: values that turn one schema into another. A store carries them out through `alter`.

Knows schemas; must not know stores. Only what the first connect needs is here; migrations add their own kinds.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .catalog import Catalog


class CreateDatabase(msgspec.Struct, frozen=True):
    """Make every collection of the catalog's schema in an empty store, and store the catalog, at once."""

    catalog: Catalog


Operation: TypeAlias = CreateDatabase
