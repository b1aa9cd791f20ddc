"""The oracle of windows: is there an order of what programs of two versions did to one record that explains it all?

It knows nothing of what is stored. Of a record it keeps, for each group of fields that belong together, the present old
values and the last pair (old values, new values) that a program of the head wrote; from the raise on, the new values
alone. A window that is dropped takes the pairs along, and shuts out programs of the head until one is opened again.
Revisions say which state was read; time says what came before what. Wing and Gong's search, as in linearizability.py,
for one record at a time. An act whose outcome nobody was told may have taken effect later or never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from manystore.testing.window_kind import BASE, HEAD, Group, Values

Old: TypeAlias = tuple[Values, tuple[Values, Values] | None]
"""Of a group while programs of the base run: the old values, and the last pair."""
FOR_EVER = float("inf")


class State(NamedTuple):
    """What one record is. revision: None when it is whatever an act made whose outcome nobody was told.

    groups: an Old of each, or once raised the new values of each; () when there is no record. is_shut: the window was
    dropped, and none was opened since.
    """

    revision: int | None = 0
    groups: tuple[Any, ...] = ()
    is_raised: bool = False
    is_shut: bool = False

    @property
    def is_there(self) -> bool:
        """Whether there is a record."""
        return bool(self.groups)


class Act(NamedTuple):
    """What one program asked of one record and what it was told; what: see Oracle.

    values: fields by name. revision: which the record has, or had, in the answer. expected: which a save relied on.
    """

    what: str
    side: str
    begin: float
    end: float
    values: Mapping[str, Any] = {}
    revision: int | None = None
    expected: int | None = None
    is_sure: bool = True
    who: str = ""


class Oracle:
    """Judges the acts of one record. groups: of the kind of window; is_copied: the raise gives another revision."""

    def __init__(self, groups: Sequence[Group], *, is_copied: bool = False) -> None:
        self._groups = tuple(groups)
        self._is_copied = is_copied

    # -- what a state says --

    def _seen(self, side: str, group: Group, part: Any, *, is_raised: bool) -> Values:
        if is_raised:
            new: Values = part
            return new
        old, pair = part
        if side == BASE:
            return tuple(old)
        return tuple(pair[1]) if pair is not None and pair[0] == old else group.up(old)

    def view(self, side: str, state: State) -> dict[str, Any]:
        """Give the fields of a record as programs of one side see them."""
        seen: dict[str, Any] = {}
        for group, part in zip(self._groups, state.groups, strict=True):
            seen.update(zip(group.names(side), self._seen(side, group, part, is_raised=state.is_raised), strict=True))
        return seen

    def _written(self, act: Act, state: State, values: Mapping[str, Any]) -> State | None:
        """Give the state after a program of a side wrote all fields; None when the base cannot hold them."""
        groups = list[Any]()
        for at, group in enumerate(self._groups):
            new = tuple(values[name] for name in group.names(act.side))
            part = state.groups[at] if state.is_there else None
            if state.is_raised:
                groups.append(new)
            elif act.side == BASE:
                groups.append((new, None if part is None else part[1]))
            elif part is not None and self._seen(act.side, group, part, is_raised=False) == new:
                groups.append(part)
            else:
                try:
                    old = group.down(new)
                except ValueError:
                    return None
                groups.append((old, (old, new)))
        return state._replace(revision=act.revision, groups=tuple(groups))

    def raised(self, state: State) -> State:
        """Give a record as it is from the raise on."""
        groups = tuple(
            self._seen(HEAD, group, part, is_raised=False)
            for group, part in zip(self._groups, state.groups, strict=False)
        )
        return State(None if self._is_copied and state.is_there else state.revision, groups, is_raised=True)

    @staticmethod
    def dropped(state: State) -> State:
        """Give a record as it is once the window is dropped."""
        return state._replace(groups=tuple((old, None) for old, _ in state.groups), is_shut=True)

    # -- what an act does to a state --

    def after(self, act: Act, state: State, known: frozenset[int]) -> State | None:
        """Give the state after an act, None when the act cannot have been answered so."""
        what = act.what
        if what in _PHASES:
            return self._led(what, state)
        if (state.is_raised and act.side == BASE) or (state.is_shut and act.side == HEAD):
            return None  # it was to be told ProgramTooOld, or SchemaMismatch
        if what in ("create", "absent"):
            if state.is_there:
                return None
            return state if what == "absent" else self._written(act, state, act.values)
        if what == "unlike":  # not found by a filter
            differs = not state.is_there or any(self.view(act.side, state)[n] != v for n, v in act.values.items())
            return state if differs else None
        if what == "moved":  # no longer as it was read
            is_so = not state.is_there or state.revision != act.expected
            return state if is_so else None
        if not state.is_there:
            return None
        if what == "present":
            return state
        if what == "delete":
            return state._replace(revision=0, groups=())
        return self._of_there(act, state, known)

    def _led(self, what: str, state: State) -> State | None:
        if what == "open":
            return state._replace(is_shut=False) if state.is_shut else None
        if state.is_raised or state.is_shut:
            return None
        return self.raised(state) if what == "raise" else self.dropped(state)

    def _of_there(self, act: Act, state: State, known: frozenset[int]) -> State | None:
        if act.what == "update":
            values = {**self.view(act.side, state), **act.values}
            return self._written(act, state, values)
        asked = act.expected if act.what == "save" else act.revision
        if state.revision is None and asked not in known:
            state = state._replace(revision=asked)
        if state.revision != asked:
            return None
        if act.what == "save":
            return self._written(act, state, act.values)
        return state if self.view(act.side, state) == act.values else None  # "read"


def explain(oracle: Oracle, acts: Sequence[Act]) -> str | None:
    """Find an order in which one record would have answered all acts so; say what cannot be, or None."""
    search = _Search(oracle, acts)
    return None if search.run() else search.told()


class _Search:
    def __init__(self, oracle: Oracle, acts: Sequence[Act]) -> None:
        self._oracle = oracle
        self._acts = sorted(acts, key=lambda act: act.begin)
        made = [act.revision for act in acts if act.is_sure and act.what in _MAKING]
        self._known = frozenset(revision for revision in made if revision is not None)
        self._furthest: tuple[int, frozenset[int], State] = (len(acts) + 1, frozenset(), State())

    def run(self) -> bool:
        """Search, deepest first."""
        acts = self._acts
        left = tuple(range(len(acts)))
        sure = sum(act.is_sure for act in acts)
        stack, looked_at = [(left, State(), sure)], set[Any]()
        while stack:
            left, state, sure = self._read_on(*stack.pop())
            if not sure:
                return True
            if (left, state) in looked_at:
                continue
            if len(looked_at) >= _MOST:
                return False
            looked_at.add((left, state))
            if sure < self._furthest[0]:
                self._furthest = (sure, frozenset(left), state)
            # What is sure is looked at first: what is not will hardly ever be needed.
            for place in sorted(range(self._next(left)), key=lambda place: acts[left[place]].is_sure):
                act = acts[left[place]]
                after = self._oracle.after(act, state, self._known)
                if after is not None:
                    stack.append((left[:place] + left[place + 1 :], after, sure - act.is_sure))
        return False

    def _next(self, left: Sequence[int]) -> int:
        """Say how many of the acts that are left may be the next: none that began after another had ended.

        They are in the order of their beginnings, so it is the first of them.
        """
        first = FOR_EVER
        for place, at in enumerate(left):
            act = self._acts[at]
            if act.begin > first:
                return place
            first = min(first, act.end)
        return len(left)

    def _read_on(self, left: tuple[int, ...], state: State, sure: int) -> tuple[tuple[int, ...], State, int]:
        """Take away what only reads and reads right: that it comes now costs nothing. sure: how many left are."""
        while True:
            for place in range(self._next(left)):
                act = self._acts[left[place]]
                if act.what not in _READS:
                    continue
                after = self._oracle.after(act, state, self._known)
                if after is not None and (act.what == "read" or after == state):
                    left, state, sure = left[:place] + left[place + 1 :], after, sure - act.is_sure
                    break
            else:
                return left, state, sure

    def told(self) -> str:
        """Say how far it came, and what then cannot have been."""
        _, left, state = self._furthest
        acts = self._acts
        sure = [acts[at] for at in sorted(left) if acts[at].is_sure]
        base = self._oracle.view(BASE, state) if state.is_there and not state.is_raised else {}
        head = self._oracle.view(HEAD, state) if state.is_there else {}
        lines = [f"after {len(acts) - len(left)} of {len(acts)} acts; {state}", f"base {base}, head {head}"]
        return "\n".join([*lines, *(f"  {act}" for act in sure[:4])])


_MOST = 5_000  # places looked at: an order that explains all is found long before, if there is one
_PHASES = ("open", "drop", "raise")  # of them the first but once the window was dropped
_MAKING = ("create", "save", "update")
_READS = ("read", "absent", "unlike", "moved", "present")
