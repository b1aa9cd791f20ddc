"""A program of one version that uses a collection while a window leads over it, and writes down what it is told.

Knows a kind of window; must not know a store, a phase, or what is stored. window_history.py says what is made of its
notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple, TypeAlias

from manystore import (
    Conflict,
    Duplicate,
    ManystoreError,
    NotFound,
    OutcomeUnknown,
    col,
)
from manystore.testing.lens_oracle import FOR_EVER, Act
from manystore.testing.window_kind import Kind, Side, revision_of

Clock: TypeAlias = Callable[[], float]
KEYS = (1, 2, 3, 4)


class Refusal(NamedTuple):
    """An error that says nothing of what the record is. values: what was to be written; fields: that it names.

    expected: the revision that was read, of a save.
    """

    side: str
    doing: str
    error: str
    begin: float
    end: float
    key: int | None = None
    values: tuple[tuple[str, Any], ...] = ()
    fields: tuple[str, ...] = ()
    said: str = ""
    expected: int | None = None


class Notes:
    """What one program, or all of them, were told. name: of the program; acts: by key."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.acts: dict[int, list[Act]] = {key: [] for key in KEYS}
        self.refusals: list[Refusal] = []
        self.faults: list[str] = []
        self.done = 0

    def note(self, key: int, act: Act) -> None:
        """Write down an act whose outcome is known, or never will be."""
        self.acts[key].append(act)

    def begin(self, key: int, act: Act) -> None:
        """Be told of a write that begins; for notes that must outlive the program."""

    def end(self) -> None:
        """Be told that it has ended, and what there is to note was."""

    def refuse(self, refusal: Refusal) -> None:
        """Write down a refusal."""
        self.refusals.append(refusal)

    def fault(self, said: str) -> None:
        """Write down what should not have been."""
        self.faults.append(said)

    def add(self, others: Notes) -> None:
        """Take in what another was told."""
        for key, acts in others.acts.items():
            self.acts[key] += acts
        self.refusals += others.refusals
        self.faults += others.faults
        self.done += others.done


def shown(side: Side, record: Any) -> dict[str, Any]:
    """Give the fields of a record, without its key."""
    return {name: getattr(record, name) for name in side.pools}


class Program:
    """One program. clock: tells what came before what."""

    def __init__(self, kind: Kind, side: str, random: Random, clock: Clock, notes: Notes) -> None:
        self._side = side
        self._kind = kind.sides[side]
        self._random = random
        self._clock = clock
        self._notes = notes
        # What goes wrong with references goes wrong when records go.
        self._acts = {**_ACTS, "delete": 4} if self._kind.refers else _ACTS
        self._who = f"{side} {notes.name}"

    def act(self, db: Any) -> None:
        """Do one thing; raise what ends a program."""
        random = self._random
        (key,) = random.choices(KEYS, _WEIGHTS)
        (chosen,) = random.choices(list(self._acts), list(self._acts.values()))
        getattr(self, chosen)(db.thing, key)
        self._notes.done += 1

    # -- what it may do --

    def create(self, things: Any, key: int) -> None:
        """Make a record."""
        values = {name: self._random.choice(pool) for name, pool in self._kind.pools.items()}
        record = self._kind.model(id=key, **values)
        with self._noting("create", key, values) as sure:
            things.create(record)
            sure(revision=revision_of(record))

    def save(self, things: Any, key: int) -> None:
        """Read a record, change some of it, and save it."""
        record = self.get(things, key)
        if record is None:
            return
        names = self._random.sample(list(self._kind.pools), self._random.randint(0, min(2, len(self._kind.pools))))
        for name in names:
            setattr(record, name, self._random.choice(self._kind.pools[name]))
        expected = revision_of(record)
        with self._noting("save", key, shown(self._kind, record), expected) as sure:
            things.save(record)
            sure(revision=revision_of(record))

    def update(self, things: Any, key: int) -> None:
        """Change one field."""
        name, pool = self._random.choice(list(self._kind.pools.items()))
        value = self._random.choice(pool)
        with self._noting("update", key, {name: value}) as sure:
            record = things.update(key, col(getattr(self._kind.model, name)).to(value))
            begin, end = sure(revision=revision_of(record))
            self._read(key, record, begin, end)

    def delete(self, things: Any, key: int) -> None:
        """Delete a record."""
        with self._noting("delete", key, {}) as sure:
            things.delete(key)
            sure()

    def get(self, things: Any, key: int) -> Any:
        """Read a record; None when there is none."""
        record = None
        with self._noting("get", key, {}, is_sure=True):
            begin = self._clock()
            record = things.get(key)
            self._read(key, record, begin, self._clock())
        return record

    def find(self, things: Any, key: int) -> None:
        """Find records by a field."""
        del key
        name = self._random.choice(self._kind.found)
        value = self._random.choice([value for value in self._kind.pools[name] if value is not None])
        scan = self._random.random() < 0.3
        with self._noting("find", None, {name: value}, is_sure=True):
            begin = self._clock()
            found = things.find(col(getattr(self._kind.model, name)) == value, scan=scan)
            end = self._clock()
            there = {record.id: record for record in found}
            if len(there) < len(found):
                self._notes.fault(f"{self._who}: find({name}={value!r}) gave a record twice")
            for key, record in there.items():
                if getattr(record, name) != value:
                    self._notes.fault(f"{self._who}: find({name}={value!r}) gave {record!r}")
                self._read(key, record, begin, end)
            for key in KEYS:
                if key not in there:
                    self._note(key, "unlike", begin, end, {name: value})

    def look(self, things: Any, key: int) -> None:
        """Read all records."""
        del key
        with self._noting("look", None, {}, is_sure=True):
            begin = self._clock()
            there = {record.id: record for record in things.find(scan=True)}
            end = self._clock()
            for key in KEYS:
                if key in there:
                    self._read(key, there[key], begin, end)
                else:
                    self._note(key, "absent", begin, end, {})

    # -- what it writes down --

    def _note(self, key: int, what: str, begin: float, end: float, values: dict[str, Any], **more: Any) -> None:
        self._notes.note(key, Act(what, self._side, begin, end, values, who=self._who, **more))

    def _read(self, key: int, record: Any, begin: float, end: float) -> None:
        self._note(key, "read", begin, end, shown(self._kind, record), revision=revision_of(record))

    @contextmanager
    def _noting(
        self, what: str, key: int | None, values: dict[str, Any], expected: int | None = None, *, is_sure: bool = False
    ) -> Iterator[Callable[..., tuple[float, float]]]:
        """Write down a write that the block says is sure, or what became of it instead. is_sure: it is no write."""
        begin = self._clock()
        is_open = not is_sure
        unsure = Act(what, self._side, begin, FOR_EVER, values, expected=expected, is_sure=False, who=self._who)
        if is_open and key is not None:
            self._notes.begin(key, unsure)

        def sure(**more: Any) -> tuple[float, float]:
            nonlocal is_open
            is_open, end = False, self._clock()
            assert key is not None
            self._note(key, what, begin, end, values, expected=expected, **more)
            return begin, end

        try:
            yield sure
        except OutcomeUnknown:
            pass
        except ManystoreError as error:
            is_open = False
            self._refused(error, (what, key, expected), values, (begin, self._clock()))
        finally:
            if is_open and key is not None:
                self._notes.note(key, unsure)
            self._notes.end()

    def _refused(
        self,
        error: ManystoreError,
        doing: tuple[str, int | None, int | None],
        values: dict[str, Any],
        span: tuple[float, float],
    ) -> None:
        what, key, expected = doing
        if key is not None:
            if isinstance(error, NotFound):
                self._note(key, "absent", *span, {})
                return
            if isinstance(error, Conflict) and what == "save":
                self._note(key, "moved", *span, {}, expected=expected)
                return
            if isinstance(error, Duplicate) and error.fields == ("id",) and what == "create":
                self._note(key, "present", *span, {})
                return
        name = type(error).__name__
        fields = tuple(error.fields) if isinstance(error, Duplicate) else ()
        given = tuple(values.items())
        self._notes.refuse(Refusal(self._side, what, name, *span, key, given, fields, str(error), expected))
        if name in ENDS:
            raise error


ENDS = ("ProgramTooOld", "SchemaMismatch")
"""The errors with which a program is over."""
_ACTS = {"create": 3, "save": 7, "update": 4, "delete": 1, "get": 2, "find": 3, "look": 1}
_WEIGHTS = (5, 3, 1, 1)  # of the keys: most of what goes wrong needs several programs at one record
