"""Every error manystore raises, in one tree.

    ManystoreError
    ├── DeclarationError          a model, repository or projection is declared wrongly
    ├── UsageError                a call that can never be right (also a TypeError)
    ├── ValueRefused              a value that no store may hold, or that its field may not (also a ValueError)
    │   ├── OutOfBounds           an increment would pass a declared bound
    │   └── Pinned                a value that the older schema cannot hold, while programs of it still run
    ├── URLError                  a store's URL or one of its options is wrong (also a ValueError)
    ├── QueryRefused              the planner will not run this query
    │   ├── NoAccessPath          no key or index serves the filter: the text shows the index to declare
    │   ├── TooManyExamined       more records looked at than the cap allows
    │   ├── IndexNotReady         the index that serves it is still building
    │   └── Unsupported           this store cannot do it, and says so before it is asked
    ├── NotLoaded                 a related record that was not asked for with load= (also an AttributeError)
    ├── NotFound                  no such record (also a LookupError)
    ├── WriteRefused              the data does not allow this write; nothing was written
    │   ├── Conflict              somebody else changed the record first
    │   ├── Duplicate             a key or a unique is taken
    │   ├── MissingReference      a reference points at no record
    │   ├── Restricted            the record is still referred to
    │   ├── OutOfScope            the record belongs to another scope
    │   ├── AlreadyCommitted      a transaction with this idempotency key was committed before
    │   ├── Exhausted             claim found nothing left to take
    │   └── TooLarge              more than one atomic step may hold
    ├── SchemaError               the database and this program do not fit together
    │   ├── NotADatabase          the place holds something that manystore did not make
    │   ├── SchemaMismatch        the stored schema is not this program's
    │   ├── ProgramTooOld         the database has moved on to a newer schema or format
    │   ├── MigrationRefused      a migration, or a history of them, does not fit what it follows
    │   │   └── FunctionFailed    a function of a migration raises at a record
    │   └── EpochChanged          the catalog changed since it was read (handled inside; seen when it keeps changing)
    ├── StoreError                the store itself
    │   ├── Unavailable           out of reach, busy or timed out; nothing was written
    │   ├── OutcomeUnknown        the connection broke and what happened cannot be decided
    │   └── Corrupted             what the store holds is not what was written
    ├── MissingDriver             the store's extra is not installed (also an ImportError)
    └── Closed                    used after close

Messages are short, name the model and the field, and never hold a password, a token or a row. Details are attributes.
"""

from __future__ import annotations

from typing import cast


def of_key(key: object) -> str:
    """Say in a message at which key something stands."""
    parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
    return f"(key {'/'.join(map(str, parts))})"


class ManystoreError(Exception):
    """Root of every error that manystore raises on purpose.

    Attribute done: how many records a bulk call had dealt with before this stopped it; None for every other call.
    """

    done: int | None = None


class DeclarationError(ManystoreError):
    """A model, repository or projection is declared wrongly."""


class UsageError(ManystoreError, TypeError):
    """A call that can never be right, whatever the data."""


class ValueRefused(ManystoreError, ValueError):
    """A value that its field, or every store, refuses. Attributes: model, field (names), reason."""

    def __init__(self, model: str, field: str, reason: str) -> None:
        super().__init__(model, field, reason)
        self.model = model
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.model}.{self.field}: {self.reason}"


class OutOfBounds(ValueRefused):
    """An increment would carry a field past the bound given; nothing was written."""


class Pinned(ValueRefused):
    """A value that only the newer schema can hold, while programs of the older one may still read the record."""


class URLError(ManystoreError, ValueError):
    """A store's URL, or one of its options, is wrong."""


class QueryRefused(ManystoreError):
    """The query was refused before the store was asked, or stopped at the cap."""


class NoAccessPath(QueryRefused):
    """No key or index serves the filter. Attributes: model, index (the declaration that would serve it, as text)."""

    def __init__(self, model: str, wanted: str, index: str) -> None:
        super().__init__(model, wanted, index)
        self.model = model
        self.wanted = wanted
        self.index = index

    def __str__(self) -> str:
        hint = f"; declare {self.index}, or pass scan=True" if self.index else "; pass scan=True to read everything"
        return f"{self.model}: no key or index serves {self.wanted}{hint}"


class TooManyExamined(QueryRefused):
    """More records were examined than the cap allows. Attributes: model, cap."""

    def __init__(self, model: str, cap: int) -> None:
        super().__init__(model, cap)
        self.model = model
        self.cap = cap

    def __str__(self) -> str:
        return (
            f"{self.model}: more than {self.cap:,} records examined; narrow the filter, set limit=, or pass scan=True"
        )


class IndexNotReady(QueryRefused):
    """The index that serves the filter is still being built."""


class Unsupported(QueryRefused):
    """This store cannot do it; the text says what and why."""


class NotLoaded(ManystoreError, AttributeError):
    """A related record that was not asked for with load=."""


class NotFound(ManystoreError, LookupError):
    """No such record. Attributes: model, key."""

    def __init__(self, model: str, key: object = None) -> None:
        super().__init__(model, key)
        self.model = model
        self.key = key

    def __str__(self) -> str:
        return (
            f"{self.model}: no record with key {self.key!r}" if self.key is not None else f"{self.model}: none matches"
        )


class WriteRefused(ManystoreError):
    """The data does not allow this write. Nothing of the atomic step was written."""


class Conflict(WriteRefused):
    """Somebody else changed or deleted the record since it was read. Attributes: model, key."""

    def __init__(self, model: str, key: object) -> None:
        super().__init__(model, key)
        self.model = model
        self.key = key

    def __str__(self) -> str:
        which = "each record found" if self.key is None else f"record {self.key!r}"
        return f"{self.model}: {which} is not what was read: changed or deleted meanwhile; read it again"


class Duplicate(WriteRefused):
    """A key or a unique is taken. Attributes: model, fields (names)."""

    def __init__(self, model: str, fields: tuple[str, ...]) -> None:
        super().__init__(model, fields)
        self.model = model
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.model}: {', '.join(self.fields)} already taken"


class MissingReference(WriteRefused):
    """A reference points at no record. Attributes: model, field, target (names)."""

    def __init__(self, model: str, field: str, target: str) -> None:
        super().__init__(model, field, target)
        self.model = model
        self.field = field
        self.target = target

    def __str__(self) -> str:
        return f"{self.model}.{self.field}: no such {self.target}"


class Restricted(WriteRefused):
    """The record cannot be deleted while others refer to it. Attributes: model, by (model.field that refers)."""

    def __init__(self, model: str, by: str) -> None:
        super().__init__(model, by)
        self.model = model
        self.by = by

    def __str__(self) -> str:
        return f"{self.model}: still referred to by {self.by}"


class OutOfScope(WriteRefused):
    """The record belongs to another scope than the database was scoped to. Attributes: model, field."""

    def __init__(self, model: str, field: str) -> None:
        super().__init__(model, field)
        self.model = model
        self.field = field

    def __str__(self) -> str:
        return f"{self.model}.{self.field}: the record belongs to another scope"


class AlreadyCommitted(WriteRefused):
    """A transaction with this idempotency key was committed before. Attribute: key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"idempotency key {self.key!r}: already committed"


class Exhausted(WriteRefused):
    """claim looked at every match and none was left to take. Attribute: model."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return f"{self.model}: none left to claim"


class TooLarge(WriteRefused):
    """More than one atomic step may hold. Attributes: what, size, limit."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(what, size, limit)
        self.what = what
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.size:,} {self.what} in one step; the limit is {self.limit:,}"


class SchemaError(ManystoreError):
    """The database and this program do not fit together."""


class NotADatabase(SchemaError):
    """The place holds something that manystore did not make; it was left untouched."""


class SchemaMismatch(SchemaError):
    """The stored schema is not this program's. Attribute: differences (sentences)."""

    def __init__(self, differences: tuple[str, ...]) -> None:
        super().__init__(differences)
        self.differences = differences

    def __str__(self) -> str:
        shown = "; ".join(self.differences[:3])
        more = f"; and {len(self.differences) - 3} more" if len(self.differences) > 3 else ""
        way = "run `manystore migrate up`, or connect to an empty store"
        return f"the database's schema is not this program's: {shown}{more}; {way}"


class ProgramTooOld(SchemaError):
    """The database was made or raised by a newer program."""


class MigrationRefused(SchemaError):
    """A migration does not fit the schema it follows, or a history of them does not hold together."""


class FunctionFailed(MigrationRefused):
    """A function of a migration raises at a record, which it was to lead over; what it raises is the cause.

    Attributes: model, fields (names: what the function makes, none if that is not known), key (None likewise), reason.
    """

    def __init__(self, model: str, fields: tuple[str, ...], key: object, reason: str) -> None:
        super().__init__(model, fields, key, reason)
        self.model = model
        self.fields = fields
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        which = "" if self.key is None else f" {of_key(self.key)}"
        fields = f".{', '.join(self.fields)}" if self.fields else ""
        return f"{self.model}{fields}: a function of the migration fails: {self.reason}{which}"


class EpochChanged(SchemaError):
    """The stored catalog changed since this program read it."""


class StoreError(ManystoreError):
    """Something is wrong with the store itself."""


class Unavailable(StoreError):
    """The store is out of reach, busy or timed out; nothing was written."""


class OutcomeUnknown(StoreError):
    """The connection broke during a commit and its outcome cannot be decided."""


class Corrupted(StoreError):
    """What the store holds is not what was written there."""


class MissingDriver(ManystoreError, ImportError):
    """The store's extra is not installed; the text is the line that installs it."""


class Closed(ManystoreError):
    """The database, store or transaction is closed."""
