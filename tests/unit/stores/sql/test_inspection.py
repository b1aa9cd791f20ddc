"""What a live database really has, told alike for each of them."""

from __future__ import annotations

from typing import Any

from manystore.stores.sql.inspection import LiveIndex

FOREIGN = """
CREATE TABLE {name} (
    host VARCHAR(36) NOT NULL, number INTEGER NOT NULL, note VARCHAR(12) DEFAULT 'so', total INTEGER,
    PRIMARY KEY (number, host), CONSTRAINT one_total UNIQUE (total, note)
)
"""


def inspected(shop: Any, *names: str) -> Any:
    connection = shop.store._connections.opened()
    try:
        return shop.store._dialect.inspected(connection.execute, names or None)
    finally:
        connection.close()


def test_our_own_tables(shop: Any) -> None:
    prefix = shop.prefix
    tables = inspected(shop, f"{prefix}item", f"{prefix}part")
    assert set(tables) == {f"{prefix}item", f"{prefix}part"}
    part = tables[f"{prefix}part"]
    assert part.key == ("shelf", "number")
    assert [column.name for column in part.columns] == [
        "shelf", "number", "item", "beside", "label_text", "_revision", "_previous", "_version", "_extras"
    ]  # fmt: skip
    assert [column.name for column in part.columns if column.nullable] == [
        "beside", "label_text", "_previous", "_extras"
    ]  # fmt: skip
    assert part.index(f"{prefix}part.unique_label").columns == ("label_text",)
    assert part.index(f"{prefix}part.unique_label").unique
    assert part.column("nothing") is None
    assert part.index("nothing") is None
    item = tables[f"{prefix}item"]
    by_tag = item.index(f"{prefix}item.by_tag_rank")
    assert by_tag == LiveIndex(by_tag.name, ("tag", "rank", "id"), orders=by_tag.orders)
    assert by_tag.orders in ((), (2, 1, 0))  # None comes first in ascending order


def test_all_tables_and_a_foreign_one(shop: Any) -> None:
    shop.sql(FOREIGN.replace("{name}", f"{shop.prefix}foreign_one"))
    try:
        tables = inspected(shop)
        assert {f"{shop.prefix}item", f"{shop.prefix}_manystore"} <= set(tables)
        foreign = tables[f"{shop.prefix}foreign_one"]
    finally:
        shop.sql(f"DROP TABLE {shop.prefix}foreign_one")
    assert foreign.key == ("number", "host")
    host, _, note, total = foreign.columns
    assert (host.length, host.nullable, host.default) == (36, False, None)
    assert (note.length, note.nullable) == (12, True)
    assert note.default.startswith("'so'")
    assert total.nullable
    (unique,) = foreign.indexes
    assert (unique.columns, unique.unique) == (("total", "note"), True)


def test_no_names_give_no_tables(shop: Any) -> None:
    connection = shop.store._connections.opened()
    try:
        assert shop.store._dialect.inspected(connection.execute, []) == {}
    finally:
        connection.close()
