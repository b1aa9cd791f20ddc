"""Sweep: records of the older shape are brought into the kept one, with all that is kept beside them, page by page.

A record keeps its revision, so whoever read it before can still save it; that it is still the record that was read is
checked by its version, too. One that others change meanwhile has the kept shape already, or is left to another pass.
"""

from __future__ import annotations

from ...errors import MigrationRefused, ValueRefused
from ...schema.operation import Progress, Sweep
from .bulk import Bulk, Piece
from .entries import Raw, Upkeep
from .protocol import Key, version_of
from .shape import EXTRAS, HEAD, Keeper, decoded, encoded, left_behind


def sweep(bulk: Bulk, operation: Sweep) -> Progress:
    """Rewrite one page of records. done: how many of them had the older shape."""
    keeper = Keeper(bulk.catalog)
    kept, older = keeper.upkeep(operation.collection), keeper.older(operation.collection)
    if older is not None:
        make = _Rewriting(operation, kept, older).piece
    elif (gone := _leftovers(bulk, operation.collection, kept)) is not None:
        make = _Stripping(kept, gone).piece
    else:
        return Progress(0)
    records, after = bulk.page(kept.space, operation.after, operation.limit)
    number, _ = bulk.carry_out(records, make, kept.collection)
    return Progress(number, after)


def _leftovers(bulk: Bulk, collection: str, kept: Upkeep) -> frozenset[str] | None:
    """Give the members that a record loses when a window was dropped, its shape being what it was; None otherwise."""
    older = bulk.catalog.older
    if older is None or collection not in older or older.collection(collection).stored != kept.collection.stored:
        return None
    return left_behind(older.collection(collection), kept.collection)


class _Stripping:
    """From records with something beside their shape to those without. No entry, claim or reference is made of it."""

    def __init__(self, kept: Upkeep, gone: frozenset[str]) -> None:
        self._kept = kept
        self._gone = gone

    def piece(self, key: Key, data: bytes) -> Piece | None:
        """Give what takes it away; None when there is nothing."""
        raw = decoded(data, self._kept.model)
        if self._gone.isdisjoint(raw):
            return None
        new = {member: value for member, value in raw.items() if member not in self._gone}
        return Piece(key, data, [(*key, encoded(new))], [], {}, {})


class _Rewriting:
    """From the older shape of one collection to the kept one."""

    def __init__(self, operation: Sweep, kept: Upkeep, older: Upkeep) -> None:
        self._lift = operation.lift
        self._kept = kept
        self._older = older
        self._gone = left_behind(older.collection, kept.collection)

    def piece(self, key: Key, data: bytes) -> Piece | None:
        """Give what brings a record into the kept shape; None when it has it."""
        kept, older, name = self._kept, self._older, key[1]
        if version_of(data) == kept.version:
            return None
        raw = decoded(data, kept.model)
        new = self._lifted(raw)
        before, after = older.texts(older.watched(raw), name), kept.texts(kept.watched(new), name)
        had, has = dict.fromkeys(older.places(before)), dict.fromkeys(kept.places(after))
        held = {(claim.space, claimed) for claim in older.claims if (claimed := claim.name(before)) is not None}
        claims = {(claim.space, claimed): claim for claim in kept.claims if (claimed := claim.name(after)) is not None}
        deletes = [entry for entry in had if entry not in has]
        deletes += [claim for claim in held if claim not in claims]
        puts = [(*key, encoded(new)), *((*entry, b"") for entry in has if entry not in had)]
        taken = {claim: unique for claim, unique in claims.items() if claim not in held}
        targets = {
            (pointer.targets, target): pointer
            for pointer in kept.pointers
            if (pointer.space, (target := after[pointer.place]) + pointer.tail + name) in has.keys() - had.keys()
        }
        return Piece(key, data, puts, deletes, taken, targets)

    def _lifted(self, raw: Raw) -> Raw:
        """Give a record in the kept shape: its members, what neither shape has, and what the lift makes."""
        gone = self._gone
        columns = {column: value for column, value in raw.items() if column not in HEAD and column != EXTRAS}
        lifted = self._lift(dict(columns), raw.get(EXTRAS))
        new = {member: raw[member] for member in HEAD} | {"_version": self._kept.version}
        new |= {column: value for column, value in columns.items() if column not in gone}
        new |= {column: value for column, value in lifted.items() if column not in gone}
        try:
            self._kept.check(new)
        except ValueRefused as refused:
            raise MigrationRefused(f"a record cannot be rewritten: {refused}") from None
        return new
