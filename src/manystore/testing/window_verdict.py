"""The verdict on a history: the oracle's on each record, and whether each refusal was one that had to be.

Knows notes, kinds of window and when the phases began; must not know stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from manystore.testing.lens_oracle import FOR_EVER, Act, Oracle, explain
from manystore.testing.window_kind import BASE, HEAD, Kind
from manystore.testing.window_program import Notes, Refusal

_WRITES = ("create", "save", "update", "delete")
_SILENT = ("EpochChanged", "Unavailable")  # nothing was written, and nothing is said


class Moments:
    """When each phase began: at the earliest, and at the latest."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def begins(self, phase: str, at: float) -> None:
        """Say that a phase may be in force from now on."""
        self._first.setdefault(phase, at)

    def is_in_force(self, phase: str, at: float) -> None:
        """Say that a phase is in force by now."""
        self._last.setdefault(phase, at)

    def first(self, phase: str) -> float:
        """Give the time before which it was not in force."""
        return self._first.get(phase, FOR_EVER)

    def last(self, phase: str) -> float:
        """Give the time from which it was in force."""
        return self._last.get(phase, FOR_EVER)


def nth(phase: str, number: int) -> str:
    """Name a phase that is gone through more than once; number: how often the window was dropped before."""
    return f"{phase} {number}" if number else phase


def rounds(moments: Moments) -> Iterator[tuple[str, str]]:
    """Give the names of each opening of the window and of the dropping that followed, if one did."""
    for number in count():
        if moments.first(nth("open", number)) == FOR_EVER:
            return
        yield nth("open", number), nth("dropped", number)


def _led(moments: Moments) -> list[Act]:
    """Give what happened to all records at once."""
    found = [("drop", dropped) for _, dropped in rounds(moments)]
    found += [("open", opened) for opened, _ in list(rounds(moments))[1:]]
    spans = [(what, moments.first(phase), moments.last(phase)) for what, phase in [*found, ("raise", "raised")]]
    return [Act(what, "", first, last, is_sure=last < FOR_EVER) for what, first, last in spans if first < FOR_EVER]


def _is_shut(moments: Moments, begin: float, end: float) -> bool:
    """Tell whether programs of the head may have been shut out some time in a span."""
    shut = -FOR_EVER
    for opened, dropped in rounds(moments):
        if end > shut and begin < moments.last(opened):
            return True
        shut = moments.first(dropped)
    return end > shut


def verdict(kind: Kind, notes: Notes, moments: Moments) -> list[str]:
    """Give a sentence for each thing that should not have been; [] for a good history."""
    judged = ((_judged(kind, notes, moments, refusal), refusal) for refusal in notes.refusals)
    found = [*notes.faults, *(f"{reason}: {refusal}" for reason, refusal in judged if reason)]
    oracle, led = Oracle(kind.groups, is_copied=kind.is_copied), _led(moments)
    for key, acts in notes.acts.items():
        if reason := explain(oracle, [*acts, *led]):
            found.append(f"record {key}: {reason}")
    return [*found, *_dangling(kind, notes, moments), *_overlooked(kind, notes, moments)]


def _dangling(kind: Kind, notes: Notes, moments: Moments) -> Iterator[str]:
    """Say which records were read that led to one that cannot have been there."""
    since = moments.last("raised") if kind.may_refuse else -FOR_EVER  # from when on references are surely heeded
    for key, acts in notes.acts.items():
        for act in acts:
            target = act.values.get(kind.sides[act.side].refers) if act.what == "read" else None
            if target is not None and act.begin > since and _is_gone(notes.acts[target], act):
                yield f"record {key}: leads to {target}, which was not there: {act}"


def _is_gone(acts: list[Act], seen: Act) -> bool:
    """Tell whether a record was surely not there all through an act."""
    gone = [a for a in acts if a.is_sure and a.what in _GONE and a.end < seen.begin]
    since = max((act.begin for act in gone), default=FOR_EVER)
    return bool(gone) and not any(a.what in _THERE and a.end >= since and a.begin <= seen.end for a in acts)


def _overlooked(kind: Kind, notes: Notes, moments: Moments) -> Iterator[str]:
    """Say which records were deleted although another led there all the while, as its revision shows."""
    for key, acts in notes.acts.items():
        for gone in acts:
            if gone.what != "delete" or not gone.is_sure or not _are_heeded(kind, moments, gone):
                continue
            for other, theirs in notes.acts.items():
                led = [act for act in theirs if act.is_sure and act.values.get(kind.sides[act.side].refers) == key]
                before = {act.revision for act in led if act.end < gone.begin} - {None}
                if other != key and any(act.revision in before for act in led if act.begin > gone.end):
                    yield f"record {key}: deleted although {other} led to it: {gone}"


def _are_heeded(kind: Kind, moments: Moments, act: Act) -> bool:
    """Tell whether references were surely heeded all through an act: new ones are from when the window is open."""
    spans = [(moments.last(opened), moments.first(dropped)) for opened, dropped in rounds(moments)]
    return not kind.may_refuse or any(first < act.begin and act.end < last for first, last in spans)


def _judged(kind: Kind, notes: Notes, moments: Moments, refusal: Refusal) -> str | None:
    """Say what is wrong about a refusal, or nothing."""
    error = refusal.error
    if error in _SILENT:
        return None
    if error == "ProgramTooOld":
        is_right = refusal.side == BASE and refusal.end > moments.first("raised")
        return None if is_right else "refused too early"
    if error == "SchemaMismatch":
        is_right = refusal.side == HEAD and _is_shut(moments, refusal.begin, refusal.end)
        return None if is_right else "refused though it fits"
    if error == "IndexNotReady":
        is_right = refusal.side == HEAD and refusal.begin < moments.last("swept")
        return None if is_right else "an index that was there before is not ready"
    if error == "Pinned":
        is_right = refusal.side == HEAD and refusal.begin < moments.last("raised") and _is_pinned(kind, refusal)
        return None if is_right else "the base could hold it"
    if error in _JUDGES:
        judge, reason = _JUDGES[error]
        return None if _is_kept_up(kind, moments, refusal) and judge(kind, notes, refusal) else reason
    return "no such error is to come"


def _is_pinned(kind: Kind, refusal: Refusal) -> bool:
    values = dict(refusal.values)
    for group in kind.groups:
        if not set(group.head) <= set(values):
            continue
        try:
            group.down(tuple(values[name] for name in group.head))
        except ValueError:
            return True
    return False


def _is_kept_up(kind: Kind, moments: Moments, refusal: Refusal) -> bool:
    """Tell whether uniques and references may have been heeded in a span: new ones are while a window is open."""
    spans = [(moments.first(opened), moments.last(dropped)) for opened, dropped in rounds(moments)]
    return not kind.may_refuse or any(refusal.end >= first and refusal.begin <= last for first, last in spans)


def _is_missing(kind: Kind, notes: Notes, refusal: Refusal) -> bool:
    """Tell whether a reference was to lead elsewhere, to a record that may have been missing some time in a span.

    One that stays is not looked at: it may lead to nothing since before it was a reference.
    """
    name = kind.sides[refusal.side].refers
    target = dict(refusal.values).get(name)
    if target is None or refusal.key is None or not _may_lack(notes.acts[target], refusal):
        return False
    own = notes.acts[refusal.key]
    if refusal.doing == "save":
        read = [a for a in own if a.side == refusal.side and a.revision == refusal.expected and name in a.values]
        return any(act.values[name] != target for act in read)
    value, others = _value_in(kind, refusal, name), {*kind.sides[refusal.side].pools[name], None} - {target}
    return refusal.doing == "create" or any(_may_hold(own, value, (other,), refusal) for other in others)


def _may_lack(acts: list[Act], refusal: Refusal) -> bool:
    there = [act for act in acts if act.is_sure and act.what in _THERE and act.end < refusal.begin]
    since = max((act.begin for act in there), default=-FOR_EVER)
    return not there or any(a.what == "delete" and a.end >= since and a.begin <= refusal.end for a in acts)


def _is_restricted(kind: Kind, notes: Notes, refusal: Refusal) -> bool:
    """Tell whether another record may have led to the one that was to be deleted."""
    if refusal.doing != "delete":
        return False
    return _is_held(kind, notes, refusal, kind.sides[refusal.side].refers, refusal.key)


def _is_duplicate(kind: Kind, notes: Notes, refusal: Refusal) -> bool:
    """Tell whether another record may have held the values of a unique meanwhile."""
    if len(refusal.fields) != 1 or refusal.fields[0] not in kind.sides[refusal.side].uniques:
        return False
    (name,) = refusal.fields
    values = dict(refusal.values)
    return name in values and _is_held(kind, notes, refusal, name, values[name])


def _is_held(kind: Kind, notes: Notes, refusal: Refusal, name: str, wanted: object) -> bool:
    """Tell whether another record may have had a value in a field, some time in a span. name: of the refused side."""
    value = _value_in(kind, refusal, name)
    others = [acts for key, acts in notes.acts.items() if key != refusal.key]
    return any(_may_hold(acts, value, (wanted,), refusal) for acts in others)


def _value_in(kind: Kind, refusal: Refusal, name: str) -> Callable[[Act], tuple[object, ...]]:
    """Give what tells what a field was set to, or read as, by an act, in the words of the side that was refused."""
    group = kind.groups[kind.group_of[refusal.side, name]]

    def value(act: Act) -> tuple[object, ...]:
        there = next(iter(group.names(act.side)), "") if act.side else ""
        if there not in act.values:
            return ()
        if act.side == refusal.side:
            return (act.values[there],)
        try:
            return (group.up if act.side == BASE else group.down)((act.values[there],))
        except ValueError:
            return ()

    return value


def _may_hold(acts: list[Act], value: Callable[[Act], tuple[object, ...]], wanted: object, refusal: Refusal) -> bool:
    """Tell whether a record may have had a value some time in a span."""
    holding = [a for a in acts if a.begin <= refusal.end and value(a) == wanted and a.what != "unlike"]
    before = (a for a in acts if a.is_sure and a.end < refusal.begin and a.what in _WRITES)
    since = max((a.begin for a in before if a.what == "delete" or value(a)), default=-FOR_EVER)
    return any(a.end >= since for a in holding)


_GONE = ("delete", "absent")
_THERE = ("create", "save", "update", "read", "present")
_JUDGES: dict[str, tuple[Callable[[Kind, Notes, Refusal], bool], str]] = {
    "Duplicate": (_is_duplicate, "nobody held it"),
    "MissingReference": (_is_missing, "the record was there, or the reference led to it before"),
    "Restricted": (_is_restricted, "nobody referred to it"),
}


def counted(notes: Notes) -> Iterator[tuple[str, int]]:
    """Count what was done and told, for whoever wants to know that something was."""
    for acts in notes.acts.values():
        for act in acts:
            yield f"{act.side} {act.what}", 1
    for refusal in notes.refusals:
        yield f"{refusal.side} {refusal.error}", 1
