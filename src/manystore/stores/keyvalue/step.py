"""One try at a write: what it reads, what it judges, and the checks, puts and deletes of its commit.

A hopeful try reads only the records to be changed; that keys are free, targets there and nothing refers to what goes,
it leaves to the checks of the commit. When one of them fails, a thorough try reads all of it and says what is wrong,
in the order that store/protocol.py gives. referrers.py has the on_delete rules, claim.py the uniques.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...errors import Conflict, Duplicate, EpochChanged, MissingReference, NotFound, OutOfBounds
from ...schema.encoding import NONE
from ...schema.schema import Collection, Field
from ...store.protocol import Change, Delete, Insert, Patch, Replace
from ...store.protocol import Check as Expect
from ...store.protocol import Step as Addition
from .entries import Keeper, Raw, Upkeep
from .protocol import Absent, Check, Exists, Key, KeyValue, Page, Put, Same, Span

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder().decode
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


class Raced(Exception):
    """What was read does not fit together: another writer came between two reads, and the write is tried again."""


class Touched:
    """A record that the step changes. old: None of a new one; new: None of one that goes."""

    __slots__ = ("data", "name", "new", "new_texts", "old", "old_texts", "space", "upkeep")

    def __init__(self, upkeep: Upkeep, name: str, old: Raw | None, new: Raw | None) -> None:
        self.upkeep = upkeep
        self.space = upkeep.space
        self.name = name
        self.old = old
        self.new = new
        self.data = b""  # the new record's, once it is collected
        self.old_texts: list[str] | None = None
        self.new_texts: list[str] | None = None

    def work_out(self) -> None:
        """Work out the texts of both ends; none when nothing moved."""
        upkeep, old, new = self.upkeep, self.old, self.new
        if old is not None and new is not None and upkeep.is_unmoved(old, new):
            return
        self.old_texts = None if old is None else upkeep.texts(old, self.name)
        if new is not None:
            upkeep.check(new)
            self.new_texts = upkeep.texts(new, self.name)


class Step:
    """One try at some changes. After prepare(): checks, puts and deletes for the commit, then results()."""

    def __init__(self, kv: KeyValue, keeper: Keeper, changes: Sequence[Change], *, is_thorough: bool) -> None:
        self.kv = kv
        self.keeper = keeper
        self.changes = changes
        self.is_thorough = is_thorough
        self.is_sure = True  # nothing was left to the checks so far, which a thorough try never does
        self.trips = 0
        self._scanned: list[tuple[Span, list[str]]] = []
        self._placed: list[tuple[Change, Upkeep, Key]] = []
        self.checks: list[Check] = []
        self.puts: list[Put] = []
        self.deletes: list[Key] = []
        self.stored: dict[Key, bytes | None] = {}
        self.by_key: dict[Key, Touched] = {}
        self.gone: list[Touched] = []  # by a Delete or a rule
        self.nulled: list[Touched] = []
        self.written: list[Touched] = []  # by Replace or Patch, then Insert

    # --- reading ---

    def fetch(self, keys: Iterable[Key]) -> None:
        """Read what was not read yet, in one trip."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self.stored]
        if wanted:
            self.trips += 1
            got = self.kv.get(wanted)
            self._believe(got.epoch)
            self.stored.update(zip(wanted, got.values, strict=True))

    def scan(self, span: Span) -> Page:
        """Read all names of a span."""
        self.trips += 1
        page = self.kv.scan(span)
        self._believe(page.epoch)
        self._scanned.append((span, page.names))
        return page

    def is_settled(self) -> bool:
        """Tell whether all that was read held at one moment, so that a refusal judged on it is true."""
        if self.trips <= 1:
            return True
        seen, scanned = self.stored, self._scanned
        self.stored, self._scanned = {}, []
        self.fetch(seen)
        return self.stored == seen and all(self.scan(span).names == names for span, names in scanned)

    def _believe(self, epoch: str) -> None:
        if epoch != self.keeper.epoch:
            raise EpochChanged("the catalog changed since the write was made")

    def raw(self, key: Key) -> Raw | None:
        """Give a stored record that was fetched."""
        data = self.stored[key]
        return None if data is None else _DECODE(data)

    # --- judging ---

    def open(self) -> None:
        """Read the records and carry out every change on them, in memory; raise what the first that fails meets."""
        placed = self._placed = [(change, *self._place(change)) for change in self.changes]
        known = (Delete, Replace, Patch, Insert, Expect) if self.is_thorough else (Delete, Replace, Patch)
        self.fetch([key for change, _, key in placed if isinstance(change, known)])
        kinds: tuple[tuple[type[Any], ...], ...] = ((Expect,), (Delete,), (Replace, Patch), (Insert,))
        if len(placed) == 1:
            kinds = ((type(self.changes[0]),),)
        for kind in kinds:
            for change, upkeep, key in placed:
                if isinstance(change, kind):
                    self._carry_out(change, upkeep, key)

    def _place(self, change: Change) -> tuple[Upkeep, Key]:
        upkeep = self.keeper.of(change.collection.name)
        if isinstance(change, Insert | Replace):
            values = change.values
            bound: Sequence[Any] = [values[place] for place in change.collection.key_positions]
        else:
            bound = change.key
        return upkeep, (upkeep.space, upkeep.key_text(bound))

    def _carry_out(self, change: Change, upkeep: Upkeep, key: Key) -> None:
        if isinstance(change, Insert):
            self._insert(change, upkeep, key)
        elif isinstance(change, Expect):
            self._expect(change, key)
        else:
            old = self._old(change, key)
            if isinstance(change, Delete):
                touched = Touched(upkeep, key[1], old, None)
                self.gone.append(touched)
            else:
                new = _replaced(change, old) if isinstance(change, Replace) else _patched(change, old)
                touched = Touched(upkeep, key[1], old, new)
                self.written.append(touched)
            self.by_key[key] = touched
            touched.work_out()

    def _insert(self, change: Insert, upkeep: Upkeep, key: Key) -> None:
        collection = change.collection
        if not self.is_thorough:
            self.is_sure = False
        elif self.stored[key] is not None:
            raise Duplicate(collection.model, collection.key)
        if key in self.by_key:
            raise Duplicate(collection.model, collection.key)
        new: Raw = {"_revision": f"{change.revision:016x}", "_previous": None, "_version": collection.version}
        new.update(zip(collection.columns, change.values, strict=True))
        touched = self.by_key[key] = Touched(upkeep, key[1], None, new)
        touched.work_out()
        self.written.append(touched)

    def _expect(self, change: Expect, key: Key) -> None:
        token = f"{change.expected:016x}"
        if not self.is_thorough:
            self.is_sure = False
        elif (raw := self.raw(key)) is None or raw["_revision"] != token:
            raise Conflict(change.collection.model, shown_key(change.key))
        self.checks.append(Same(key, token))

    def _old(self, change: Delete | Replace | Patch, key: Key) -> Raw:
        raw, model = self.raw(key), change.collection.model
        if raw is None:
            if isinstance(change, Replace):
                raise Conflict(model, _key_of(change))
            raise NotFound(model, _key_of(change))
        if change.require and not _fulfils(raw, change.collection, change.require):
            raise NotFound(model, _key_of(change))
        if change.expected is not None and raw["_revision"] != f"{change.expected:016x}":
            raise Conflict(model, _key_of(change))
        return raw

    def look_ahead(self) -> None:
        """Of a thorough try: read in one trip the targets and claims that are judged next."""
        if self.is_thorough:
            wanted = [key for touched in self.written for key, _ in self._targets(touched)]
            for touched in self.written:
                texts, new = touched.new_texts, touched.new
                if texts is not None and new is not None:
                    names = [(claim.space, claim.name(texts, new)) for claim in touched.upkeep.claims]
                    wanted += [(space, name) for space, name in names if name is not None]
            self.fetch(wanted)

    def judge_references(self) -> None:
        """Refuse a reference to what is not there after this step; leave to a check what another writer may delete."""
        for touched in self.written:
            for key, field in self._targets(touched):
                target = self.by_key.get(key)
                if target is None:
                    if not self.is_thorough:
                        self.is_sure = False
                    elif self.stored[key] is None:
                        self._refuse_reference(touched, field)
                    self.checks.append(Exists(key))
                elif target.new is None:
                    self._refuse_reference(touched, field)

    def _targets(self, touched: Touched) -> list[tuple[Key, str]]:
        """Give the keys that a written record refers to anew, and the fields."""
        texts, old = touched.new_texts, touched.old_texts
        if texts is None or touched.new is None:
            return []
        return [
            ((pointer.targets, texts[pointer.place]), pointer.reference.field)
            for pointer in touched.upkeep.pointers
            if texts[pointer.place] != NONE and (old is None or old[pointer.place] != texts[pointer.place])
        ]

    def _refuse_reference(self, touched: Touched, field: str) -> None:
        collection = touched.upkeep.collection
        target = next(r.target for r in collection.references if r.field == field)
        raise MissingReference(collection.model, field, self.keeper.schema.collection(target).model)

    # --- the commit ---

    def close(self) -> None:
        """Collect the checks, puts and deletes of records, entries and references."""
        for touched in (*self.gone, *self.nulled, *self.written):
            key = (touched.space, touched.name)
            if touched.old is None:
                self.checks.append(Absent(key))
            else:
                self.checks.append(Same(key, touched.old["_revision"]))
            if touched.new is None:
                self.deletes.append(key)
            else:
                touched.data = _ENCODE(touched.new)
                self.puts.append((touched.space, touched.name, touched.data))
            if touched.old_texts is not None or touched.new_texts is not None:
                self._move(touched)

    def _move(self, touched: Touched) -> None:
        old, new, upkeep = touched.old_texts, touched.new_texts, touched.upkeep
        for space, pick in upkeep.entries:
            before = None if old is None else "".join(pick(old))
            after = None if new is None else "".join(pick(new))
            self._replace_name(space, before, after)
        for pointer in upkeep.pointers:
            before = None if old is None or old[pointer.place] == NONE else old[pointer.place]
            after = None if new is None or new[pointer.place] == NONE else new[pointer.place]
            if before != after:
                tail = pointer.tail + touched.name
                self._replace_name(pointer.space, before and before + tail, after and after + tail)

    def _replace_name(self, space: str, before: str | None, after: str | None) -> None:
        if before != after:
            if before is not None:
                self.deletes.append((space, before))
            if after is not None:
                self.puts.append((space, after, b""))

    def results(self) -> list[Any]:
        """Give the patched objects that somebody wants, in the order of the changes."""
        return [
            change.codec.decode(data)
            if isinstance(change, Patch) and change.codec is not None and (data := self.by_key[key].data)
            else None
            for change, _, key in self._placed
        ]


def shown_key(key: Sequence[Any]) -> Any:
    """Give a bound key as errors show it."""
    return key[0] if len(key) == 1 else tuple(key)


def _key_of(change: Delete | Replace | Patch) -> Any:
    if isinstance(change, Replace):
        return shown_key([change.values[place] for place in change.collection.key_positions])
    return shown_key(change.key)


def _fulfils(raw: Raw, collection: Collection, require: Sequence[tuple[str, Any]]) -> bool:
    # Bytes are base64 text in a stored record, so both sides are brought to what JSON says.
    return all(raw.get(collection.field(n).column) == (v if v is None else msgspec.to_builtins(v)) for n, v in require)


def _replaced(change: Replace, old: Raw) -> Raw:
    collection = change.collection
    new = {**old, "_revision": f"{change.revision:016x}", "_previous": old["_revision"], "_version": collection.version}
    new.update(zip(collection.columns, change.values, strict=True))
    return new


def _patched(change: Patch, old: Raw) -> Raw:
    collection = change.collection
    new = {**old, "_revision": f"{change.revision:016x}", "_previous": old["_revision"], "_version": collection.version}
    for name, value in change.sets:
        new[collection.field(name).column] = value
    for step in change.steps:
        field = collection.field(step.field)
        before: Any = new.get(field.column)
        new[field.column] = _stepped(step, field, before, collection.model)
    return new


def _stepped(step: Addition, field: Field, before: int | None, model: str) -> int:
    after = (before or 0) + step.by
    if (step.low is not None and after < step.low) or (step.high is not None and after > step.high):
        raise OutOfBounds(model, step.field, "the sum would leave the bounds given")
    most = 10**field.digits - 1 if field.kind == "decimal" and field.digits is not None else _INT_MAX
    least = -most if field.kind == "decimal" else _INT_MIN
    if not least <= after <= most:
        raise OutOfBounds(model, step.field, "the sum is longer than the field may be")
    return after
