"""Unbuilt: who refers to a record that goes by a reference that is still building, and has no entry of it yet.

Whoever comes to refer to something while a reference is building puts the entry with it, as does the build. So those
without one have been as they are since before the catalog changed: there come no more of them, and whoever was not
found once needs no check in the commit. That also lets a program remember whom it found.

References are built while a window is open, when no record has an older shape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from ...schema.encoding import END, NONE
from .entries import Pointer, Upkeep
from .layout import after_all, entries_space, just_after, owner_of
from .protocol import Key, Span
from .shape import decoded
from .step import Step, Touched

Owners: TypeAlias = Mapping[str, Sequence[str]]  # by the name of a record, the names of those that refer to it
_PAGE = 1000
_REMEMBERED = 1_000_000  # referrers of one collection, each of about 100 bytes; of more, a program remembers none


class Unbuilt:
    """Referrers without an entry, of one step."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def names(self, level: Sequence[Touched]) -> dict[Key, list[str]]:
        """Give for records that go, by their keys, the names of the entries of all that refer to them unbuilt.

        Some of them may be there: it was put meanwhile.
        """
        found: dict[Key, list[str]] = {}
        for target in {gone.key[0]: gone.upkeep.collection for gone in level}.values():
            for upkeep, pointer in self._step.keeper.building(target):
                names = sorted({gone.name for gone in level if gone.key[0] == pointer.targets})
                for name, owner in self._referring(upkeep, pointer, names):
                    found.setdefault((pointer.targets, name), []).append(name + pointer.tail + owner)
        return found

    def _referring(self, upkeep: Upkeep, pointer: Pointer, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Give each of some records with each that refers to it as it is stored now."""
        owners, stored = self._owners(upkeep, pointer, names), self._step.stored
        pairs = [(name, owner) for name in names for owner in owners.get(name, ())]
        self._step.fetch([(upkeep.space, owner) for _, owner in pairs])
        for name, owner in pairs:
            data = stored[upkeep.space, owner]
            if data is not None and self._texts(upkeep, owner, data)[pointer.place] == name:
                yield name, owner

    @staticmethod
    def _texts(upkeep: Upkeep, name: str, data: bytes) -> Sequence[str]:
        return upkeep.texts(upkeep.watched(decoded(data, upkeep.model)), name)

    def _owners(self, upkeep: Upkeep, pointer: Pointer, names: Sequence[str]) -> Owners:
        """Give all that may refer to some records, and perhaps others: by an index, from memory, or by reading all."""
        space, remembered = self._index(upkeep, pointer), self._step.keeper.unbuilt
        if space is not None and (owners := self._indexed(space, names)) is not None:
            return owners
        if (upkeep.space, pointer.tail) not in remembered:
            others = [each for each in upkeep.pointers if each.is_building and self._index(upkeep, each) is None]
            pointers = others if pointer in others else [pointer, *others]
            read, is_whole = self._read(upkeep, pointers, {(pointer.targets, name) for name in names})
            if not is_whole:
                return read[pointer.tail]
            remembered.update({(upkeep.space, tail): owners for tail, owners in read.items()})
        return remembered[upkeep.space, pointer.tail]

    def _index(self, upkeep: Upkeep, pointer: Pointer) -> str | None:
        """Give the space of an index that says who refers; None if there is none."""
        index = self._step.keeper.catalog.leading(upkeep.collection, pointer.reference.field)
        return None if index is None else entries_space(upkeep.collection.stored, index)

    def _indexed(self, space: str, names: Sequence[str]) -> Owners | None:
        """Give those that an index says; None if they were not read at one moment: one may have moved meanwhile."""
        page = self._step.kv.scan([Span(space, name, after_all(name)) for name in names])
        self._count(page.trips, page.epoch)
        if page.trips > 1:
            return None
        owners: dict[str, list[str]] = {}
        for entry in page.names:
            name = next(name for name in names if entry.startswith(name))  # no form is the beginning of another
            owners.setdefault(name, []).append(owner_of(entry))
        return owners

    def _read(
        self, upkeep: Upkeep, pointers: Iterable[Pointer], wanted: Collection[Key]
    ) -> tuple[dict[str, dict[str, list[str]]], bool]:
        """Read a collection through; give whom each reference's records refer to, by its tail, and whether that is all.

        Where there are too many, those alone that refer to what is wanted.
        """
        owners: dict[str, dict[str, list[str]]] = {pointer.tail: {} for pointer in pointers}
        number, start, space = 0, "", upkeep.space
        while True:
            page = self._step.kv.scan((Span(space, start, END),), limit=_PAGE, follow=space)
            self._count(page.trips, page.epoch)
            for name, data in zip(page.names, page.values, strict=True):
                if data is None:
                    continue  # gone; whoever has its key now has its entries too
                texts = self._texts(upkeep, name, data)
                for pointer in pointers:
                    to = texts[pointer.place]
                    if to != NONE and (number < _REMEMBERED or (pointer.targets, to) in wanted):
                        owners[pointer.tail].setdefault(to, []).append(name)
                        number += 1
            if len(page.names) < _PAGE:
                return owners, number < _REMEMBERED
            start = just_after(page.names[-1])

    def _count(self, trips: int, epoch: str) -> None:
        self._step.trips += trips
        self._step.believe(epoch)
