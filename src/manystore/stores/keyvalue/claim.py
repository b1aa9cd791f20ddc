"""Uniques of one step: who holds a claim before, within and after it, change by change.

A claim that an earlier change of the step gave up is free for a later one; swapping two values in one step is refused.
"""

from __future__ import annotations

from ...errors import Duplicate
from .entries import Claim
from .protocol import Absent, Key
from .step import Step, Touched


def judge_claims(step: Step) -> None:
    """Carry out all that the changes do to claims, in their order; raise Duplicate for the first that is taken."""
    moved = [
        touched
        for touched in (*step.gone, *step.nulled, *step.written)
        if touched.upkeep.claims and (touched.before is not None or touched.after is not None)
    ]
    if moved:
        _Claims(step, moved).judge()


class _Claims:
    """The claims that a step gives up and takes."""

    def __init__(self, step: Step, moved: list[Touched]) -> None:
        self._step = step
        self._moved = moved
        self._before: dict[Key, str] = {}  # holders as the records that were read say it
        self._now: dict[Key, str | None] = {}

    def judge(self) -> None:
        step, now = self._step, self._now
        for touched in self._moved:
            if touched.before is not None:
                for claim in touched.upkeep.claims:
                    if (name := claim.name(touched.before)) is not None:
                        self._before[claim.space, name] = touched.name
        now.update(self._before)
        for touched in self._moved:
            for claim in touched.upkeep.claims:
                self._move(touched, claim)
        for key, holder in now.items():
            if holder is None:
                step.deletes.append(key)
            elif holder != self._before.get(key):
                step.puts.append((*key, holder.encode()))

    def _move(self, touched: Touched, claim: Claim) -> None:
        now = self._now
        held = None if touched.before is None else claim.name(touched.before)
        wanted = None if touched.after is None else claim.name(touched.after)
        if held == wanted:
            return
        if wanted is not None:
            key = (claim.space, wanted)
            if key not in now:
                self._ask(touched, claim, key)
            elif now[key] is not None:
                raise Duplicate(touched.upkeep.model, claim.unique.fields)
            now[key] = touched.name
        if held is not None:
            now[claim.space, held] = None

    def _ask(self, touched: Touched, claim: Claim, wanted: Key) -> None:
        step = self._step
        if not step.is_thorough:
            step.is_sure = False
        elif step.stored[wanted] is not None:
            raise Duplicate(touched.upkeep.model, claim.unique.fields)
        step.checks.append(Absent(wanted))
