"""What becomes of a commit whose reply was lost: every way it can break, with every number of other writers between."""

from __future__ import annotations

import itertools

import pytest

from manystore.errors import Closed, EpochChanged, OutcomeUnknown, Unavailable
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.outcome import Broken, settle, through
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Check, Exists, Put, Same, head_of, previous_of, token_of

KEY = ("r:book", "a1")
ENTRY = ("i:book.by_title", "$x! a1")
FIRST, OURS = f"{1:016x}", f"{2:016x}"
EPOCHS = ("e" * 16, "f" * 16)
CASES = list(itertools.product([False, True], [0, 1, 2]))  # was it applied, how many others wrote since


def record(token: str, previous: str | None = None) -> bytes:
    shown = "null" if previous is None else f'"{previous}"'
    return f'{{"_revision":"{token}","_previous":{shown},"_version":1}}'.encode()


def catalog(epoch: str) -> bytes:
    return f'{{"format":1,"epoch":"{epoch}"}}'.encode()


@pytest.fixture
def kv() -> Memory:
    made = Memory()
    made.commit([], [(*CATALOG, catalog(EPOCHS[0]))], [], epoch=None)
    return made


def overwrite(kv: Memory, number: int) -> None:
    """What an honest other writer does: replace what is there, keeping its token as the previous one."""
    stored = kv.get([KEY]).values[0]
    assert stored is not None
    token = f"{100 + number:016x}"
    assert kv.commit([Same(KEY, token_of(stored))], [(*KEY, record(token, token_of(stored)))], [], epoch=None) is None


class Commit:
    """A commit of ours, whose reply gets lost."""

    def __init__(self, kv: Memory, checks: list[Check], puts: list[Put], deletes: list[tuple[str, str]]) -> None:
        self.kv, self.parts = kv, (checks, puts, deletes)

    def send(self) -> int | None:
        return self.kv.commit(*self.parts, epoch=EPOCHS[0])

    def settle(self) -> int | None:
        return settle(self.send, self.kv.get, *self.parts)

    def through(self, answer: bool | None) -> int | None:
        """Lose the first reply; the slot then answers."""
        lost = Broken("a slot")
        return through(
            lost, self.send, lambda slot: answer if slot == "a slot" else None, self.kv.get, parts=self.parts, seconds=5
        )


def save(kv: Memory) -> Commit:
    kv.commit([], [(*KEY, record(FIRST))], [], epoch=None)
    return Commit(kv, [Exists(KEY), Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST)), (*ENTRY, b"")], [])


def create(kv: Memory) -> Commit:
    return Commit(kv, [Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], [])


def delete(kv: Memory) -> Commit:
    kv.commit([], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=None)
    return Commit(kv, [Same(KEY, FIRST)], [], [KEY, ENTRY])


def test_tokens():
    assert (token_of(record(OURS, FIRST)), previous_of(record(OURS, FIRST))) == (OURS, FIRST)
    assert previous_of(record(OURS)) is None


@pytest.mark.parametrize(("was_applied", "others"), CASES)
def test_save(kv, was_applied, others):
    commit = save(kv)
    if was_applied:
        assert commit.send() is None
    for number in range(others):
        overwrite(kv, number)
    if others == 2:
        with pytest.raises(OutcomeUnknown):
            commit.settle()
    else:
        assert commit.settle() == (1 if others and not was_applied else None)
    assert token_of(kv.get([KEY]).values[0]) == (f"{99 + others:016x}" if others else OURS)


@pytest.mark.parametrize(("was_applied", "others"), CASES)
def test_create(kv, was_applied, others):
    commit = create(kv)
    if was_applied:
        assert commit.send() is None
    elif others:
        assert kv.commit([Absent(KEY)], [(*KEY, record(FIRST))], [], epoch=None) is None
    for number in range(others if was_applied else others - 1):
        overwrite(kv, number)
    # A record that somebody else created may stand in the way, or may have followed on ours: that cannot be told.
    if (was_applied and others == 2) or (not was_applied and others):
        with pytest.raises(OutcomeUnknown):
            commit.settle()
    else:
        assert commit.settle() is None


def test_delete(kv):
    commit = delete(kv)
    assert commit.settle() is None  # carried out by the second sending
    with pytest.raises(OutcomeUnknown):  # nothing is there: ours or another's
        commit.settle()


def test_delete_of_what_others_changed(kv):
    commit = delete(kv)
    overwrite(kv, 0)
    assert commit.settle() == 0


def test_one_record_decides_for_all(kv):
    other = ("r:book", "a2")
    kv.commit([], [(*KEY, record(FIRST)), (*other, record(FIRST))], [], epoch=None)
    commit = Commit(kv, [Same(KEY, FIRST), Same(other, FIRST)], [(*other, record(OURS, FIRST))], [KEY])
    assert commit.send() is None
    assert commit.settle() is None


@pytest.mark.parametrize("was_applied", [False, True])
def test_the_epoch_moved_on(kv, was_applied):
    commit = save(kv)
    if was_applied:
        assert commit.send() is None
    kv.commit([], [(*CATALOG, catalog(EPOCHS[1]))], [], epoch=None)
    if was_applied:
        assert commit.settle() is None
    else:
        with pytest.raises(EpochChanged):
            commit.settle()


def test_checks_alone_are_answered_by_the_second_sending(kv):
    kv.commit([], [(*KEY, record(OURS))], [], epoch=None)
    assert Commit(kv, [Same(KEY, FIRST)], [], []).settle() == 0
    assert Commit(kv, [Same(KEY, OURS)], [], []).settle() is None


def test_the_first_catalog(kv):
    own = Commit(kv, [Absent(CATALOG)], [(*CATALOG, catalog(EPOCHS[0]))], [])
    assert own.settle() is None
    others = Commit(kv, [Absent(CATALOG)], [(*CATALOG, catalog(EPOCHS[1]))], [])
    assert others.settle() == 0


def test_the_slot_decides(kv):
    commit = create(kv)
    assert commit.through(False) is None
    assert kv.get([KEY]).values == [record(OURS)]
    assert commit.through(True) is None
    assert commit.through(False) == 0


@pytest.mark.parametrize(("was_applied", "others"), CASES)
def test_without_the_slot_the_tokens_decide(kv, was_applied, others):
    commit = save(kv)
    if was_applied:
        assert commit.send() is None
    for number in range(others):
        overwrite(kv, number)
    if others == 2:
        with pytest.raises(OutcomeUnknown):
            commit.through(None)
    else:
        assert commit.through(None) == (1 if others and not was_applied else None)
    assert token_of(kv.get([KEY]).values[0]) == (f"{99 + others:016x}" if others else OURS)


def test_without_the_slot_nothing_is_made_that_others_may_have_taken_away(kv):
    for commit in (create(kv), delete(kv)):
        kv.commit([], [], [KEY, ENTRY], epoch=None)
        with pytest.raises(OutcomeUnknown):
            commit.through(None)
        assert kv.get([KEY]).values == [None]


def test_what_only_checks_has_no_slot_and_is_asked_again(kv):
    commit = Commit(kv, [Absent(KEY)], [], [])

    def ask(_: object) -> bool | None:
        pytest.fail("there is no slot to ask")

    assert through(Broken(), commit.send, ask, kv.get, parts=commit.parts, seconds=5) is None


def test_what_breaks_again_and_again_is_given_up(kv):
    sent: list[Broken] = []

    def send() -> int | None:
        sent.append(Broken("a slot"))
        raise sent[-1]

    with pytest.raises(Unavailable, match="nothing was written"):
        through(Broken("a slot"), send, lambda _: False, kv.get, parts=create(kv).parts, seconds=0.01)
    assert len(sent) > 1


@pytest.mark.parametrize("error", [Broken(), Unavailable("gone"), Closed("closed")])
def test_a_slot_that_cannot_be_asked(kv, error):
    def ask(_: object) -> bool | None:
        raise error

    commit = create(kv)
    with pytest.raises(OutcomeUnknown):
        through(Broken("a slot"), commit.send, ask, kv.get, parts=commit.parts, seconds=5)
    assert kv.get([KEY]).values == [None]


# --- a record brought into another shape, under the token that it had ---


def shaped(version: int, token: str = FIRST) -> bytes:
    return f'{{"_revision":"{token}","_previous":null,"_version":{version},"id":1}}'.encode()


def reshape(kv: Memory) -> Commit:
    kv.commit([], [(*KEY, shaped(1))], [], epoch=None)
    return Commit(kv, [Same(KEY, FIRST, head_of(shaped(1)))], [(*KEY, shaped(2)), (*ENTRY, b"")], [])


@pytest.mark.parametrize("answer", [True, False, None])
def test_of_another_shape_the_version_tells(kv, answer):
    commit = reshape(kv)
    if answer is not False:
        assert commit.send() is None
    assert commit.through(answer) is None
    assert kv.get([KEY]).values == [shaped(2)]
    assert commit.settle() is None


def test_of_another_shape_that_never_arrived(kv):
    commit = reshape(kv)
    assert commit.through(None) is None  # the slot is gone: the old version says no, and it is sent again
    assert kv.get([KEY]).values == [shaped(2)]


def test_of_another_shape_where_others_wrote_meanwhile(kv):
    commit = reshape(kv)
    others = shaped(2, OURS)
    kv.commit([], [(*KEY, others)], [], epoch=None)
    assert commit.through(None) == 0
    assert commit.settle() == 0
    assert kv.get([KEY]).values == [others]
