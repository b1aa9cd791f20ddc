"""A crew: several programs that do one task at the same time, and tell what came of it.

    with Crew(4) as crew:
        results = crew.run(task, place.url)        # task(seat, place.url) in each of four processes

Processes are spawned, since drivers have threads, and kept for the next task. A crew of threads does the same inside
this process, for a store that processes do not share. Knows no store.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from threading import BrokenBarrierError
from types import TracebackType
from typing import Any, Self, TypeAlias

Task: TypeAlias = Callable[..., Any]
"""task(seat, *arguments). In processes: a function of a module; arguments and result are pickled."""

_PATIENCE = 600.0  # seconds: longer, and the test has failed
_LOOK = 0.02


class Seat:
    """What one member knows of the crew."""

    def __init__(self, number: int, size: int, barrier: Any, over: Any, steps: Any) -> None:
        self.number = number
        self.size = size
        self._barrier = barrier
        self._over = over
        self._steps = steps

    def meet(self) -> None:
        """Wait until all are here; BrokenBarrierError when another has failed."""
        self._barrier.wait(_PATIENCE)

    def step(self) -> None:
        """Count one step, for whoever watches."""
        self._steps[self.number] += 1

    @property
    def is_over(self) -> bool:
        """Whether the crew was told to stop."""
        return bool(self._over.is_set())

    def work(self, task: Task, arguments: tuple[Any, ...]) -> Any:
        """Do a task; a failure sets those free who wait for this one."""
        try:
            return task(self, *arguments)
        except BaseException:
            self._barrier.abort()
            raise


class Crew:
    """A crew of so many processes, or threads. Used with `with`, or closed."""

    def __init__(self, size: int, *, threads: bool = False) -> None:
        self.size = size
        self._members: list[_Member] = []
        self._make: type[_Member] = _Thread if threads else _Process

    def run(self, task: Task, *arguments: Any) -> list[Any]:
        """Have all do the task; give what each returned. Raise what the first of them raised that failed."""
        return self.begin(task, *arguments).results()

    def begin(self, task: Task, *arguments: Any) -> Shift:
        """Have all begin the task, and go on meanwhile."""
        if not self._members:
            self._members = self._hire()
        self._over.clear()
        for member in self._members:
            self._steps[member.seat.number] = 0
            member.begin(task, arguments)
        return Shift(self, self._members, self._over, self._steps)

    def _hire(self) -> list[_Member]:
        context = multiprocessing.get_context("spawn")
        self._over: Any = self._make.event(context)
        self._steps: Any = context.RawArray("q", self.size)
        barrier = self._make.barrier(context, self.size)
        seats = [Seat(number, self.size, barrier, self._over, self._steps) for number in range(self.size)]
        return [self._make(context, seat) for seat in seats]

    def close(self) -> None:
        """Send all home; the next task would begin with others."""
        members, self._members = self._members, []
        for member in members:
            member.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Shift:
    """A task that a crew is at."""

    def __init__(self, crew: Crew, members: list[_Member], over: Any, steps: Any) -> None:
        self._crew = crew
        self._members = members
        self._over = over
        self._steps = steps
        self._results: list[Any] | None = None

    @property
    def steps(self) -> list[int]:
        """How many steps each has counted."""
        return list(self._steps)

    def until(self, holds: Callable[[list[int]], bool]) -> bool:
        """Wait until something holds of the steps; False when a member ended before, or what it raised."""
        end = time.monotonic() + _PATIENCE
        while not holds(self.steps):
            if not all(member.is_busy for member in self._members):
                if not holds(self.steps):
                    self.end()  # raises what one of them met
                return holds(self.steps)
            if time.monotonic() > end:
                self._crew.close()
                raise TimeoutError(f"the crew stands at {self.steps}")
            threading.Event().wait(_LOOK)
        return True

    def end(self) -> list[Any]:
        """Tell all to stop; give what each returned."""
        self._over.set()
        return self.results()

    def results(self) -> list[Any]:
        """Wait until all are through. Of several failures the one that is no consequence of another is raised."""
        if self._results is not None:
            return self._results
        failures: list[BaseException] = []
        found: list[Any] = []
        for member in self._members:
            try:
                found.append(member.result())
            except Exception as error:  # noqa: BLE001 - it is raised below, when all have ended
                failures.append(error)
        if failures:
            self._crew.close()  # the barrier is broken, and who knows what else
            raise next((error for error in failures if not isinstance(error, BrokenBarrierError)), failures[0])
        self._results = found
        return found


class _Member:
    """One of a crew."""

    def __init__(self, context: Any, seat: Seat) -> None:
        self.seat = seat

    @staticmethod
    def event(context: Any) -> Any:
        """Make an event that all members can see."""
        raise NotImplementedError

    @staticmethod
    def barrier(context: Any, size: int) -> Any:
        """Make a barrier that all members can see."""
        raise NotImplementedError

    @property
    def is_busy(self) -> bool:
        """Whether its task is not through."""
        raise NotImplementedError

    def begin(self, task: Task, arguments: tuple[Any, ...]) -> None:
        """Begin a task."""
        raise NotImplementedError

    def result(self) -> Any:
        """Wait for the end of the task; give what it returned, raise what it raised."""
        raise NotImplementedError

    def end(self) -> None:
        """Go, whatever it is at."""
        raise NotImplementedError


class _Thread(_Member):
    def __init__(self, context: Any, seat: Seat) -> None:
        super().__init__(context, seat)
        self._pool = ThreadPoolExecutor(1)
        self._future: Future[Any] = Future()

    @staticmethod
    def event(context: Any) -> Any:
        del context
        return threading.Event()

    @staticmethod
    def barrier(context: Any, size: int) -> Any:
        del context
        return threading.Barrier(size)

    @property
    def is_busy(self) -> bool:
        return not self._future.done()

    def begin(self, task: Task, arguments: tuple[Any, ...]) -> None:
        self._future = self._pool.submit(self.seat.work, task, arguments)

    def result(self) -> Any:
        return self._future.result(_PATIENCE)

    def end(self) -> None:
        self._pool.shutdown(wait=False)


class _Process(_Member):
    def __init__(self, context: Any, seat: Seat) -> None:
        super().__init__(context, seat)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(seat, theirs), name=f"crew-{seat.number}", daemon=True)
        self._process.start()
        theirs.close()  # so that one that dies is an end of file here

    @staticmethod
    def event(context: Any) -> Any:
        return context.Event()

    @staticmethod
    def barrier(context: Any, size: int) -> Any:
        return context.Barrier(size)

    @property
    def is_busy(self) -> bool:
        return not self._pipe.poll()

    def begin(self, task: Task, arguments: tuple[Any, ...]) -> None:
        self._pipe.send((task, arguments))

    def result(self) -> Any:
        if not wait([self._pipe], _PATIENCE):
            self.end()
            raise TimeoutError(f"member {self.seat.number} is still at its task")
        try:
            is_right, told = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"member {self.seat.number} died") from None
        if not is_right:
            raise told
        return told

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(seat: Seat, pipe: Connection) -> None:
    """Be a member: one task after the other, until whoever began it is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        try:
            task, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, seat.work(task, arguments)))
        except Exception as error:  # noqa: BLE001 - it is raised again where the task was given
            error.add_note(f"in member {seat.number} of a crew, pid {os.getpid()}")
            pipe.send((False, error))
