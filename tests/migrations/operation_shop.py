"""A shop of bikes, and the functions that its migrations are written with.

What records must be after a migration is worked out in plain Python, from the records before. Records are by the names
of fields, in primitives as JSON has them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from manystore.migrations import Collection, CreateModel, Field, Index, Migration, Reference, Unique

Record = dict[str, Any]
World = dict[str, list[Record]]
Change = Callable[[World], World]

SECRET = bytes(range(16))
SHOP = Collection(
    "shop",
    "Shop",
    (
        Field("id", "id", "int"),
        Field("name", "name", "str", length=20),
        Field("city", "city", "str", optional=True, length=20),
    ),
    ("id",),
)
BIKE = Collection(
    "bike",
    "Bike",
    (
        Field("id", "id", "int"),
        Field("serial", "serial", "str", length=12),
        Field("state", "state", "str", optional=True, length=10, choices=("ready", "broken", "lost")),
        Field("charge", "charge", "int"),
        Field("shop", "shop", "str", optional=True, length=20),
        Field("owner", "owner", "int", optional=True),
        Field("price", "price", "decimal", digits=6, scale=2),
        Field("title", "title", "str", length=40),
        Field("zip", "zip", "str", optional=True, length=10),
        Field("born", "born", "datetime"),
        Field("deleted", "deleted", "bool"),
    ),
    ("id",),
    indexes=(Index("by_charge", ("charge",), (True,)), Index("by_shop", ("shop",), (False,))),
    uniques=(Unique("unique_serial", ("serial",)),),
    references=(Reference("owner", "shop", "set_null"),),
)
GEAR = Collection(
    "gear",
    "Gear",
    (
        Field("id", "id", "int"),
        Field("bike", "bike", "int"),
        Field("name", "name", "str", length=30),
        Field("maker", "maker", "int", optional=True),
    ),
    ("id",),
    indexes=(Index("by_bike", ("bike",), (False,)),),
    uniques=(Unique("unique_name", ("bike", "name")),),
    references=(Reference("bike", "bike", "cascade"),),
    generated=True,
)
FIRST = Migration("0001_initial", (CreateModel(SHOP), CreateModel(BIKE), CreateModel(GEAR)))
SHOPS = 5


def world(number: int) -> World:
    """Give the records of a base of so many bikes."""
    return {
        "shop": [{"id": n, "name": f"shop {n}", "city": "Oslo" if n % 2 else None} for n in range(1, SHOPS + 1)],
        "bike": [
            {
                "id": n,
                "serial": f"S{n:06}",
                "state": ("ready", "broken", "lost", None)[n % 4],
                "charge": n * 7 % 101,
                "shop": None if n % 6 == 0 else f"shop {n % SHOPS + 1}",
                "owner": None if n % 3 == 0 else n % SHOPS + 1,
                "price": n * 13 % 9000,
                "title": f"bike number {n}",
                "zip": (f"{n % 1000:04}", "n/a", None)[n % 3],
                "born": f"2011-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:00:00.000000Z",
                "deleted": n % 10 == 9,
            }
            for n in range(number)
        ],
        "gear": [
            {"id": n + 1, "bike": n // 2, "name": f"gear {n}", "maker": n % SHOPS + 1 if n % 2 else None}
            for n in range(number // 2)
        ],
    }


# --- functions of migrations -----------------------------------------------------------------------------------------


def initial(serial: str) -> str:
    return serial[:2]


def halves(title: str) -> tuple[str, str]:
    first, _, last = title.partition(" ")
    return first, last


def joined(first: str, last: str) -> str:
    return f"{first} {last}"


def place(name: str, city: str | None) -> str:
    return f"{name}/{city or ''}"


def parted(both: str) -> tuple[str, str | None]:
    name, _, city = both.partition("/")
    return name, city or None


def strong(charge: int) -> bool:
    return charge >= 50


def odd(number: int | None) -> str:
    return "odd" if number is None else str(number)


def weak(is_strong: bool) -> int:
    return 100 if is_strong else 0


def hashed(model: str, field: str, key: list[Any]) -> bytes:
    """Give what docs/format.md says that a keyed hash is made of."""
    said = json.dumps([model, field, key], separators=(",", ":")).encode()
    return hmac.new(SECRET, said, hashlib.sha256).digest()[:16]


def uuid_of(row: Record) -> str:
    return str(UUID(bytes=hashed("Bike", "uuid", [row["id"]]), version=4))


PART = Collection(
    "part",
    "Part",
    (Field("id", "id", "int"), Field("gear", "gear", "int"), Field("label", "label", "str", length=40)),
    ("id",),
    indexes=(Index("by_gear", ("gear",), (False,)),),
    generated=True,
)
TALLY = Collection(
    "tally",
    "Tally",
    (Field("bike", "bike", "int"), Field("names", "names", "str", length=200)),
    ("bike",),
    uniques=(Unique("unique_names", ("names",)),),
    references=(Reference("bike", "bike", "cascade"),),
)
# As gears, but for the key: what is gathered and spread again has no id to go by.
LINE = Collection(
    "gear",
    "Gear",
    (Field("bike", "bike", "int"), Field("name", "name", "str", length=30)),
    ("bike", "name"),
    indexes=(Index("by_name", ("name",), (True,)),),
)
WHEEL = Collection(
    "wheel",
    "Wheel",
    (Field("id", "id", "int"), Field("bike", "bike", "int", optional=True), Field("size", "size", "int")),
    ("id",),
    indexes=(Index("by_size", ("size",), (False,)),),
    uniques=(Unique("unique_bike", ("bike",)),),
    references=(Reference("bike", "bike", "set_null"),),
    generated=True,
)


def parts_of(gear: Record) -> list[Record]:
    return [{"gear": gear["id"], "label": f"{gear['name']}{end}"} for end in ("a", "b")[: gear["id"] % 3]]


def parts(there: World) -> list[Record]:
    made = [part for gear in there["gear"] for part in parts_of(gear)]
    return [{"id": n, **part} for n, part in enumerate(made, 1)]


def tally_of(gears: list[Record]) -> Record | None:
    return {"bike": gears[0]["bike"], "names": ",".join(gear["name"] for gear in gears)}


def lines_of(tally: Record) -> list[Record]:
    return [{"bike": tally["bike"], "name": name} for name in tally["names"].split(",")]


def tallies(there: World) -> list[Record]:
    found: dict[int, list[str]] = {}
    for gear in there["gear"]:
        found.setdefault(gear["bike"], []).append(gear["name"])
    return [{"bike": bike, "names": ",".join(names)} for bike, names in sorted(found.items())]


def lines(there: World) -> list[Record]:
    return sorted(({"bike": g["bike"], "name": g["name"]} for g in there["gear"]), key=lambda g: (g["bike"], g["name"]))


def instead(collection: str, name: str, rows: Callable[[World], list[Record]]) -> Change:
    """Make the change that puts other records in the place of a collection's."""
    return lambda there: {n: r for n, r in there.items() if n != collection} | {name: rows(there)}


def eight(records: Any) -> bool:
    return sum(1 for _ in records) >= 8


def day(row: Record) -> str:
    return str(row["born"][:10])


def number_or_none(row: Record) -> int | None:
    return int(row["zip"]) if row["zip"] and row["zip"].isdigit() else None


def canonical(row: Record) -> str | None:
    return None if row["zip"] is None or not row["zip"].isdigit() else str(int(row["zip"]))


def shop_id(row: Record) -> int | None:
    return None if row["shop"] is None else int(row["shop"].split(" ")[1])


def lowered(row: Record) -> str | None:
    return {"broken": None}.get(row["state"], row["state"])
