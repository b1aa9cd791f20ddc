"""etcd: a key-value store over the KV service of version 3, and the store that `etcd://` opens.

A key is `/<database>/<space>/<name>`. A commit is one transaction, a read is a snapshot: entries come first, then the
records that they lead to, at the same revision. The cluster, the slots and the transactions have files of their own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import grpc

from ...errors import (
    Closed,
    Corrupted,
    ManystoreError,
    NotADatabase,
    OutcomeUnknown,
    StoreError,
    TooLarge,
    Unavailable,
    URLError,
)
from ...query.capabilities import Capabilities
from ...store.protocol import Wait
from ...store.url import StoreURL
from .bulk import Limits
from .etcd_cluster import Cluster, Settings
from .etcd_messages import Message, Op, Range, Txn
from .etcd_ranges import Ranges
from .etcd_slot import Slot, Slots
from .etcd_step import Moved, Names, Passed, Step
from .etcd_translate import Compacted, Full, LeaseLost
from .layout import GAP
from .outcome import NOT_ASKED, Broken, through
from .protocol import CATALOG, Check, Key, Page, Put, Span, Values, epoch_of
from .store import KeyValueStore

_WRITERS = "w:"  # the space of slots; it may hold something before the catalog does
_PORT = 2379
_GAP = GAP.encode()
_CHANGING = "other writers kept changing what a commit checks; nothing was written"


class Etcd:
    """A KeyValue (protocol.py) on a cluster. most: operations that its servers surely take in one transaction."""

    def __init__(self, cluster: Cluster, names: Names, *, most: int) -> None:
        self._cluster = cluster
        self._names = names
        self._slots = Slots(cluster, f"{names.root}{_WRITERS}/")
        self._most = most

    def get(self, keys: Sequence[Key], /, *, follow: str | None = None) -> Values:
        """Read some values, or the records that they name, at the same revision."""
        got, revision = self._read(keys)
        if follow is None:
            return got
        owners = [owner for owner in got.values if owner is not None]
        if not owners:
            return got
        records = self._followed(owners, follow, revision, got.epoch)
        held = iter(records.values)
        return Values([owner and next(held) for owner in got.values], records.epoch, got.trips + records.trips)

    def _read(self, keys: Sequence[Key]) -> tuple[Values, int]:
        """Read some values; give the revision that they are of as well."""
        key, at_once = self._names.key, self._most - 1
        while True:
            request = Txn(success=[self._names.epoch_op])
            add = request.success.add
            for each in keys[:at_once]:
                add().request_range.key = key(each)
            response = self._cluster.ask("Txn", request)
            answers, revision = iter(response.responses), response.header.revision
            epoch = _epoch(next(answers))
            values = _values(answers)
            if len(keys) <= at_once:
                return Values(values, epoch), revision
            more = self._pinned([key(each) for each in keys[at_once:]], revision)
            if more is not None:
                return Values(values + more, epoch, 2), revision

    def scan(
        self, spans: Sequence[Span], /, *, limit: int | None = None, reverse: bool = False, follow: str | None = None
    ) -> Page:
        """Read names in order, then the records they lead to, at the same revision."""
        names, space = self._names, spans[0].space
        is_own = follow == space
        ranges = Ranges(names, spans, limit, reverse=reverse, with_values=is_own)
        request = ranges.first(names.epoch_op, self._most)
        if request is None:
            return Page([], [], self.get(()).epoch)
        response = self._cluster.ask("Txn", request)
        epoch, revision, trips = _epoch(response.responses[0]), response.header.revision, 1
        ranges.take(response.responses[1:])
        while requests := ranges.again(revision, self._most):
            answers = self._past(requests)
            if answers is None:
                return self.scan(spans, limit=limit, reverse=reverse, follow=follow)
            ranges.take(answers)
            trips += 1
        kvs = ranges.found()
        keys = [kv.key for kv in kvs]
        start = len(f"{names.root}{space}/")
        found = [key.decode()[start:] for key in keys]
        if follow is None or is_own or not found:
            return Page(found, [kv.value for kv in kvs] if is_own else [], epoch, trips)
        # owner_of(name), written out on bytes: a call for each name, and its UTF-8 once more, would take as long again.
        got = self._followed([key[key.rfind(_GAP) + 1 :] for key in keys], follow, revision, epoch)
        return Page(found, got.values, got.epoch, trips + got.trips)

    def _followed(self, owners: Sequence[bytes], follow: str, revision: int, epoch: str) -> Values:
        """Read records as they were at the revision that told of them, when the epoch was this."""
        head = self._names.key((follow, ""))
        values = self._pinned([head + owner for owner in owners], revision)
        if values is not None:
            return Values(values, epoch)
        got = self.get([(follow, owner.decode()) for owner in owners])
        return Values(got.values, got.epoch, 1 + got.trips)

    def _pinned(self, keys: Sequence[bytes], revision: int) -> list[bytes | None] | None:
        """Read values as they were at a revision, all in one wait; None when that is no longer kept."""
        # The past is the same on every member that has come so far: no need to ask the leader.
        read = Op(request_range=Range(revision=revision, serializable=True))
        asked = read.request_range
        requests: list[Message] = []
        for first in range(0, len(keys), self._most):
            request = Txn()
            append = request.success.append
            for key in keys[first : first + self._most]:
                asked.key = key
                append(read)  # a copy: the quickest way to make many alike
            requests.append(request)
        answers = self._past(requests)
        return None if answers is None else _values(answers)

    def _past(self, requests: Sequence[Message]) -> list[Message] | None:
        """Send reads at a revision all at once, and give their answers; None when the revision is no longer kept."""
        try:
            answers = self._cluster.ask_all("Txn", requests) if requests else []
        except Compacted:
            return None
        return [each for answer in answers for each in answer.responses]

    def commit(
        self, checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key], /, *, epoch: str | None
    ) -> int | None:
        """Delete and put, if the epoch is in force and every check holds."""
        step = Step(self._names, checks, puts, deletes, epoch)
        until = time.monotonic() + self._cluster.timeout
        if step.is_reading:
            return self._check(step, until)
        try:
            return self._send(step, until)
        except Broken as broken:
            lost = broken
        return through(
            lost,
            lambda: self._send(step, until),
            lambda slot: self._slots.settle(slot, max(self._cluster.timeout / 2, until - time.monotonic())),
            self.get,
            parts=(checks, puts, deletes),
            seconds=self._cluster.timeout,
        )

    def _check(self, step: Step, until: float) -> int | None:
        """Send a commit that only checks."""
        while True:
            response = self._cluster.ask("Txn", step.request(None, self._most))
            try:
                return None if response.succeeded else self._failing(step, response, None)
            except Passed:
                if time.monotonic() >= until:
                    raise Unavailable(_CHANGING) from None

    def _failing(self, step: Step, response: Message, slot: Slot | None) -> int:
        """Give the place of the first check that fails; raise EpochChanged, Moved or Passed."""
        if not step.tells:
            response = self._cluster.ask("Txn", step.question(slot))
        return step.failing(response, slot)

    def _send(self, step: Step, until: float) -> int | None:
        """Send a commit with a slot that is there; raises Broken when the reply is lost."""
        while True:
            slot = self._slots.take()
            try:
                return self._send_once(step, slot, until)
            except (Moved, LeaseLost):
                self._slots.lose(slot)
                refusal = "etcd did not answer in time; nothing was written"
            except Passed:
                self._slots.give(slot)
                refusal = _CHANGING
            except Broken:
                raise Broken(slot) from None
            if time.monotonic() >= until:
                raise Unavailable(refusal)

    def _send_once(self, step: Step, slot: Slot, until: float) -> int | None:
        request = step.request(slot, self._most)
        left = max(0.01, until - time.monotonic())
        try:
            response = self._cluster.ask("Txn", request, seconds=left / 2, once=True)
        except Full:
            if self._was_last(slot):
                return None
            raise
        except LeaseLost:
            raise
        except ManystoreError:
            self._slots.give(slot)  # surely not carried out, or it would be Broken
            raise
        if response.succeeded:
            self._slots.done(slot)
            return None
        try:
            failing = self._failing(step, response, slot)
        except ManystoreError:
            self._slots.give(slot)
            raise
        self._slots.give(slot)
        return failing

    def _was_last(self, slot: Slot) -> bool:
        """Tell whether a commit that was answered with Full was the last one that there was room for."""
        try:
            return self._slots.holds(slot)
        except OutcomeUnknown:
            raise
        except (StoreError, Closed):
            raise OutcomeUnknown(NOT_ASKED) from None

    def close(self) -> None:
        """Let go of the slots and the channels."""
        self._slots.close()
        self._cluster.close()


class EtcdStore(KeyValueStore):
    """The store of `etcd://host:port,host:port/name`."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        native_filter=False, native_aggregate=False, persistent=True, shared=True, index_trips=2
    )

    @classmethod
    def open(cls, url: StoreURL, /, *, wait: Wait) -> EtcdStore:
        """Open a database; raise URLError, NotADatabase, Corrupted or Unavailable."""
        names = Names(_name(url))
        cluster = Cluster(_settings(url), wait=wait)
        try:
            most = _most(cluster, names, url.limit("max_operations"))
        except BaseException:
            cluster.close()
            raise
        return cls(Etcd(cluster, names, most=most), wait=wait, limits=Limits.of(url))


def _epoch(answer: Message) -> str:
    for kv in answer.response_range.kvs:
        return str(kv.value.decode())
    return ""


def _values(answers: Any) -> list[bytes | None]:
    found: list[bytes | None] = []
    for answer in answers:
        kvs = answer.response_range.kvs
        found.append(kvs[0].value if kvs else None)
    return found


def _name(url: StoreURL) -> str:
    name = url.prefix + url.path.strip("/")
    if not name or ":" in name or "//" in name:
        raise URLError("etcd: name the database, as in etcd://host:2379/name; a name has no : and no empty part")
    return name


def _settings(url: StoreURL) -> Settings:
    url.allow("timeout", "connect_timeout", "ca", "cert", "key")
    if not url.hosts:
        raise URLError("etcd: name a host, as in etcd://host:2379/name")
    timeout, connect_timeout = url.option("timeout", 5), url.option("connect_timeout", 2)
    if not timeout or not connect_timeout:
        raise URLError("etcd: the options timeout and connect_timeout are more than 0")
    hosts = tuple(host if host.rpartition(":")[2].isdigit() else f"{host}:{_PORT}" for host in url.hosts)
    return Settings(hosts, timeout, connect_timeout, url.user, url.password, _credentials(url))


def _credentials(url: StoreURL) -> Any:
    options = url.options
    if "ca" not in options:
        if "cert" in options or "key" in options:
            raise URLError("etcd: cert and key go with ca, the certificates that the servers' are signed with")
        return None
    if ("cert" in options) != ("key" in options):
        raise URLError("etcd: cert and key go together")
    contents: dict[str, bytes] = {}
    for option in ("ca", "cert", "key"):
        if option in options:
            try:
                with open(options[option], "rb") as file:
                    contents[option] = file.read()
            except OSError:
                raise URLError(f"etcd: the file of the option {option} cannot be read") from None
    return grpc.ssl_channel_credentials(contents["ca"], contents.get("key"), contents.get("cert"))


def _most(cluster: Cluster, names: Names, steps: int) -> int:
    """Look at what is stored, and make sure that the server takes what a step of so many operations may need."""
    needed = 2 * steps + 4  # a check of a record takes two compares; epoch, slot, and room for both
    try:
        found = _look(cluster, names, needed)
    except TooLarge:
        low, high = 1, needed
        while high - low > 1:
            middle = (low + high) // 2
            try:
                _look(cluster, names, middle)
                low = middle
            except TooLarge:
                high = middle
        fits = max(1, (low - 4) // 2)
        raise URLError(
            f"etcd: the server takes {low:,} operations in a transaction, and steps of {steps:,} need {needed:,}: "
            f"start it with --max-txn-ops={needed}, or add max_operations={fits} to the URL"
        ) from None
    catalog, epoch, *others = ([kv.value for kv in answer.response_range.kvs] for answer in found.responses)
    if not catalog:
        if epoch or any(others):
            raise NotADatabase("etcd: something else is stored under the prefix; it was left untouched")
    elif not catalog[0].startswith(b'{"format":'):
        raise NotADatabase("etcd: something else is stored in the place of the catalog; it was left untouched")
    elif epoch != [epoch_of(catalog[0]).encode()]:
        raise Corrupted("etcd: the epoch beside the catalog is not the catalog's")
    return needed


def _look(cluster: Cluster, names: Names, number: int) -> Message:
    """Read catalog, epoch and whether there is anything else; so many further operations are counted, but never run."""
    root = names.root
    before, behind = (root, f"{root}{_WRITERS}/"), (f"{root}{_WRITERS}0", f"{root[:-1]}0")  # 0 comes next to /
    looks = [Op(request_range=Range(key=names.key(CATALOG))), names.epoch_op]
    looks += [
        Op(request_range=Range(key=low.encode(), range_end=high.encode(), limit=1, keys_only=True))
        for low, high in (before, behind)
    ]
    idle = Op(request_range=Range(key=root.encode(), range_end=f"{root}{_WRITERS}".encode(), count_only=True))
    return cluster.ask("Txn", Txn(success=looks, failure=[idle] * number))
