"""Uniques of one step: who holds a claim before, within and after it, change by change.

A claim that an earlier change of the step gave up is free for a later one; swapping two values in one step is refused.
"""

from __future__ import annotations

from ...errors import Duplicate
from .entries import Claim
from .protocol import Absent, Key
from .step import Step, Touched


class Claims:
    """The claims that a step gives up and takes."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._before: dict[Key, str] = {}  # holders as the records that were read say it
        self._now: dict[Key, str | None] = {}

    def judge(self) -> None:
        """Carry out all that the changes do to claims, in their order; raise Duplicate for the first that is taken."""
        step = self._step
        touched = [t for t in (*step.gone, *step.nulled, *step.written) if t.upkeep.claims]
        for one in touched:
            for claim in one.upkeep.claims:
                if (held := _held(one, claim)) is not None:
                    self._before[held] = one.name
        self._now.update(self._before)
        for one in touched:
            for claim in one.upkeep.claims:
                self._move(one, claim)
        for key, holder in self._now.items():
            if holder is None:
                step.deletes.append(key)
            elif holder != self._before.get(key):
                step.puts.append((*key, holder.encode()))

    def _move(self, touched: Touched, claim: Claim) -> None:
        held, wanted = _held(touched, claim), _wanted(touched, claim)
        if held == wanted:
            return
        if wanted is not None:
            if wanted not in self._now:
                self._ask(touched, claim, wanted)
            elif self._now[wanted] is not None:
                raise Duplicate(touched.upkeep.model, claim.unique.fields)
            self._now[wanted] = touched.name
        if held is not None and self._now[held] == touched.name:
            self._now[held] = None

    def _ask(self, touched: Touched, claim: Claim, wanted: Key) -> None:
        step = self._step
        if not step.is_thorough:
            step.is_sure = False
        elif step.stored[wanted] is not None:
            raise Duplicate(touched.upkeep.model, claim.unique.fields)
        step.checks.append(Absent(wanted))


def _held(touched: Touched, claim: Claim) -> Key | None:
    if touched.old_texts is None or touched.old is None:
        return None
    name = claim.name(touched.old_texts, touched.old)
    return None if name is None else (claim.space, name)


def _wanted(touched: Touched, claim: Claim) -> Key | None:
    if touched.new_texts is None or touched.new is None:
        return None
    name = claim.name(touched.new_texts, touched.new)
    return None if name is None else (claim.space, name)
