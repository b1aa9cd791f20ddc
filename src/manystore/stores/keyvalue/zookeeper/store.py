"""The store of `zookeeper://h1:2181,h2:2181/path`: a key-value store below that path, on one server or an ensemble."""

from __future__ import annotations

from typing import ClassVar

from ....errors import NotADatabase
from ....query.capabilities import Capabilities
from ....store.protocol import Wait
from ....store.url import StoreURL
from ..bulk import Limits
from ..protocol import CATALOG
from ..store import KeyValueStore
from .location import location_of
from .nodes import SLOTS, Nodes
from .tree import Tree


class ZooKeeperStore(KeyValueStore):
    """The store of `zookeeper://`."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        native_filter=False, native_aggregate=False, persistent=True, shared=True, index_trips=2
    )

    @classmethod
    def open(cls, url: StoreURL, /, *, wait: Wait) -> ZooKeeperStore:
        """Connect, and look at what is below the path; docs/stores.md has the options."""
        location = location_of(url)
        tree = Tree(location, wait=wait)
        try:
            _examine(tree, Nodes(location.root))
        except BaseException:
            tree.close()
            raise
        return cls(tree, wait=wait, limits=Limits.of(url))


def _examine(tree: Tree, nodes: Nodes) -> None:
    """Raise NotADatabase when there is something below the path that manystore did not make."""
    found = tree.link.read((nodes.root, nodes.catalog), (nodes.root,))
    (root, catalog), (below,) = found.nodes, found.lists
    if catalog is not None or root is None or below is None:
        return
    # Databases with a prefix are nodes beside the nodes of one without.
    inner = tree.link.read([f"{nodes.root}/{name}/{CATALOG[0]}" for name in below if name != SLOTS]).nodes
    if root[0] or not all(inner):
        raise NotADatabase("zookeeper: something else is below this path")
