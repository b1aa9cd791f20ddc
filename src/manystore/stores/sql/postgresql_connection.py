"""One connection to PostgreSQL: statements are sent and answers read through libpq, as psycopg gives it to Python.

Knows psycopg's libpq and its adapters; must not know plans, changes, or how a connection is opened. A cursor of
psycopg's takes some 15 µs of the processor for each statement, about as long as all else that a read by its key takes
on this side of the wire. What it does for us is little: it knows which texts are prepared, and waits.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, TypeAlias

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result

from .connections import Answer, Connection, Sent, takes_many
from .dialect import Row

Dumped: TypeAlias = tuple[Sequence[Any], tuple[int, ...], Sequence[int]]
"""The values of a statement's parameters as they go over the wire; their types, 0 (of None and of text) where it is for
the server to say; their formats."""
_AUTO, _BINARY = PyFormat.AUTO, pq.Format.BINARY
_ROWS, _DONE, _FAILED = pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.FATAL_ERROR
_IDLE = pq.TransactionStatus.IDLE
_KEPT = 1000  # statements, a connection
_LEAST = 100  # ms that more of an answer may be late even if all of it has taken long
_MOST = 2**31 - 1  # ms: what poll takes
_SECONDS = 1.0  # for asking the server to stop


class Silent(psycopg.OperationalError):
    """The server gave no answer within the time that the URL allows."""


def _within(gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """Let a wait for the server end. psycopg looks in here several times a second while nothing comes."""
    deadline = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise Silent("no answer from the server")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


class Raw(psycopg.Connection[Row]):
    """psycopg's connection, with an end to each wait."""

    limit = math.inf

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """Wait for what a generator asks of the server."""
        return super().wait(_within(gen, self.limit), *args, **options)


class Kept:
    """A text that was run here before. name: of what the server keeps of it, b"" for nothing; types: with which."""

    __slots__ = ("name", "transformer", "types", "was_loaded")

    def __init__(self, raw: Raw, types: tuple[int, ...], name: bytes = b"") -> None:
        self.name = name
        self.types = types
        self.transformer = Transformer(raw)
        self.was_loaded = False

    def fits(self, dumped: Dumped) -> bool:
        """Tell whether these parameters can be given to what the server keeps; None can always."""
        return dumped[1] == self.types or self.widened(dumped) == self.types

    def widened(self, dumped: Dumped) -> tuple[int, ...]:
        """Give the types of these parameters, and what is known of those that are None this time."""
        values, types, _ = dumped
        known = zip(values, types, self.types, strict=True)
        return tuple([old if value is None else new for value, new, old in known])


class Found:
    """The answer to one statement; its rows can be fetched once."""

    __slots__ = ("_kept", "_result")

    def __init__(self, kept: Kept, result: Any) -> None:
        self._kept = kept
        self._result = result

    @property
    def rowcount(self) -> int:
        """How many rows it changed or gave."""
        result = self._result
        return int(result.ntuples if result.status == _ROWS else result.command_tuples or 0)

    def fetchone(self) -> Row | None:
        """Give the first row, if there is one."""
        if not self._result.ntuples:
            return None
        transformer = self._opened()
        row: Row = transformer.load_row(0, tuple)
        transformer.set_pgresult(None, set_loaders=False)
        return row

    def fetchall(self) -> list[Row]:
        """Give all rows."""
        if not self._result.ntuples:
            return []
        transformer = self._opened()
        rows: list[Row] = transformer.load_rows(0, self._result.ntuples, tuple)
        transformer.set_pgresult(None, set_loaders=False)  # or it would be held until the next answer
        return rows

    def answer(self) -> Answer:
        """Give what send gives."""
        return self.rowcount, self.fetchall()

    def _opened(self) -> Any:
        # The columns of what is prepared stay the same, or the server refuses it; to look them all up again takes
        # longer than to load a row.
        kept = self._kept
        kept.transformer.set_pgresult(self._result, set_loaders=not kept.was_loaded)
        kept.was_loaded = bool(kept.name)
        return kept.transformer


class ServerConnection(Connection):
    """One open connection. backend: the process that serves it, and since when; prepare: it may keep statements."""

    def __init__(self, raw: Raw, backend: tuple[int, Any], *, prepare: bool) -> None:
        self.raw = raw
        self.backend = backend
        self._pg = raw.pgconn
        self._transformer = Transformer(raw)
        self._prepare = prepare
        self._kept: dict[str, Kept] = {}
        self._made = 0
        self._dropped: list[bytes] = []
        poll = select.poll()
        poll.register(self._pg.socket, select.POLLIN)
        self._poll = poll.poll
        self.hurry(raw.limit)

    def execute(self, text: str, bound: Sequence[Any] = ()) -> Found:
        """Run a statement."""
        values, types, formats = dumped = self._dump(bound)
        kept = self._kept.get(text)
        if kept is None:
            self._make_room()
            kept = self._first(text, types)
            self._pg.send_query_params(text.encode(), values, types, formats, _BINARY)
        elif kept.name and kept.fits(dumped):
            self._pg.send_query_prepared(kept.name, values, formats, _BINARY)
        else:
            return self._piped([(text, dumped)])[0]
        return Found(kept, self._answer())

    def send(self, batch: Sequence[Sent]) -> list[Answer]:
        """Run all statements with one wait, but for a COPY, which nothing else can be sent along with."""
        answers: list[Answer] = []
        for is_copy, run in groupby(batch, key=takes_many):
            if is_copy:
                answers += map(self._copied, run)
            else:
                self.waits += 1
                self._make_room()
                answers += [found.answer() for found in self._piped([(text, self._dump(bound)) for text, bound in run])]
        return answers

    def is_stale(self) -> bool:
        """Tell whether the server has hung up: on an idle connection, there is nothing to read but its end."""
        return bool(self._poll(0))

    def hurry(self, seconds: float) -> None:
        """Wait no longer than that for each answer to come."""
        self.raw.limit = seconds
        self._limit = int(min(seconds * 1000, _MOST))

    def end(self) -> None:
        """Roll back what is open."""
        if self._pg.transaction_status != _IDLE:
            self._pg.send_query(b"ROLLBACK")
            self._answer()

    def close(self) -> None:
        """Close it."""
        self.raw.close()

    # -- statements --

    def _dump(self, bound: Any) -> Dumped:
        transformer = self._transformer
        values = transformer.dump_sequence(bound, [_AUTO] * len(bound))
        return values, transformer.types or (), transformer.formats or ()

    def _first(self, text: str, types: tuple[int, ...]) -> Kept:
        """Remember a text that has not been run yet; what is never run again is not worth being prepared."""
        kept = Kept(self.raw, types)
        if self._prepare:
            self._kept[text] = kept
        return kept

    def _make_room(self) -> None:
        """Forget the oldest texts where there are too many; never in a batch, which may not come to prepare them."""
        while len(self._kept) >= _KEPT:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._dropped += [oldest.name] if oldest.name else []

    def _piped(self, batch: Sequence[tuple[str, Dumped]]) -> list[Found]:
        """Run statements with one wait; raise the error of the first that fails."""
        self._pg.enter_pipeline_mode()
        sent: list[tuple[Kept | None, bytes]] = []
        for text, dumped in batch:
            self._put(text, dumped, sent)
        self._pg.pipeline_sync()
        return self._collected(sent)

    def _put(self, text: str, dumped: Dumped, sent: list[tuple[Kept | None, bytes]]) -> None:
        """Put a statement in line, with what has to be prepared for it. sent: what will be answered."""
        values, types, formats = dumped
        kept = self._kept.get(text)
        if kept is None:
            kept = self._first(text, types)
            self._pg.send_query_params(text.encode(), values, types, formats, _BINARY)
        else:
            if not kept.name or not kept.fits(dumped):
                kept = self._put_prepared(text, kept, dumped, sent)
            self._pg.send_query_prepared(kept.name, values, formats, _BINARY)
        sent.append((kept, b""))

    def _put_prepared(self, text: str, kept: Kept, dumped: Dumped, sent: list[tuple[Kept | None, bytes]]) -> Kept:
        self._dropped += [kept.name] if kept.name else []
        while self._dropped:
            name = self._dropped.pop()
            self._pg.send_query_params(b"DEALLOCATE " + name, None)
            sent.append((None, name))
        self._made += 1
        # Another one, since its columns may have other types, and the one before may have answers to be loaded.
        made = self._kept[text] = Kept(self.raw, kept.widened(dumped), b"m%d" % self._made)
        self._pg.send_prepare(made.name, text.encode(), made.types)
        sent.append((made, made.name))
        return made

    def _collected(self, sent: Iterable[tuple[Kept | None, bytes]]) -> list[Found]:
        """Give the answers in line, of what was run."""
        found: list[Found] = []
        error: psycopg.Error | None = None
        never = set[bytes]()  # names that the server did not come to know
        self._flush()
        try:
            for kept, name in sent:
                result = self._next()
                if self._next() is not None:
                    raise psycopg.InterfaceError("there are more answers than statements")
                if result.status == _FAILED:
                    error = error or error_from_result(result)
                if kept is not None and not name:
                    found.append(Found(kept, result))
                elif result.status != _DONE and kept is not None:
                    kept.name = b""
                    never.add(name)
                elif result.status != _DONE and name not in never:
                    self._dropped.append(name)
            self._next()  # the end of the line
            self._pg.exit_pipeline_mode()
        except psycopg.Error as broken:
            raise error or broken from None
        if error is not None:
            raise error
        return found

    def _copied(self, bound: Sent) -> Answer:
        self.waits += 2  # for the word to begin, and for the end
        cursor = psycopg.Cursor(self.raw)
        with cursor.copy(bound[0].encode()) as copy:
            for row in bound[1]:
                copy.write_row(row)
        return cursor.rowcount, ()

    # -- waiting --

    def _answer(self) -> Any:
        """Give the one answer to what was sent; raise what it says."""
        pg = self._pg
        if pg.flush():
            self._flush()
        if pg.is_busy():
            self._await()
        result: Any = pg.get_result()
        try:
            self._next()  # it ends in a None
        except psycopg.Error:
            if result.status != _FAILED:  # who says why he hangs up is not asked for more
                raise
        if result.status == _FAILED:
            raise error_from_result(result)
        return result

    def _next(self) -> Any:
        """Give the next answer, or None at the end of those to one statement."""
        if self._pg.is_busy():
            self._await()
        return self._pg.get_result()

    def _await(self) -> None:
        """Wait until an answer is whole; raise Silent."""
        began, left = time.monotonic(), self._limit
        while True:
            self._look(self._poll, left)
            if not self._pg.is_busy():
                return
            left = max(_LEAST, self._limit - int((time.monotonic() - began) * 1000))

    def _flush(self) -> None:
        """Send all that is to be sent, and read meanwhile: who does not listen is not listened to."""
        poll = select.poll()
        poll.register(self._pg.socket, select.POLLIN | select.POLLOUT)
        while self._pg.flush():
            self._look(poll.poll, self._limit)

    def _look(self, poll: Any, milliseconds: int) -> None:
        try:
            if not poll(milliseconds):
                raise Silent("no answer from the server")
        except KeyboardInterrupt:
            with suppress(psycopg.Error):
                self.raw.cancel_safe(timeout=_SECONDS)  # nobody waits for it any more
            raise
        self._pg.consume_input()
