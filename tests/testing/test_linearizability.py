"""The checker accepts what one record can have answered, and rejects what it cannot.

It is compared with the plain definition, all orders tried, on small histories; and fed real ones.
"""

from __future__ import annotations

import itertools
import random
import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manystore import Conflict, Database, Duplicate, NotFound, OutcomeUnknown, Repository, col, field, model
from manystore.testing.linearizability import (
    UNKNOWN,
    CompareAndSet,
    Operation,
    Read,
    Recorder,
    Write,
    explanation,
)


def op(action, answer, called, answered):
    return Operation(action, answer, called, answered)


GOOD = {
    "nothing": [],
    "one after the other": [op(Write(1), None, 1, 2), op(Read(), 1, 3, 4)],
    "a read beside a write, old": [op(Write(1), None, 1, 4), op(Read(), None, 2, 3)],
    "a read beside a write, new": [op(Write(1), None, 1, 4), op(Read(), 1, 2, 3)],
    "two writes beside each other": [op(Write(1), None, 1, 3), op(Write(2), None, 2, 4), op(Read(), 1, 5, 6)],
    "one of two wins": [op(CompareAndSet(None, 1), False, 1, 3), op(CompareAndSet(None, 2), True, 2, 4)],
    "an unknown write that came": [op(Write(1), UNKNOWN, 1, 2), op(Read(), 1, 3, 4)],
    "an unknown write that never came": [op(Write(1), UNKNOWN, 1, 2), op(Read(), None, 3, 4)],
    "an unknown write that came late": [
        op(Write(1), UNKNOWN, 1, 2), op(Read(), None, 3, 4), op(Read(), 1, 5, 6)
    ],
    "an unknown write that came between two": [
        op(Write(1), UNKNOWN, 1, 2), op(Write(2), None, 3, 4), op(Read(), 2, 5, 6), op(Read(), 1, 7, 8)
    ],
}  # fmt: skip
BAD = {
    "a read from nowhere": [op(Read(), 1, 1, 2)],
    "a lost write": [op(Write(1), None, 1, 2), op(Read(), None, 3, 4)],
    "a stale read": [op(Write(1), None, 1, 2), op(Write(2), None, 3, 4), op(Read(), 1, 5, 6)],
    "time runs backwards": [op(Write(1), None, 1, 8), op(Read(), 1, 2, 3), op(Read(), None, 4, 5)],
    "both win": [op(CompareAndSet(None, 1), True, 1, 3), op(CompareAndSet(None, 2), True, 2, 4)],
    "neither wins": [op(CompareAndSet(None, 1), False, 1, 3), op(CompareAndSet(None, 2), False, 2, 4)],
    "read before it was called": [op(Read(), 1, 1, 2), op(Write(1), UNKNOWN, 3, 4)],
    "an unknown write that came twice": [
        op(Write(1), UNKNOWN, 1, 2), op(Read(), 1, 3, 4), op(Write(2), None, 5, 6), op(Read(), 1, 7, 8)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_accepted(name):
    assert explanation(GOOD[name]) is not None


@pytest.mark.parametrize("name", BAD)
def test_rejected(name):
    assert explanation(BAD[name]) is None


def test_the_order_is_told():
    write, read = op(Write(1), None, 1, 4), op(Read(), None, 2, 3)
    assert explanation([write, read]) == [read, write]


# --- against the definition ------------------------------------------------------------------------------------------


def fits(order, initial):
    value = initial
    for place, operation in enumerate(order):
        if any(later.is_known and later.answered < operation.called for later in order[place + 1 :]):
            return False
        answer, value = operation.action.on(value)
        if operation.is_known and answer != operation.answer:
            return False
    return True


def can_be_explained(history, initial=None):
    known = [operation for operation in history if operation.is_known]
    unknown = [operation for operation in history if not operation.is_known]
    return any(
        fits(order, initial)
        for number in range(len(unknown) + 1)
        for chosen in itertools.combinations(unknown, number)
        for order in itertools.permutations([*known, *chosen])
    )


VALUES = st.sampled_from((None, 1, 2))
ACTIONS = st.one_of(st.just(Read()), VALUES.map(Write), st.builds(CompareAndSet, VALUES, VALUES))


@st.composite
def any_history(draw):
    """Any answers at any times: most of these are wrong."""
    operations = []
    number = draw(st.integers(0, 5))
    times = draw(st.permutations(range(2 * number)))
    for place in range(number):
        action = draw(ACTIONS)
        called, answered = sorted(times[2 * place : 2 * place + 2])
        possible = {Read: (None, 1, 2), Write: (None,), CompareAndSet: (True, False)}[type(action)]
        operations.append(op(action, draw(st.sampled_from((*possible, UNKNOWN))), called, answered))
    return operations


@settings(max_examples=200)
@given(any_history())
def test_it_decides_as_the_definition_does(history):
    assert (explanation(history) is not None) == can_be_explained(history)


@st.composite
def real_run(draw, most=30):
    """What a record that works answered: each action takes effect between its call and its answer, or is lost."""
    number = draw(st.integers(1, most))
    chance = draw(st.randoms(use_true_random=False))
    value, operations = None, []
    for place in range(number):
        # Distinct values: a wrong answer cannot be right by accident.
        action = chance.choice([Read(), Write(place), CompareAndSet(value, place), CompareAndSet("other", place)])
        is_known, is_lost = chance.random() > 0.15, chance.random() < 0.5
        at = 1000 * place
        called, answered = at - chance.randrange(3000), at + 1 + chance.randrange(3000)
        if is_known or not is_lost:
            answer, value = action.on(value)
        operations.append(op(action, answer if is_known else UNKNOWN, called, answered))
    return operations


@given(real_run())
def test_what_a_real_record_answered_is_accepted(history):
    assert explanation(history) is not None


@given(real_run(), st.randoms(use_true_random=False))
def test_a_read_of_what_nobody_wrote_is_rejected(history, chance):
    place = chance.randrange(len(history))
    wrong = op(Read(), "never written", history[place].called, history[place].answered)
    assert explanation([*history[:place], wrong, *history[place + 1 :]]) is None


@given(real_run())
def test_a_stale_read_is_rejected(history):
    end = max(operation.answered for operation in history)
    last = [op(Write("old"), None, end + 1, end + 2), op(Write("new"), None, end + 3, end + 4)]
    assert explanation([*history, *last, op(Read(), "new", end + 5, end + 6)]) is not None
    assert explanation([*history, *last, op(Read(), "old", end + 5, end + 6)]) is None


@given(real_run())
def test_a_lost_write_is_rejected(history):
    """One of two that compare with the same value may win, not both; the second would overwrite the first unseen."""
    end = max(operation.answered for operation in history)
    base = op(Write("base"), None, end + 1, end + 2)
    race = [op(CompareAndSet("base", n), True, end + 3, end + 4) for n in (-1, -2)]
    assert explanation([*history, base, race[0]]) is not None
    assert explanation([*history, base, *race]) is None


def test_many_unknown_outcomes_stay_quick():
    lost = [op(Write(-place), UNKNOWN, 3 * place, 3 * place + 1) for place in range(200)]
    steps = [op(Write(place), None, 3 * place + 1, 3 * place + 2) for place in range(200)]
    assert explanation([*lost, *steps]) is not None


def test_a_long_history_of_many_clients_is_decided():
    chance = random.Random(7)
    value, history = None, []
    for place in range(3_000):
        action = chance.choice([Read(), Write(place), CompareAndSet(value, place)])
        answer, value = action.on(value)
        history.append(op(action, answer, 10 * place - chance.randrange(80), 10 * place + 1 + chance.randrange(80)))
    assert explanation(history) is not None


# --- recorded --------------------------------------------------------------------------------------------------------


def test_the_recorder_notes_answers_and_unknown_outcomes_and_no_failures():
    def lose():
        raise OutcomeUnknown("the line was cut")

    recorder = Recorder()
    assert recorder.run(Read(), lambda: 5) == 5
    assert recorder.run(Write(6), lose) is UNKNOWN
    with pytest.raises(NotFound):
        recorder.run(Write(7), lambda: (_ for _ in ()).throw(NotFound("x")))
    assert [(each.action, each.answer) for each in recorder.history] == [(Read(), 5), (Write(6), UNKNOWN)]
    assert [(each.called, each.answered) for each in recorder.history] == [(1, 2), (3, 4)]


@model
class Register:
    """One record that many change."""

    id: int = field(key=True)
    value: int = 0


class Registers(Database):
    register: Repository[Register, int]


class Client:
    """Does to the record what it can, and says what came of it in the checker's words."""

    def __init__(self, db, recorder, numbers):
        self.db, self.recorder, self.numbers = db, recorder, numbers

    def look(self):
        return self.db.register.first(col(Register.id) == 1)

    def read(self):
        found = self.look()
        return None if found is None else found.value

    def create(self, value):
        try:
            self.db.register.create(Register(id=1, value=value))
        except Duplicate:
            return False
        return True

    def change(self, stored, value):
        stored.value = value
        try:
            self.db.register.save(stored)
        except (Conflict, NotFound):
            return False
        return True

    def work(self, steps):
        for _ in range(steps):
            value, stored = next(self.numbers), self.look()
            if stored is None:
                self.recorder.run(CompareAndSet(None, value), partial(self.create, value))
            else:
                # A value is written once, so that comparing it is comparing the revision.
                self.recorder.run(CompareAndSet(stored.value, value), partial(self.change, stored, value))
            self.recorder.run(Read(), self.read)


@pytest.mark.parametrize("url", ["memory://", "sqlite:///registers.db?durability=off"])
def test_threads_on_a_store(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = Recorder()
    with Registers.connect(url) as db:
        client = Client(db, recorder, itertools.count(1))
        threads = [threading.Thread(target=client.work, args=(25,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    history = recorder.history
    assert len(history) == 200
    assert explanation(history) is not None
    last = max(each.answered for each in history)
    assert explanation([*history, op(Read(), -1, last + 1, last + 2)]) is None
