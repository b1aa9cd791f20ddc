"""The sweep of a window over five migrations, beside the same rewriting by hand on the same driver.

Knows sites and clocks; the code by hand is in rewriting/.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from ..measure import Samples, timed
from ..report import FLOOR, OURS
from ..target import Target
from .parcel import New, new
from .rewriting import by_hand
from .site import Site


def sweep(target: Target, make: Callable[[], Site], records: int, rounds: int) -> Mapping[str, Samples]:
    """Measure both, in turns, each on a database of its own that is raised and not swept."""
    found = {name: Samples(target.waits_for(writes=True)) for name in (FLOOR, OURS)}
    order = random.Random(7)
    for _ in range(rounds):
        for name in order.sample([FLOOR, OURS], 2):
            site = make()
            site.fill(records)
            site.raise_()
            found[name].add((_swept if name == OURS else _rewritten)(target, site, records))
            site.close()
    return found


def _swept(target: Target, site: Site, records: int) -> tuple[float, float]:
    """Time the deployer's verb, all of it: the passes, what is left of the indexes, the catalog."""
    del target
    taken = timed(site.deployment().sweep, records)
    check(site, records)
    return taken


def _rewritten(target: Target, site: Site, records: int) -> tuple[float, float]:
    hand = by_hand(target, site)
    taken = timed(hand.run, records)
    hand.close()
    check(site, records)
    return taken


def check(site: Site, records: int) -> None:
    """See that the last record and its neighbours are as they should be."""
    with site.open(New) as db:
        for key in {0, records // 2, records - 1}:
            if db.parcel.get(key) != new(key):
                raise RuntimeError(f"parcel {key} was not rewritten as it should be")
