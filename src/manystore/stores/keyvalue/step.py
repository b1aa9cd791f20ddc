"""One try at a write: what it reads, what it judges, and the checks, puts and deletes of its commit.

A hopeful try reads only the records to be changed; that keys are free, targets there and nothing refers to what goes,
it leaves to the checks of the commit. When one of them fails, a thorough try reads all of it and says what is wrong,
in the order that store/protocol.py gives. referrers.py has the on_delete rules, claim.py the uniques.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...errors import Conflict, Duplicate, EpochChanged, MissingReference, NotFound
from ...schema.encoding import NONE
from ...store.change import RANKS, added, key_of, shown_key
from ...store.protocol import Change, Delete, Insert, Patch, Replace
from ...store.protocol import Check as Expect
from .entries import Pointer, Raw, Upkeep, Watched
from .protocol import Absent, Check, Exists, Key, KeyValue, Page, Put, Same, Span, head_of, token_of, version_of
from .shape import Keeper, Shape, decoded

CHANGED = "the catalog changed since the write was made"


class Raced(Exception):
    """What was read does not fit together: another writer came between two reads, and the write is tried again."""


class Touched:
    """A record that the step changes. token: it had, None of a new one; data: it will have, None of one that goes.

    old: the upkeep of what is stored; another one than that of what will be, when the step brings the record into the
    kept shape. head: what a record must still begin with, beside its token, where a sweep may change it under that.
    """

    __slots__ = ("after", "before", "data", "head", "key", "name", "old", "token", "upkeep", "was", "will")

    def __init__(
        self, upkeep: Upkeep, key: Key, token: str | None, old: Upkeep | None = None, head: bytes = b""
    ) -> None:
        self.upkeep = upkeep
        self.old = old or upkeep
        self.head = head
        self.key = key
        self.name = key[1]
        self.token = token
        self.was: Watched | None = None
        self.will: Watched | None = None
        self.data: bytes | None = None
        self.before: list[str] | None = None  # texts; none at both ends when nothing moves
        self.after: list[str] | None = None

    def become(self, data: bytes, will: Watched) -> None:
        """Take what the record will be."""
        self.data = data
        self.will = will
        if will != self.was or self.old is not self.upkeep:
            self.before = None if self.was is None else self.old.texts(self.was, self.name)
            self.after = self.upkeep.texts(will, self.name)

    def go(self) -> None:
        """Take it that the record will be gone."""
        self.data = self.will = self.after = None
        self.before = None if self.was is None else self.old.texts(self.was, self.name)

    def pointed(self) -> dict[tuple[str, str], str]:
        """Give what the stored record refers to: a target's name for the space and tail of each reference."""
        before = self.before
        return {} if before is None else {(p.space, p.tail): before[p.place] for p in self.old.pointers}


class Step:
    """One try at some changes. After open(), judging and close(): checks, puts and deletes for the commit."""

    __slots__ = (
        "_scanned", "_wanted", "by_key", "changes", "checks", "deletes", "gone", "is_sure", "is_thorough", "keeper",
        "kv", "nulled", "puts", "stored", "trips", "written",
    )  # fmt: skip

    def __init__(
        self,
        kv: KeyValue,
        keeper: Keeper,
        changes: Sequence[Change],
        stored: dict[Key, bytes | None],
        *,
        is_thorough: bool,
    ) -> None:
        self.kv = kv
        self.keeper = keeper
        self.changes = changes
        self.is_thorough = is_thorough
        self.is_sure = True  # nothing was left to the checks so far, which a thorough try never does
        self.trips = 0
        self.checks: list[Check] = []
        self.puts: list[Put] = []
        self.deletes: list[Key] = []
        self.stored = stored  # what was read
        self.by_key: dict[Key, Touched] = {}
        self.gone: list[Touched] = []  # by a Delete or a rule
        self.nulled: list[Touched] = []
        self.written: list[Touched] = []  # by Replace or Patch, then Insert
        self._scanned: list[tuple[Span, list[str]]] = []
        self._wanted: list[tuple[int, Patch, Key]] = []  # patched objects that somebody wants

    # --- reading ---

    def fetch(self, keys: Iterable[Key]) -> None:
        """Read what was not read yet, in one trip."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self.stored]
        if wanted:
            self.trips += 1
            got = self.kv.get(wanted)
            self.believe(got.epoch)
            self.stored.update(zip(wanted, got.values, strict=True))

    def scan(self, span: Span) -> Page:
        """Read all names of a span."""
        page = self.kv.scan((span,))
        self.trips += page.trips
        self.believe(page.epoch)
        self._scanned.append((span, page.names))
        return page

    def is_settled(self) -> bool:
        """Tell whether all that was read held at one moment, so that a refusal judged on it is true."""
        if self.trips <= 1:
            return True
        seen, scanned = self.stored, self._scanned
        again: dict[Key, bytes | None] = {}
        self.stored, self._scanned = again, []
        self.fetch(seen)
        return again == seen and all(self.scan(span).names == names for span, names in scanned)

    def believe(self, epoch: str) -> None:
        """Raise EpochChanged for what was read under another catalog."""
        if epoch != self.keeper.epoch:
            raise EpochChanged(CHANGED)

    # --- the changes ---

    def open(self) -> None:
        """Read the records and carry out every change on them, in memory; raise what the first that fails meets."""
        shape_of = self.keeper.shape
        placed: list[tuple[Change, Shape, Key]] = []
        keys: list[Key] = []
        for place, change in enumerate(self.changes):
            shape, kind = shape_of(change.collection), change.__class__
            if isinstance(change, (Insert, Replace)):
                key = (shape.space, shape.name(change.values))
            else:
                key = (shape.space, shape.upkeep.key_text(change.key))
                if isinstance(change, Patch) and change.codec is not None:
                    self._wanted.append((place, change, key))
            placed.append((change, shape, key))
            if self.is_thorough or (kind is not Insert and kind is not Expect):
                keys.append(key)
        if keys:
            self.fetch(keys)
        if len(placed) > 1:
            placed.sort(key=_rank)
        for change, shape, key in placed:
            if isinstance(change, Insert):
                self._insert(change, shape, key)
            elif isinstance(change, Expect):
                self._expect(change, key)
            else:
                self._change(change, shape, key)

    def _insert(self, change: Insert, shape: Shape, key: Key) -> None:
        if not self.is_thorough:
            self.is_sure = False
        elif self.stored[key] is not None:
            raise Duplicate(shape.model, change.collection.key)
        if key in self.by_key:
            raise Duplicate(shape.model, change.collection.key)
        touched = self.by_key[key] = Touched(shape.upkeep, key, None)
        touched.become(*shape.inserted(change.values, f"{change.revision:016x}"))
        self.written.append(touched)

    def _expect(self, change: Expect, key: Key) -> None:
        token = f"{change.expected:016x}"
        if not self.is_thorough:
            self.is_sure = False
        elif (data := self.stored[key]) is None or token_of(data) != token:
            raise Conflict(change.collection.model, shown_key(change.key))
        self.checks.append(Same(key, token))

    def _change(self, change: Delete | Replace | Patch, shape: Shape, key: Key) -> None:
        data = self.stored[key]
        if data is None:
            raise (Conflict if isinstance(change, Replace) else NotFound)(shape.model, shown_key(key_of(change)))
        token, raw, older = token_of(data), None, None
        if shape.older is not None and version_of(data) != shape.upkeep.version:
            older = shape.older
        if change.require or older is not None or not isinstance(change, Replace):
            raw = decoded(data, shape.model)
            if change.require and not _fulfils(raw, older or shape.upkeep, change):
                raise NotFound(shape.model, shown_key(key_of(change)))
        if change.expected is not None and token != f"{change.expected:016x}":
            raise Conflict(shape.model, shown_key(key_of(change)))
        if older is not None and raw is not None:
            self._change_older(change, shape, key, (data, raw))
            return
        touched = self.by_key[key] = Touched(shape.upkeep, key, token, head=shape.seen(data))
        if isinstance(change, Replace):
            new, touched.was, will = shape.replaced(data, change.values, (f"{change.revision:016x}", token))
        else:
            assert raw is not None
            touched.was = shape.upkeep.watched(raw)
            if isinstance(change, Delete):
                touched.go()
                self.gone.append(touched)
                return
            sets = _sets(change, raw, shape.upkeep.absent)
            new, will = shape.patched(raw, sets, (f"{change.revision:016x}", token))
        touched.become(new, will)
        self.written.append(touched)

    def _change_older(
        self, change: Delete | Replace | Patch, shape: Shape, key: Key, stored: tuple[bytes, Raw]
    ) -> None:
        """Delete a record of the older shape, or bring it into the kept one."""
        (data, raw), older = stored, shape.older
        if older is None or isinstance(change, Patch):
            # Whoever patches knows the kept columns; the record has them once its reader has lifted it.
            raise Conflict(shape.model, shown_key(key_of(change)))
        token, upkeep = token_of(data), older if isinstance(change, Delete) else shape.upkeep
        touched = self.by_key[key] = Touched(upkeep, key, token, older, head_of(data))
        touched.was = older.watched(raw)
        if isinstance(change, Delete):
            touched.go()
            self.gone.append(touched)
        else:
            touched.become(*shape.lifted(raw, change.values, (f"{change.revision:016x}", token)))
            self.written.append(touched)

    # --- references ---

    def look_ahead(self) -> None:
        """Of a thorough try: read in one trip the targets and claims that are judged next."""
        wanted = [key for touched in self.written for key, _ in self._targets(touched)]
        for touched in self.written:
            if (texts := touched.after) is not None:
                names = [(claim.space, claim.name(texts)) for claim in touched.upkeep.claims]
                wanted += [(space, name) for space, name in names if name is not None]
        self.fetch(wanted)

    def judge_references(self) -> None:
        """Refuse a reference to what is not there after this step; leave to a check what another writer may delete."""
        for touched in self.written:
            if not touched.upkeep.pointers:
                continue
            for key, pointer in self._targets(touched):
                target = self.by_key.get(key)
                if target is None:
                    if not self.is_thorough:
                        self.is_sure = False
                    elif self.stored[key] is None:
                        self._refuse_reference(touched, pointer)
                    self.checks.append(Exists(key))
                elif target.data is None:
                    self._refuse_reference(touched, pointer)

    def _targets(self, touched: Touched) -> list[tuple[Key, Pointer]]:
        """Give the keys that a written record refers to anew."""
        after, before = touched.after, touched.before
        if after is None:
            return []
        if touched.old is not touched.upkeep:
            pointed = touched.pointed()
            return [
                ((pointer.targets, after[pointer.place]), pointer)
                for pointer in touched.upkeep.pointers
                if after[pointer.place] not in (NONE, pointed.get((pointer.space, pointer.tail)))
            ]
        return [
            ((pointer.targets, after[pointer.place]), pointer)
            for pointer in touched.upkeep.pointers
            if after[pointer.place] != NONE and (before is None or before[pointer.place] != after[pointer.place])
        ]

    def _refuse_reference(self, touched: Touched, pointer: Pointer) -> None:
        target = self.keeper.schema.collection(pointer.reference.target).model
        raise MissingReference(touched.upkeep.model, pointer.reference.field, target)

    # --- the commit ---

    def close(self) -> None:
        """Collect the checks, puts and deletes of records, entries and references."""
        checks, puts, deletes = self.checks, self.puts, self.deletes
        for touched in (*self.gone, *self.nulled, *self.written):
            key, token, data = touched.key, touched.token, touched.data
            checks.append(Absent(key) if token is None else Same(key, token, touched.head))
            if data is None:
                deletes.append(key)
            else:
                puts.append((*key, data))
            before, after, upkeep = touched.before, touched.after, touched.upkeep
            if touched.old is not upkeep:
                self._move_shape(touched)
                continue
            if after is not None:
                if before is None:
                    puts += upkeep.entries(after)
                else:
                    self._move_entries(upkeep, before, after)
            elif before is not None:
                deletes += [(space, name) for space, name, _ in upkeep.entries(before)]
            for pointer in upkeep.pointers:
                self._move_pointer(touched, pointer)

    def _move_entries(self, upkeep: Upkeep, before: list[str], after: list[str]) -> None:
        for old, new in zip(upkeep.entries(before), upkeep.entries(after), strict=True):
            if old != new:
                self.deletes.append(old[:2])
                self.puts.append(new)

    def _move_shape(self, touched: Touched) -> None:
        """Take away the entries and references of the older shape, and put all those of the kept one."""
        before, after = touched.before, touched.after
        if before is not None:
            self.deletes += touched.old.places(before)
        if after is not None:
            self.puts += [(*name, b"") for name in touched.upkeep.places(after)]

    def _move_pointer(self, touched: Touched, pointer: Pointer) -> None:
        before, after, place, tail = touched.before, touched.after, pointer.place, pointer.tail + touched.name
        old = NONE if before is None else before[place]
        new = NONE if after is None else after[place]
        if old != new:
            if old != NONE:
                self.deletes.append((pointer.space, old + tail))
            if new != NONE:
                self.puts.append((pointer.space, new + tail, b""))

    def results(self) -> list[Any]:
        """Give the patched objects that somebody wants, in the order of the changes."""
        made: list[Any] = [None] * len(self.changes)
        for place, change, key in self._wanted:
            if (data := self.by_key[key].data) is not None:
                made[place] = change.codec.decode(data)
        return made


def _rank(placed: tuple[Change, Shape, Key]) -> int:
    return RANKS[placed[0].__class__]


def _fulfils(raw: Raw, upkeep: Upkeep, change: Delete | Replace | Patch) -> bool:
    """Tell whether a record has what a change requires. The record's own shape says which column a field is."""
    mine, absent = upkeep.collection, upkeep.absent
    for name, value in change.require:
        column = (mine if name in mine.positions else change.collection).field(name).column
        # Bytes are base64 text in a stored record, so both sides are brought to what JSON says.
        if raw.get(column, absent.get(column)) != (value if value is None else msgspec.to_builtins(value)):
            return False
    return True


def _sets(change: Patch, raw: Raw, absent: Raw) -> Raw:
    """Give the columns that a patch sets."""
    collection = change.collection
    sets: Raw = {collection.field(name).column: value for name, value in change.sets}
    for step in change.steps:
        field = collection.field(step.field)
        before: Any = sets.get(field.column, raw.get(field.column, absent.get(field.column)))
        sets[field.column] = added(step, field, before, collection.model)
    return sets
