"""The inner waist: all that a key-value store must do to be one of ours. A further one is one class and an entry point.

Four verbs: get(keys, follow), scan(spans, limit, direction, follow), commit(checks, puts, deletes), close(). A key is
a space and a name. Names are text, ordered by code point (the order of their UTF-8 too), made of characters that
layout.py picks. A store sees bytes and names only; it knows no collection, field or plan. It turns every driver error
into one of errors.py.

**Spaces.** The letter before the colon says how a space is used (layout.py has the list): `r:` records and `c:` the
catalog have values and are read by name, `r:` also in order of names; `u:` claims have values and are read by name;
`i:` entries and `b:` references have no values and are read in order. The names of a whole `u:` space can be scanned as
well, in any order, by whoever takes it away.

**Epoch.** The stored catalog (CATALOG) begins with format and epoch; `epoch_of` reads it. get and scan give the epoch
that was in force when they read: seen in the same atomic step or after it, never before. commit compares it in its own.

**Tokens.** The value of a record begins `{"_revision":"<token>","_previous":`, then the token before it or null, 16 hex
digits each; `token_of` and `previous_of` read them. By them outcome.py tells what became of a commit whose reply was
lost. Then comes `"_version":` and a number, which alone changes when a record is brought into another shape; `head_of`
gives all up to there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

Key: TypeAlias = tuple[str, str]  # space, name
Put: TypeAlias = tuple[str, str, bytes]  # space, name, value; b"" in a space without values

CATALOG: Key = ("c:", "catalog")
_EPOCH = b'"epoch":"'
_VERSION = b',"_version":'
SHORT, LONG = 48, 62  # where it stands in a record: behind no revision before its own, and behind one


def epoch_of(catalog: bytes | None) -> str:
    """Read the epoch of a stored catalog; "" when there is none."""
    if catalog is None:
        return ""
    start = catalog.find(_EPOCH, 0, 64) + len(_EPOCH)
    return catalog[start : start + 16].decode()


def token_of(record: bytes) -> str:
    """Read the token of a stored record."""
    return record[14:30].decode()


def previous_of(record: bytes) -> str | None:
    """Read the token that a stored record's own replaced; None when it was made by its only write."""
    return record[45:61].decode() if record[32:45] == b'"_previous":"' else None


def head_of(record: bytes) -> bytes:
    """Give what a stored record begins with: its tokens and its version, and the comma behind."""
    return record[: record.index(b",", record.index(_VERSION) + 1) + 1]


def all_of(record: bytes) -> bytes:
    """Give all of a stored record but its last brace: what begins with it is the same record, member for member."""
    return record[:-1]


def version_of(record: bytes) -> int:
    """Read the version of a stored record."""
    start = record.index(_VERSION) + len(_VERSION)
    return int(record[start : record.index(b",", start)])


class Span(msgspec.Struct, frozen=True, gc=False):
    """The names of a space with low <= name < high. Bounds are only compared: they may hold what no name holds."""

    space: str
    low: str
    high: str


class Values(msgspec.Struct, gc=False):
    """What get gives: one value a key, None where nothing is stored. trips: how often the store was waited for."""

    values: list[bytes | None]
    epoch: str
    trips: int = 1


class Page(msgspec.Struct, gc=False):
    """What scan gives: the names in the order of the spans, each span's in order; trips as in Values.

    values: of the records that the names lead to, in the same order; empty when nothing was to be followed.
    """

    names: list[str]
    values: list[bytes | None]
    epoch: str
    trips: int = 1


class Same(msgspec.Struct, frozen=True, gc=False):
    """The record is there and still has this token. head: all that it begins with, where its version counts too."""

    key: Key
    token: str
    head: bytes = b""


class Absent(msgspec.Struct, frozen=True, gc=False):
    """Nothing is stored under the key."""

    key: Key


class Exists(msgspec.Struct, frozen=True, gc=False):
    """Something is stored under the key."""

    key: Key


class Empty(msgspec.Struct, frozen=True, gc=False):
    """No name of the space begins with the prefix."""

    space: str
    prefix: str


class Range(msgspec.Struct, frozen=True):
    """The span holds exactly the names that were seen, in this order."""

    span: Span
    seen: tuple[str, ...]


Check: TypeAlias = Same | Absent | Exists | Empty | Range


class KeyValue(Protocol):
    """A store of values under (space, name). Thread-safe."""

    def get(self, keys: Sequence[Key], /, *, follow: str | None = None) -> Values:
        """Read some values as they are at one moment, in one trip.

        follow: a space of records; with it, the keys are of claims, and in place of each one's value comes that of
        (follow, what the claim holds). A store that cannot do both at once takes another trip, as in scan.
        """
        ...

    def scan(
        self, spans: Sequence[Span], /, *, limit: int | None = None, reverse: bool = False, follow: str | None = None
    ) -> Page:
        """Read the names of some spans, one after the other, in one trip or few however many spans they are.

        spans: at least one, all of one space, none reaching into another; they are read in the order given.
        limit: at most so many names of all spans together; fewer only when no span has more.
        reverse: each span from its end.
        follow: a space of records; with it, also the values of (follow, what stands in each name after its last space).
        A value may be None: its record went away between two steps of a store that cannot read both at once.

        Names that fit in one request are of one moment, and so is all that comes in one trip; what takes another trip
        (and says so) may be of a later one.
        """
        ...

    def commit(
        self, checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key], /, *, epoch: str | None
    ) -> int | None:
        """Delete and put, in one atomic step, if the epoch is in force and all checks hold; None when it is done.

        Otherwise nothing is changed: gives the place of a check that fails, or raises EpochChanged. A key that is both
        deleted and put is there in the end. epoch None: not compared (only for making the database). Whether a broken
        connection carried the commit out is found out in here; OutcomeUnknown when that cannot be.
        """
        ...

    def close(self) -> None:
        """Let go of every connection. Calling it twice is fine."""
        ...
