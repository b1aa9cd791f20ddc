"""The replay: a trace's events in order, through Nova's repositories, from the start or from where it was cut short.

Knows the journal, the plane and the lifecycle; must not know how progress or results are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manystore import Duplicate

from .audit import Audit, audit
from .database import Nova
from .exception import ReplayRefused
from .lifecycle import Lifecycle
from .meter import Figures, Meter
from .model.journal import Journal
from .plane import Plane, build_plane, size_plane
from .timeline import Event, Kind, TraceClock, timeline
from .trace import Trace, read_trace

_KEY = 1  # one replay a store
Progress = Callable[[int, int], bool]  # events done, events in all -> whether to stop here


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay came to. seconds: of all its runs, without the audit; refused_pool: part of refused_room.

    figures: of the operations of this run alone.
    """

    booted: int
    running: int
    deleted: int
    refused_quota: int
    refused_room: int
    refused_pool: int
    operations: int
    seconds: float
    figures: tuple[Figures, ...]
    audit: Audit

    @property
    def operations_per_second(self) -> float:
        """Give the operations of a second."""
        return round(self.operations / self.seconds, 1) if self.seconds else 0.0


class Stopped(Exception):
    """The replay was asked to stop, and can be resumed."""


def replay(
    url: str,
    path: Path | None = None,
    *,
    limit: int | None = None,
    hosts: int | None = None,
    resume: bool = False,
    progress: Progress = lambda _, __: False,
) -> Result:
    """Replay a trace on the store at a URL, and audit what it left there.

    resume: go on with the replay that the store holds, if it holds one; else a store that has one is refused. Raises
    TraceError before anything is stored, ReplayRefused, and Stopped when progress says so.
    """
    meter, clock = Meter(), TraceClock()
    trace = read_trace(path, limit)
    with Nova.connect(url, clock=clock, on_call=meter.on_call) as db:
        journal = _find(db) if resume else None
        if journal is not None and limit is None and journal.rows < len(trace.rows):
            trace = read_trace(path, journal.rows)
        events = timeline(trace.rows)
        plane = size_plane(trace.rows, events, hosts if journal is None else journal.hosts)
        if journal is None:
            journal = _begin(db, trace, plane)
        _check_same(journal, trace, hosts)
        if not journal.plane:
            build_plane(db, plane, lambda: _stop_if(progress(0, len(events))))
            journal.plane = True
            db.journal.save(journal)
        lifecycle = Lifecycle(db, plane, journal, meter, clock)
        _run(lifecycle, trace, events, clock, progress)
        return _result(db, lifecycle.journal, meter)


def _find(db: Nova) -> Journal | None:
    return next(iter(db.journal.find()), None)


def _begin(db: Nova, trace: Trace, plane: Plane) -> Journal:
    try:
        return db.journal.create(Journal(id=_KEY, trace=trace.fingerprint, rows=len(trace.rows), hosts=plane.hosts))
    except Duplicate:
        reason = "the store holds a replay already; go on with it by --resume, or name another store"
        raise ReplayRefused(reason=reason) from None


def _check_same(journal: Journal, trace: Trace, hosts: int | None) -> None:
    """Refuse to go on with another trace than the one that was begun."""
    if journal.trace != trace.fingerprint:
        reason = f"the store holds a replay of another trace, or of another --limit than {len(trace.rows)}"
        raise ReplayRefused(reason=reason)
    if hosts is not None and hosts != journal.hosts:
        raise ReplayRefused(reason=f"the replay on this store was begun with {journal.hosts} hosts, not {hosts}")


def _stop_if(wanted: bool) -> None:  # noqa: FBT001 - the answer of a Progress
    if wanted:
        raise Stopped


def _run(lifecycle: Lifecycle, trace: Trace, events: list[Event], clock: TraceClock, progress: Progress) -> None:
    while lifecycle.journal.event < len(events):
        _stop_if(progress(lifecycle.journal.event, len(events)))
        event = events[lifecycle.journal.event]
        clock.set(event.time)
        if event.kind is Kind.REPORT:
            lifecycle.report()
        elif event.kind is Kind.ARRIVAL:
            lifecycle.arrive(trace.rows[event.number])
        else:
            lifecycle.end(trace.rows[event.number])
    progress(len(events), len(events))
    lifecycle.close()


def _result(db: Nova, journal: Journal, meter: Meter) -> Result:
    figures = tuple(meter.figures())
    return Result(
        booted=journal.booted,
        running=journal.booted - journal.deleted_instances,
        deleted=journal.deleted_instances,
        refused_quota=journal.refused_quota,
        refused_room=journal.refused_room,
        refused_pool=journal.refused_pool,
        operations=journal.operations,
        seconds=journal.milliseconds / 1000,
        figures=figures,
        audit=audit(db),
    )
