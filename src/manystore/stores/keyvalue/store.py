"""The outer store over any key-value store: reads by reader.py, writes by writer.py, the catalog as one record beside.

Knows both waists; must not know which key-value store it stands on. A subclass says how one is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...errors import Closed, EpochChanged, Unsupported
from ...query.capabilities import Capabilities
from ...query.plan import CATALOG as READ_CATALOG
from ...query.plan import Plan
from ...schema.adoption import Adopt, Survey
from ...schema.catalog import Catalog
from ...schema.operation import (
    Altered,
    Build,
    Clear,
    Contract,
    CreateDatabase,
    Explain,
    Operation,
    Prepare,
    ReplaceCatalog,
    Sweep,
)
from ...store.protocol import Change, Form, Read, Wait, Written
from .build import build
from .bulk import Bulk, Limits
from .clear import clear
from .explain import explain
from .protocol import CATALOG, Absent, KeyValue
from .reader import KEPT, Reading, compiled
from .shape import Keeper
from .step import CHANGED
from .sweep import sweep
from .writer import write


class KeyValueStore:
    """A Store (store/protocol.py) over a KeyValue (protocol.py)."""

    capabilities: ClassVar[Capabilities]
    forms: ClassVar[Mapping[Any, Form]] = {}

    def __init__(self, kv: KeyValue, *, wait: Wait, limits: Limits | None = None) -> None:
        self._kv = kv
        self._limits = limits or Limits()
        self._wait = wait
        self._kept: Keeper | None = None
        self._working: Bulk | None = None
        self._is_closed = False

    def read(
        self,
        plan: Plan,
        values: tuple[Any, ...],
        *,
        epoch: str,
        limit: int | None = None,
        after: tuple[Any, ...] | None = None,
        cap: int | None = None,
    ) -> Read:
        """Run a plan."""
        if self._is_closed:
            raise Closed("the store is closed")
        if plan is READ_CATALOG:
            stored = self._catalog()
            return Read([] if stored is None else [stored], 0, 1)
        reading: Reading = plan.compiled.get(KEPT) or compiled(plan)
        return reading.run(self._kv, epoch, values, (limit, after, cap))

    def write(self, changes: Sequence[Change], *, epoch: str) -> Written:
        """Carry out all changes in one atomic step, or none."""
        if self._is_closed:
            raise Closed("the store is closed")
        if not changes:
            return Written([], 0)
        keeper = self._kept
        if keeper is None or keeper.epoch != epoch:
            keeper = self._keep(epoch)
        return write(self._kv, keeper, changes, self._wait)

    def alter(self, operation: Operation) -> Altered:
        """Carry out an operation on the stored schema."""
        if self._is_closed:
            raise Closed("the store is closed")
        match operation:
            case CreateDatabase(catalog):
                # Collections need no making here. Whoever is first makes the catalog; for the others it is there.
                self._kv.commit([Absent(CATALOG)], [(*CATALOG, catalog.encode())], [], epoch=None)
            case ReplaceCatalog(expected, catalog) | Contract(expected, catalog):
                self._kv.commit([], [(*CATALOG, catalog.encode())], [], epoch=expected)
            case Prepare():
                return None  # a space is there as soon as there is a name in it
            case Build():
                return build(self._bulk(operation.epoch), operation)
            case Sweep():
                return sweep(self._bulk(operation.epoch), operation)
            case Clear():
                return clear(self._bulk(operation.epoch), operation)
            case Survey() | Adopt():
                raise Unsupported("this store keeps no tables, so nothing of another program can be taken over from it")
            case Explain(explained):
                return explain(self._kv, self._catalog(), explained)
        return None

    def _bulk(self, epoch: str) -> Bulk:
        """Give what works page by page; whatever it reads or commits under another catalog is refused."""
        bulk = self._working
        if bulk is None or bulk.catalog.epoch != epoch:
            catalog = self._catalog()
            if catalog is None or catalog.epoch != epoch:
                raise EpochChanged(CHANGED)
            bulk = self._working = Bulk(self._kv, catalog, self._limits, self._wait)
        return bulk

    def close(self) -> None:
        """Let go of the key-value store."""
        if not self._is_closed:
            self._is_closed = True
            self._kv.close()

    def _catalog(self) -> Catalog | None:
        stored = self._kv.get([CATALOG]).values[0]
        return None if stored is None else Catalog.decode(stored)

    def _keep(self, epoch: str) -> Keeper:
        catalog = self._catalog()
        if catalog is None or catalog.epoch != epoch:
            raise EpochChanged(CHANGED)
        keeper = self._kept = Keeper(catalog)
        return keeper
