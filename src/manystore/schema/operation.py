"""Operations: values that turn one schema into another. A store carries them out through `alter`.

Knows schemas; must not know stores. What the first connect and the fence need is here; migrations add their own kinds.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .catalog import Catalog


class CreateDatabase(msgspec.Struct, frozen=True):
    """Make every collection of the catalog's schema in an empty store, and store the catalog, at once."""

    catalog: Catalog


class ReplaceCatalog(msgspec.Struct, frozen=True):
    """Put another catalog in force instead of the one whose epoch is expected; EpochChanged when that one is not.

    From the moment it is done, no write of the old epoch is carried out any more.
    """

    expected: str
    catalog: Catalog


Operation: TypeAlias = CreateDatabase | ReplaceCatalog
