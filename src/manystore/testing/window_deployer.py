"""A deployer that leads a store through one window, phase by phase, from wherever the stored catalog says that it is.

Knows kinds of window and the transit; must not know who is at work meanwhile. Whoever kills it may have another begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manystore.migrations.passage import Passage
from manystore.migrations.route import passage_of
from manystore.migrations.transit import Transit
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.testing.window_kind import Kind
from manystore.testing.window_verdict import nth

PHASES = ("stable", "open", "raised", "swept", "settled")


class Deployer:
    """moments: where it writes down when phases begin; between: called with the phase before each step.

    turns: how often it drops the window, and opens it again, before it goes on; is_due: asked whether to do so already.
    """

    def __init__(
        self,
        kind: Kind,
        moments: Any,
        clock: Callable[[], float],
        between: Callable[[str], None],
        *,
        turns: int = 0,
        is_due: Callable[[], bool] = lambda: True,
    ) -> None:
        self.reached = 0  # how many phases it has come to
        self.phase = "stable"
        self.turns = turns
        self._round = 0
        self._is_turning = self._is_over = False
        self._kind = kind
        self._moments = moments
        self._clock = clock
        self._between = between
        self._is_due = is_due

    def lead(self, store: Any, wait: Callable[[float], None]) -> None:
        """Go on to the end."""
        transit: Transit | None = None
        while True:
            catalog: Catalog = store.read(CATALOG, (), epoch="").rows[0]
            self._arrive(self._phase_of(catalog))
            if self.phase == "settled" or (self.phase == "stable" and self._is_over):
                return
            self._between(self.phase)
            transit = transit or Transit(store, self.passage(store, catalog), wait, lambda _: None)
            self._step(transit, catalog)

    def retreat(self) -> None:
        """Drop the window if it is open, and let that be the end."""
        self._is_turning = self._is_over = True

    def _phase_of(self, catalog: Catalog) -> str:
        if catalog.is_dropped:
            return "dropped"
        is_there = catalog.phase == "stable" and catalog.migration == self._kind.last
        if catalog.phase == "closed":  # a part of the raise, which is given again
            return "open"
        return "settled" if is_there else catalog.phase

    def _arrive(self, phase: str) -> None:
        """Take down where the store is: at the latest now."""
        if phase != self.phase:
            self.reached += 1
            if self.phase == "dropped":
                self._round += 1
                self._is_turning = False
        self.phase = phase
        # One that begins anew has not seen what came before.
        for each in PHASES[: PHASES.index(phase) + 1] if phase in PHASES else (phase,):
            self._moments.is_in_force(self._named(each), self._clock())

    def _named(self, phase: str) -> str:
        return nth(phase, self._round) if phase in ("open", "dropped") else phase

    def _begins(self, phase: str) -> None:
        self._moments.begins(self._named(phase), self._clock())

    def _step(self, transit: Transit, catalog: Catalog) -> None:
        if self.phase == "stable":
            self._begins("open")
            transit.open(catalog, self._kind.first, self._kind.last)
        elif self.phase == "open":
            self._open(transit, catalog)
        elif self.phase == "dropped":
            transit.take_away(catalog)
        elif self.phase == "raised":
            self._begins("swept")
            transit.sweep(catalog)
        else:
            self._begins("settled")
            transit.contract(catalog)

    def _open(self, transit: Transit, catalog: Catalog) -> None:
        if not self._is_turning and self.turns and self._is_due():
            self._is_turning = True
            self.turns -= 1
        if self._is_turning:
            self._begins("dropped")
            transit.drop(catalog)
        elif transit.build(catalog) is catalog and not self.turns:  # all is there
            self._begins("raised")
            transit.raise_(catalog)

    def passage(self, store: Any, catalog: Catalog) -> Passage:
        """Give the way through the window, for a store."""
        kind, fixed = self._kind, store.capabilities.fixed_columns
        return passage_of(kind.history, catalog, kind.first, kind.last, fixed=fixed)
