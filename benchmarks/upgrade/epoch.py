"""The epoch check: the step of a save as it is, beside the same step without the comparison.

Looks inside of the stores: a key-value store's commit, and the UPDATE that a SQL store writes for a lone save.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manystore.store.protocol import Replace
from manystore.stores.keyvalue.protocol import Same, token_of

from ..floor.ordered import number_name
from ..measure import Samples, timed
from ..report import CONTROL, FLOOR, OURS
from .site import Site

_REPEATS = 100
_WARM = 2
Step = Callable[[], object]
Steps = Callable[[Sequence[int], str | None], list[Step]]


def epoch_check(site: Site, records: int, rounds: int, *, waits: bool) -> Mapping[str, Samples]:
    """Measure both; the floor is without the comparison, and so is the control."""
    site.fill(records)
    steps = _sql(site) if site.store.capabilities.fixed_columns else _key_value(site)
    epochs = {FLOOR: None, CONTROL: None, OURS: site.catalog.epoch}
    found = {name: Samples(waits) for name in epochs}
    order = random.Random(7)
    for number in range(-_WARM, rounds):
        for name in order.sample(list(epochs), 3):
            due = steps(order.sample(range(records), min(records, _REPEATS)), epochs[name])
            taken = timed(lambda due=due: [step() for step in due], len(due))
            if number >= 0:
                found[name].add(taken)
    site.close()
    return found


def _token() -> str:
    return f"{random.getrandbits(63):016x}"


def _key_value(site: Site) -> Steps:
    """Give the commit of a save of a record whose entries stay where they are."""
    kv: Any = site.store._kv

    def commit(key: tuple[str, str], data: bytes, epoch: str | None) -> Step:
        token = token_of(data)
        head = f'{{"_revision":"{_token()}","_previous":"{token}",'.encode()
        checks, puts = [Same(key, token)], [(*key, head + data[data.index(b'"_version"') :])]

        def run() -> None:
            if kv.commit(checks, puts, [], epoch=epoch) is not None:
                raise RuntimeError("a save was refused")

        return run

    def steps(numbers: Sequence[int], epoch: str | None) -> list[Step]:
        keys = [("r:parcel", number_name(number)) for number in numbers]
        return [commit(key, data, epoch) for key, data in zip(keys, kv.get(keys).values, strict=True)]

    return steps


def _sql(site: Site) -> Steps:
    """Give the UPDATE of a save, guarded or not, on a connection of the store's own."""
    store = site.store
    connection: Any = store._connections.take()
    known = store._writer._learn(site.catalog.epoch)
    mutation = known.mutation(site.catalog.head.collection("parcel"))

    def update(number: int, epoch: str | None) -> Step:
        *values, expected, _, _ = connection.execute(*mutation.record((number,))).fetchone()
        revision = random.getrandbits(63)
        change = Replace(mutation.collection, tuple(values), revision, expected)
        text, bound = known.alone(change) if epoch else mutation.replace(change)

        def run() -> None:
            if connection.repeat(text, bound).rowcount != 1:
                raise RuntimeError("a save was refused")

        return run

    return lambda numbers, epoch: [update(number, epoch) for number in numbers]
