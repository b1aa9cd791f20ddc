"""Uniques of one step: who holds a claim before, within and after it, change by change.

A claim that an earlier change of the step gave up is free for a later one; swapping two values in one step is refused.
While a unique is building, a record need not hold what its values say: then the stored claim tells.
"""

from __future__ import annotations

from ...errors import Duplicate
from .entries import Claim, Upkeep
from .protocol import Absent, Key, Same, token_of, version_of
from .shape import decoded
from .step import Raced, Step, Touched


def judge_claims(step: Step) -> None:
    """Carry out all that the changes do to claims, in their order; raise Duplicate for the first that is taken."""
    moved = [
        touched
        for touched in (*step.gone, *step.nulled, *step.written)
        if (touched.upkeep.claims or touched.old.claims) and (touched.before is not None or touched.after is not None)
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
        self._remember()
        now.update(self._before)
        for touched in self._moved:
            if touched.old is not touched.upkeep:
                self._move_shape(touched)
                continue
            for claim in touched.upkeep.claims:
                self._move(touched, claim)
        for key, holder in now.items():
            if holder is None:
                step.deletes.append(key)
            elif holder != self._before.get(key):
                step.puts.append((*key, holder.encode()))

    def _remember(self) -> None:
        """See who holds what."""
        building: list[tuple[Touched, Key]] = []
        for touched in self._moved:
            for key, claim in _held(touched.old, touched.before).items():
                self._before[key] = touched.name
                if claim.is_building:
                    building.append((touched, key))
        if building:
            self._look_up(building)

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
        if held is not None and (claim.space, held) in self._before:
            now[claim.space, held] = None

    def _move_shape(self, touched: Touched) -> None:
        """Take the claims of the kept shape and give up those of the older one, but for what is the same in both."""
        now, held = self._now, _held(touched.old, touched.before)
        wanted = _held(touched.upkeep, touched.after)
        for key, claim in wanted.items():
            if key in held and key in self._before:
                continue
            if key not in now:
                self._ask(touched, claim, key)
            elif now[key] is not None:
                raise Duplicate(touched.upkeep.model, claim.unique.fields)
            now[key] = touched.name
        for key in held:
            if key not in wanted and key in self._before:
                now[key] = None

    def _look_up(self, building: list[tuple[Touched, Key]]) -> None:
        """See who really holds claims that are building, and let the commit check that it stays so.

        Else one of two records that had a value before would give up the claim of the other.
        """
        step = self._step
        step.fetch([key for _, key in building])
        owners: dict[Key, Key] = {}
        for touched, key in building:
            holder = step.stored[key]
            if holder == touched.name.encode():
                continue
            self._before.pop(key, None)
            if holder is None:
                step.checks.append(Absent(key))
            else:
                owners[key] = (touched.upkeep.space, holder.decode())
        step.fetch(owners.values())
        for touched, key in building:
            if key in owners:
                self._require(touched, key, owners[key])

    def _require(self, touched: Touched, key: Key, owner: Key) -> None:
        """Check that the record which holds a claim stays as it is: as long as it does, nobody else gets the claim."""
        data = self._step.stored[owner]
        if data is None:
            raise Raced
        raw = decoded(data, touched.upkeep.model)
        upkeep = self._step.keeper.upkeep(touched.upkeep.collection.name, version_of(data))
        held = upkeep.held(upkeep.texts(upkeep.watched(raw), owner[1]))
        if key not in held:
            raise Raced
        self._step.checks.append(Same(owner, token_of(data)))

    def _ask(self, touched: Touched, claim: Claim, wanted: Key) -> None:
        step = self._step
        if not step.is_thorough:
            step.is_sure = False
        elif step.stored[wanted] is not None:
            raise Duplicate(touched.upkeep.model, claim.unique.fields)
        step.checks.append(Absent(wanted))


def _held(upkeep: Upkeep, texts: list[str] | None) -> dict[Key, Claim]:
    return {} if texts is None else upkeep.held(texts)
