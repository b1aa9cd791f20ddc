"""One commit as one step on znodes: which operations it takes, and what it means when one of them fails.

Each operation states what must be so: `create` that nothing is there, `delete`, `put` and `check` that something is.
What the checks of a commit do not say is assumed (a new entry is not there, an old one is), and looked up only when the
server says that it is otherwise. That nothing refers to a record that goes, a delete says by itself, since references
are nodes below it. hold.py has the other ranges.
"""

from __future__ import annotations

import msgspec

from ....errors import Corrupted, EpochChanged, ManystoreError, StoreError, TooLarge, Unavailable
from ..layout import GAP
from ..outcome import Broken
from ..protocol import CATALOG, Absent, Check, Empty, Exists, Key, Range, Same, epoch_of, token_of
from .buckets import LOOK_AFTER, Bucket, Buckets, Directory, state_of
from .expectation import Expectation, Parts, referred
from .hold import Hold
from .link import UNSURE
from .multi import Failed
from .multiread import Node
from .nodes import ORDERED, RECORDS, REFERENCES, in_order
from .slot import Slot, Slots
from .split import go_on, is_full, split, take_away
from .translate import BAD_VERSION, NO_NODE, NODE_EXISTS, NOT_EMPTY, translate_code

_TRIES = 100
_AT_ONCE = 3  # tries without a pause
_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_MANY = 16  # hash directories of one space that a commit lacks


class Stake(msgspec.Struct, frozen=True):
    """What an operation stands for. place: of the check that does not hold when it fails; key: what it is about."""

    place: int | None = None
    key: Key | None = None
    bucket: Bucket | None = None
    is_epoch: bool = False
    is_slot: bool = False
    is_new: bool = False  # what it makes may want the nodes above it made first


class Commit:
    """One commit of the inner waist."""

    def __init__(self, buckets: Buckets, slots: Slots, limit: int, parts: Parts, epoch: str | None) -> None:
        self._buckets = buckets
        self._link, self._nodes = buckets.link, buckets.nodes
        self._slots = slots
        self._slot: Slot | None = None  # of a commit that only checks
        self._limit = limit
        self._checks = parts[0]
        self._epoch = epoch
        self._hold = Hold(buckets)
        self._expected = Expectation(self._link, self._nodes, parts)
        self._homes: dict[Key, Bucket] = {}
        self._stakes: list[Stake] = []
        self._multi = self._link.step()

    def run(self) -> int | None:
        """Carry it out; give what the waist's commit gives, or raise Broken with the slot."""
        if self._expected.puts or self._expected.deletes:
            self._slot = self._slots.take()
        try:
            failing = self._run()
        except Broken:
            raise Broken(self._slot) from None
        except ManystoreError:
            self._give_slot()
            raise
        self._give_slot()
        return failing

    def _give_slot(self) -> None:
        if self._slot is not None:
            self._slots.give(self._slot)

    def _run(self) -> int | None:
        for attempt in range(_TRIES):
            if attempt > _AT_ONCE:
                self._buckets.wait(min(_LONGEST_PAUSE, _PAUSE * attempt))
            try:
                if not self._find_homes():
                    continue
                failing = self._compose()
                if failing is not None:
                    return failing
                if self._multi.size > self._limit:
                    raise TooLarge("bytes", self._multi.size, self._limit)
                failed = self._link.write(self._multi)
                if failed is None:
                    if self._slot is not None:
                        self._slot.version += 1
                    self._hold.forget()
                    self._tidy()
                    return None
                failing = self._understand(failed)
                if failing is not None:
                    return failing
            finally:
                self._hold.let_go()
        raise Unavailable(f"other writers were faster {_TRIES} times; nothing was written")

    # --- buckets ---

    def _find_homes(self) -> bool:
        """Find the bucket of each entry, and look at those that must be looked at; False when that must be repeated."""
        wanted = self._entries()
        directories = {space: self._buckets.made(space) for space in {space for space, _ in wanted}}
        self._homes = {key: directories[key[0]].home(key[1]) for key in wanted}
        homes = {bucket.path: (key, bucket) for key, bucket in self._homes.items()}
        if all(b.version is not None and b.changes < LOOK_AFTER for _, b in homes.values()):
            return True
        nodes = self._buckets.look([bucket for _, bucket in homes.values()])
        looked = zip(homes.values(), nodes, strict=True)
        # All that are not fit are seen to before the next look.
        fit = [self._is_fit(directories[key[0]], key, bucket, node) for (key, bucket), node in looked]
        return all(fit)

    def _entries(self) -> list[Key]:
        """List the keys of this commit that are kept in buckets, its records' places in order among them."""
        expected = self._expected
        for key in (*expected.deletes, *expected.puts):
            if key[0][:2] == RECORDS and (expected.tokens[key] is None) == (key in expected.puts):
                expected.there.setdefault(in_order(key), key not in expected.puts)
        wanted = [check.key for check in self._checks if isinstance(check, (Exists, Absent))]
        return [key for key in (*wanted, *expected.there) if key[0][:2] in ORDERED]

    def _is_fit(self, directory: Directory, key: Key, bucket: Bucket, node: Node | None) -> bool:
        """Tell whether a bucket, as it was read, may be written to; see to it when not."""
        space, name = key
        is_frozen, following = (False, "") if node is None else state_of(node[0])
        if node is None or (not is_frozen and following != directory.following(directory.place(bucket.low))):
            self._buckets.forget(space)
        elif is_frozen:
            go_on(self._buckets, space, bucket, node)
        elif is_full(node[2], name):
            split(self._buckets, space, bucket, node, self._coming(bucket))
        else:
            bucket.take(node)
            return True
        return False

    def _coming(self, bucket: Bucket) -> list[str]:
        """Give what this commit adds to a bucket, in order."""
        there = self._expected.there
        return sorted(key[1] for key, home in self._homes.items() if home is bucket and there.get(key) is False)

    def _tidy(self) -> None:
        """After a commit: count what it changed, and take away a bucket that it left empty."""
        emptied: dict[str, tuple[str, Bucket]] = {}
        puts, there = self._expected.puts, self._expected.there
        for (space, name), bucket in self._homes.items():
            if (space, name) in there:
                is_added = (space, name) in puts or (RECORDS + space[2:], name) in puts
                bucket.changes += 1
                bucket.count += 1 if is_added else -1
                if bucket.count <= 0:
                    emptied[bucket.path] = space, bucket
        for space, bucket in emptied.values():
            directory = self._buckets.directory(space) if bucket.low and bucket.count <= 0 else None
            if directory is not None and bucket in directory.buckets:
                try:
                    take_away(self._buckets, space, directory, bucket)
                except StoreError:
                    return  # the commit is done; an empty bucket does no harm

    # --- composing ---

    def _compose(self) -> int | None:
        """Write the operations; give the place of a check that is seen to fail already."""
        self._multi, self._stakes = self._link.step(), []
        if self._slot is not None:
            self._slot.write(self._multi)
            self._stakes.append(Stake(is_slot=True))
        if self._epoch is not None and CATALOG not in self._expected.puts:
            self._check(self._nodes.epoch_child(self._epoch), Stake(is_epoch=True))
        for place, check in enumerate(self._checks):
            if not self._add_check(place, check):
                return place
        held = self._hold.versions
        for bucket in {bucket.path: bucket for bucket in self._homes.values()}.values():
            version = held.get(bucket.path, bucket.version)
            assert version is not None
            self._check(bucket.path, Stake(bucket=bucket), version)
        # References first: a record can go only when nothing is left below it.
        for key in sorted(self._expected.deletes, key=lambda key: key[0][:2] == RECORDS):
            self._delete(key)
        for key in sorted(self._expected.puts, key=lambda key: key[0][:2] == REFERENCES):
            self._put(key, self._expected.puts[key])
        self._hold.release(self._multi, lambda: self._stakes.append(Stake()))
        return None

    def _check(self, path: str, stake: Stake, version: int = -1) -> None:
        self._multi.check(path, version)
        self._stakes.append(stake)

    def _create(self, path: str, value: bytes, stake: Stake) -> None:
        self._multi.create(path, value)
        self._stakes.append(stake)

    def _remove(self, path: str, stake: Stake) -> None:
        self._multi.delete(path)
        self._stakes.append(stake)

    def _path(self, key: Key) -> str:
        if key[0][:2] in ORDERED:
            return f"{self._homes[key].path}/{key[1]}"
        return self._nodes.value(key)

    def _add_check(self, place: int, check: Check) -> bool:
        """Add the operations of a check that no write stands for; False when it does not hold."""
        if isinstance(check, (Empty, Range)):
            if (target := referred(check)) is not None and self._expected.empty.get(target) == place:
                return True
            return self._hold.require(self._multi, check, lambda: self._stakes.append(Stake(place=place)))
        if isinstance(check, Same) and check.head:
            version = self._expected.versions[place]
            if version is None:
                return False
            self._check(self._path(check.key), Stake(place=place), version)
        if self._expected.places.get(check.key) == place:
            return True
        path = self._path(check.key)
        if isinstance(check, Exists):
            self._check(path, Stake(place=place))
        elif isinstance(check, Same):
            self._check(f"{path}/{check.token}", Stake(place=place))
        else:
            self._create(path, b"", Stake(place=place, key=check.key, is_new=True))
            self._remove(path, Stake(place=place))
        return True

    def _delete(self, key: Key) -> None:
        stake = Stake(place=self._expected.places.get(key), key=key)
        if key[0][:2] != RECORDS:
            if self._expected.there[key]:
                self._remove(self._path(key), stake)
            return
        token, path = self._expected.tokens[key], self._path(key)
        if token is None:
            return  # it was not there when we looked, which is all that is asked for
        for child in self._expected.leftovers.get(key, ()):
            if (f"{REFERENCES}{key[0][2:]}", f"{key[1]}{GAP}{child}") not in self._expected.there:
                self._remove(f"{path}/{child}", stake)
        self._remove(f"{path}/{token}", stake)
        self._remove(path, Stake(place=self._expected.empty.get(key), key=key))
        self._delete(in_order(key))

    def _put(self, key: Key, value: bytes) -> None:
        if key == CATALOG:
            self._put_catalog(value)
            return
        path, stake = self._path(key), Stake(place=self._expected.places.get(key), key=key)
        new_stake = Stake(place=stake.place, key=key, is_new=True)
        if key[0][:2] != RECORDS:
            if not self._expected.there[key]:
                self._create(path, value, new_stake)
            elif value:
                self._multi.put(path, value)
                self._stakes.append(stake)
            else:
                self._check(path, stake)
            return
        old, new = self._expected.tokens[key], token_of(value)
        if old is None:
            self._create(path, value, new_stake)
            self._create(f"{path}/{new}", b"", stake)
            self._put(in_order(key), b"")
            return
        if old == new:
            self._check(f"{path}/{old}", stake)
        else:
            self._remove(f"{path}/{old}", stake)
            self._create(f"{path}/{new}", b"", stake)
        self._multi.put(path, value)
        self._stakes.append(stake)

    def _put_catalog(self, value: bytes) -> None:
        epoch, nodes, first = (
            epoch_of(value),
            self._nodes,
            Stake(place=self._expected.places.get(CATALOG), key=CATALOG, is_new=True),
        )
        before = self._epoch or self._expected.epoch
        if first.place is not None or before is None:
            self._create(nodes.catalogs, b"", first)
            self._create(nodes.catalog, value, first)
            self._create(nodes.epoch, epoch.encode(), first)
        else:
            self._remove(nodes.epoch_child(before), Stake(is_epoch=self._epoch is not None, key=CATALOG))
            self._multi.put(nodes.catalog, value)
            self._multi.put(nodes.epoch, epoch.encode())
            self._stakes += [first, first]
        self._create(nodes.epoch_child(epoch), b"", first)

    # --- what went wrong ---

    def _understand(self, failed: Failed) -> int | None:
        """Give the place of the check that does not hold; None when it is worth another try."""
        if failed.code not in _EXPECTED:
            raise translate_code(failed.code)
        stake = self._stakes[failed.place]
        if stake.is_slot:
            self._slot = self._slots.take()  # the old one went with its session
            return None
        if stake.is_epoch:
            raise EpochChanged("the catalog changed since the write was made")
        if stake.bucket is not None:
            for key, bucket in self._homes.items():
                if bucket is stake.bucket:
                    self._buckets.forget(key[0])
            return None
        if stake.key is None:
            return stake.place
        return self._understand_key(stake, stake.key, failed.code)

    def _understand_key(self, stake: Stake, key: Key, code: int) -> int | None:
        kind = key[0][:2]
        if code == NO_NODE and stake.is_new and kind not in (*ORDERED, REFERENCES):
            self._make_parents()
            return None
        if stake.place is not None:
            return stake.place
        if code == NO_NODE and stake.is_new and kind == REFERENCES:
            raise Corrupted("a reference was to be made to a record that is not there")
        self._expected.look_again(key, self._homes)
        return None

    def _make_parents(self) -> None:
        """Make the nodes above all that this commit may create; above many, all that there can be, once and for all."""
        if CATALOG in self._expected.puts:
            self._link.make(self._nodes.above())
            return
        wanted: dict[str, set[str]] = {}
        for key in (*self._expected.puts, *(check.key for check in self._checks if isinstance(check, Absent))):
            if key[0][:2] not in (*ORDERED, REFERENCES):
                top, below = self._nodes.parents(key)
                wanted.setdefault(top, set()).add(below)
        step = self._link.step()
        for (top, paths), names in zip(wanted.items(), self._link.read((), list(wanted)).lists, strict=True):
            if names is None:
                step.create(top)
            there = {f"{top}/{name}" for name in names or ()}
            for path in sorted((paths if len(paths) < _MANY else set(self._nodes.directories(top))) - there):
                step.create(path)
        failed = self._link.tidy(step)
        if failed is not None and failed.code not in (UNSURE, NODE_EXISTS):
            raise translate_code(failed.code)


_EXPECTED = (NO_NODE, NODE_EXISTS, NOT_EMPTY, BAD_VERSION)
