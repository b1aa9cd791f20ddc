"""Verbs beside each other, from threads and connections: what is read together is of one moment, and commits are steps.

Python changes threads far more often meanwhile than it does by itself: even a store in memory then shows what it leaves
open. Each test looks a hundred times or more; what it finds is so, what it does not find may be rare.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from manystore.schema.encoding import END
from manystore.stores.keyvalue.protocol import Absent, Check, Key, KeyValue, Put, Same, Span
from manystore.testing.provision import Place

from .contents import (
    CLAIMS,
    ENTRIES,
    EPOCH,
    RECORDS,
    catalog,
    entry,
    name_in,
    number_in,
    of_value,
    opened,
    record,
    store,
)

LOOKS, COMMITS, SECONDS = 100, 25, 0.1  # at least so many of both, for so long
LARGE = 250  # puts, of the thousand that a commit may hold
_OFTEN = 0.000_01
MANY = [f"k{n:02}" for n in range(12)]


@contextmanager
def _beside(work: Callable[[int], None]) -> Iterator[Iterator[int]]:
    """Call work(1), work(2), ... in a thread of its own, while the block looks; raise what it raised.

    Gives the numbers of the looks: they go on until both sides have been at it for long enough.
    """
    stop, failed, done = threading.Event(), list[BaseException](), [0]

    def run() -> None:
        try:
            while not stop.is_set():
                work(done[0] + 1)
                done[0] += 1
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    def looks() -> Iterator[int]:
        end = time.monotonic() + SECONDS
        for look in count():
            if failed or (look >= LOOKS and done[0] >= COMMITS and time.monotonic() >= end):
                return
            yield look

    before, thread = sys.getswitchinterval(), threading.Thread(target=run)
    sys.setswitchinterval(_OFTEN)
    thread.start()
    try:
        yield looks()
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    if failed:
        raise failed[0]


def _together(*works: Callable[[], None]) -> None:
    """Call all of them at once, each in a thread; raise what one of them raised."""
    barrier, failed = threading.Barrier(len(works)), list[BaseException]()

    def run(work: Callable[[], None]) -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    before, threads = sys.getswitchinterval(), [threading.Thread(target=run, args=(work,)) for work in works]
    sys.setswitchinterval(_OFTEN)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if failed:
        raise failed[0]


def test_a_get_sees_all_of_a_commit_or_nothing(place: Place) -> None:
    writer, reader = opened(place), place.verbs()
    store(writer, [(RECORDS, name, record(name)) for name in MANY])

    def work(number: int) -> None:
        writer.commit([], [(RECORDS, name, record(name, number)) for name in MANY], [], epoch=EPOCH)

    with _beside(work) as looks:
        for _ in looks:
            values = reader.get([(RECORDS, name) for name in MANY]).values
            numbers = {number_in(value) for value in values if value is not None}
            assert len(numbers) == 1, "one get read values of several commits: either is not one step"


def test_a_large_commit_is_one_step_too(place: Place) -> None:
    writer, reader = opened(place), place.verbs()
    claims = [f"${n:03}!" for n in range(LARGE)]
    writer.commit([], [(CLAIMS, name, b"k0") for name in claims], [], epoch=EPOCH)

    def work(number: int) -> None:
        writer.commit([], [(CLAIMS, name, f"k{number}".encode()) for name in claims], [], epoch=EPOCH)

    with _beside(work) as looks:
        for _ in looks:
            values = reader.get([(CLAIMS, claims[0]), (CLAIMS, claims[LARGE // 2]), (CLAIMS, claims[-1])]).values
            assert len(set(values)) == 1, f"a get saw a part of a commit of {LARGE} puts"


def test_a_scan_sees_all_of_a_commit_or_nothing(place: Place) -> None:
    writer, reader = opened(place), place.verbs()
    store(writer, [(ENTRIES, entry("1", name), b"") for name in MANY])

    def work(number: int) -> None:
        old, new = ("1", "2") if number % 2 else ("2", "1")
        puts: list[Put] = [(ENTRIES, entry(new, name), b"") for name in MANY]
        writer.commit([], puts, [(ENTRIES, entry(old, name)) for name in MANY], epoch=EPOCH)

    with _beside(work) as looks:
        for look in looks:
            spans = [of_value("1"), of_value("2")]
            names = reader.scan(spans[:: -1 if look % 2 else 1]).names
            owners = sorted(name.rpartition(" ")[2] for name in names)
            assert owners == MANY, "one scan saw a part of a commit that moved names from one span to another"
            assert len({name[:2] for name in names}) == 1


def test_what_comes_in_one_trip_is_of_one_moment(place: Place) -> None:
    writer, reader = opened(place), place.verbs()
    store(writer, [(ENTRIES, entry("000000", "k"), b""), (RECORDS, "k", record("k"))])

    def work(number: int) -> None:
        old, new = (ENTRIES, entry(f"{number - 1:06}", "k")), (ENTRIES, entry(f"{number:06}", "k"))
        writer.commit([], [(*new, b""), (RECORDS, "k", record("k", number))], [old], epoch=EPOCH)

    with _beside(work) as looks:
        for _ in looks:
            page = reader.scan([Span(ENTRIES, "", END)], follow=RECORDS)
            (name,), (value,) = page.names, page.values
            assert value is not None
            if page.trips == 1:
                told = "a scan read names at one moment and what they lead to at another: that takes trips=2"
                assert int(name[1:7]) == number_in(value), told


def test_a_claim_and_its_record_are_of_one_moment_when_they_come_in_one_trip(place: Place) -> None:
    writer, reader = opened(place), place.verbs()
    claim: Key = (CLAIMS, "$c!")
    store(writer, [(*claim, b"k0"), (RECORDS, "k0", record("k0", 1)), (RECORDS, "k1", record("k1"))])

    def work(number: int) -> None:
        holder, other = ("k1", "k0") if number % 2 else ("k0", "k1")
        puts = [(*claim, holder.encode()), (RECORDS, holder, record(holder, 1)), (RECORDS, other, record(other))]
        writer.commit([], puts, [], epoch=EPOCH)

    with _beside(work) as looks:
        for _ in looks:
            got = reader.get([claim], follow=RECORDS)
            (value,) = got.values
            assert value is not None
            if got.trips == 1:
                told = "a get read a claim at one moment and its record at another: that takes trips=2"
                assert number_in(value) == 1, told


def test_the_epoch_told_is_never_older_than_what_was_read(place: Place) -> None:
    writer, reader = opened(place), place.verbs()
    store(writer, [(RECORDS, "k", record("k", 1)), (ENTRIES, entry("1", "k"), b"")])

    def work(number: int) -> None:
        puts = [catalog(f"{number + 1:016x}"), (RECORDS, "k", record("k", number + 1))]
        writer.commit([], puts, [], epoch=f"{number:016x}")

    told = "the epoch told was that of before the read: who relies on it misreads records of a newer schema"
    with _beside(work) as looks:
        for look in looks:
            if look % 2:
                values, epoch = (got := reader.get([(RECORDS, "k")])).values, got.epoch
            else:
                values, epoch = (page := reader.scan([of_value("1")], follow=RECORDS)).values, page.epoch
            assert values[0] is not None
            assert number_in(values[0]) <= int(epoch, 16), told


def test_of_commits_that_check_the_same_thing_one_is_done(place: Place) -> None:
    connections = [opened(place), place.verbs(), place.verbs()]
    store(connections[0], [(RECORDS, "k", record("k", token=f"{0:016x}"))])
    done: list[int] = []

    def add(kv: KeyValue) -> None:
        for _ in range(40):
            value = kv.get([(RECORDS, "k")]).values[0]
            assert value is not None
            number = number_in(value)
            checks: list[Check] = [Same((RECORDS, "k"), f"{number:016x}")]
            put = (RECORDS, "k", record("k", number + 1, token=f"{number + 1:016x}"))
            if kv.commit(checks, [put], [], epoch=EPOCH) is None:
                done.append(number)

    _together(*(lambda kv=kv: add(kv) for kv in connections))
    value = connections[0].get([(RECORDS, "k")]).values[0]
    assert value is not None
    assert sorted(done) == list(range(number_in(value))), "two commits were done that checked the same token"


def test_a_claim_is_given_to_one(place: Place) -> None:
    connections = [opened(place), place.verbs(), place.verbs()]
    won: list[tuple[int, int]] = []

    def take(number: int) -> None:
        for n in range(60):
            key = (CLAIMS, f"${n}!")
            if connections[number].commit([Absent(key)], [(*key, b"k")], [], epoch=EPOCH) is None:
                won.append((n, number))

    _together(*(lambda n=n: take(n) for n in range(3)))
    assert sorted(n for n, _ in won) == list(range(60)), "two commits put what both had checked to be absent"


def test_threads_share_the_verbs_of_one_connection(place: Place) -> None:
    kv = opened(place)
    store(kv, [(RECORDS, name, record(name)) for name in MANY])
    store(kv, [(ENTRIES, entry(name, name), b"") for name in MANY])

    def look(name: str) -> None:
        for _ in range(30):
            value = kv.get([(RECORDS, name)]).values[0]
            assert value is not None
            assert name_in(value) == name, "a thread got the answer of another"
            assert kv.scan([of_value(name)]).names == [entry(name, name)], "a thread got the page of another"

    _together(*(lambda name=name: look(name) for name in MANY[:4]))
