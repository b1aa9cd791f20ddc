"""A window made by hand: riders get two names for one, a field is renamed, added and dropped, a collection goes.

What is stored is read through the inner waist alone, so the same tests run on every key-value store.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from manystore.schema.catalog import Catalog
from manystore.schema.encoding import END
from manystore.schema.operation import Build, Clear, Contract, CreateDatabase, Progress, ReplaceCatalog, Sweep
from manystore.schema.schema import Collection, Field, Index, Reference, Schema, Unique
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Delete, Insert, Patch, Replace
from manystore.stores.keyvalue.layout import GAP
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import Key, KeyValue, Span
from manystore.stores.keyvalue.shape import Keeper
from manystore.stores.keyvalue.store import KeyValueStore

Content = dict[str, dict[str, bytes]]


def _field(name: str, kind: Any = "str", *, column: str = "", optional: bool = False) -> Field:
    return Field(name, column or name, kind, optional=optional, length=80 if kind == "str" else None)


def _index(*fields: str) -> Index:
    return Index("by_" + "_".join(fields), fields, (False,) * len(fields))


ID = _field("id", "int")
TOWN = Collection("town", "Town", (ID, _field("name")), ("id",), indexes=(_index("name"),))
NOTE = Collection(
    "note",
    "Note",
    (ID, _field("rider", "int"), _field("text")),
    ("id",),
    uniques=(Unique("unique_text", ("text",)),),
    references=(Reference("rider", "rider", "cascade"),),
)
BADGE = Collection("badge", "Badge", (ID, _field("rider", "int", optional=True)), ("id",))
RIDER = Collection(
    "rider",
    "Rider",
    (
        ID,
        _field("name"),
        _field("mail", optional=True),
        _field("town", "int", optional=True),
        _field("boss", "int", optional=True),
        _field("zip"),
    ),
    ("id",),
    indexes=(_index("name"), _index("town"), _index("zip")),
    uniques=(Unique("unique_mail", ("mail",)),),
    references=(Reference("town", "town", "set_null"), Reference("boss", "rider", "restrict")),
)
BASE = Schema((BADGE, NOTE, RIDER, TOWN, *SYSTEM))

WEARER = Reference("rider", "rider", "restrict")
BETWEEN_BADGE = Collection("badge", "Badge", BADGE.fields, ("id",), references=(WEARER,))
BETWEEN_RIDER = Collection(
    "rider",
    "Rider",
    (*RIDER.fields, _field("city")),
    ("id",),
    indexes=(*RIDER.indexes, _index("city")),
    uniques=(*RIDER.uniques, Unique("unique_email", ("mail",))),
    references=RIDER.references,
)
BETWEEN = Schema((BETWEEN_BADGE, NOTE, BETWEEN_RIDER, TOWN, *SYSTEM))

HEAD_RIDER = Collection(
    "rider",
    "Rider",
    (
        ID,
        _field("first"),
        _field("last"),
        _field("email", optional=True),
        _field("town", "int", optional=True),
        _field("chief", "int", optional=True),
        _field("zip"),
        _field("city"),
    ),
    ("id",),
    indexes=(_index("first"), _index("town"), _index("zip"), _index("city")),
    uniques=(Unique("unique_email", ("email",)),),
    references=(Reference("town", "town", "set_null"), Reference("chief", "rider", "cascade")),
    version=2,
)
HEAD_TOWN = Collection("town", "Town", TOWN.fields, ("id",))
HEAD = Schema((BETWEEN_BADGE, HEAD_RIDER, HEAD_TOWN, *SYSTEM))

BUILDING: dict[str, Any] = {
    "rider.by_city": "building",
    "rider.unique_email": "building",
    "badge.rider.reference": "building",
}
ABSENT: dict[str, Any] = {"rider": {"city": "Oslo"}}


def lift(columns: dict[str, Any], complement: dict[str, Any] | None) -> dict[str, Any]:
    """Bring a rider into the head's shape. A complement says who is called otherwise than the base's name says."""
    first, _, last = columns["name"].partition(" ")
    if complement is not None:
        first, last = complement["names"]
    new = {"id": columns["id"], "first": first, "last": last, "email": columns["mail"], "town": columns["town"]}
    return new | {"chief": columns["boss"], "zip": columns["zip"], "city": columns.get("city", "Oslo")}


class Shop:
    """A store in some phase of the window."""

    def __init__(self, kv: KeyValue | None = None, store: KeyValueStore | None = None) -> None:
        self.store = store or KeyValueStore(kv or Memory(), wait=lambda _: None)
        self.kv: KeyValue = self.store._kv
        self.random = random.Random(11)
        self.catalog = Catalog.first(BASE)
        self.store.alter(CreateDatabase(self.catalog))

    # --- phases ---

    def turn(self, **parts: Any) -> None:
        """Put another catalog in force."""
        before, self.catalog = self.catalog, self.catalog.changed(**parts)
        self.store.alter(ReplaceCatalog(before.epoch, self.catalog))

    def open(self) -> None:
        self.turn(head=HEAD, phase="open", stored=BETWEEN, indexes=BUILDING, absent=ABSENT)

    def ready(self) -> None:
        self.turn(indexes={})

    def raise_(self) -> None:
        self.turn(phase="raised", stored=HEAD, older=BETWEEN, indexes={"rider.by_first": "building"})

    def end(self) -> None:
        self.turn(phase="swept", older=None, indexes={}, absent={})

    def contract(self) -> None:
        before, self.catalog = self.catalog, self.catalog.changed(phase="stable", base=HEAD, head=HEAD, stored=None)
        self.store.alter(Contract(before.epoch, self.catalog))

    def go_through(self) -> None:
        self.open()
        self.build()
        self.ready()
        self.raise_()
        self.sweep()
        self.end()
        self.clear()
        self.contract()

    # --- operations ---

    def pages(self, make: Callable[[Any], Any]) -> int:
        done, after = 0, None
        while True:
            progress = self.store.alter(make(after))
            assert isinstance(progress, Progress)
            done, after = done + progress.done, progress.after
            if after is None:
                return done

    def build(self, limit: int = 4) -> int:
        names = [collection.name for collection in self.catalog.kept.collections]
        return sum(self.pages(lambda after, n=name: Build(self.catalog.epoch, n, after, limit)) for name in names)

    def sweep(self, limit: int = 3) -> int:
        passes = 0
        while (done := self.pages(lambda after: Sweep(self.catalog.epoch, "rider", lift, after, limit))) > 0:
            passes += done
        return passes

    def clear(self, older: Schema = BETWEEN, limit: int = 9) -> int:
        return self.pages(lambda after: Clear(self.catalog.epoch, older, after, limit))

    # --- writes ---

    def write(self, *changes: Any) -> None:
        self.store.write(changes, epoch=self.catalog.epoch)

    def revision(self) -> int:
        return self.random.getrandbits(63)

    def insert(self, collection: Collection, *rows: Sequence[Any]) -> None:
        self.write(*[Insert(collection, tuple(row), self.revision()) for row in rows])

    def replace(self, collection: Collection, *row: Any, **parts: Any) -> None:
        seen = int(self.record(collection, row[0])["_revision"], 16)
        self.write(Replace(collection, tuple(row), self.revision(), seen, **parts))

    def patch(self, collection: Collection, key: int, **sets: Any) -> None:
        self.write(Patch(collection, (key,), self.revision(), tuple(sets.items())))

    def delete(self, collection: Collection, key: int) -> None:
        self.write(Delete(collection, (key,)))

    def fill(self, riders: int = 20) -> None:
        """Insert what programs of the base have."""
        self.insert(TOWN, *[(n, f"town {n}") for n in range(1, 4)])
        for n in range(1, riders + 1):
            self.insert(RIDER, rider(n))
        self.insert(NOTE, *[(n, n, f"text {n}") for n in range(1, riders + 1, 3)])
        self.insert(BADGE, *[(n, n if n % 4 else None) for n in range(1, riders + 1, 2)])

    # --- looking ---

    def record(self, collection: Collection, key: int) -> dict[str, Any]:
        data = self.kv.get([self.key(collection, key)]).values[0]
        assert data is not None
        return json.loads(data)

    def key(self, collection: Collection, key: int) -> Key:
        return f"r:{collection.stored}", Keeper(self.catalog).upkeep(collection.name).key_text((key,))

    def names(self, space: str) -> list[str]:
        return sorted(self.kv.scan([Span(space, "", END)]).names)

    def riders(self) -> list[dict[str, Any]]:
        values = self.kv.scan([Span("r:rider", "", END)], follow="r:rider").values
        return [json.loads(data) for data in values if data is not None]


def rider(n: int) -> tuple[Any, ...]:
    """Make a rider of the base, as bound values: some have no mail, no town or no boss."""
    mail = None if n % 5 == 0 else f"m{n}@x"
    return (
        n,
        f"Ann{n} Lee{n % 3}",
        mail,
        None if n % 4 == 0 else 1 + n % 3,
        n // 2 or None if n % 3 else None,
        f"z{n % 6}",
    )


def lifted(n: int, *, email: str = "", city: str = "Oslo") -> tuple[Any, ...]:
    """Make the same rider of the head, as bound values."""
    number, name, mail, town, boss, code = rider(n)
    first, _, last = name.partition(" ")
    return number, first, last, email or mail, town, boss, code, city


def content(kv: KeyValue, *schemas: Schema) -> Content:
    """Read all that is stored in the spaces that some schemas may use; records by their bytes."""
    spaces: set[str] = set()
    for schema in schemas:
        for collection in schema.collections:
            stored = collection.stored
            spaces |= {f"r:{stored}", f"b:{stored}"} | {f"i:{stored}.{index.name}" for index in collection.indexes}
            spaces |= {f"u:{stored}.{unique.name}" for unique in collection.uniques}
    found: Content = {}
    for space in sorted(spaces):
        names = sorted(kv.scan([Span(space, "", END)]).names)
        if space[0] in "ru" and names:
            values = kv.get([(space, name) for name in names]).values
            found[space] = {name: value or b"" for name, value in zip(names, values, strict=True)}
        elif names:
            found[space] = dict.fromkeys(names, b"")
    return found


def due(kv: KeyValue, catalog: Catalog) -> Content:
    """Say what should be stored beside the records that are there, by a catalog without older shapes; and they."""
    keeper = Keeper(catalog)
    wanted: Content = {}
    for collection in catalog.kept.collections:
        upkeep = keeper.upkeep(collection.name)
        page = kv.scan([Span(upkeep.space, "", END)], follow=upkeep.space)
        for name, data in zip(page.names, page.values, strict=True):
            assert data is not None
            wanted.setdefault(upkeep.space, {})[name] = data
            own = keeper.upkeep(collection.name, json.loads(data)["_version"])
            texts = own.texts(own.watched(json.loads(data)), name)
            for space, entry in own.places(texts):
                wanted.setdefault(space, {})[entry] = b""
            for claim in own.claims:
                if (held := claim.name(texts)) is not None:
                    assert held not in wanted.setdefault(claim.space, {})
                    wanted[claim.space][held] = name.encode()
            for pointer in own.pointers:
                target = texts[pointer.place]
                assert target == "!" or kv.get([(pointer.targets, target)]).values[0] is not None
    return dict(sorted((space, dict(sorted(held.items()))) for space, held in wanted.items()))


class Cut(Exception):
    """The program was killed."""


class Cutting:
    """A key-value store whose user is killed at a commit: before it is carried out, or after it."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self.get, self.scan, self.close = kv.get, kv.scan, kv.close
        self.commits = 0
        self.at: tuple[int, bool] | None = None
        self.before: Callable[[], None] | None = None

    def commit(self, *parts: Any, epoch: str | None) -> int | None:
        """Commit, and count."""
        self.commits += 1
        if self.at == (self.commits, False):
            raise Cut
        if self.before is not None:
            then, self.before = self.before, None
            then()
        place = self._kv.commit(*parts, epoch=epoch)
        if self.at == (self.commits, True):
            raise Cut
        return place

    @contextmanager
    def cut(self, number: int, *, after: bool) -> Iterator[None]:
        """Be killed at a commit of this number, counted from now."""
        self.commits, self.at = 0, (number, after)
        try:
            yield
        except Cut:
            pass
        finally:
            self.at = None


__all__ = ["GAP", "Content", "Cut", "Cutting", "Shop", "content", "due", "lift", "lifted", "rider"]
