"""Is there an order of what several clients did to one record that explains what each of them saw?

Wing and Gong's search, with Lowe's memory: a set of operations that took effect and the value they left need to be
looked at once. An operation whose outcome is unknown may have taken effect at any time after its call, or never.

    record = Recorder()
    record.run(Write(1), lambda: save(1))          # from any thread
    record.run(Read(), lambda: get())
    assert explanation(record.history, initial=None) is not None

Knows no store: an operation is a value that says what a single, undisturbed record would answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple, Protocol, TypeAlias

from manystore import OutcomeUnknown

Value: TypeAlias = Hashable


class Action(Protocol):
    """What a client did to the record."""

    def on(self, value: Value, /) -> tuple[Any, Value]:
        """Give the answer of a record with a value, and the value it has then."""
        ...


@dataclass(frozen=True)
class Read:
    """Answers the value."""

    def on(self, value: Value, /) -> tuple[Any, Value]:
        """Leave it as it is."""
        return value, value


@dataclass(frozen=True)
class Write:
    """Sets the value, whatever it was; answers None."""

    value: Value

    def on(self, value: Value, /) -> tuple[Any, Value]:
        """Take its place."""
        del value
        return None, self.value


@dataclass(frozen=True)
class CompareAndSet:
    """Sets the value if it is the expected one; answers whether it was. After False nothing has changed.

    None stands for no record at all.
    """

    expected: Value
    value: Value

    def on(self, value: Value, /) -> tuple[Any, Value]:
        """Compare, then set."""
        return (True, self.value) if value == self.expected else (False, value)


class Unknown:
    """The outcome of an operation that may have taken effect or not."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __reduce__(self) -> str:
        return "UNKNOWN"  # the one that there is, in whatever process


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Operation:
    """An action, when it was called and when its answer came, on a clock that all clients share."""

    action: Action
    answer: Any
    called: int
    answered: int

    @property
    def is_known(self) -> bool:
        """Whether its client learnt what came of it."""
        return self.answer is not UNKNOWN

    @property
    def has_no_effect(self) -> bool:
        """Whether its answer says that it left every value as it was."""
        return self.is_known and (isinstance(self.action, Read) or self.answer is False)


History: TypeAlias = Sequence[Operation]


def explanation(history: History, initial: Value = None) -> list[Operation] | None:
    """Give an order in which the operations can have taken effect, those that never did left out; None: there is none.

    What was answered before another was called comes before it. The order names no operation that need not be in it.
    """
    operations = sorted(history, key=lambda operation: operation.called)
    search = _Search(operations)
    chosen: list[int] = []
    ways = [iter([_Way(0, initial, -1)])]
    while ways:
        for way in ways[-1]:
            if way.place >= 0:
                chosen.append(way.place)
            if search.is_whole(way.done):
                return [operations[place] for place in chosen]
            ways.append(iter(search.ways_from(way)))
            break
        else:
            ways.pop()
            if chosen:
                chosen.pop()
    return None


class _Way(NamedTuple):
    """A step of an order: which operations have taken effect by now, the value then, and the place of the last."""

    done: int  # a bit for each operation
    value: Value
    place: int


class _Search:
    """What may come next, each situation once."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._known = sum(1 << place for place, operation in enumerate(operations) if operation.is_known)
        self._seen: dict[tuple[int, Value], list[int]] = {}

    def is_whole(self, done: int) -> bool:
        """Say whether all that certainly took effect has."""
        return done & self._known == self._known

    def ways_from(self, way: _Way) -> list[_Way]:
        """Give the steps that may come next and are news."""
        steps: list[_Way] = []
        for place in self._next(way.done):
            operation = self._operations[place]
            answer, left = operation.action.on(way.value)
            if operation.is_known and answer != operation.answer:
                continue
            step = _Way(way.done | 1 << place, left, place)
            if operation.has_no_effect:
                return [step]  # that it fits is all it asks, and it stands in nobody's way
            if left == way.value and not operation.is_known:
                continue  # left out is the same
            steps.append(step)
        return [step for step in steps if self._is_news(step)]

    def _next(self, done: int) -> list[int]:
        """Give what was called before the first answer that is still to be explained; unknown outcomes last."""
        known: list[int] = []
        unknown: list[int] = []
        limit: float = float("inf")
        # All before the first bit that is not set are done.
        for place in range((~done & done + 1).bit_length() - 1, len(self._operations)):
            operation = self._operations[place]
            if operation.called > limit:
                break
            if done >> place & 1:
                continue
            (known if operation.is_known else unknown).append(place)
            if operation.is_known:
                limit = min(limit, operation.answered)
        return known + unknown

    def _is_news(self, step: _Way) -> bool:
        """Say whether nobody has been here with as many unknown outcomes still to choose from, or more."""
        used = step.done & ~self._known
        there = self._seen.setdefault((step.done & self._known, step.value), [])
        if any(other & used == other for other in there):
            return False
        there.append(used)
        return True


class Recorder:
    """Writes down what threads do, on one clock that ticks with each call and each answer.

    clock: one that other processes have as well (time.monotonic_ns), when their histories are to be joined to this one.
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self._lock = Lock()
        self._clock = clock or itertools.count(1).__next__
        self._done: list[Operation] = []

    def run(self, action: Action, act: Callable[[], Any]) -> Any:
        """Act, and note the answer; UNKNOWN after OutcomeUnknown.

        act answers in the action's own words. Any other error passes through, and nothing is noted: it must mean that
        nothing was done.
        """
        called = self._tick()
        try:
            answer = act()
        except OutcomeUnknown:
            answer = UNKNOWN
        with self._lock:
            self._done.append(Operation(action, answer, called, self._clock()))
        return answer

    @property
    def history(self) -> list[Operation]:
        """All that was done."""
        with self._lock:
            return list(self._done)

    def _tick(self) -> int:
        with self._lock:
            return self._clock()
