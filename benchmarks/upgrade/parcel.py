"""The model of the benchmark of migrations, before and after five of them: 12 fields, two indexes, a unique.

Knows the models and their data; must not know who stores them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from manystore import Database, Repository, field, index, model, unique

from .value import split, volume

FOLDER = Path(__file__).parent / "history"
OLDER, NEWER = 1, 6
_EPOCH = datetime(2011, 11, 11, tzinfo=UTC)


@model(indexes=[index("zip"), index("depot")], uniques=[unique("code")], collection="parcel", version=OLDER)
class OldParcel:
    id: int = field(key=True)
    code: str = field(max_length=20)
    mail: str = field(max_length=80)
    zip: str = field(max_length=10)
    name: str = field(max_length=80)
    width: int
    height: int
    depth: int
    weight: int
    depot: str = field(max_length=20)
    note: str | None = field(max_length=200, default=None)
    sent_at: datetime


@model(indexes=[index("zip"), index("depot")], uniques=[unique("code")], collection="parcel", version=NEWER)
class Parcel:
    id: int = field(key=True)
    code: str = field(max_length=20)
    email: str = field(max_length=80)
    zip: int
    first: str = field(max_length=40)
    last: str = field(max_length=40)
    width: int
    height: int
    depth: int
    weight: int
    depot: str = field(max_length=20)
    note: str | None = field(max_length=200, default=None)
    sent_at: datetime
    carrier: str = field(max_length=20, default="post")
    volume: int


class Old(Database):
    """What a program of the base has."""

    parcel: Repository[OldParcel, int]


class New(Database):
    """What a program of the head has."""

    migrations = FOLDER
    parcel: Repository[Parcel, int]


def old(n: int) -> OldParcel:
    """Make the parcel of a number in the shape of the base."""
    return OldParcel(
        id=n,
        code=f"PX-{n * 7919 % 1_000_003:07}-{n}",
        mail=f"receiver{n}@example.org",
        zip=f"{n * 37 % 99_000 + 1000:05}",
        name=f"Ada{n % 89} Lovelace{n % 997}",
        width=10 + n % 31,
        height=5 + n % 17,
        depth=3 + n % 13,
        weight=100 + n % 4001,
        depot=f"depot-{n % 53}",
        note=f"leave it with the neighbour of number {n % 400}" if n % 3 == 0 else None,
        sent_at=_EPOCH + timedelta(seconds=n, microseconds=1 + n % 999_983),
    )


def new(n: int) -> Parcel:
    """Make the same parcel in the shape of the head."""
    there = old(n)
    first, last = split(there.name)
    return Parcel(
        id=n,
        code=there.code,
        email=there.mail,
        zip=int(there.zip),
        first=first,
        last=last,
        width=there.width,
        height=there.height,
        depth=there.depth,
        weight=there.weight,
        depot=there.depot,
        note=there.note,
        sent_at=there.sent_at,
        volume=volume(there.width, there.height, there.depth),
    )
