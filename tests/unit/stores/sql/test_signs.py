"""Signs: an epoch on MariaDB is told by a sequence that is called after it; and what is done where that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from manystore import EpochChanged, Unavailable
from manystore.query.plan import CATALOG
from manystore.schema.operation import ReplaceCatalog
from manystore.stores.sql.sign import Signs
from manystore.testing import provision

from .conftest import Maker, Shop

pytestmark = pytest.mark.server


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with provision.place("mariadb:", tmp_path) as place:
        made = Shop(place.url, place.prefix)
        made.write(made.new(Maker(id=1, name="first")))
        yield made
        made.store.close()


def _signs(shop: Shop) -> list[str]:
    connection = shop.store._connections.opened()
    try:
        return Signs(shop.store._layout).present(connection)
    finally:
        connection.close()


def _drop(shop: Shop) -> None:
    (name,) = _signs(shop)
    shop.sql(f"DROP SEQUENCE `{name}`")


def _moved(shop: Shop) -> str:
    catalog = shop.store.read(CATALOG, (), epoch="").rows[0]
    coming = catalog.changed()
    shop.store.alter(ReplaceCatalog(catalog.epoch, coming))
    found: str = coming.epoch
    return found


def test_one_epoch_has_a_sign(shop: Shop) -> None:
    assert _signs(shop) == [shop.store._layout.sign(shop.epoch)]
    for _ in range(2):
        epoch = _moved(shop)
        assert _signs(shop) == [shop.store._layout.sign(epoch)]


def test_a_sign_alone_keeps_an_epoch_in_force(shop: Shop) -> None:
    """A statement that asks for it reads nothing of the catalog: hence who changes the row has to drop the sign."""
    shop.sql("UPDATE {_manystore} SET epoch = '0123456789abcdef'")
    assert shop.write(shop.new(Maker(id=2, name="second"))).trips == 1
    _drop(shop)
    with pytest.raises(EpochChanged):
        shop.write(shop.new(Maker(id=3, name="third")))


def test_without_its_sign_an_epoch_is_read_from_the_catalog(shop: Shop) -> None:
    """As when a deployer died between the two, or a dump was restored without its sequences."""
    _drop(shop)
    shop.write(shop.new(Maker(id=2, name="second")))
    shop.write(shop.patched(Maker, 1, sets=(("name", "anew"),)))
    assert [(m.id, m.name) for m in shop.all(Maker)] == [(1, "anew"), (2, "second")]
    old = shop.epoch
    shop.epoch = _moved(shop)
    assert shop.write(shop.new(Maker(id=3, name="third"))).trips == 1
    shop.epoch = old
    with pytest.raises(EpochChanged):
        shop.write(shop.new(Maker(id=4, name="fourth")))


def test_the_sign_of_a_deployer_that_died_goes_with_the_next_change(shop: Shop) -> None:
    connection = shop.store._connections.opened()
    Signs(shop.store._layout).lock(connection, [], "0123456789abcdef")
    connection.close()
    assert len(_signs(shop)) == 2
    epoch = _moved(shop)
    assert _signs(shop) == [shop.store._layout.sign(epoch)]


def test_a_change_that_is_refused_leaves_the_sign(shop: Shop) -> None:
    with pytest.raises(EpochChanged):
        shop.store.alter(ReplaceCatalog("0123456789abcdef", shop.catalog.changed()))
    assert shop.store._layout.sign(shop.epoch) in _signs(shop)
    assert shop.write(shop.new(Maker(id=2, name="second"))).trips == 1


def test_a_step_under_way_keeps_its_sign(shop: Shop) -> None:
    """Who changes the catalog waits for it, and gives up; afterwards no further one begins."""
    writer = shop.store._connections.opened()
    sign = shop.store._layout.sign(shop.epoch)
    writer.execute("START TRANSACTION", ())
    writer.execute(f"SELECT LASTVAL(`{sign}`)", ()).fetchall()
    shop.store._patience = 0
    with pytest.raises(Unavailable):
        _moved(shop)
    writer.execute("COMMIT", ())
    _moved(shop)
    with pytest.raises(pymysql.Error) as caught:
        writer.execute(f"SELECT LASTVAL(`{sign}`)", ())
    assert shop.store._dialect.verdict(caught.value) == "missing"
    writer.close()
