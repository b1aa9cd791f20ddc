"""The suite's own models: a library, a small cloud, and one model with every kind of field.

Only manystore's public names are used here, as in an application.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal
from uuid import UUID

from manystore import (
    AsMapping,
    Database,
    Repository,
    avg,
    count,
    field,
    index,
    max_,
    min_,
    model,
    project,
    ref,
    related,
    sum_,
    unique,
)


class State(StrEnum):
    """Where a book stands."""

    DRAFT = "draft"
    PRINTED = "printed"
    PULPED = "pulped"


class Level(Enum):
    """An enum of ints that do not count up."""

    LOW = 30
    MIDDLE = 20
    HIGH = 10


@model(abstract=True)
class Stamps:
    """Times that the clock fills."""

    created_at: datetime | None = field(default=None, stamp="created")
    updated_at: datetime | None = field(default=None, stamp="updated")


@model(uniques=[unique("first", "last", "born")])
class Author:
    """Has a generated key, a unique of one field and one of three."""

    id: int = field(key=True, generated=True)
    name: str = field(unique=True, max_length=80)
    first: str | None = None
    last: str | None = None
    born: date | None = None
    books: list[Book] = related("Book.author_id")


@model(indexes=[index("state", "-pages"), index("author_id", "title")])
class Book(Stamps, AsMapping):
    """Has a natural key, references, and indexes with directions."""

    isbn: str = field(key=True, max_length=40)
    title: str = field(index=True)
    author_id: int = ref(Author.id, on_delete="restrict")
    author: Author = related(author_id)
    copies: list[Copy] = related("Copy.isbn")
    pages: int = 0
    printed_at: datetime | None = field(default=None, index=True)
    price: Decimal | None = field(default=None, digits=10, scale=2)
    weight: float | None = None
    state: State = State.DRAFT
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


@model
class Reader:
    """Readers borrow copies; a card is nobody's or one reader's."""

    id: int = field(key=True, generated=True)
    name: str
    card: str | None = field(default=None, unique=True)


@model(indexes=[index("reader_id")])
class Copy:
    """Has a composite key, a part of which refers; goes with its book, outlives its reader."""

    isbn: str = ref(Book.isbn, key=True, on_delete="cascade")
    number: int = field(key=True)
    reader_id: int | None = ref(Reader.id, default=None, on_delete="set_null")
    shelf: str | None = field(default=None, column="shelf_name")
    book: Book = related(isbn)
    reader: Reader | None = related(reader_id)


@model
class Folder:
    """Refers to its own kind, so that a delete goes down a tree."""

    path: str = field(key=True)
    parent: str | None = ref(to="Folder.path", default=None, on_delete="cascade", index=True)


@dataclass
class Shelf:
    """What select gives for each author."""

    author_id: int
    books: int
    pages: int
    newest: datetime | None


@dataclass
class Figures:
    """What select gives over all books."""

    books: int
    pages: int
    thinnest: int | None
    thickest: int | None
    mean: float | None
    price: Decimal
    cheapest: Decimal | None


@dataclass
class Line:
    """A row with two of a book's fields."""

    isbn: str
    words: str


SHELF = project(Shelf, author_id=Book.author_id, books=count(), pages=sum_(Book.pages), newest=max_(Book.printed_at))
FIGURES = project(
    Figures,
    books=count(),
    pages=sum_(Book.pages),
    thinnest=min_(Book.pages),
    thickest=max_(Book.pages),
    mean=avg(Book.pages),
    price=sum_(Book.price),
    cheapest=min_(Book.price),
)
LINE = project(Line, isbn=Book.isbn, words=Book.title)


class Library(Database):
    """The library."""

    author: Repository[Author, int]
    book: Repository[Book, str]
    reader: Repository[Reader, int]
    copy: Repository[Copy, tuple[str, int]]
    folder: Repository[Folder, str]


@model(small=True)
class Host(AsMapping):
    """Few, so that reading all of them is no scan."""

    name: str = field(key=True)
    zone: str | None = None
    slots: int = 0


@model(
    soft_delete=True,
    uniques=[unique("hostname", among="live", scoped=True), unique("serial")],
    indexes=[index("state", "-vcpus", scoped=True), index("host")],
)
class Server(AsMapping):
    """Soft-deleted, in the scope of a project."""

    id: str = field(key=True)
    project: str = field(scope=True)
    hostname: str
    serial: int | None = None
    host: str | None = ref(Host.name, default=None)
    state: Literal["active", "building", "error"] = "building"
    vcpus: int = 1
    launched_at: datetime | None = None
    deleted: bool = False
    deleted_at: datetime | None = field(default=None, stamp="deleted")


@model
class Volume:
    """Refers to servers, dead ones too."""

    id: int = field(key=True, generated=True)
    server_id: str | None = ref(Server.id, default=None, index=True)
    size: int = 1


@model
class Address(AsMapping):
    """Taken by claim."""

    ip: IPv4Address = field(key=True)
    server_id: str | None = field(default=None, index=True)
    leased_at: datetime | None = None


@model
class Quota:
    """Counted by increment."""

    project: str = field(key=True)
    resource: str = field(key=True)
    used: int = 0
    reserved: int | None = None
    spent: Decimal = field(default=Decimal("0.00"), digits=8, scale=2)


class Cloud(Database):
    """The cloud."""

    host: Repository[Host, str]
    server: Repository[Server, str]
    volume: Repository[Volume, int]
    address: Repository[Address, IPv4Address]
    quota: Repository[Quota, tuple[str, str]]


@model(
    indexes=[
        index("flag"),
        index("whole"),
        index("ratio"),
        index("text"),
        index("blob"),
        index("at"),
        index("day"),
        index("price"),
        index("token"),
        index("address"),
        index("network"),
        index("state"),
        index("level"),
        index("word"),
        index("whole", "-text", "at"),
    ]
)
class Sample:
    """One field of every kind, all but JSON indexed."""

    id: int = field(key=True)
    flag: bool | None = None
    whole: int | None = None
    ratio: float | None = None
    text: str | None = None
    note: str | None = None
    short: str | None = field(default=None, max_length=5)
    blob: bytes | None = field(default=None, max_length=64)
    at: datetime | None = None
    day: date | None = None
    price: Decimal | None = field(default=None, digits=18, scale=4)
    token: UUID | None = None
    address: IPv4Address | IPv6Address | None = None
    network: IPv4Network | IPv6Network | None = None
    state: State | None = None
    level: Level | None = None
    word: Literal["one", "two"] | None = None
    doc: Any | None = None
    items: list[Any] | None = None


class Samples(Database):
    """The samples."""

    sample: Repository[Sample, int]
