"""The engine of a database: its store, catalog, mappers, clock, hook and limits, shared by every view of it.

The one place that calls the store's read and write: it counts, times, tells the hook, and follows the catalog's epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from ..errors import AlreadyCommitted, Closed, Duplicate, EpochChanged, IndexNotReady, Pinned, TooLarge, Unavailable
from ..model.model import model_of
from ..model.types import dump_datetime
from ..query.plan import CATALOG, Plan
from ..query.planner import Query, plan
from ..schema.catalog import Catalog
from ..schema.operation import CreateDatabase
from ..schema.schema import Collection, Schema
from ..schema.system import COMMITTED, SYSTEM
from ..store.protocol import Change, Check, Delete, Insert, Patch, Read, Replace, Store, Values, Written
from ..store.revision import new_revision
from ..store.url import LIMITS
from .call import Call
from .explanation import access_words
from .ids import Ids
from .lease import Lease
from .mapper import Mapper
from .standing import stand

_EPOCH_TRIES = 5
_CLOSED_TRIES, _CLOSED_PAUSE = 40, 0.05  # two seconds in all
_CHANGE_BYTES = 100  # of a change without a whole record: its key, tokens and names


class Limits(msgspec.Struct, frozen=True):
    """What one atomic step may hold, and how many records one call may examine. is_named: the URL says the former."""

    operations: int = LIMITS["max_operations"]
    bytes: int = LIMITS["max_bytes"]
    examined: int = LIMITS["max_examined"]
    is_named: bool = False


def utc_now() -> datetime:
    """Tell the time, aware and in UTC: the default clock."""
    return datetime.now(UTC)


class Engine:
    """One open database; thread-safe. clock makes the stamps, wait is where every pause goes through."""

    def __init__(
        self,
        store: Store,
        models: Sequence[type[Any]],
        *,
        clock: Callable[[], datetime] = utc_now,
        wait: Callable[[float], None] = time.sleep,  # noqa: TID251 - the one default of the one place that waits
        on_call: Callable[[Call], None] | None = None,
        limits: Limits | None = None,
        history: Callable[[], Any] = lambda: None,
    ) -> None:
        self.store = self._stored = store
        self._history = history
        self.clock = clock
        self.wait = wait
        self.on_call = on_call
        self.limits = limits or Limits()
        self.capabilities = store.capabilities
        self.closed = False
        self._declared = Schema.of(models, SYSTEM)
        self._lease = Lease(store, self._declared.fingerprint)
        self.catalog = self._open_catalog()
        self.epoch = self.catalog.epoch
        self.mappers: dict[type[Any], Mapper] = {}
        for cls in models:
            info = model_of(cls)
            self.mappers[cls] = Mapper(info, self.schema.collection(info.collection), self.schema, store)
        self._by_collection = {mapper.collection.name: mapper for mapper in self.mappers.values()}
        self.ids = Ids(self)
        self._committed: Plan | None = None

    def mapper(self, cls: type[Any]) -> Mapper:
        """Give the mapper of a model of this database; raise KeyError."""
        return self.mappers[cls]

    def close(self) -> None:
        """Close the store; every later call raises Closed."""
        if not self.closed:
            self._lease.release(self.epoch)
        self.closed = True
        self.store.close()

    def check_open(self) -> None:
        """Raise Closed after close."""
        if self.closed:
            raise Closed("the database is closed")

    def plan(self, mapper: Mapper, key: Any, query: Callable[[], Query]) -> Plan:
        """Give the kept plan of a query's shape under the catalog in force."""
        kept = mapper.plans.get(key)
        if kept is not None:
            return kept
        try:
            return mapper.plan_for(key, query, self.catalog)
        except IndexNotReady:
            if not self._is_overtaken():
                raise
            return mapper.plan_for(key, query, self.catalog)

    def _is_overtaken(self) -> bool:
        """Load the catalog anew if another is in force: what was refused by the old one alone may be right by now.

        Nothing else tells a program that asks for nothing that the store is asked for.
        """
        found = self._stored.read(CATALOG, (), epoch="").rows
        if not found or found[0].epoch == self.epoch:
            return False
        self.refresh()
        return True

    def read(
        self,
        plan: Plan,
        values: Values,
        operation: str,
        *,
        limit: int | None = None,
        after: Values | None = None,
        cap: int | None = None,
    ) -> Read:
        """Run a plan; raise EpochChanged when it was made from an older catalog than the one now loaded."""
        if self.closed:
            self.check_open()
        if self.on_call is None:
            try:
                return self.store.read(plan, values, epoch=plan.epoch, limit=limit, after=after, cap=cap)
            except EpochChanged:
                self.refresh()
                raise
        return self._watched_read(plan, values, operation, limit=limit, after=after, cap=cap)

    def _watched_read(self, plan: Plan, values: Values, operation: str, **bounds: Any) -> Read:
        began, failed, examined, trips = time.perf_counter(), None, 0, 1
        try:
            result = self.store.read(plan, values, epoch=plan.epoch, **bounds)
            examined, trips = result.examined, result.trips
            return result
        except EpochChanged:
            failed = "EpochChanged"
            self.refresh()
            raise
        except Exception as error:
            failed = type(error).__name__
            raise
        finally:
            seconds, words = time.perf_counter() - began, access_words(plan)
            self._tell(Call(operation, plan.collection.name, words, examined, trips, seconds, failed))

    def write(self, changes: Sequence[Change], operation: str) -> Written:
        """Carry out changes in one atomic step. After a fitting change of the catalog it is tried again."""
        if self.closed:
            self.check_open()
        if len(changes) == 1:
            self.check_size(changes)  # of many, whoever joined them has looked
        if self.catalog.closed:
            self._await_opening(changes)
        self._lease.touch(self.epoch)
        for _ in range(_EPOCH_TRIES):
            try:
                if self.on_call is None:
                    return self.store.write(changes, epoch=self.epoch)
                return self._watched_write(changes, operation)
            except Pinned:
                if not self._is_overtaken():
                    raise
            except EpochChanged:
                self.refresh()  # nothing was written, and the changes hold no plan
                if self.catalog.closed:
                    self._await_opening(changes)
        raise EpochChanged("the catalog keeps changing; try again later")

    def _await_opening(self, changes: Sequence[Change]) -> None:
        """Wait while a collection that is to be written is closed; raise Unavailable when that lasts."""
        closed = self._closed(changes)
        for _ in range(_CLOSED_TRIES):
            if not closed:
                return
            self.wait(_CLOSED_PAUSE)
            self.refresh()
            closed = self._closed(changes)
        if closed:
            raise Unavailable(f"{closed} takes no writes while a migration makes its records anew; try again later")

    def _closed(self, changes: Sequence[Change]) -> str:
        """Name a closed collection that changes write, by themselves or by the on_delete rules of what they delete."""
        reached = [change.collection.name for change in changes]
        deleted = [change.collection.name for change in changes if type(change) is Delete]
        for target in deleted:  # grows on the way
            for collection, reference in self.schema.referrers(target) if target in self.schema else ():
                if reference.on_delete != "restrict" and collection.name not in deleted:
                    reached.append(collection.name)
                    deleted.append(collection.name)
        return next((name for name in reached if name in self.catalog.closed), "")

    def _watched_write(self, changes: Sequence[Change], operation: str) -> Written:
        began, failed, trips = time.perf_counter(), None, 1
        try:
            result = self.store.write(changes, epoch=self.epoch)
            trips = result.trips
            return result
        except Exception as error:
            failed = type(error).__name__
            raise
        finally:
            kinds = ", ".join(dict.fromkeys(type(change).__name__.lower() for change in changes))
            names = ", ".join(dict.fromkeys(change.collection.name for change in changes))
            self._tell(Call(operation, names, kinds, 0, trips, time.perf_counter() - began, failed))

    def _tell(self, call: Call) -> None:
        if self.on_call is not None:
            self.on_call(call)

    def joined_steps(self, collection: Collection) -> int:
        """Say how many steps of a bulk create are tried as one: as many as the store says, unless an answer would tell.

        A URL that names the size of a step means it. A record that refers to its own kind may refer to one of a later
        step: all in one would take it, and step by step it is refused.
        """
        kept = self.catalog.kept
        refer = (collection,) if self.store is self._stored else (collection, *kept.collections)
        if self.limits.is_named or any(r.target == one.name for one in refer for r in one.references):
            return 1
        return self.capabilities.joined_steps

    def check_size(self, changes: Sequence[Change], spared: Callable[[], int] | None = None) -> None:
        """Refuse a step that holds more than the portable limit; raise TooLarge.

        spared: says how many of the operations that a change may take are none, where it is known what changes; asked
        only when it matters.
        """
        operations = size = 0
        for change in changes:
            if type(change) is Replace or type(change) is Insert:
                mapper = self._by_collection.get(change.collection.name)
                if mapper is not None:  # the commonest changes, without a call
                    operations += mapper.costs[type(change)]
                    size += change.size
                    continue
            cost, weight = self.weight(change)
            operations += cost
            size += weight
        if operations > self.limits.operations and spared is not None:
            operations -= spared()
        if operations > self.limits.operations:
            raise TooLarge("primitive operations", operations, self.limits.operations)
        if size > self.limits.bytes:
            raise TooLarge("bytes", size, self.limits.bytes)

    def weight(self, change: Change) -> tuple[int, int]:
        """Say what a change takes of one step: primitive operations at most, and bytes, alike for every store.

        Operations are records, entries, claims, reference entries and checks.
        """
        if type(change) is Check:
            return 1, _CHANGE_BYTES
        mapper = self._by_collection.get(change.collection.name)
        if mapper is None:
            return 2, _CHANGE_BYTES
        cost = mapper.costs[type(change)]
        if type(change) is Replace or type(change) is Insert:
            return cost, change.size
        sets = change.sets if isinstance(change, Patch) else ()
        return cost, _CHANGE_BYTES + sum([_bytes_of(value) for _, value in sets])

    def _open_catalog(self) -> Catalog:
        """Read the stored catalog, or make the first one in an empty store; refuse one that is not this program's."""
        store = self._stored
        found = store.read(CATALOG, (), epoch="").rows
        if not found:
            store.alter(CreateDatabase(Catalog.first(self._declared, self._last_migration())))
            found = store.read(CATALOG, (), epoch="").rows
        catalog: Catalog = found[0]
        standing = stand(catalog, self._declared, self._history, fixed=self.capabilities.fixed_columns)
        self.schema = standing.schema
        self.store = store
        if standing.passage is not None:
            from ..migrations.window_store import WindowStore  # noqa: PLC0415 - for what is seldom open

            # All verbs of a Store, but it is not opened by a URL.
            self.store = cast("Store", WindowStore(store, standing.passage, catalog, self.wait))
        return catalog

    def _last_migration(self) -> str:
        """Name the migration that the program's schema comes of; "" where it has no history, or one without it."""
        history = self._history()
        return "" if history is None else history.last_with(self._declared)

    def refresh(self) -> None:
        """Load the catalog anew after its epoch changed, and drop the plans made from the old one."""
        import logging  # noqa: PLC0415 - 3 ms of `import manystore`, for what hardly ever happens

        catalog = self._open_catalog()
        logging.getLogger("manystore").info("the catalog changed; its epoch was read anew")
        self.catalog, self.epoch = catalog, catalog.epoch
        for mapper in self.mappers.values():
            mapper.plans.clear()
        self._committed = None

    def _committed_plan(self) -> Plan:
        made = plan(Query(COMMITTED, ("eq", "key")), self.catalog)
        made.codec = _Presence()
        made.matches = lambda _, __: True
        return made

    def is_committed(self, key: str) -> bool:
        """Tell whether a transaction with this idempotency key was committed."""
        look = self._committed
        if look is None:
            look = self._committed = self._committed_plan()
        return bool(self.read(look, (key,), "idempotency").rows)

    def committed(self, key: str) -> Insert:
        """Make the change that remembers an idempotency key."""
        form = self.store.forms.get("datetime")
        now = self.clock()
        at = now if form is not None and form.native else dump_datetime(now)
        return Insert(COMMITTED, (key, form.dump(at) if form is not None and form.dump else at), new_revision())

    def forget(self, key: str) -> None:
        """Drop a remembered idempotency key, so that it may be used again."""
        self.write([Delete(COMMITTED, (key,))], "forget")


def _bytes_of(value: Any) -> int:
    if isinstance(value, (dict, list)):
        return len(msgspec.json.encode(value))
    if isinstance(value, str):
        return len(value.encode()) if not value.isascii() else len(value)
    return len(value) if isinstance(value, bytes) else 32


class _Presence:
    """The codec of records of which only the presence counts."""

    dumps = (None, None)

    def load(self, row: Sequence[Any]) -> Any:
        return row[0]

    def decode(self, data: bytes) -> Any:
        return data


def translate_committed(error: Duplicate, key: str | None) -> Exception:
    """Turn the Duplicate of an idempotency key into AlreadyCommitted; give any other back."""
    return AlreadyCommitted(key or "") if error.model == COMMITTED.model else error
