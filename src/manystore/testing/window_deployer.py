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

PHASES = ("stable", "open", "raised", "swept", "settled")


class Deployer:
    """moments: where it writes down when phases begin; between: called with the phase before each step."""

    def __init__(self, kind: Kind, moments: Any, clock: Callable[[], float], between: Callable[[str], None]) -> None:
        self.reached = 0
        self._kind = kind
        self._moments = moments
        self._clock = clock
        self._between = between

    def lead(self, store: Any, wait: Callable[[float], None]) -> None:
        """Go on to the end."""
        transit: Transit | None = None
        while True:
            catalog: Catalog = store.read(CATALOG, (), epoch="").rows[0]
            is_over = catalog.phase == "stable" and catalog.migration == self._kind.last
            reached = PHASES.index("settled" if is_over else catalog.phase)
            for phase in PHASES[: reached + 1]:
                self._moments.is_in_force(phase, self._clock())
            self.reached = max(self.reached, reached)
            if is_over:
                return
            self._between(catalog.phase)
            transit = transit or self._transit(store, catalog, wait)
            self._step(transit, catalog)

    def _step(self, transit: Transit, catalog: Catalog) -> None:
        if catalog.phase == "open":
            if transit.build(catalog) is catalog:  # all is there
                self._moments.begins("raised", self._clock())
                transit.raise_(catalog)
            return
        self._moments.begins(PHASES[PHASES.index(catalog.phase) + 1], self._clock())
        if catalog.phase == "stable":
            transit.open(catalog, self._kind.first, self._kind.last)
        elif catalog.phase == "raised":
            transit.sweep(catalog)
        else:
            transit.contract(catalog)

    def _transit(self, store: Any, catalog: Catalog, wait: Callable[[float], None]) -> Transit:
        return Transit(store, self.passage(store, catalog), wait, lambda _: None)

    def passage(self, store: Any, catalog: Catalog) -> Passage:
        """Give the way through the window, for a store."""
        kind, fixed = self._kind, store.capabilities.fixed_columns
        return passage_of(kind.history, catalog, kind.first, kind.last, fixed=fixed)
