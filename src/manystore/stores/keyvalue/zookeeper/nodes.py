"""Which znode holds what: the paths below the root of a database (docs/format.md).

A record is a node in one of 256 hash directories, so that its path needs no read. Its children are its token, by which
`check` tells one form of it from another and from a record that was made anew, and the references to it: so a reference
cannot be made without its target, nor a target be deleted while it is referred to.
"""

from __future__ import annotations

from zlib import crc32

from ..layout import GAP
from ..protocol import CATALOG, Key

RECORDS, ENTRIES, REFERENCES, CLAIMS, IN_ORDER = "r:", "i:", "b:", "u:", "k:"
SLOTS = "w:"  # of writers; they may be there before the catalog is
ORDERED = (ENTRIES, IN_ORDER)  # kept in buckets


class Nodes:
    """The paths of one database."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.slots = f"{root}/{SLOTS}"
        self.catalogs = f"{root}/{CATALOG[0]}"
        self.catalog = f"{self.catalogs}/{CATALOG[1]}"
        self.epoch = f"{self.catalogs}/epoch"  # holds the epoch, and a child of that name, which a step can check

    def epoch_child(self, epoch: str) -> str:
        """Give the node that is there while an epoch is in force."""
        return f"{self.epoch}/{epoch}"

    def value(self, key: Key) -> str:
        """Give the node of a record, a claim, a reference or the catalog: of all that is not kept in buckets."""
        space, name = key
        if space == CATALOG[0]:
            return f"{self.catalogs}/{name}"
        if space[:2] == REFERENCES:
            target, _, rest = name.partition(GAP)
            return f"{self.value((RECORDS + space[2:], target))}/{rest}"
        return f"{self.root}/{space}/{crc32(name.encode()) & 255:02x}/{name}"

    @staticmethod
    def directories(top: str) -> list[str]:
        """Give all hash directories of a space of records or claims."""
        return [f"{top}/{number:02x}" for number in range(256)]

    def parents(self, key: Key) -> tuple[str, str]:
        """Give the nodes above a record or claim: its space, its hash directory."""
        space, name = key
        top = f"{self.root}/{space}"
        return top, f"{top}/{crc32(name.encode()) & 255:02x}"

    def above(self) -> list[str]:
        """Give the nodes from the top to the root of the database, that itself too."""
        parts = self.root.split("/")
        return ["/".join(parts[:length]) for length in range(2, len(parts) + 1)]

    def space(self, space: str) -> str:
        """Give the node of a space that is kept in buckets."""
        return f"{self.root}/{space}"


def in_order(key: Key) -> Key:
    """Give the entry that says where a record stands in the order of keys."""
    return IN_ORDER + key[0][2:], key[1]


def target_of(key: Key) -> Key:
    """Give the record that a reference leads to."""
    return RECORDS + key[0][2:], key[1].partition(GAP)[0]


def is_reference(child: str) -> bool:
    """Tell a reference below a record from the record's token."""
    return GAP in child


def token_in(children: list[str]) -> str:
    """Give the token among the children of a record."""
    return next((child for child in children if GAP not in child), "")
