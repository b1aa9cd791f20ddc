"""Programs that read and change a few records in every way there is, and write down what they were told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from manystore import (
    Conflict,
    Database,
    Duplicate,
    NotFound,
    Repository,
    Unavailable,
    col,
    field,
    index,
    model,
)
from manystore.testing.crew import Seat
from manystore.testing.linearizability import CompareAndSet, Operation, Read, Recorder, Value

SPACING = 1_000  # between two values that are set; increments stay below, so that no value comes twice
TOGETHER, LIFE = 2, 24  # registers in use at one time, and steps of a program until others are


@model(indexes=[index("place")])
class Register:
    key: int = field(key=True)
    place: int
    value: int
    note: str = ""


class Registers(Database):
    register: Repository[Register, int]


@dataclass(frozen=True)
class Set:
    """Sets the value of a record that is there, whatever it was; answers whether it is there."""

    value: int

    def on(self, value: Value, /) -> tuple[Any, Value]:
        return (False, None) if value is None else (True, self.value)


@dataclass(frozen=True)
class Swap:
    """Sets the value of a record that is there; answers the value before, or False."""

    value: int

    def on(self, value: Value, /) -> tuple[Any, Value]:
        return (False, None) if value is None else (value, self.value)


@dataclass(frozen=True)
class Add:
    """Adds one; answers the sum, or False when there is no record."""

    def on(self, value: Value, /) -> tuple[Any, Value]:
        if value is None:
            return False, None
        assert isinstance(value, int)
        return value + 1, value + 1


@dataclass(frozen=True)
class Remove:
    """Deletes; answers whether there was a record."""

    def on(self, value: Value, /) -> tuple[Any, Value]:
        return value is not None, None


class Player:
    """One program. Each step does one thing to one register, noted unless the store says that nothing was done."""

    def __init__(self, db: Registers, seat: Seat) -> None:
        self._db = db
        self._dice = random.Random(seat.number)
        self._values = iter(range(seat.number + 1, 10_000_000, seat.size))
        self._recorders: dict[int, Recorder] = {}
        self._read: dict[int, Register] = {}  # as last seen, to be saved in good time or too late
        self.unavailable = 0

    def step(self, number: int) -> None:
        """Do the next thing."""
        key = number // LIFE * TOGETHER + self._dice.randrange(TOGETHER)
        record = self._recorders.setdefault(key, Recorder(time.monotonic_ns))
        try:
            self._dice.choice(_WAYS)(self, key, record)
        except Conflict:
            self._read.pop(key, None)
        except Unavailable:
            self.unavailable += 1
            self._read.pop(key, None)

    def history(self) -> list[tuple[int, Operation]]:
        """Give what was done: the key of the register, and the operation."""
        return [(key, done) for key, recorder in self._recorders.items() for done in recorder.history]

    def _value(self) -> int:
        return next(self._values) * SPACING

    def _get(self, key: int, record: Recorder) -> None:
        def act() -> int | None:
            try:
                self._read[key] = self._db.register.get(key)
            except NotFound:
                return None
            return self._read[key].value

        record.run(Read(), act)

    def _find(self, key: int, record: Recorder) -> None:
        def act() -> int | None:
            found = self._db.register.find(col(Register.place) == key)
            return found[0].value if found else None

        record.run(Read(), act)

    def _create(self, key: int, record: Recorder) -> None:
        made = Register(key=key, place=key, value=self._value())
        action = CompareAndSet(None, made.value)
        if record.run(action, lambda: _was(lambda: self._db.register.create(made), Duplicate)) is True:
            self._read[key] = made

    def _save(self, key: int, record: Recorder) -> None:
        if key not in self._read:
            self._get(key, record)
        there = self._read.pop(key, None)
        if there is not None:
            action = CompareAndSet(there.value, self._value())
            there.value = int(str(action.value))
            if record.run(action, lambda: _was(lambda: self._db.register.save(there), Conflict, NotFound)) is True:
                self._read[key] = there

    def _update(self, key: int, record: Recorder) -> None:
        action = Set(self._value())
        change = col(Register.value).to(action.value)
        record.run(action, lambda: _was(lambda: self._db.register.update(key, change), NotFound))

    def _increment(self, key: int, record: Recorder) -> None:
        def act() -> int:
            try:
                return self._db.register.increment(key, Register.value).value
            except NotFound:
                return False

        record.run(Add(), act)

    def _swap(self, key: int, record: Recorder) -> None:
        action = Swap(self._value())

        def act() -> int:
            with self._db.transaction() as tx:
                try:
                    there = tx.register.get(key)
                except NotFound:
                    return False
                before, there.value = there.value, action.value
                tx.register.save(there)
            return before

        record.run(action, act)

    def _delete(self, key: int, record: Recorder) -> None:
        record.run(Remove(), lambda: _was(lambda: self._db.register.delete(key), NotFound))


_WAYS: list[Callable[[Player, int, Recorder], None]] = [
    *(Player._get, Player._get, Player._find),
    *(Player._create, Player._create),
    *(Player._save, Player._save, Player._save),
    *(Player._update, Player._increment, Player._swap, Player._delete),
]


def _was(act: Callable[[], object], *refusals: type[Exception]) -> bool:
    try:
        act()
    except refusals:
        return False
    return True


class Report(NamedTuple):
    """What one program did. unavailable: how often it was told that nothing was done."""

    history: list[tuple[int, Operation]]
    unavailable: int


class Game(NamedTuple):
    """What all play. steps: how many each does; None: as many as go until told to stop."""

    url: str
    prefix: str
    steps: int | None = None


def play(seat: Seat, game: Game) -> Report:
    """Play, and tell what was done."""
    with Registers.connect(game.url, prefix=game.prefix) as db:
        player = Player(db, seat)
        seat.meet()
        number = 0
        while not seat.is_over and number != game.steps:
            player.step(number)
            seat.step()
            number += 1
    return Report(player.history(), player.unavailable)


def histories(reports: Iterable[Report]) -> dict[int, list[Operation]]:
    """Join what all did: for each register its history."""
    joined: dict[int, list[Operation]] = {}
    for report in reports:
        for key, operation in report.history:
            joined.setdefault(key, []).append(operation)
    return joined
