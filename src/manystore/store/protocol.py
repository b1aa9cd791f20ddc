"""The outer waist: all that the core asks of a store. Read this file first.

Four verbs: read(plan), write(changes), alter(operation), close(). A store sees collections, plans, bound values and
opaque codecs, never a model's class. It turns every driver error into one of errors.py, in one place of its own.

**Epoch.** Every read and write names the epoch of the catalog that its plan was made from. A store that finds another
epoch in force raises EpochChanged, having written nothing: for a write, in the same atomic step; for a read, before its
records are believed. `read(CATALOG, (), epoch="")` alone names none: its one row is the stored Catalog, and an empty
store gives no row.

**Values** are bound: checked, and in the form that the store's `forms` ask for; primitives where they ask for nothing.
Nothing in a change leads back to it, so that the commonest need not be looked at by the collector of cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

import msgspec

from ..model.types import Kind as Kind  # noqa: PLC0414 - stores get it here: they never import models
from ..query.capabilities import Capabilities
from ..query.plan import Plan
from ..schema.catalog import Catalog
from ..schema.operation import Altered, Operation
from ..schema.schema import Collection, Schema

Values: TypeAlias = tuple[Any, ...]
Wait: TypeAlias = Callable[[float], None]
"""What every pause goes through; takes seconds."""


class Form(msgspec.Struct, frozen=True):
    """How a store wants values of one kind.

    native: it takes and gives the Python value; otherwise the primitive. dump and load then turn that into what the
    driver binds and back; None where nothing is to be done. Neither ever sees None.
    """

    native: bool = False
    dump: Callable[[Any], Any] | None = None
    load: Callable[[Any], Any] | None = None


class Codec(Protocol):
    """Between one model's objects and what a store holds. Made in api; a store only calls it."""

    dumps: tuple[Callable[[Any], Any] | None, ...]
    """For each field of the collection, in order: operand (not None) -> bound value; None when it is bound as it is."""

    def load(self, row: Sequence[Any], /) -> Any:
        """Make an object of a row: the collection's fields in order and in the store's forms, revision, version."""
        ...

    @property
    def decode(self) -> Callable[[bytes], Any]:
        """Give decode(data): an object of a stored JSON record, `_revision` and `_version` in it (key-value stores)."""
        ...


class Insert(msgspec.Struct, frozen=True, gc=False):
    """A new record. values: one for each field of the collection, in order. Its key must be free: else Duplicate.

    size: about how many bytes the values take, as the portable limit counts them; a store need not look at it.
    """

    collection: Collection
    values: Values
    revision: int
    size: int = 0


class Replace(msgspec.Struct, frozen=True, gc=False):
    """A whole record anew, if its revision still is expected: else Conflict.

    Stored fields that are not the program's are kept.
    require: (field, bound value) pairs that the stored record must have: else NotFound, as if it were not there.
    size: as of an Insert.
    """

    collection: Collection
    values: Values
    revision: int
    expected: int
    require: tuple[tuple[str, Any], ...] = ()
    size: int = 0


class Step(msgspec.Struct, frozen=True):
    """An addition to an int or decimal field; refused with OutOfBounds when the sum leaves low to high (bound values).

    None counts as 0.
    """

    field: str
    by: int
    low: int | None = None
    high: int | None = None


class Patch(msgspec.Struct, frozen=True):
    """Some fields anew: sets are (field, bound value) pairs, then steps. No such record: NotFound.

    expected: the revision it must have (Conflict otherwise), or None for whatever it is. codec: of the object that
    write gives back for it, None when nobody wants it.
    """

    collection: Collection
    key: Values
    revision: int
    sets: tuple[tuple[str, Any], ...] = ()
    steps: tuple[Step, ...] = ()
    expected: int | None = None
    require: tuple[tuple[str, Any], ...] = ()
    codec: Any = None


class Delete(msgspec.Struct, frozen=True):
    """A record gone, with the on_delete rules of its referrers. No such record: NotFound; not expected: Conflict."""

    collection: Collection
    key: Values
    expected: int | None = None
    require: tuple[tuple[str, Any], ...] = ()


class Check(msgspec.Struct, frozen=True, gc=False):
    """A record that was read and must still be at this revision: else Conflict. Nothing is written."""

    collection: Collection
    key: Values
    expected: int


Change: TypeAlias = Insert | Replace | Patch | Delete | Check


class Read(msgspec.Struct, frozen=True, gc=False):
    """What read gives. rows: objects made by the plan's codec ("records"), one int ("count"), one bool ("exists"),
    tuples of the plan's columns in the store's forms ("rows"), or (columns, totals) pairs of tuples ("groups").

    examined: records or entries that the access yielded. trips: how often the store was waited for; what runs inside
    this process is no trip, but all of a call together counts as one.
    """

    rows: list[Any]
    examined: int
    trips: int


class Written(msgspec.Struct, frozen=True):
    """What write gives. records: for each change in order, the patched object if its Patch had a codec, else None."""

    records: list[Any]
    trips: int


class Store(Protocol):
    """A place for records. Thread-safe. Opened by `open(url)`; a forked child may go on with it."""

    capabilities: ClassVar[Capabilities]
    forms: ClassVar[Mapping[Kind, Form]]

    @classmethod
    def open(cls, url: Any, /, *, wait: Wait) -> Store:
        """Open the store of a parsed URL (store/url.py); raise URLError, NotADatabase, Unavailable or MissingDriver.

        Looks before it changes anything: what is not a database of manystore's is left untouched. wait: for pauses
        between tries that other writers won.
        """
        ...

    def read(
        self,
        plan: Plan,
        values: Values,
        *,
        epoch: str,
        limit: int | None = None,
        after: Values | None = None,
        cap: int | None = None,
    ) -> Read:
        """Run a plan. values: the operands, one a parameter, as Python values (plan.codec.dumps binds them).

        limit: at most so many rows, filled by reading on past rows that the residual refuses. after: Python values of
        the plan's order, one a term: only rows that come after them. cap: TooManyExamined when the access has yielded
        more than cap records and the limit is not filled by the first cap of them.
        """
        ...

    def write(self, changes: Sequence[Change], *, epoch: str) -> Written:
        """Carry out all changes in one atomic step, or none and raise what stands first in this order.

        Deletes come first, then Replace and Patch, then Insert, each kind in the order given. Refused with, in this
        order: NotFound, Conflict, a taken key (Duplicate) or OutOfBounds for the first change that fails;
        MissingReference or Restricted, judged on the state after all changes; Duplicate of a unique, judged change by
        change, uniques in the order declared. What an update leaves as it was breaks nothing: a reference that led to
        nothing before it was one, a value that others had before it was to be unique. No record is named by two
        changes. on_delete rules may reach further records; those get the revision of the Delete's own making. A step is
        within the portable limit, but of a bulk create as many steps come as one as the capabilities say
        (joined_steps), and again one by one when refused.
        """
        ...

    def alter(self, operation: Operation) -> Altered:
        """Carry out an operation on the stored schema. CreateDatabase does nothing when a catalog is there already.

        ReplaceCatalog is a compare-and-set on the epoch: EpochChanged when another one is in force. Build, Sweep and
        Clear go on page by page and give Progress; Explain gives Words.
        """
        ...

    def close(self) -> None:
        """Let go of every connection. Calling it twice is fine."""
        ...


class Offline(Protocol):
    """What a store with fixed columns has beside its verbs: its statements, written without a database."""

    @classmethod
    def offline(
        cls,
        scheme: str,
        older: Schema,
        catalog: Catalog,
        further: Schema | None = None,
        then: Catalog | None = None,
        *,
        prefix: str = "",
    ) -> tuple[str, ...]:
        """Give the statements from the tables of a schema to those of a catalog and of what will be kept further.

        Nothing is connected to. then: the last catalog of the window, whose Contract is given as well.
        """
        ...
