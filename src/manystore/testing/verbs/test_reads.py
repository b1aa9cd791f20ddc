"""What get and scan give: every key, every name of a span, in order, up to the limit, and what they lead to."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence

import pytest

from manystore.schema.encoding import END
from manystore.stores.keyvalue.protocol import CATALOG, KeyValue, Span
from manystore.testing.provision import Place

from .contents import CLAIMS, ENTRIES, EPOCH, OTHER, RECORDS, catalog, entry, of_value, opened, record, store

OWNERS = [f"k{n:02}" for n in range(40)]
GONE = "k98"  # an entry and a claim lead to it, and nothing is there
NAMES = sorted([*(entry(str(n % 7), owner) for n, owner in enumerate(OWNERS)), entry("3", GONE)])
HOLDERS = {f"$c{n}!": OWNERS[n * 3] for n in range(8)}


@pytest.fixture
def kept(place: Place) -> KeyValue:
    """Forty records with an entry each, in seven values, and a claim of some."""
    kv = opened(place)
    store(kv, [(RECORDS, owner, record(owner)) for owner in OWNERS])
    store(kv, [(ENTRIES, name, b"") for name in NAMES])
    store(kv, [(CLAIMS, claim, owner.encode()) for claim, owner in {**HOLDERS, "$c9!": GONE}.items()])
    return kv


def _plain(names: Sequence[str], spans: Sequence[Span], limit: int | None, *, reverse: bool) -> list[str]:
    found: list[str] = []
    for span in spans:
        low = bisect_left(names, span.low)
        part = names[low : max(low, bisect_left(names, span.high))]
        found += part[::-1] if reverse else part
    return found[:limit]


def test_get_gives_one_value_a_key_in_the_order_asked(kept: KeyValue) -> None:
    names = ["k07", "none", "k00", "k39", "k07"]
    assert kept.get([(RECORDS, name) for name in names]).values == [
        None if name == "none" else record(name) for name in names
    ]
    assert kept.get([("r:none", "k07")]).values == [None], "a space in which nothing was ever stored"
    assert kept.get([(CLAIMS, "$c1!"), (RECORDS, "k01")]).values == [b"k03", record("k01")], "keys of two spaces"
    assert kept.get([]).values == []


def test_get_follows_claims_to_the_records_they_name(kept: KeyValue) -> None:
    keys = [(CLAIMS, claim) for claim in ("$c3!", "$none!", "$c9!", "$c0!")]
    assert kept.get(keys, follow=RECORDS).values == [record("k09"), None, None, record("k00")]
    assert kept.get(keys, follow="r:none").values == [None] * 4


def test_a_span_holds_its_low_bound_and_not_its_high_one(kept: KeyValue) -> None:
    assert kept.scan([Span(RECORDS, "k03", "k06")]).names == ["k03", "k04", "k05"]
    assert kept.scan([Span(RECORDS, "k03", "k06")], reverse=True).names == ["k05", "k04", "k03"]
    low, high = NAMES[10], NAMES[20]
    assert kept.scan([Span(ENTRIES, low, high)]).names == NAMES[10:20]
    assert kept.scan([Span(ENTRIES, low + "\0", high + "\0")]).names == NAMES[11:21]


def test_a_whole_span_is_read_when_no_limit_is_given(kept: KeyValue) -> None:
    assert kept.scan([Span(ENTRIES, "", END)]).names == NAMES
    assert kept.scan([Span(ENTRIES, "", END)], reverse=True).names == NAMES[::-1]
    assert kept.scan([Span(RECORDS, "", END)]).names == OWNERS


def test_a_long_span_is_not_cut_off(kept: KeyValue) -> None:
    names = [entry("many", f"k{n:04}") for n in range(1_200)]
    store(kept, [(ENTRIES, name, b"") for name in names])
    assert kept.scan([of_value("many")]).names == names
    assert kept.scan([of_value("many")], limit=1_100, reverse=True).names == names[:-1_101:-1]


def test_a_span_may_be_empty_or_the_wrong_way_round(kept: KeyValue) -> None:
    nothing = [Span(ENTRIES, "$9", "$9~"), Span(ENTRIES, "$5!", "$5!"), Span(ENTRIES, "$5!", "$2!")]
    page = kept.scan(nothing, follow=RECORDS)
    assert (page.names, page.values, page.epoch) == ([], [], EPOCH)
    assert kept.scan([Span("i:a.none", "", END)]).names == []
    expected = _plain(NAMES, [of_value("4")], None, reverse=False)
    assert kept.scan([nothing[0], of_value("4"), nothing[1]]).names == expected


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 6, 7, 100])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_limit_takes_the_first_names_in_the_direction_read(
    kept: KeyValue,
    limit: int,
    reverse: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    span = of_value("2")  # six names
    assert kept.scan([span], limit=limit, reverse=reverse).names == _plain(NAMES, [span], limit, reverse=reverse)


def test_the_limit_counts_over_all_spans_together(kept: KeyValue) -> None:
    spans = [of_value("2"), of_value("4"), of_value("5")]
    for limit in (1, 6, 7, 11, 12, 100):
        names = kept.scan(spans, limit=limit).names
        assert names == _plain(NAMES, spans, limit, reverse=False), f"with a limit of {limit}"


def test_spans_are_read_in_the_order_given(kept: KeyValue) -> None:
    spans = [of_value("5"), of_value("1"), of_value("3")]
    assert kept.scan(spans).names == _plain(NAMES, spans, None, reverse=False)


def test_reverse_turns_each_span_and_not_their_order(kept: KeyValue) -> None:
    for spans in ([of_value("1"), of_value("3")], [of_value("5"), of_value("1"), of_value("3")]):
        assert kept.scan(spans, reverse=True).names == _plain(NAMES, spans, None, reverse=True)
        assert kept.scan(spans, reverse=True, limit=8).names == _plain(NAMES, spans, 8, reverse=True)


def test_any_spans_limit_and_direction_as_on_a_plain_list(kept: KeyValue) -> None:
    pick = random.Random(5)
    for _ in range(40):
        bounds = sorted(pick.sample(range(len(NAMES)), 2 * pick.choice([1, 2, 5])))
        spans = [Span(ENTRIES, NAMES[low], NAMES[high]) for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
        pick.shuffle(spans)
        limit, reverse = pick.choice([None, 1, 4, 17]), pick.choice([False, True])
        names = kept.scan(spans, limit=limit, reverse=reverse).names
        assert names == _plain(NAMES, spans, limit, reverse=reverse), f"{spans}, limit {limit}, reverse {reverse}"


def test_scan_gives_beside_each_name_the_record_it_leads_to(kept: KeyValue) -> None:
    spans = [of_value("4"), of_value("3")]
    for reverse in (False, True):
        page = kept.scan(spans, follow=RECORDS, reverse=reverse)
        owners = [name.rpartition(" ")[2] for name in page.names]
        assert page.names == _plain(NAMES, spans, None, reverse=reverse)
        assert GONE in owners, "a name stays in the page when its record is gone"
        assert page.values == [None if owner == GONE else record(owner) for owner in owners]
    page = kept.scan([Span(RECORDS, "k10", "k13")], limit=2, follow=RECORDS)
    assert (page.names, page.values) == (["k10", "k11"], [record("k10"), record("k11")]), "records lead to themselves"
    assert kept.scan(spans, limit=3, follow="r:none").values == [None] * 3
    assert kept.scan(spans).values == [], "nothing was to be followed"


def test_names_are_told_apart_and_ordered_by_code_point(kept: KeyValue) -> None:
    values = ["A", "Z", "a", "a-", "a0", "aa", "a\u0301", "z", "\xe1", "\u0430", "\ud55c"]
    long = ["k" * 300 + end for end in "abc"]
    store(kept, [(CLAIMS, f"${value}!", b"k01") for value in values[::2]])
    names = [(CLAIMS, f"${value}!") for value in values]
    assert kept.get(names).values == [None if place % 2 else b"k01" for place in range(len(values))]
    entries = sorted(entry(value, "k01") for value in [*values, *long])
    store(kept, [("i:a.by_z", name, b"") for name in entries[::-1]])
    assert kept.scan([Span("i:a.by_z", "", END)]).names == entries
    assert kept.scan([Span("i:a.by_z", entry(long[1], ""), END)], limit=2).names[0] == entry(long[1], "k01")


def test_values_come_back_byte_for_byte(kept: KeyValue) -> None:
    for length in (1, 1_000, 200_000):
        value = record("big")[:-1] + b',"text":"' + "\xe1".encode() * length + b'"}'
        kept.commit([], [(RECORDS, "big", value)], [], epoch=EPOCH)
        assert kept.get([(RECORDS, "big")]).values == [value], f"a value of {len(value)} bytes"


def test_every_read_tells_the_epoch_in_force(place: Place, kept: KeyValue) -> None:
    other: KeyValue = place.verbs()
    assert {other.get([CATALOG]).epoch, other.get([(RECORDS, "none")]).epoch} == {EPOCH}
    assert {other.scan([of_value("2")]).epoch, other.scan([of_value("9")]).epoch} == {EPOCH}
    kept.commit([], [catalog(OTHER)], [], epoch=EPOCH)
    for kv in (kept, other):
        told = {
            "get": kv.get([(RECORDS, "k01")]).epoch,
            "get of nothing": kv.get([(RECORDS, "none")]).epoch,
            "get with follow": kv.get([(CLAIMS, "$c1!")], follow=RECORDS).epoch,
            "scan": kv.scan([of_value("2")]).epoch,
            "scan with follow": kv.scan([of_value("2")], follow=RECORDS).epoch,
        }
        assert told == dict.fromkeys(told, OTHER)


def test_before_there_is_a_catalog_the_epoch_is_no_text(place: Place) -> None:
    kv: KeyValue = place.verbs()
    assert kv.get([CATALOG]).values == [None]
    assert kv.get([CATALOG]).epoch == ""


def test_prefixes_keep_databases_apart(place: Place, kept: KeyValue) -> None:
    neighbour: KeyValue = place.beside().verbs()
    assert neighbour.get([CATALOG, (RECORDS, "k01"), (CLAIMS, "$c1!")]).values == [None] * 3
    assert neighbour.scan([Span(ENTRIES, "", END)]).names == []
    neighbour.commit([], [catalog(OTHER)], [], epoch=None)
    neighbour.commit([], [(RECORDS, "k01", record("other"))], [], epoch=OTHER)
    assert kept.get([(RECORDS, "k01")]).values == [record("k01")]
    assert kept.get([CATALOG]).epoch == EPOCH
