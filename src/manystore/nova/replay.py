"""The replay: a trace's events in order, through Nova's repositories, from the start or from where it was cut short.

Knows the journal, the plane and the lifecycle; must not know how progress or results are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manystore import Duplicate, NotFound

from .audit import Audit, audit
from .database import Nova
from .exception import ReplayRefused
from .full_plane import FullPlane, build_full_plane, size_full_plane
from .lifecycle import Lifecycle
from .meter import Figures, Meter
from .model.journal import Journal
from .plane import Plane, build_plane, size_plane
from .timeline import Event, Kind, TraceClock, timeline
from .trace import Trace, read_trace
from .wishes import Profile
from .workers import Progress, Stopped, run_workers


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay came to. seconds: of all its runs, without the audit; refused_pool: part of refused_room.

    From floating_ips to refused_target: of the full profile; what is refused there keeps no instance from booting.
    figures: of the operations of this run alone.
    """

    profile: str
    booted: int
    running: int
    deleted: int
    refused_quota: int
    refused_room: int
    refused_pool: int
    floating_ips: int
    refused_floating_quota: int
    refused_floating_pool: int
    volumes: int
    refused_volume_quota: int
    refused_target: int
    operations: int
    seconds: float
    figures: tuple[Figures, ...]
    audit: Audit

    @property
    def operations_per_second(self) -> float:
        """Give the operations of a second."""
        return round(self.operations / self.seconds, 1) if self.seconds else 0.0


_COUNTS = (
    "refused_quota",
    "refused_room",
    "refused_pool",
    "floating_ips",
    "refused_floating_quota",
    "refused_floating_pool",
    "volumes",
    "refused_volume_quota",
    "refused_target",
    "operations",
)


@dataclass(frozen=True, slots=True)
class Task:
    """What several workers replay, and where. Picklable: each worker gets it, and its number."""

    url: str
    path: Path | None
    rows: int
    hosts: int
    workers: int

    def __call__(self, number: int, progress: Progress) -> Meter:
        """Play one worker's share; give what was measured."""
        meter, clock = Meter(), TraceClock()
        trace = read_trace(self.path, self.rows)
        events = timeline(trace.rows)
        plane = size_plane(trace.rows, events, self.hosts)
        share = [event for event in events if event.number % self.workers == number]
        with Nova.connect(self.url, clock=clock, on_call=meter.on_call) as db:
            try:
                journal = db.journal.get(number + 1)
            except NotFound:
                raise ReplayRefused(reason="several workers need a store that processes share") from None
            _run(Lifecycle(db, plane, journal, meter, clock), trace, share, clock, progress)
        return meter


def replay(
    url: str,
    path: Path | None = None,
    *,
    limit: int | None = None,
    hosts: int | None = None,
    workers: int = 1,
    profile: Profile | None = None,
    resume: bool = False,
    progress: Progress = lambda _, __: False,
) -> Result:
    """Replay a trace on the store at a URL, and audit what it left there.

    workers: processes that play at the same time; the totals of one are the same on each run. profile: in the full one,
    instances get security groups, floating ips and volumes as well; basic unless said, or as it was begun. resume: go
    on with the replay that the store holds, if it holds one; else a store that has one is refused. Raises TraceError
    before anything is stored, ReplayRefused, and Stopped when progress says so.
    """
    meter, clock = Meter(), TraceClock()
    trace = read_trace(path, limit)
    with Nova.connect(url, clock=clock, on_call=meter.on_call) as db:
        journals = db.journal.find() if resume else []
        begun = journals[0] if journals else None
        if begun is not None and limit is None and begun.rows < len(trace.rows):
            trace = read_trace(path, begun.rows)
        events = timeline(trace.rows)
        plane = size_plane(trace.rows, events, hosts if begun is None else begun.hosts)
        first = begun or _begin(db, trace, plane, workers, profile or "basic")
        _check_same(first, trace, hosts, workers, profile)
        if not first.plane:
            full = size_full_plane(trace.rows, events, plane) if first.profile == "full" else None
            _build(db, plane, full, lambda: _stop_if(progress(0, len(events))))
            first.plane = True
            db.journal.save(first)
        if workers == 1:
            _run(Lifecycle(db, plane, first, meter, clock), trace, events, clock, progress)
        else:
            for measured in run_workers(Task(url, path, len(trace.rows), plane.hosts, workers), len(events), progress):
                meter.add(measured)
        return _result(db, meter)


def _begin(db: Nova, trace: Trace, plane: Plane, workers: int, profile: Profile) -> Journal:
    """Make a journal for each worker; give the first."""

    def journal(number: int) -> Journal:
        return Journal(
            id=number + 1,
            trace=trace.fingerprint,
            rows=len(trace.rows),
            hosts=plane.hosts,
            workers=workers,
            profile=profile,
        )

    try:
        with db.transaction() as tx:
            return tx.journal.create_all([journal(number) for number in range(workers)])[0]
    except Duplicate:
        reason = "the store holds a replay already; go on with it by --resume, or name another store"
        raise ReplayRefused(reason=reason) from None


def _build(db: Nova, plane: Plane, full: FullPlane | None, pause: Callable[[], None]) -> None:
    build_plane(db, plane, pause)
    if full is not None:
        build_full_plane(db, full, pause)


def _check_same(journal: Journal, trace: Trace, hosts: int | None, workers: int, profile: Profile | None) -> None:
    """Refuse to go on with another replay than the one that was begun."""
    if journal.trace != trace.fingerprint:
        reason = f"the store holds a replay of another trace, or of another --limit than {len(trace.rows)}"
        raise ReplayRefused(reason=reason)
    if hosts is not None and hosts != journal.hosts:
        raise ReplayRefused(reason=f"the replay on this store was begun with {journal.hosts} hosts, not {hosts}")
    if workers != journal.workers:
        raise ReplayRefused(reason=f"the replay on this store was begun with {journal.workers} workers, not {workers}")
    if profile not in (None, journal.profile):
        reason = f"the replay on this store was begun with the {journal.profile} profile, not {profile}"
        raise ReplayRefused(reason=reason)


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


def _result(db: Nova, meter: Meter) -> Result:
    journals = db.journal.find()

    def total(count: str) -> int:
        return sum(getattr(journal, count) for journal in journals)

    booted, deleted = total("booted"), total("deleted_instances")
    return Result(
        profile=journals[0].profile,
        booted=booted,
        running=booted - deleted,
        deleted=deleted,
        seconds=max(journal.milliseconds for journal in journals) / 1000,
        figures=tuple(meter.figures()),
        audit=audit(db),
        **{count: total(count) for count in _COUNTS},
    )
