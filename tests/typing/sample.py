"""A user's program, as an application would write it: clean under mypy and pyright, both strict, and it runs.

test_typing.py checks and runs it. wrong.txt holds the lines that must not pass, written against these models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from manystore import (
    AsMapping,
    Database,
    Repository,
    asc,
    avg,
    col,
    count,
    desc,
    field,
    index,
    max_,
    model,
    project,
    ref,
    related,
    sum_,
    unique,
)


class Medium(StrEnum):
    """What a release is pressed on."""

    VINYL = "vinyl"
    TAPE = "tape"


@model(abstract=True)
class Stamps:
    """The clock's fields, shared by the models that inherit them."""

    created_at: datetime | None = field(default=None, stamp="created")
    updated_at: datetime | None = field(default=None, stamp="updated")


@model
class Band:
    """Who plays. The id comes from the store."""

    id: int = field(key=True, generated=True)
    name: str = field(unique=True, max_length=120)
    founded: int | None = None


@model(indexes=[index("band_id", "-released_at")], uniques=[unique("band_id", "title")])
class Release(Stamps, AsMapping):
    """What is sold, by its catalog number."""

    number: str = field(key=True, max_length=20)
    title: str = field(index=True)
    band_id: int = ref(Band.id, on_delete="restrict")
    band: Band = related(band_id)
    medium: Medium = Medium.VINYL
    condition: Literal["mint", "good", "worn"] = "mint"
    price: Decimal = field(default=Decimal("0.00"), digits=8, scale=2)
    stock: int = field(default=0, index=True)
    shelf: str | None = field(default=None, index=True)
    released_at: datetime | None = None
    withdrawn: bool = False
    notes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Bin:
    """One line of the stock list: no model, so nothing of it is stored."""

    band_id: int
    releases: int
    pieces: int
    newest: datetime | None


STOCK = project(
    Bin,
    band_id=Release.band_id,
    releases=count(),
    pieces=sum_(Release.stock),
    newest=max_(Release.released_at),
)


class ReleaseRepository(Repository[Release, str]):
    """The shop's own questions, beside the ready-made ones."""

    def before(self, when: datetime, band: Band, *titles: str) -> list[Release]:
        """Give a band's older releases of these titles, or of one that begins with Live, newest first."""
        return self.find(
            col(Release.band_id) == band.id,
            col(Release.released_at) < when,
            col(Release.title).in_(titles) | col(Release.title).prefix("Live "),
            ~col(Release.withdrawn).is_(True),
            order_by=(desc(Release.released_at), asc(Release.number)),
            load=(Release.band,),
        )

    def on(self, medium: Medium, shelf: str | None) -> list[Release]:
        """Give what stands on a shelf, or nowhere."""
        return self.find(col(Release.shelf) == shelf, col(Release.medium) == medium, limit=50)

    def stock(self, shelf: str) -> list[Bin]:
        """Give the stock list of one shelf, a line a band."""
        return self.select(STOCK, col(Release.shelf) == shelf, col(Release.condition) != "worn")


class Shop(Database):
    """All repositories."""

    band: Repository[Band, int]
    release: ReleaseRepository


def sell(shop: Shop, number: str, pieces: int) -> Release:
    """Take some pieces out of the stock; refuse when there are too few."""
    return shop.release.increment(number, Release.stock, by=-pieces, low=0)


def main(url: str = "memory://") -> list[str]:
    """Fill a shop and ask it; give what was printed."""
    said: list[str] = []
    with Shop.connect(url) as shop:
        with shop.transaction() as tx:
            band = tx.band.create(Band(name="The Stores", founded=1999))
            tx.release.create(Release(number="S-1", title="Live at Home", band_id=band.id, shelf="a", stock=3))
            tx.release.update("S-1", col(Release.released_at).to(datetime(2001, 5, 1, tzinfo=UTC)))
            with tx.release.edit("S-1") as edited:
                edited.stock += 1
        release: Release = shop.retrying(lambda tx: tx.release.get("S-1"))
        cheaper = shop.release.save(replace(release, price=Decimal("9.50")))
        sold = sell(shop, cheaper.number, 2)
        pieces: int = shop.release.aggregate(sum_(Release.stock), col(Release.shelf) == "a")
        mean: float | None = shop.release.aggregate(avg(Release.price), col(Release.shelf) == "a")
        first: Release | None = shop.release.first(
            col(Release.title) == "Live at Home", col(Release.stock).between(1, 5)
        )
        found = shop.release.before(datetime(2002, 1, 1, tzinfo=UTC), band)
        said.append(f"{sold['title']}: {pieces} left at {mean}, {found[0].band.name}, {first == found[0]}")
        said.append(f"{shop.release.on(Medium.VINYL, None)} {[line.pieces for line in shop.release.stock('a')]}")
        said.append(f"{shop.release.delete_where(col(Release.shelf) == 'a', col(Release.stock) < 5)} gone")
    return said


if __name__ == "__main__":
    for line in main():
        print(line)  # noqa: T201 - it is a program
