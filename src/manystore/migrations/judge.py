"""The judge of leases: which programs of a schema still work on a store, by counters that move (protocol, 1.7).

Knows the collection _programs and the store; must not know phases. No clocks are compared: a program is taken for gone
when its counter stood still for a while of the judge's own. One that was taken for gone by mistake is refused at its
next write, by the epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import Conflict, NotFound
from ..query.planner import Query, plan
from ..schema.catalog import Catalog
from ..schema.system import PROGRAMS
from ..store.protocol import Delete, Store, Wait

PATIENCE = 10.0  # seconds without a move after which a program is taken for gone
NOTICE = 4.0  # seconds in which a program that goes on writing moves: it does every three (api/lease.py)
_LOOKS = 20  # in such a time


class Program(msgspec.Struct, frozen=True):
    """A lease as it was read. schema: the fingerprint of the program's."""

    name: str
    schema: str
    label: str
    counter: int
    revision: int


class Heard(msgspec.Struct, frozen=True):
    """All leases, and the names of those that did not move while they were watched for some seconds."""

    programs: tuple[Program, ...]
    silent: frozenset[str]
    seconds: float


class _ProgramCodec:
    """Reads a lease from a row, or from a JSON record."""

    dumps = (None, None, None, None)

    def load(self, row: Sequence[Any]) -> Program:
        return Program(row[0], row[1], row[2], row[3], row[4])

    def decode(self, data: bytes) -> Program:
        stored = msgspec.json.decode(data)
        revision = int(stored["_revision"], 16)
        return Program(stored["name"], stored["schema"], stored["label"], stored["counter"], revision)


class Judge:
    """Watches the leases of one store. patience: how long, in seconds; told: is given each sentence for the user."""

    def __init__(
        self,
        store: Store,
        *,
        wait: Wait,
        patience: float = PATIENCE,
        told: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wait = wait
        self._patience = patience
        self._told = told
        self._clock = clock
        self._codec = _ProgramCodec()

    def programs(self, catalog: Catalog) -> tuple[Program, ...]:
        """Give all leases that are there."""
        if PROGRAMS.name not in catalog.kept:
            return ()
        made = plan(Query(catalog.kept.collection(PROGRAMS.name), scan=True), catalog)
        made.codec = self._codec
        made.matches = lambda _, __: True
        return tuple(self._store.read(made, (), epoch=catalog.epoch).rows)

    def heard(self, catalog: Catalog) -> Heard:
        """Tell who writes from who only did once: watch until all have moved, or for the time that a move takes.

        A lease that stands still says nothing by itself: its program may rest, or have been killed long ago.
        """
        now = first = self._all(catalog)
        moved, seconds = set[str](), 0.0
        for passed in self._looks(NOTICE if first else 0):
            seconds, now = passed, self._all(catalog)
            moved |= {name for name, program in now.items() if _is_moved(program, first)}
            if moved >= now.keys():
                break
        return Heard(tuple(now.values()), frozenset(now.keys() - moved), seconds)

    def living(self, catalog: Catalog, schema: str) -> tuple[Program, ...]:
        """Give the programs of a schema that work, and take the leases of the others away.

        Watches until one of them moves, or the patience is over. Those that have not moved until then count as working.
        """
        seen = self._of(catalog, schema)
        if not seen:
            return ()
        labels = ", ".join(sorted({program.label for program in seen.values()}))
        self._told(f"watching for {self._patience:g} s whether it still works: {labels}")
        for _ in self._looks(self._patience):
            now = self._of(catalog, schema)
            if any(_is_moved(program, seen) for program in now.values()):
                return tuple(now.values())
            seen = now
        return tuple(program for program in seen.values() if not self._is_removed(program, catalog))

    def _looks(self, span: float) -> Iterator[float]:
        """Wait from one look to the next until a span is over; give how long it has been so far."""
        pause = span / _LOOKS
        began, waited = self._clock(), 0.0
        # The pauses count as well as the clock: an injected wait may not take any time.
        passed = 0.0
        while passed < span:
            self._wait(pause)
            waited += pause
            passed = max(self._clock() - began, waited)
            yield passed

    def _all(self, catalog: Catalog) -> dict[str, Program]:
        return {program.name: program for program in self.programs(catalog)}

    def _of(self, catalog: Catalog, schema: str) -> dict[str, Program]:
        return {name: program for name, program in self._all(catalog).items() if program.schema == schema}

    def _is_removed(self, program: Program, catalog: Catalog) -> bool:
        delete = Delete(PROGRAMS, (program.name,), expected=program.revision)
        try:
            self._store.write([delete], epoch=catalog.epoch)
        except NotFound:
            return True  # it went by itself
        except Conflict:
            return False  # it moved at the last moment
        return True


def _is_moved(program: Program, earlier: Mapping[str, Program]) -> bool:
    """Say whether a program's counter has moved since, or it has come since."""
    return program.name not in earlier or earlier[program.name].counter != program.counter
