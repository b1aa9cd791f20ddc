"""Operations: values that turn what a store holds from one schema to another. A store carries them out through `alter`.

Knows schemas; must not know stores. Migrations decide which of them is due (migrations/deployment.py); each may be cut
off at any point and given again.

While a window is open, records have the shapes of `catalog.kept`. Once it is raised, new records have those of its
`kept`, the others those of its `older`; a record's version tells which. An SQL table has the columns of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from .adoption import Adopt, Adopted, Survey, Surveyed
from .catalog import Catalog
from .schema import Schema

Raw: TypeAlias = dict[str, Any]  # a record's columns, or its complement, as JSON has them
Columns: TypeAlias = Mapping[str, Sequence[Any]]  # those of many records: by column, a value a record


class CreateDatabase(msgspec.Struct, frozen=True):
    """Make every collection of the catalog's schema in an empty store, and store the catalog, at once."""

    catalog: Catalog


class ReplaceCatalog(msgspec.Struct, frozen=True):
    """Put another catalog in force instead of the one whose epoch is expected; EpochChanged when that one is not.

    From the moment it is done, no write of the old epoch is carried out any more.
    """

    expected: str
    catalog: Catalog


class Prepare(msgspec.Struct, frozen=True):
    """Make what the catalog's kept schema, and the further one, need and is not there: tables, columns, indexes.

    catalog: in force, or about to be. further: what will be kept once the window is raised; its own columns can be
    empty until then. expected: the epoch in force when it begins, else EpochChanged where anything is to be made; None
    for whichever. Takes nothing away, and lets programs of the base go on. Raises MigrationRefused when the records
    that are there break a unique; and, before anything is changed, for what is there under a new name and is not what
    would be made.
    """

    catalog: Catalog
    further: Schema | None = None
    expected: str | None = None


class Build(msgspec.Struct, frozen=True):
    """Give existing records of a collection what they lack of indexes, uniques and references that are building.

    The catalog of that epoch is in force. Raises MigrationRefused, which names some keys, for values that are there
    twice and for references that lead nowhere.
    """

    epoch: str
    collection: str
    after: Any = None
    limit: int = 500


class Many(msgspec.Struct, frozen=True):
    """What a sweep's lift does, for many records without a complement at once, in less time.

    made(columns, number) gives what lift gives of so many records. takes: the older columns that it is given; what a
    record lacks stands there as None, or as what the catalog says of absent columns.
    """

    takes: tuple[str, ...]
    made: Callable[[Columns, int], Columns]


class Sweep(msgspec.Struct, frozen=True):
    """Bring records of the older shape into the kept one, with all their entries; their revisions stay as they are.

    lift(columns, complement) gives the columns of the kept shape for those of the older one. Columns that neither shape
    has stay; those that only the older one has, and the complement, go (in SQL they stay until Contract). Where both
    shapes have one version, as when a window was dropped, that is all: records that hold neither are left alone.
    many: the same for many records, where a store can do with it.
    """

    epoch: str
    collection: str
    lift: Callable[[Raw, Raw | None], Raw]
    after: Any = None
    limit: int = 1000
    many: Many | None = None


class Clear(msgspec.Struct, frozen=True):
    """Take away what was kept by an older schema and the kept one does not have: entries, claims, records.

    The catalog of that epoch is in force. Tables and columns of SQL go with Contract instead.
    """

    epoch: str
    older: Schema
    after: Any = None
    limit: int = 5000


class Contract(msgspec.Struct, frozen=True):
    """Put the last catalog of a window in force: columns get their lasting names, and what only older shapes had goes.

    As ReplaceCatalog; expected: the epoch of the catalog in force, whose kept schema says what columns are called now.
    """

    expected: str
    catalog: Catalog


class Explain(msgspec.Struct, frozen=True):
    """Say what an operation would do, and do nothing: alter gives Words."""

    operation: Prepare | Build | Sweep | Clear | Contract


class Progress(msgspec.Struct, frozen=True):
    """How far Build, Sweep or Clear came. done: records; after: where to go on, None at the end."""

    done: int
    after: Any = None


class Words(msgspec.Struct, frozen=True):
    """statements: as the store would run them, or what it does in words. blocking: others wait while it lasts."""

    statements: tuple[str, ...]
    blocking: bool = False


Operation: TypeAlias = (
    CreateDatabase | ReplaceCatalog | Prepare | Build | Sweep | Clear | Contract | Explain | Survey | Adopt
)
Altered: TypeAlias = Progress | Words | Surveyed | Adopted | None
