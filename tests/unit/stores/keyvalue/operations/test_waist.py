"""What the operations ask of the inner waist beyond a program's reads and writes, on each store."""

from __future__ import annotations

import pytest

from manystore import errors
from manystore.schema.encoding import END
from manystore.stores.keyvalue.protocol import Same, Span, head_of

from .shop import RIDER, Shop, rider

TOKEN = f"{7:016x}"


def record(version: int, name: str = "x", token: str = TOKEN) -> bytes:
    return f'{{"_revision":"{token}","_previous":null,"_version":{version},"id":1,"name":"{name}"}}'.encode()


@pytest.fixture
def shop(fresh) -> Shop:
    return fresh()


def test_a_check_may_be_about_the_version_as_well(shop):
    kv, epoch, key = shop.kv, shop.catalog.epoch, ("r:rider", "a1")
    kv.commit([], [(*key, record(1))], [], epoch=epoch)
    first, twelfth, second = (head_of(record(version)) for version in (1, 12, 2))
    for wrong in (twelfth, second, head_of(record(1, token=f"{8:016x}"))):
        assert kv.commit([Same(key, wrong[14:30].decode(), wrong)], [(*key, record(3))], [], epoch=epoch) == 0
    checks = [Same(key, TOKEN), Same(key, TOKEN, first)]
    assert kv.commit(checks[1:], [(*key, record(2, "y"))], [], epoch=epoch) is None  # under the same token
    assert kv.get([key]).values == [record(2, "y")]
    assert kv.commit(checks, [(*key, record(3))], [], epoch=epoch) == 1
    assert kv.commit(checks, [], [], epoch=epoch) == 1
    assert kv.commit([Same(key, TOKEN, second)], [], [], epoch=epoch) is None
    assert kv.commit(checks[1:], [], [key], epoch=epoch) == 0
    with pytest.raises(errors.EpochChanged):
        kv.commit([Same(key, TOKEN, second)], [(*key, record(3))], [], epoch="f" * 16)
    assert kv.get([key]).values == [record(2, "y")]
    assert kv.commit([Same(key, TOKEN, second)], [], [key], epoch=epoch) is None
    assert kv.get([key]).values == [None]
    assert kv.commit([Same(key, TOKEN, second)], [(*key, record(2))], [], epoch=epoch) == 0


def test_the_names_of_claims_can_be_listed(shop):
    for n in range(1, 40):
        shop.insert(RIDER, (*rider(n)[:3], None, None, "z"))
    whole = Span("u:rider.unique_mail", "", END)
    every = {f"$m{n}@x!" for n in range(1, 40) if n % 5}
    page = shop.kv.scan([whole])
    assert (len(page.names), set(page.names), page.epoch) == (len(every), every, shop.catalog.epoch)
    assert len(shop.kv.scan([whole], limit=10).names) == 10
    assert set(shop.kv.scan([whole], limit=10).names) < every
    assert len(shop.kv.scan([whole], limit=1000).names) == len(every)
    empty = shop.kv.scan([Span("u:rider.other", "", END)], limit=5)
    assert (empty.names, empty.epoch) == ([], shop.catalog.epoch)
