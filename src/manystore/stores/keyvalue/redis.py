"""Redis: a key-value store on one server, or in one slot of a cluster, and the store that `redis://` opens.

Knows the inner waist, URLs and what Redis replies. redis_script.py has what is sent, redis_exchange.py the sending,
redis_slot.py what tells of a lost reply, redis_connection.py the connections, redis_translate.py the errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from redis.crc import key_slot

from ...errors import EpochChanged, NotADatabase, URLError
from ...query.capabilities import Capabilities
from ...store.protocol import Wait
from ...store.url import StoreURL
from .bulk import Limits
from .outcome import Broken, through
from .protocol import CATALOG, Check, Key, Page, Put, Span, Values, epoch_of
from .redis_connection import Address, Connections, HashSlot, Login, OneServer
from .redis_exchange import Exchange
from .redis_script import COMMIT, COMMITTED, FIND, FIND_ALL, OTHER_EPOCH, OWNED, Keyspace, packed
from .redis_translate import translate
from .store import KeyValueStore

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_PORT, _TIMEOUT, _POOL = 6379, 5, 16
_OPTIONS = ("timeout", "connect_timeout", "pool", "durability", "replicas")
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")


class Redis:
    """A KeyValue (protocol.py) under one hash tag."""

    def __init__(self, exchange: Exchange, keyspace: Keyspace, connections: Connections) -> None:
        self._exchange = exchange
        self._keyspace = keyspace
        self._connections = connections

    def get(self, keys: Sequence[Key], /, *, follow: str | None = None) -> Values:
        """Read some values, or the records that they name."""
        keyspace = self._keyspace
        if follow is not None:
            epoch, *found = self._exchange.run(OWNED, *keyspace.owned(keys, follow))
            return Values(found, _text(epoch))
        if len(keys) == 1:
            value, epoch = self._exchange.ask(keyspace.read_one(*keys[0]), 2)
            return Values([value], _text(epoch))
        places: dict[str, list[int]] = {}
        for place, (space, _) in enumerate(keys):
            places.setdefault(space, []).append(place)
        parts = [keyspace.read_many(space, [keys[place][1] for place in held]) for space, held in places.items()]
        if len(parts) <= 1:
            *found, epoch = self._exchange.ask(b"".join(parts) + keyspace.epoch, len(parts) + 1)
        else:
            payload = packed(b"MULTI") + b"".join(parts) + keyspace.epoch + packed(b"EXEC")
            *found, epoch = self._exchange.ask(payload, len(parts) + 3)[-1]
        values: list[bytes | None] = [None] * len(keys)
        for held, part in zip(places.values(), found, strict=True):
            if isinstance(part, Exception):  # inside of what EXEC gives it is not raised
                raise translate(part)
            for place, value in zip(held, part, strict=True):
                values[place] = value
        return Values(values, _text(epoch))

    def scan(
        self, spans: Sequence[Span], /, *, limit: int | None = None, reverse: bool = False, follow: str | None = None
    ) -> Page:
        """Read names in order, and the records they lead to."""
        keyspace = self._keyspace
        if spans[0].space[0] == "u":
            return self._claims(spans[0].space, limit)
        keys = [keyspace.catalog, keyspace.names(spans[0].space)]
        if follow is not None:
            keys.append(keyspace.values(follow))
        if len(spans) > 1:
            arguments = keyspace.all_bounds(spans, limit, reverse=reverse)
            epoch, names, *slices = self._exchange.run(FIND_ALL, keys, arguments)
        else:
            bounds = keyspace.bounds(spans[0], limit, reverse=reverse)
            if follow is None:
                request = packed(b"ZRANGE", keys[1], *bounds[:2], b"BYLEX", *bounds[2:]) + keyspace.epoch
                names, epoch = self._exchange.ask(request, 2)
                return Page([name.decode() for name in names], [], _text(epoch))
            epoch, names, *slices = self._exchange.run(FIND, keys, bounds)
        values = slices[0] if len(slices) == 1 else [value for part in slices for value in part]
        return Page([name.decode() for name in names], values, _text(epoch))

    def _claims(self, space: str, limit: int | None) -> Page:
        """Read the names of some claims, whichever."""
        key = self._keyspace.values(space)
        request = packed(b"HKEYS", key) if limit is None else packed(b"HRANDFIELD", key, b"%d" % limit)
        names, epoch = self._exchange.ask(request + self._keyspace.epoch, 2)
        return Page([name.decode() for name in names], [], _text(epoch))

    def commit(
        self, checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key], /, *, epoch: str | None
    ) -> int | None:
        """Delete and put, if the epoch is in force and every check holds."""
        keys, arguments = self._keyspace.step(checks, puts, deletes, epoch)
        if not puts and not deletes:
            return _failing(self._exchange.run(COMMIT, keys, arguments))
        exchange = self._exchange
        try:
            return _failing(exchange.deliver(keys, arguments))
        except Broken as broken:
            lost = broken
        return through(
            lost,
            lambda: _failing(exchange.deliver(keys, arguments)),
            exchange.ask_slot,
            self.get,
            parts=(checks, puts, deletes),
            seconds=exchange.patience,
        )

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()


def _failing(answer: int) -> int | None:
    """Give what the waist's commit gives."""
    if answer == OTHER_EPOCH:
        raise EpochChanged("the catalog changed since the write was made")
    return None if answer == COMMITTED else answer - 1


def _text(epoch: bytes | None) -> str:
    return "" if epoch is None else epoch.decode()


class RedisStore(KeyValueStore):
    """The store of `redis://host:6379/0`, `rediss://` (over TLS) and `redis+cluster://host:6379,host:6380`."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        native_filter=False, native_aggregate=False, persistent=True, shared=True
    )

    @classmethod
    def open(cls, url: StoreURL, /, *, wait: Wait) -> RedisStore:
        """Open the database that a URL names.

        Options: timeout (seconds for any answer), connect_timeout, pool (how many idle connections are kept),
        durability (server, or full: refuse a server that does not force each commit to the disk), replicas (how many
        must have a commit before it counts); for rediss the driver's ssl_ options.
        """
        is_cluster = url.scheme == "redis+cluster"
        tls = _tls(url) if url.scheme == "rediss" else None
        url.allow(*_OPTIONS, *(() if tls is None else _TLS_OPTIONS))
        number, tag = _place(url, is_cluster=is_cluster)
        addresses = [_address(host) for host in url.hosts] or [("localhost", _PORT)]
        if len(addresses) > 1 and not is_cluster:
            raise URLError(f"{url.scheme}: one host; several are those of a cluster, redis+cluster://")
        timeout = _seconds(url, "timeout", _TIMEOUT)
        durability = url.options.get("durability", "server")
        if durability not in ("server", "full"):
            raise URLError(f"{url.scheme}: the option durability takes server or full")
        login = Login(
            number=number,
            user=url.user,
            password=url.password,
            timeout=timeout,
            connect_timeout=_seconds(url, "connect_timeout", timeout),
            tls=tls,
            is_durable=durability == "full",
        )
        connections = Connections(login, kept=_whole(url, "pool", _POOL))
        keyspace = Keyspace(tag)
        way = HashSlot(addresses, key_slot(keyspace.catalog), connections) if is_cluster else OneServer(addresses[0])
        replicas = _whole(url, "replicas", 0)
        exchange = Exchange(connections, keyspace, way, patience=timeout, replicas=replicas, wait=wait)
        try:
            _examine(exchange, keyspace)
        except BaseException:
            connections.close()
            raise
        return cls(Redis(exchange, keyspace, connections), wait=wait, limits=Limits.of(url))


def _examine(exchange: Exchange, keyspace: Keyspace) -> None:
    """Raise NotADatabase when something that is not ours stands where the database would be."""
    if _is_made(exchange, keyspace):
        return
    cursor = b"0"
    while True:
        request = packed(b"SCAN", cursor, b"MATCH", keyspace.start + b"*", b"COUNT", b"1000")
        cursor, found = exchange.ask(request, 1)[0]
        if any(not key.startswith(keyspace.slots) for key in found):
            if _is_made(exchange, keyspace):  # by somebody else, meanwhile
                return
            raise NotADatabase(f"there are keys under {keyspace.start.decode()}, but no catalog")
        if cursor == b"0":
            return


def _is_made(exchange: Exchange, keyspace: Keyspace) -> bool:
    kind = exchange.ask(packed(b"TYPE", keyspace.catalog), 1)[0]
    if kind == b"none":
        return False
    if kind == b"hash":
        request = packed(b"HMGET", keyspace.catalog, CATALOG[1].encode(), b"epoch")
        catalog, epoch = exchange.ask(request, 1)[0]
        if catalog is not None and epoch and epoch_of(catalog) == epoch.decode():
            return True
    raise NotADatabase(f"{keyspace.catalog.decode()} holds no catalog of manystore's")


def _seconds(url: StoreURL, name: str, default: float) -> float:
    seconds = url.option(name, default)
    if seconds == 0:
        raise URLError(f"{url.scheme}: the option {name} takes more than 0 seconds")
    return seconds


def _whole(url: StoreURL, name: str, default: int) -> int:
    number = url.option(name, default)
    if number != int(number):
        raise URLError(f"{url.scheme}: the option {name} takes a whole number")
    return int(number)


def _place(url: StoreURL, *, is_cluster: bool) -> tuple[int, str]:
    """Give the number of the database and the hash tag: `<number>/<name>`, either may be missing."""
    head, _, name = url.path.partition("/")
    if not head.isdecimal():
        head, name = "0", url.path
    if is_cluster and int(head):
        raise URLError("redis+cluster: a cluster has only the database number 0")
    tag = url.prefix + (name or "manystore")
    if not _NAME.fullmatch(tag):
        raise URLError(f"{url.scheme}: a database's name and prefix take letters, digits, and . _ - only")
    return int(head), tag


def _address(host: str) -> Address:
    name, port = (host, "") if host.endswith("]") or ":" not in host else host.rsplit(":", 1)
    return name.strip("[]") or "localhost", int(port or _PORT)


def _tls(url: StoreURL) -> dict[str, Any]:
    options: dict[str, Any] = {name: url.options[name] for name in _TLS_OPTIONS if name in url.options}
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if name in options and not Path(options[name]).is_file():
            raise URLError(f"rediss: the option {name} names no file")
    if options.get("ssl_cert_reqs", "required") not in ("none", "optional", "required"):
        raise URLError("rediss: the option ssl_cert_reqs takes none, optional or required")
    checked = options.get("ssl_check_hostname", "true")
    if checked not in ("true", "false"):
        raise URLError("rediss: the option ssl_check_hostname takes true or false")
    # Without a certificate that is looked at there is no name to check; older drivers do not see that by themselves.
    return {**options, "ssl_check_hostname": checked == "true" and options.get("ssl_cert_reqs") != "none"}
