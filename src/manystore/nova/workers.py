"""Workers: processes that share a replay and its store, each with a share of the rows and a journal of its own.

Knows processes, pipes and signals; must not know what a worker does. replay.py gives each its work; what it measured
comes back when it is through. Workers end by themselves when whoever started them is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from .exception import ReplayRefused
from .meter import Meter

Progress = Callable[[int, int], bool]  # events done, events in all -> whether to stop here

_LOOK_SECONDS = 0.2  # between two looks at how far the workers are


class Work(Protocol):
    """What the workers do. Picklable. workers: how many there are."""

    @property
    def workers(self) -> int:
        """Give how many workers there are."""
        ...

    def __call__(self, number: int, progress: Progress) -> Meter:
        """Do a worker's share; give what was measured."""
        ...


class Stopped(Exception):
    """The replay was asked to stop, and can be resumed."""


@dataclass(slots=True)
class _Worker:
    """One worker, as the parent sees it."""

    number: int
    process: Any
    pipe: Connection
    done: Any  # events done, in memory that both share
    meter: Meter | None = None


def run_workers(work: Work, total: int, progress: Progress) -> list[Meter]:
    """Run work in processes of its own, until all are through; give what each measured.

    Raises Stopped when progress says so, and whatever the first worker raised that failed.
    """
    # Spawned, not forked: what a driver's threads hold at the moment of a fork is held in the child for ever.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    workers = [_start(context, work, place, stop) for place in range(work.workers)]
    try:
        _watch(workers, stop, total, progress)
    except BaseException:
        stop.set()
        raise
    finally:
        for worker in workers:
            worker.process.join()
            worker.pipe.close()
            worker.process.close()
    return [worker.meter for worker in workers if worker.meter is not None]


def _start(context: Any, work: Work, number: int, stop: Any) -> _Worker:
    ours, theirs = context.Pipe(duplex=False)
    done = context.Value("q", 0, lock=False)
    process = context.Process(target=_run, args=(work, number, theirs, done, stop), name=f"replay-{number}")
    process.start()
    theirs.close()  # so that a worker that dies is an end of file here
    return _Worker(number, process, ours, done)


def _watch(workers: Sequence[_Worker], stop: Any, total: int, progress: Progress) -> None:
    busy = {worker.pipe: worker for worker in workers}
    was_stopped = False
    failed: BaseException | None = None
    while busy:
        for pipe in wait(list(busy), timeout=_LOOK_SECONDS):
            assert isinstance(pipe, Connection)
            told = _told(busy.pop(pipe))
            if told is not None and failed is None:
                failed = told
                stop.set()
        if progress(sum(worker.done.value for worker in workers), total):
            was_stopped = True
            stop.set()
    if failed is not None and not isinstance(failed, Stopped):
        raise failed
    if was_stopped or failed is not None:
        raise Stopped


def _told(worker: _Worker) -> BaseException | None:
    """Take what a worker sends at its end; give the error that it ended in."""
    try:
        told = worker.pipe.recv()
    except EOFError:
        return ReplayRefused(reason=f"worker {worker.number} was killed; to go on, give the same command with --resume")
    if isinstance(told, Meter):
        worker.meter = told
        return None
    assert isinstance(told, BaseException)
    return told


def _run(work: Work, number: int, pipe: Connection, done: Any, stop: Any) -> None:
    """Be a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal's processes; the parent decides
    parent = os.getppid()

    def progress(events: int, _: int) -> bool:
        done.value = events
        return stop.is_set() or os.getppid() != parent

    try:
        pipe.send(work(number, progress))
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        pipe.send(error)
    finally:
        pipe.close()
