"""The sweep by hand in memory: sorted dicts under one lock, as the store has them."""

from __future__ import annotations

from ...target import Target
from ..site import Site
from .document import AFTER, BEFORE, PAGE, RECORDS, rewritten


class MemoryRewriting:
    """Pages are read and written under the lock, and rewritten without it."""

    def __init__(self, target: Target, site: Site) -> None:
        del target
        memory = site.store._kv
        self._lock, self._spaces = memory.lock, memory._spaces

    def run(self) -> None:
        records, before = self._spaces[RECORDS], self._spaces[BEFORE]
        after = self._spaces[AFTER] = type(before)()
        names = list(records.names)
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            with self._lock:
                found = [records[name] for name in page]
            made = [rewritten(name, data) for name, data in zip(page, found, strict=True)]
            with self._lock:
                entries = list[str]()
                for data, one in zip(found, made, strict=True):
                    if records.get(one.name) is not data:
                        continue
                    records[one.name] = one.data
                    del before[one.before]
                    before.names.remove(one.before)
                    after[one.after] = b""
                    entries.append(one.after)
                after.names.update(entries)

    def close(self) -> None:
        """Nothing is held."""
