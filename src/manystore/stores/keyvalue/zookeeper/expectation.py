"""What a commit takes to be so of the keys that it writes: what its checks say, what is likely, what was read.

Each operation of a step states such a thing, so a wrong one costs another try and never a wrong result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ..layout import GAP
from ..protocol import CATALOG, Absent, Check, Empty, Key, Put, Range, Same, epoch_of
from .buckets import Bucket
from .link import Link
from .nodes import ORDERED, RECORDS, REFERENCES, Nodes, is_reference, target_of, token_in

Parts: TypeAlias = tuple[Sequence[Check], Sequence[Put], Sequence[Key]]


def referred(check: Check) -> Key | None:
    """Give the record whose references a check is about."""
    if not isinstance(check, (Empty, Range)):
        return None
    space, low = (check.space, check.prefix) if isinstance(check, Empty) else (check.span.space, check.span.low)
    if space[:2] != REFERENCES or low.find(GAP) != len(low) - 1:
        return None
    return target_of((space, low))


class Expectation:
    """Of one commit, in all its tries."""

    def __init__(self, link: Link, nodes: Nodes, parts: Parts) -> None:
        self._link = link
        self._nodes = nodes
        checks, puts, deletes = parts
        self.puts = {(space, name): value for space, name, value in puts}
        self.deletes = [key for key in dict.fromkeys(deletes) if key not in self.puts]
        self.tokens: dict[Key, str | None] = {}  # of the records to be written; None of one that is not there
        self.there: dict[Key, bool] = {}  # of everything else
        self.places: dict[Key, int] = {}  # the check that says it
        self.empty: dict[Key, int] = {}  # the check that says what refers to a record that goes
        self.leftovers: dict[Key, list[str]] = {}  # references below a record that goes, which nobody spoke of
        self.versions: dict[int, int | None] = {}  # of the nodes whose heads checks are about; None of another head
        self.epoch: str | None = None  # of the stored catalog, where a commit does not name it
        deleted = set(self.deletes)
        for place, check in enumerate(checks):
            self._believe(place, check, deleted)
        self._guess()
        self._look_at_heads(checks)

    def _believe(self, place: int, check: Check, deleted: set[Key]) -> None:
        """Take what a check says of a key that is written: then the write stands for the check."""
        if isinstance(check, (Same, Absent)):
            key = check.key
            is_written = key in self.puts or (key in deleted and isinstance(check, Same))
            if not is_written or key in self.places:
                return
            self.places[key] = place
            if key[0][:2] == RECORDS:
                self.tokens[key] = check.token if isinstance(check, Same) else None
            else:
                self.there[key] = isinstance(check, Same)
        elif isinstance(check, (Empty, Range)) and (target := referred(check)) and target in deleted:
            self.empty[target] = place
            if isinstance(check, Range):
                seen = [(check.span.space, name) for name in check.seen]
                self.places.update((key, place) for key in seen)
                self.deletes += [key for key in seen if key not in deleted and key not in self.puts]

    def _guess(self) -> None:
        """Take a new entry for absent, and all else for present; what token a record has, only a look can tell."""
        unknown: list[Key] = []
        for key in (*self.deletes, *self.puts):
            if key[0][:2] != RECORDS:
                is_entry = key[0][:2] in ORDERED or key[0][:2] == REFERENCES
                self.there.setdefault(key, key not in self.puts or not is_entry)
            elif key not in self.tokens:
                unknown.append(key)
        if unknown or (CATALOG in self.puts and CATALOG not in self.places):
            self.look(unknown, {})

    def _look_at_heads(self, checks: Sequence[Check]) -> None:
        """Read which version those nodes have whose value must begin in a certain way."""
        wanted = [(place, check) for place, check in enumerate(checks) if isinstance(check, Same) and check.head]
        if wanted:
            nodes = self._link.read([self._nodes.value(check.key) for _, check in wanted]).nodes
            for (place, check), node in zip(wanted, nodes, strict=True):
                is_same = node is not None and node[0].startswith(check.head)
                self.versions[place] = node[1] if node is not None and is_same else None

    def look(self, records: Sequence[Key], homes: Mapping[Key, Bucket]) -> None:
        """Read how it really is, of some records and of all else that no check speaks of."""
        others = [key for key in self.there if key not in self.places and key[0][:2] not in ORDERED]
        entries = [key for key in self.there if key not in self.places and key in homes]
        paths = [self._nodes.value(key) for key in others]
        paths += [f"{homes[key].path}/{key[1]}" for key in entries]
        found = self._link.read([*paths, self._nodes.catalog], [self._nodes.value(key) for key in records])
        for key, children in zip(records, found.lists, strict=True):
            if key not in self.places:
                self.tokens[key] = None if children is None else token_in(children)
            self.leftovers[key] = [child for child in children or () if is_reference(child)]
        catalog = found.nodes.pop()
        self.epoch = None if catalog is None else epoch_of(catalog[0])
        for key, node in zip([*others, *entries], found.nodes, strict=True):
            self.there[key] = node is not None

    def look_again(self, about: Key, homes: Mapping[Key, Bucket]) -> None:
        """Read how it really is, after something about a key was not as expected."""
        records = [key for key in (*self.deletes, *self.puts) if key[0][:2] == RECORDS and key not in self.places]
        if about[0][:2] == RECORDS and about not in records:
            records.append(about)
        self.look(records, homes)
