"""Each rule of the way through a window, taken away: histories must find that, within a stated number of them.

What is patched is the real code, on the store in memory. The kinds of window are those in which the rule matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from manystore import Conflict, NotFound
from manystore.api.engine import Engine
from manystore.migrations import lifting
from manystore.migrations.fitting import Fitting
from manystore.migrations.lens import Lens, Record, Values, all_same, taken
from manystore.migrations.passage import Passage
from manystore.migrations.pin import Complement, Pin
from manystore.migrations.transit import Transit
from manystore.migrations.window_store import WindowStore
from manystore.query.plan import Plan
from manystore.schema.catalog import Catalog
from manystore.schema.schema import Collection
from manystore.store.protocol import Read, Replace
from manystore.store.revision import new_revision
from manystore.stores.keyvalue import reader
from manystore.stores.keyvalue.entries import KEPT_UP, Upkeep
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import CATALOG
from manystore.stores.keyvalue.shape import EXTRAS, HEAD, Keeper, Shape, decoded, encoded
from manystore.testing.window_history import History
from manystore.testing.window_kind import COLLECTION, revision_of
from manystore.testing.window_kinds import all_kinds

Patch = pytest.MonkeyPatch


def found_after(name: str, histories: int) -> int | None:
    """Run histories of one kind until one is bad; give how many that took, None when none was."""
    # A kind of its own: what is made of one is kept with it, and must not outlive the missing rule.
    kind = next(kind for kind in all_kinds() if kind.name == name)
    for seed in range(histories):
        try:
            if History(kind, f"memory://found{seed}", seed).run():
                return seed + 1
        except Exception:  # noqa: BLE001 - whatever breaks, the rule is missed
            return seed + 1
    return None


def no_fence(patch: Patch) -> None:
    """A commit does not look at the epoch."""
    commit = Memory.commit

    def careless(self: Any, checks: Any, puts: Any, deletes: Any, /, *, epoch: Any) -> Any:
        is_catalog = any(put[:2] == CATALOG for put in puts)
        return commit(self, checks, puts, deletes, epoch=epoch if is_catalog else None)

    patch.setattr(Memory, "commit", careless)


def no_epoch_on_reads(patch: Patch) -> None:
    """A read does not look at the epoch."""

    class Blind:
        def __init__(self, kv: Any, epoch: str) -> None:
            self._kv, self._epoch = kv, epoch

        def get(self, *given: Any, **named: Any) -> Any:
            return msgspec.structs.replace(self._kv.get(*given, **named), epoch=self._epoch)

        def scan(self, *given: Any, **named: Any) -> Any:
            return msgspec.structs.replace(self._kv.scan(*given, **named), epoch=self._epoch)

    for cls in (reader.Reading, reader.Lookups):
        run = cls.run

        def blind(self: Any, kv: Any, epoch: str, values: Any, bounds: Any, run: Any = run) -> Any:
            return run(self, Blind(kv, epoch), epoch, values, bounds)

        patch.setattr(cls, "run", blind)


def no_version_on_reads(patch: Patch) -> None:
    """A program of the head takes every record for one of the head's shape once the window is raised."""
    decoder = lifting._decoder  # pyright: ignore[reportPrivateUsage]
    patch.setattr(lifting, "_decoder", lambda fit, own: own.decode if fit.is_raised else decoder(fit, own))
    patch.setattr(Fitting, "is_older", lambda self, _: not self.is_raised)


def no_lens_put(patch: Patch) -> None:
    """Every part is written anew, changed or not."""

    def put(
        self: Pin, new: Mapping[str, Any], stored: Mapping[str, Any] | None, complement: Mapping[str, Any] | None = None
    ) -> tuple[Record, Complement]:
        record, beside = dict(stored or {}), dict(complement or {})
        record.update((column, new[column]) for column in self._plain)
        for lens in self.lenses:
            values = taken(new, lens.head)
            if lens in self.additive:
                record.update(zip(lens.head, values, strict=True))
                continue
            base = self._down(lens, values)
            record.update(zip(lens.base, base, strict=True))
            beside.pop(lens.name, None)
            if not all_same(lens.up(base), values):
                beside[lens.name] = [list(base), list(values)]
        return record, beside

    patch.setattr(Pin, "put", put)


def no_complement(patch: Patch) -> None:
    """What the base cannot say is not kept."""
    put = Pin.put
    patch.setattr(Pin, "put", lambda *given: (put(*given)[0], {}))


def no_guard(patch: Patch) -> None:
    """A complement counts whatever the base values are by now."""

    def seen(self: Pin, lens: Lens, stored: Mapping[str, Any], complement: Mapping[str, Any] | None) -> Values:
        kept = complement.get(lens.name) if complement else None
        return tuple(kept[1]) if kept is not None else lens.up(taken(stored, lens.base))

    patch.setattr(Pin, "_seen", seen)


def no_unknown_fields(patch: Patch) -> None:
    """A program writes what it knows, and nothing else stays."""

    def replaced(self: Shape, old: bytes, values: Any, tokens: Any) -> Any:
        raw = decoded(old, self.model)
        head = dict(zip(HEAD, (*tokens, self.collection.version), strict=True))
        new = head | dict(zip(self.collection.columns, values, strict=True))
        if new.get(EXTRAS, 0) is None:
            del new[EXTRAS]
        return encoded(new), self.upkeep.watched(raw), self.upkeep.watched(new)

    patch.setattr(Shape, "replaced", replaced)


def upkeep_by_class(patch: Patch) -> None:
    """A program keeps up the entries and claims that its own classes declare."""
    shape = Keeper.shape

    def own(self: Keeper, collection: Collection) -> Shape:
        made = shape(self, collection)
        made.__init__(collection, Upkeep(collection, self.catalog, self.schema), made.older)  # type: ignore[misc]
        return made

    patch.setattr(Keeper, "shape", own)


def no_building(patch: Patch) -> None:
    """What is still building is not kept up."""
    init = Keeper.__init__

    def ready_alone(self: Keeper, catalog: Catalog, states: Any = KEPT_UP) -> None:
        init(self, catalog, ("ready",) if states is KEPT_UP else states)

    patch.setattr(Keeper, "__init__", ready_alone)


def no_unbuilt(patch: Patch) -> None:
    """Who leads to a record by a reference that is building counts only once its entry is there."""
    patch.setattr(Keeper, "building", lambda *_: ())


def new_shape_at_once(patch: Patch) -> None:
    """Programs of the head write its shape as soon as the window is open."""
    opened, fit = Passage.opened, Fitting.__init__

    def raised(self: Passage, stable: Catalog, target: str) -> Catalog:
        return msgspec.structs.replace(opened(self, stable, target), stored=self.above, older=self.between)

    def fitting(self: Fitting, crossing: Any, forms: Any, *, is_raised: bool) -> None:
        del is_raised
        fit(self, crossing, forms, is_raised=True)

    patch.setattr(Passage, "opened", raised)
    patch.setattr(Fitting, "__init__", fitting)


def write_back(patch: Patch) -> None:
    """A program of the head writes what it read, so that it need not lift it again."""
    read = WindowStore.read

    def reading(self: WindowStore, plan: Plan, values: Any, *, epoch: str, **bounds: Any) -> Read:
        got = read(self, plan, values, epoch=epoch, **bounds)
        for record in got.rows if plan.output == "records" and plan.collection.name == COLLECTION else ():
            bound, size = plan.codec.weighed(record)
            replace = Replace(plan.collection, bound, new_revision(), revision_of(record), (), size)
            with suppress(Conflict, NotFound):
                self.write([replace], epoch=epoch)
        return got

    patch.setattr(WindowStore, "read", reading)


def no_taking_away(patch: Patch) -> None:
    """What programs of the head kept beside the records stays there when the window is dropped."""
    take_away = Transit.take_away

    def careless(self: Transit, dropped: Catalog) -> Catalog:
        with pytest.MonkeyPatch.context() as within:
            within.setattr(Transit, "_swept", lambda *_: None)
            return take_away(self, dropped)

    patch.setattr(Transit, "take_away", careless)


def no_clearing(patch: Patch) -> None:
    """Entries and claims that are no longer kept up stay where they are."""
    patch.setattr(Transit, "_clear", lambda *_: None)


def no_shutting_out(patch: Patch) -> None:
    """A window is dropped without a new epoch."""

    def drop(self: Transit, open_: Catalog) -> Catalog:
        base, older = self._passage.base, open_.kept
        parts: dict[str, Any] = {"head": base, "stored": None, "older": older, "absent": {}, "indexes": {}}
        return self._put(open_, msgspec.structs.replace(open_, **parts))

    patch.setattr(Transit, "drop", drop)


def no_closing(patch: Patch) -> None:
    """Programs write into a collection whose records are being made anew."""
    patch.setattr(Engine, "_closed", lambda *_: "")


@pytest.mark.parametrize(
    ("take_away", "kind", "within"),
    [
        (no_fence, "rename", 300),
        (no_fence, "split", 60),
        (no_epoch_on_reads, "rename", 20),
        (no_version_on_reads, "rename", 20),
        (no_version_on_reads, "cast", 20),
        (no_lens_put, "cast", 30),
        (no_lens_put, "drop", 20),
        (no_complement, "chain", 20),
        (no_complement, "split", 20),
        (no_guard, "split", 80),
        (no_unknown_fields, "add constant", 30),
        (upkeep_by_class, "add constant", 30),
        (upkeep_by_class, "add unique", 20),
        (no_building, "add constant", 40),
        (new_shape_at_once, "rename", 10),
        (upkeep_by_class, "add a reference", 150),
        (no_building, "add a reference", 200),
        (no_unbuilt, "add a reference", 30),
        (write_back, "split", 10),
        (no_taking_away, "split", 30),
        (no_clearing, "add constant", 30),
        (no_clearing, "add unique", 30),
        (no_shutting_out, "split", 30),
        (no_closing, "recode a unique", 60),
    ],
)
def test_a_missing_rule_is_found(take_away: Callable[[Patch], None], kind: str, within: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        take_away(patch)
        assert found_after(kind, within) is not None
    assert found_after(kind, 2) is None
