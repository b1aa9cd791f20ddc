"""What commit does and refuses: the five checks, the epoch, and that all of it is done or nothing."""

from __future__ import annotations

import pytest

from manystore import EpochChanged
from manystore.schema.encoding import END
from manystore.stores.keyvalue.protocol import (
    CATALOG,
    Absent,
    Check,
    Empty,
    Exists,
    Key,
    KeyValue,
    Range,
    Same,
    Span,
    head_of,
)
from manystore.testing.provision import Place

from .contents import (
    CLAIMS,
    ENTRIES,
    EPOCH,
    OTHER,
    OTHER_TOKEN,
    RECORDS,
    REFERENCES,
    TOKEN,
    catalog,
    entry,
    of_value,
    opened,
    record,
    referring,
    store,
    stored,
)

TARGETS = ["a", "ab", "b", "c", "d"]
TO_A = tuple(f"a c.f r{n}" for n in (1, 2, 3))
NEW, GOING, NEW_ENTRY, NEW_CLAIM = (RECORDS, "new"), (RECORDS, "d"), (ENTRIES, entry("1", "new")), (CLAIMS, "$new!")


@pytest.fixture
def written(place: Place) -> KeyValue:
    """Some records, a claim, and references to two of the records."""
    kv = opened(place)
    store(kv, [(RECORDS, name, record(name)) for name in TARGETS])
    store(kv, [(CLAIMS, "$held!", b"a")])
    store(kv, [(REFERENCES, name, b"") for name in (*TO_A, "ab c.f r4")])
    return kv


def _try(kv: KeyValue, checks: list[Check], epoch: str | None = EPOCH) -> int | None:
    """Put and delete in several spaces."""
    puts = [(*NEW, record("new")), (*NEW_ENTRY, b""), (*NEW_CLAIM, b"new")]
    return kv.commit(checks, puts, [GOING], epoch=epoch)


def _is_done(kv: KeyValue) -> bool:
    """Say whether all of it was done; fail when it was a part."""
    there = [*stored(kv, NEW, NEW_CLAIM), NEW_ENTRY[1] in kv.scan([of_value("1")]).names, not stored(kv, GOING)[0]]
    assert len(set(there)) == 1, f"a part of a commit was done: record, claim, entry, delete: {there}"
    return there[0]


CHECKS: dict[str, tuple[Check, bool]] = {
    "Same: it is": (Same((RECORDS, "a"), TOKEN), True),
    "Same: another token": (Same((RECORDS, "a"), OTHER_TOKEN), False),
    "Same: nothing there": (Same((RECORDS, "q"), TOKEN), False),
    "Same with a head: it is": (Same((RECORDS, "a"), TOKEN, head_of(record("a"))), True),
    "Same with a head: another version": (Same((RECORDS, "a"), TOKEN, head_of(record("a", version=2))), False),
    "Same with a head: a longer version": (Same((RECORDS, "a"), TOKEN, head_of(record("a", version=11))), False),
    "Same with a head: another token": (
        Same((RECORDS, "a"), OTHER_TOKEN, head_of(record("a", token=OTHER_TOKEN))),
        False,
    ),
    "Same with a head: nothing there": (Same((RECORDS, "q"), TOKEN, head_of(record("q"))), False),
    "Absent: nothing there": (Absent((RECORDS, "q")), True),
    "Absent: it is there": (Absent((RECORDS, "a")), False),
    "Absent: no such claim": (Absent((CLAIMS, "$free!")), True),
    "Absent: the claim is held": (Absent((CLAIMS, "$held!")), False),
    "Absent: an empty space": (Absent(("r:none", "a")), True),
    "Exists: it is there": (Exists((RECORDS, "a")), True),
    "Exists: nothing there": (Exists((RECORDS, "q")), False),
    "Empty: nothing begins so": (Empty(REFERENCES, "b "), True),
    "Empty: a name after it does not begin so": (Empty(REFERENCES, "aa "), True),
    "Empty: several begin so": (Empty(REFERENCES, "a "), False),
    "Empty: one begins so": (Empty(REFERENCES, "ab "), False),
    "Empty: an empty space": (Empty("b:none", "a "), True),
    "Range: as seen": (Range(referring("a"), TO_A), True),
    "Range: one has come at the end": (Range(referring("a"), TO_A[:2]), False),
    "Range: one has come at the beginning": (Range(referring("a"), TO_A[1:]), False),
    "Range: one has come in between": (Range(referring("a"), (TO_A[0], TO_A[2])), False),
    "Range: the last is gone": (Range(referring("a"), (*TO_A, "a c.f r4")), False),
    "Range: the first is gone": (Range(referring("a"), ("a c.f r0", *TO_A)), False),
    "Range: nothing seen, and nothing there": (Range(referring("b"), ()), True),
    "Range: nothing seen, and some are there": (Range(referring("a"), ()), False),
    "Range: over records": (Range(Span(RECORDS, "a", "c"), ("a", "ab", "b")), True),
    "Range: over records, another one": (Range(Span(RECORDS, "a", "c"), ("a", "aa", "b")), False),
    "Range: as many others": (Range(referring("a"), (*TO_A[:2], "a c.f r4")), False),
}


@pytest.mark.parametrize("case", CHECKS)
def test_a_check_decides(written: KeyValue, case: str) -> None:
    check, holds = CHECKS[case]
    outcome = _try(written, [Exists((RECORDS, "b")), check])
    assert outcome == (None if holds else 1), "None when all checks hold, else the place of the one that fails"
    assert _is_done(written) == holds


@pytest.mark.parametrize("case", CHECKS)
def test_a_commit_may_be_of_checks_alone(written: KeyValue, case: str) -> None:
    check, holds = CHECKS[case]
    assert written.commit([check], [], [], epoch=EPOCH) == (None if holds else 0)


def test_a_range_of_many_names_is_looked_at_to_its_end(written: KeyValue) -> None:
    names = tuple(f"b c.f r{n:03}" for n in range(120))
    store(written, [(REFERENCES, name, b"") for name in names[:-1]])
    check = Range(referring("b"), names[:-1])
    assert written.commit([check], [], [], epoch=EPOCH) is None
    store(written, [(REFERENCES, names[-1], b"")])
    assert written.commit([check], [], [], epoch=EPOCH) == 0
    assert written.commit([Range(referring("b"), names)], [], [], epoch=EPOCH) is None


@pytest.mark.parametrize("place_of_it", [0, 1, 2, 3])
def test_one_failing_check_is_named_and_nothing_is_done(written: KeyValue, place_of_it: int) -> None:
    checks: list[Check] = [Same((RECORDS, "a"), TOKEN), Absent((RECORDS, "q")), Exists((RECORDS, "b"))]
    checks.insert(place_of_it, Absent((CLAIMS, "$held!")))
    assert _try(written, checks) == place_of_it
    assert not _is_done(written)


def test_of_several_failing_checks_one_is_named(written: KeyValue) -> None:
    checks: list[Check] = [Exists((RECORDS, "b")), Absent((RECORDS, "a")), Exists((RECORDS, "q"))]
    assert _try(written, checks) in {1, 2}
    assert not _is_done(written)


def test_checks_are_about_what_was_before_the_commit(written: KeyValue) -> None:
    checks: list[Check] = [Absent(NEW), Absent(NEW_CLAIM), Same(GOING, TOKEN)]
    assert _try(written, checks) is None
    assert _is_done(written)
    assert _try(written, checks) in {0, 1, 2}


def test_what_is_deleted_and_put_is_there_in_the_end(written: KeyValue) -> None:
    key = (CLAIMS, "$held!")
    assert written.commit([], [(*key, b"b")], [key], epoch=EPOCH) is None
    assert written.get([key]).values == [b"b"]


def test_a_put_replaces_and_a_delete_may_find_nothing(written: KeyValue) -> None:
    missing: list[Key] = [(CLAIMS, "$none!"), (ENTRIES, entry("9", "a")), (RECORDS, "none")]
    puts = [(RECORDS, "b", record("b", 5)), (ENTRIES, entry("2", "b"), b"")]
    assert written.commit([], puts, missing, epoch=EPOCH) is None
    assert written.commit([], puts, [], epoch=EPOCH) is None
    assert written.get([(RECORDS, "b")]).values == [record("b", 5)]
    assert written.scan([of_value("2")]).names == [entry("2", "b")]


def test_what_is_deleted_is_gone_from_every_read(written: KeyValue) -> None:
    store(written, [(ENTRIES, entry("2", name), b"") for name in TARGETS])
    gone: list[Key] = [(ENTRIES, entry("2", "d")), (RECORDS, "d"), (CLAIMS, "$held!")]
    assert written.commit([], [], gone, epoch=EPOCH) is None
    assert written.scan([of_value("2")]).names == [entry("2", name) for name in TARGETS[:-1]]
    assert written.scan([Span(RECORDS, "", END)]).names == TARGETS[:-1]
    assert written.get([(RECORDS, "d"), (CLAIMS, "$held!")]).values == [None, None]


@pytest.mark.parametrize("checks", [[], [Exists((RECORDS, "a"))]], ids=["without checks", "with a check that holds"])
def test_another_epoch_refuses_a_commit(place: Place, written: KeyValue, checks: list[Check]) -> None:
    with pytest.raises(EpochChanged):
        _try(written, checks, epoch=OTHER)
    assert not _is_done(written)
    with pytest.raises(EpochChanged):
        written.commit(checks, [], [], epoch=OTHER)
    other: KeyValue = place.verbs()
    other.commit([], [catalog(OTHER)], [], epoch=EPOCH)
    with pytest.raises(EpochChanged):  # changed by somebody else meanwhile
        _try(written, checks, epoch=EPOCH)
    assert not _is_done(written)
    assert _try(written, checks, epoch=OTHER) is None
    assert _is_done(written)


def test_the_epoch_is_not_compared_when_none_is_given(place: Place) -> None:
    kv: KeyValue = place.verbs()
    assert kv.commit([Absent(CATALOG)], [catalog(EPOCH)], [], epoch=None) is None
    assert kv.commit([Absent(CATALOG)], [catalog(OTHER)], [], epoch=None) == 0
    assert kv.get([CATALOG]).epoch == EPOCH


def test_verbs_may_be_closed_twice_and_others_go_on(place: Place, written: KeyValue) -> None:
    other: KeyValue = place.verbs()
    assert stored(other, GOING) == [True]
    other.close()
    other.close()
    assert _try(written, []) is None
    assert _is_done(written)
