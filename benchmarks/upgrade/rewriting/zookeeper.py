"""The sweep by hand on ZooKeeper: kazoo's transactions, and MultiRead where many nodes are read.

The new index has a node for each thousand of numbers, made beforehand: enough for this model, and less than the buckets
of any index, which are checked and split.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from kazoo.client import KazooClient

from manystore.stores.keyvalue.zookeeper.multiread import Found, MultiRead

from ...target import Target
from ..site import Site
from .document import BEFORE, PAGE, RECORDS, Rewritten, parts, rewritten

_AT_ONCE = 200  # records in one transaction: within ZooKeeper's megabyte of a request
_WIDTH, _NUMBERS = 1000, 100_000


class ZooKeeperRewriting:
    """One session."""

    def __init__(self, target: Target, site: Site) -> None:
        del target
        root = site.store._kv._nodes.root
        self._client = KazooClient(urlsplit(site.url).netloc)
        self._client.start()
        self._records, self._before, self._after = f"{root}/{RECORDS}", f"{root}/{BEFORE}", f"{root}/by_hand"

    def _read(self, nodes: list[str], lists: list[str]) -> Found:
        result = self._client.handler.async_result()
        self._client._call(MultiRead(nodes, lists), result)
        found: Found = result.get()
        return found

    def run(self) -> None:
        self._client.ensure_path(self._after)
        made = [self._client.create_async(f"{self._after}/{at:03}") for at in range(_NUMBERS // _WIDTH)]
        for result in made:
            result.get()
        buckets = [f"{self._before}/{name}" for name in self._client.get_children(self._before)]
        lists = self._read([], buckets).lists
        homes = {name: bucket for bucket, held in zip(buckets, lists, strict=True) for name in held or ()}
        tops = [f"{self._records}/{number:02x}" for number in range(256)]
        names = sorted(name for held in self._read([], tops).lists for name in held or ())
        for start in range(0, len(names), PAGE):
            self._page(names[start : start + PAGE], homes)

    def _page(self, names: list[str], homes: dict[str, str]) -> None:
        nodes = self._read([self._record(name) for name in names], []).nodes
        held = [(node, rewritten(name, node[0])) for name, node in zip(names, nodes, strict=True) if node is not None]
        versions = {one.name: node[1] for node, one in held}
        for part in parts([one for _, one in held], _AT_ONCE):
            self._write(part, versions, homes)

    def _record(self, name: str) -> str:
        return f"{self._records}/{crc32(name.encode()) & 255:02x}/{name}"

    def _write(self, part: list[Rewritten], versions: dict[str, int], homes: dict[str, str]) -> None:
        step = self._client.transaction()
        for one in part:
            step.set_data(self._record(one.name), one.data, versions[one.name])
            step.delete(f"{homes[one.before]}/{one.before}")
            number = int(one.after[1 : one.after.index(" ")])
            step.create(f"{self._after}/{number // _WIDTH:03}/{one.after}")
        results: list[Any] = step.commit()
        if any(isinstance(result, Exception) for result in results):
            raise RuntimeError("changed by somebody else")

    def close(self) -> None:
        self._client.stop()
        self._client.close()
