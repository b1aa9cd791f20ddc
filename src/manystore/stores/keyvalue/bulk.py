"""Bulk work on records: what each of them needs of a commit, many of them in one, as much as a commit may hold.

Knows the inner waist; must not know which operation of a migration it is for. Whatever a check refuses is looked at
once more, at one moment: either another writer came between, and it is tried again, or the data do not allow it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from ...errors import EpochChanged
from ...schema.catalog import Catalog
from ...schema.encoding import END
from ...schema.schema import Collection, Reference, Schema, Unique
from ...store import refusal
from ...store.protocol import Wait
from ...store.url import LIMITS, StoreURL
from .entries import Claim, Pointer
from .layout import just_after
from .protocol import Absent, Check, Exists, Key, KeyValue, Page, Put, Same, Span, head_of, token_of
from .shape import Keeper, decoded
from .step import CHANGED

_TRIES = 4  # with all that is left together
_ALONE = 200  # with one record alone, read anew right before: then only a very busy one slips away
_SHORTEST_WAIT, _LONGEST_WAIT = 0.0005, 0.05
_OVERHEAD = 100  # bytes of an operation beside its name and value, on the store that takes most
NOTHING: Mapping[Key, Any] = MappingProxyType({})


def still(key: Key, data: bytes) -> Same:
    """Give the check that a record is still the one that was read."""
    return Same(key, token_of(data), head_of(data))


def records_of(space: str, page: Page) -> dict[Key, bytes]:
    """Give the records of a page of their space."""
    return {(space, name): data for name, data in zip(page.names, page.values, strict=True) if data is not None}


class Limits(msgspec.Struct, frozen=True):
    """What one commit may hold."""

    operations: int = LIMITS["max_operations"]
    bytes: int = LIMITS["max_bytes"]

    @classmethod
    def of(cls, url: StoreURL) -> Limits:
        """Give those of a URL."""
        return cls(url.limit("max_operations"), url.limit("max_bytes"))


class Piece(msgspec.Struct, gc=False):
    """What one record needs. data: as it was read; same: that it still begins like that.

    claims: what must be free, and is put then, but for what the record holds already; targets: what must be there.
    """

    key: Key
    data: bytes
    same: Same
    puts: list[Put]
    deletes: list[Key]
    claims: Mapping[Key, Claim] = NOTHING
    targets: Mapping[Key, Pointer] = NOTHING

    def further(self) -> list[Check]:
        """Give what else must hold."""
        return [*map(Absent, self.claims), *map(Exists, self.targets)]

    def holds(self) -> list[Put]:
        """Give the puts of its claims."""
        holder = self.key[1].encode()
        return [(*key, holder) for key in self.claims]


class Rows(msgspec.Struct, frozen=True, gc=False):
    """What many records need that hang on nothing but themselves, part by part, with a place for each record in it.

    data: as they were read; same: that each still begins like that.
    """

    keys: Sequence[Key]
    data: Sequence[bytes]
    same: Sequence[Same]
    puts: Sequence[Sequence[Put]]
    deletes: Sequence[Sequence[Key]]


Make: TypeAlias = Callable[[Key, bytes], Piece | None]


class Bulk:
    """Bulk work under one catalog."""

    def __init__(self, kv: KeyValue, catalog: Catalog, limits: Limits, wait: Wait) -> None:
        self.kv = kv
        self.catalog = catalog
        self.keeper = Keeper(catalog)
        self.building = Keeper(catalog, ("building",))
        self.compiled: dict[str, Any] = {}  # of a sweep, by collection
        self._limits = limits
        self._wait = wait

    def page(self, space: str, after: Any, limit: int) -> tuple[Page, str | None]:
        """Read records in the order of their keys, and the name to go on after; None at the end."""
        span = Span(space, "" if after is None else just_after(after), END)
        page = self.kv.scan((span,), limit=limit, follow=space)
        self.believe(page.epoch)
        return page, page.names[-1] if len(page.names) == limit else None

    def believe(self, epoch: str) -> None:
        """Raise EpochChanged for what was read under another catalog."""
        if epoch != self.catalog.epoch:
            raise EpochChanged(CHANGED)

    def carry_out(self, records: Mapping[Key, bytes], make: Make, collection: Collection) -> tuple[int, int]:
        """Commit what make says that each record needs; give how many needed something, and how many still do.

        Those others kept changing. Raises MigrationRefused for claims that others hold and targets that are not there.
        """
        todo, number, problems = dict(records), 0, _Problems(collection, self.keeper.schema)
        for attempt in range(_TRIES):
            pieces = [piece for key, data in todo.items() if (piece := make(key, data)) is not None]
            number = number or len(pieces)
            if not pieces:
                todo = {}
                break
            if attempt:
                self._wait(random.uniform(0, min(_LONGEST_WAIT, _SHORTEST_WAIT * 2**attempt)))
            todo = self._judged(self._commit_all(pieces), problems)
            if not todo:
                break
        left = sum(not self._is_done_alone(key, make, problems) for key in todo)
        problems.refuse(lambda keys: self.kv.get(keys).values)
        return number, left

    def write_rows(self, rows: Rows) -> dict[Key, bytes]:
        """Commit what many records need, as much at once as goes; give those that are left, as they were read.

        Where one was changed meanwhile, all that were to be written with it are.
        """
        number, left = 1 + len(rows.puts) + len(rows.deletes), dict[Key, bytes]()
        sizes = [_OVERHEAD * number] * len(rows.keys)
        for put in rows.puts:
            sizes = [size + len(name) + len(value) for size, (_, name, value) in zip(sizes, put, strict=True)]
        for delete in rows.deletes:
            sizes = [size + len(name) for size, (_, name) in zip(sizes, delete, strict=True)]
        for part in self._slices(number, sizes):
            puts = [put for each in rows.puts for put in each[part]]
            deletes = [key for each in rows.deletes for key in each[part]]
            if self.kv.commit(rows.same[part], puts, deletes, epoch=self.catalog.epoch) is not None:
                left.update(zip(rows.keys[part], rows.data[part], strict=True))
        return left

    def _slices(self, number: int, sizes: Sequence[int]) -> Iterator[slice]:
        """Cut records into as many as go into one commit. number: of operations of each."""
        most, limit = max(1, self._limits.operations // number), self._limits.bytes
        start = total = 0
        for place, size in enumerate(sizes):
            if place > start and (place - start == most or total + size > limit):
                yield slice(start, place)
                start, total = place, 0
            total += size
        if sizes:
            yield slice(start, len(sizes))

    def _is_done_alone(self, key: Key, make: Make, problems: _Problems) -> bool:
        """Commit what one record needs that others keep changing; tell whether nothing is left to be done."""
        for _ in range(_ALONE):
            got = self.kv.get([key])
            self.believe(got.epoch)
            data = got.values[0]
            piece = None if data is None else make(key, data)
            if piece is None or not self._judged(self._commit_all([piece]), problems):
                return True
            self._wait(random.uniform(0, _SHORTEST_WAIT))
        return False

    def delete(self, keys: Sequence[Key]) -> None:
        """Delete what nobody writes any more."""
        most = self._limits.operations
        for start in range(0, len(keys), most):
            self.kv.commit([], [], keys[start : start + most], epoch=self.catalog.epoch)

    # --- commits ---

    def _commit_all(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Commit some pieces; give those that were refused."""
        refused, free = self._unclaimed(pieces)
        for group in self._groups(free):
            refused += self._commit(group)
        return refused

    def _unclaimed(self, pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
        """Leave out of the pieces the claims that they hold already; give those that want another's, and the rest."""
        wanted = list(dict.fromkeys(key for piece in pieces for key in piece.claims))
        if not wanted:
            return [], list(pieces)
        got = self.kv.get(wanted)
        self.believe(got.epoch)
        holders = {key: holder for key, holder in zip(wanted, got.values, strict=True) if holder is not None}
        refused: list[Piece] = []
        free: list[Piece] = []
        for piece in pieces:
            own = piece.key[1].encode()
            if any(holders.get(key, own) != own for key in piece.claims):
                refused.append(piece)
                continue
            piece.claims = {key: claim for key, claim in piece.claims.items() if key not in holders}
            holders.update(dict.fromkeys(piece.claims, own))
            free.append(piece)
        return refused, free

    def _groups(self, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
        """Put together what fits into one commit."""
        group: list[Piece] = []
        operations = size = 0
        for piece in pieces:
            more, bigger = _weighed(piece)
            if group and (operations + more > self._limits.operations or size + bigger > self._limits.bytes):
                yield group
                group, operations, size = [], 0, 0
            group.append(piece)
            operations += more
            size += bigger
        if group:
            yield group

    def _commit(self, group: list[Piece]) -> list[Piece]:
        """Commit a group, without those of it that a check refuses; give these."""
        refused: list[Piece] = []
        while group:
            checks: list[Check] = [piece.same for piece in group]
            owners = group
            puts = list(chain.from_iterable([piece.puts for piece in group]))
            deletes = list(chain.from_iterable([piece.deletes for piece in group]))
            if others := [piece for piece in group if piece.claims or piece.targets]:
                further = [(check, piece) for piece in others for check in piece.further()]
                checks += [check for check, _ in further]
                owners = [*group, *(piece for _, piece in further)]
                puts += chain.from_iterable([piece.holds() for piece in others])
            place = self.kv.commit(checks, puts, deletes, epoch=self.catalog.epoch)
            if place is None:
                break
            failed = owners[place]
            refused.append(failed)
            group = [piece for piece in group if piece is not failed]
        return refused

    def _judged(self, refused: Sequence[Piece], problems: _Problems) -> dict[Key, bytes]:
        """Look at what was refused, all at one moment: give what is to be tried again."""
        if not refused:
            return {}
        keys = list(dict.fromkeys(key for p in refused for key in (p.key, *p.claims, *p.targets)))
        got = self.kv.get(keys)
        self.believe(got.epoch)
        now = dict(zip(keys, got.values, strict=True))
        todo: dict[Key, bytes] = {}
        for piece in refused:
            data = now[piece.key]
            if data is None:
                continue
            if not data.startswith(piece.same.head) or not problems.judge(piece, now):
                todo[piece.key] = data
        return todo


def _weighed(piece: Piece) -> tuple[int, int]:
    """Give how many operations a piece takes, and about how many bytes."""
    number = 1 + len(piece.puts) + len(piece.deletes)
    if piece.claims or piece.targets:
        number += 2 * len(piece.claims) + len(piece.targets)
    size = _OVERHEAD * number
    for _, name, value in piece.puts:
        size += len(name) + len(value)
    for _, name in piece.deletes:
        size += len(name)
    if piece.claims or piece.targets:
        size += sum([len(name) for _, name in (*piece.claims, *piece.targets)])
    return number, size


class _Problems:
    """What the data of a page do not allow: which records stand in the way of which unique or reference."""

    def __init__(self, collection: Collection, schema: Schema) -> None:
        self._collection = collection
        self._schema = schema
        self._found: dict[Unique | Reference, dict[Key, bytes | None]] = {}

    def judge(self, piece: Piece, now: Mapping[Key, bytes | None]) -> bool:
        """Tell whether a record, as it is now, keeps the work from being done, and remember why."""
        (space, name), parts = piece.key, list[Unique | Reference]()
        for key, claim in piece.claims.items():
            holder = now[key]
            if holder is not None and holder != name.encode():
                parts.append(claim.unique)
                self._found.setdefault(claim.unique, {}).setdefault((space, holder.decode()), None)
        parts += [pointer.reference for key, pointer in piece.targets.items() if now[key] is None]
        for part in parts:
            self._found.setdefault(part, {})[piece.key] = piece.data
        return bool(parts)

    def refuse(self, get: Callable[[Sequence[Key]], Sequence[bytes | None]]) -> None:
        """Raise MigrationRefused for what comes first of what was found. get: gives records that were not read yet."""
        order = {part: at for at, part in enumerate([*self._collection.uniques, *self._collection.references])}
        for part in sorted(self._found, key=lambda part: order.get(part, len(order))):
            keys = self._keys(self._found[part], get)
            if isinstance(part, Unique):
                raise refusal.duplicates(self._collection, part, keys)
            raise refusal.dangling(self._collection, part, self._schema.collection(part.target).model, keys)

    def _keys(
        self, found: Mapping[Key, bytes | None], get: Callable[[Sequence[Key]], Sequence[bytes | None]]
    ) -> list[list[Any]]:  # fmt: skip
        """Give the keys of the first records, as JSON has them."""
        names = sorted(found)[: refusal.SHOWN + 1]
        unread = [name for name in names if found[name] is None]
        data = {**found, **(dict(zip(unread, get(unread), strict=True)) if unread else {})}
        raws = [decoded(each, self._collection.model) for name in names if (each := data[name]) is not None]
        columns = [self._collection.field(name).column for name in self._collection.key]
        return [[raw.get(column) for column in columns] for raw in raws]
