"""Sweep: records of the older shape are brought into the kept one, with all that is kept beside them, page by page.

A record keeps its revision, so whoever read it before can still save it; that it is still the record that was read is
checked by its version, too. One that others change meanwhile has the kept shape already, or is left to another pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from operator import ne
from typing import Any, TypeAlias

import msgspec

from ...errors import MigrationRefused, ValueRefused
from ...schema.encoding import NONE
from ...schema.operation import Many, Progress, Sweep
from ...schema.schema import Collection, Index, Reference, Schema, Unique
from .bulk import NOTHING, Bulk, Piece, Rows, records_of, still
from .entries import Claim, Pointer, Raw, Upkeep
from .layout import claims_space, entries_space, references_space
from .protocol import LONG, SHORT, Key, Page, Same, head_of
from .shape import EXTRAS, Keeper, decoded, encoded, left_behind
from .sheet import Twins

Part: TypeAlias = Index | Unique | Reference
Lift: TypeAlias = Callable[[Raw, Raw | None], Raw]


def sweep(bulk: Bulk, operation: Sweep) -> Progress:
    """Rewrite one page of records. done: how many of them had the older shape."""
    keeper, name = bulk.keeper, operation.collection
    kept, older = keeper.upkeep(name), keeper.older(name)
    if older is not None:
        rewriting: Rewriting | None = bulk.compiled.get(name)
        if rewriting is None:
            rewriting = bulk.compiled[name] = Rewriting(keeper, kept, older)
        page, after = bulk.page(kept.space, operation.after, operation.limit)
        return Progress(_rewrite(bulk, rewriting, rewriting.due(page), operation), after)
    if gone := keeper.shed(name):
        page, after = bulk.page(kept.space, operation.after, operation.limit)
        number, _ = bulk.carry_out(records_of(kept.space, page), Stripping(kept, gone).piece, kept.collection)
        return Progress(number, after)
    return Progress(0)


def _rewrite(bulk: Bulk, rewriting: Rewriting, due: dict[Key, bytes], operation: Sweep) -> int:
    """Rewrite records, many at once as far as that goes; give how many had the older shape."""
    make, collection, done = partial(rewriting.piece, lift=operation.lift), rewriting.collection, 0
    if operation.many is not None and due:
        rows, due = rewriting.rows(due, operation.many)
        if rows is not None:
            done = len(rows.keys)
            if left := bulk.write_rows(rows):
                bulk.carry_out(left, make, collection)
    return done + bulk.carry_out(due, make, collection)[0]


class Stripping:
    """From records with something beside their shape to those without. No entry, claim or reference is made of it."""

    def __init__(self, kept: Upkeep, gone: frozenset[str]) -> None:
        self._kept = kept
        self._gone = gone

    def piece(self, key: Key, data: bytes) -> Piece | None:
        """Give what takes it away from a record; None when it has none of it."""
        raw = decoded(data, self._kept.model)
        if self._gone.isdisjoint(raw):
            return None
        new = {member: value for member, value in raw.items() if member not in self._gone}
        return Piece(key, data, still(key, data), [(*key, encoded(new))], [])


class Rewriting:
    """From the older shape of one collection to the kept one."""

    def __init__(self, keeper: Keeper, kept: Upkeep, older: Upkeep) -> None:
        self._kept = kept
        self._older = older
        self._mark = f',"_version":{kept.version},'.encode()
        self._gone = left_behind(older.collection, kept.collection)
        self._known = frozenset((*older.collection.columns, *kept.collection.columns))
        schema = keeper.catalog.older or keeper.schema
        mine, theirs = dict(_signed(kept.collection, keeper.schema)), dict(_signed(older.collection, schema))
        # What both shapes have is left where it is, as long as the values that it is made of are the same.
        self._kept_only = Upkeep(_with(kept.collection, mine, theirs), keeper.catalog, keeper.schema)
        self._older_only = Upkeep(_with(older.collection, theirs, mine), keeper.catalog, schema)
        shared = {sign: part for sign, part in mine.items() if sign in theirs}
        both = Upkeep(_with(kept.collection, shared, {}), keeper.catalog, keeper.schema)
        self._shared = both.columns
        self._defaults = tuple(map(both.absent.get, both.columns))
        parts = (self._older_only, self._kept_only)
        # Where nothing but entries of indexes changes with the shape, there is a way of many at once.
        goes_at_once = not any(part.claims or part.pointers for part in parts) and Twins.fit(older)
        self._twins = Twins(older, kept) if goes_at_once else None
        self._gone_entries, self._new_entries = (part.by_columns() for part in parts)

    @property
    def collection(self) -> Collection:
        """Give the kept collection."""
        return self._kept.collection

    def due(self, page: Page) -> dict[Key, bytes]:
        """Give those records of a page that have not the kept shape: none, in the last pass."""
        mark, space = self._mark, self._kept.space
        return {
            (space, name): data
            for name, data in zip(page.names, page.values, strict=True)
            if data is not None and not (data.startswith(mark, LONG) or data.startswith(mark, SHORT))
        }

    def rows(self, records: dict[Key, bytes], many: Many) -> tuple[Rows | None, dict[Key, bytes]]:
        """Give what brings all those into the kept shape for which that goes at once, and the others."""
        if self._twins is None:
            return None, records
        sheet, rest = self._twins.read(records)
        if not sheet.keys:
            return None, rest
        new = many.made(sheet.columns, len(sheet.keys))
        if any(any(map(ne, sheet.columns[column], new[column])) for column in self._shared):
            return None, records  # of some of them moves what both shapes have
        kept = self._kept_only
        if kept.is_risky:
            for values in zip(*(new[column] for column in kept.collection.columns), strict=True):
                self._check(kept, values)
        names, written = [name for _, name in sheet.keys], self._twins.written(sheet, new)
        was, will = (
            [side[column] for column in part.columns] for side, part in ((sheet.columns, self._older_only), (new, kept))
        )
        come = [zip(repeat(space), made(names, will), repeat(b"")) for space, made in self._new_entries]
        gone = [zip(repeat(space), made(names, was)) for space, made in self._gone_entries]
        same = map(Same, sheet.keys, sheet.tokens, map(head_of, sheet.data))
        puts = [*come, zip(repeat(kept.space), names, written)]
        return Rows(sheet.keys, sheet.data, list(same), list(map(list, puts)), list(map(list, gone))), rest

    def piece(self, key: Key, data: bytes, lift: Lift) -> Piece | None:
        """Give what brings one record into the kept shape; None when it has it."""
        if head_of(data).endswith(self._mark):
            return None
        raw, name = decoded(data, self._kept.model), key[1]
        new = self._lifted(raw, lift)
        columns, defaults = self._shared, self._defaults
        is_moving = list(map(raw.get, columns, defaults)) != list(map(new.get, columns, defaults))
        older, kept = (self._older, self._kept) if is_moving else (self._older_only, self._kept_only)
        if kept.is_risky:
            self._check(kept, [new.get(column) for column in kept.collection.columns])
        before, after = older.texts(older.watched(raw), name), kept.texts(kept.watched(new), name)
        gone, come = older.places(before), kept.places(after)
        if is_moving:
            # Of what stays, nothing is put: it is there, or Build puts it.
            gone, come = [place for place in gone if place not in come], [p for p in come if p not in gone]
        claims: Mapping[Key, Claim] = kept.held(after) if kept.claims else NOTHING
        if older.claims:
            held = older.held(before)
            gone += [claim for claim in held if claim not in claims]
            if claims:
                claims = {claim: unique for claim, unique in claims.items() if claim not in held}
        puts = [(*place, b"") for place in come]
        puts.append((*key, encoded(new)))
        targets: Mapping[Key, Pointer] = NOTHING
        if kept.pointers:
            there = {(p.targets, after[p.place]): p for p in kept.pointers if after[p.place] != NONE}
            if is_moving:
                there = {to: p for to, p in there.items() if (p.space, to[1] + p.tail + name) in come}
            targets = there
        return Piece(key, data, still(key, data), puts, gone, claims, targets)

    @staticmethod
    def _check(kept: Upkeep, values: Sequence[Any]) -> None:
        try:
            kept.check_values(values)
        except ValueRefused as refused:
            raise MigrationRefused(f"a record cannot be rewritten: {refused}") from None

    def _lifted(self, raw: Raw, lift: Lift) -> Raw:
        """Give a record in the kept shape: its members, what neither shape has, and what the lift makes.

        raw: whose own members are taken out.
        """
        new = {"_revision": raw.pop("_revision"), "_previous": raw.pop("_previous"), "_version": self._kept.version}
        del raw["_version"]
        lifted = lift(raw, raw.pop(EXTRAS, None))
        if not raw.keys() <= self._known:
            new |= {column: value for column, value in raw.items() if column not in self._known}
        if not self._gone.isdisjoint(lifted):
            lifted = {column: value for column, value in lifted.items() if column not in self._gone}
        new.update(lifted)
        return new


def _signed(collection: Collection, schema: Schema) -> Iterator[tuple[Any, Part]]:
    """Give the indexes, uniques and references of a shape, each with all that says where and how it is kept."""

    def columns(*names: str) -> list[tuple[str, str]]:
        return [(field.column, field.kind) for field in map(collection.field, names)]

    for index in collection.indexes:
        yield (entries_space(collection.stored, index), *columns(*index.fields), *index.descending), index
    for unique in collection.uniques:
        live = columns(collection.live) if unique.among == "live" and collection.live else []
        yield (claims_space(collection.stored, unique), *columns(*unique.fields), *live), unique
    for reference in collection.references:
        target = references_space(schema.collection(reference.target).stored)
        yield (target, *columns(reference.field)), reference


def _with(collection: Collection, parts: dict[Any, Part], others: dict[Any, Part]) -> Collection:
    """Give a collection with only those parts that are not among others."""
    left = [part for sign, part in parts.items() if sign not in others]
    return msgspec.structs.replace(
        collection,
        indexes=tuple(part for part in left if isinstance(part, Index)),
        uniques=tuple(part for part in left if isinstance(part, Unique)),
        references=tuple(part for part in left if isinstance(part, Reference)),
    )
