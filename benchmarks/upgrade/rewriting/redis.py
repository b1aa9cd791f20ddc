"""The sweep by hand on Redis: one connection of redis-py's, a script to read a page and one to write its records."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis.connection import Connection

from ...target import Target
from ..site import Site
from .document import AFTER, BEFORE, PAGE, RECORDS, parts, rewritten

_AT_ONCE = 500  # Lua's unpack takes some 8,000 values at most
_READ = """\
local names = redis.call('ZRANGE', KEYS[2], ARGV[1], '+', 'BYLEX', 'LIMIT', 0, ARGV[2])
if #names == 0 then return {names, {}} end
return {names, redis.call('HMGET', KEYS[1], unpack(names))}
"""
# ARGV: the number of records; then their names and tokens, names and values, entries to go, entries to come.
_WRITE = """\
local number, call = tonumber(ARGV[1]), redis.call
local function part(place, width) return unpack(ARGV, 2 + place * number, 1 + (place + width) * number) end
local found = call('HMGET', KEYS[1], part(0, 1))
for at = 1, number do
  if not found[at] or string.sub(found[at], 15, 30) ~= ARGV[1 + number + at] then return at end
end
call('HSET', KEYS[1], part(2, 2))
call('ZREM', KEYS[2], part(4, 1))
call('ZADD', KEYS[3], part(5, 2))
return 0
"""


class RedisRewriting:
    """A connection without its client and its pool, as the floor has it."""

    def __init__(self, target: Target, site: Site) -> None:
        del target
        place, keyspace = urlsplit(site.url), site.store._kv._keyspace
        self._connection = Connection(host=str(place.hostname), port=place.port or 6379, protocol=2)
        self._connection.connect()
        self._records, self._order = keyspace.values(RECORDS), keyspace.names(RECORDS)
        self._before, self._after = keyspace.names(BEFORE), keyspace.names(AFTER)
        self._read, self._write = (self._ask("SCRIPT", "LOAD", text).decode() for text in (_READ, _WRITE))

    def _ask(self, *words: Any) -> Any:
        self._connection.send_command(*words)
        return self._connection.read_response()

    def run(self) -> None:
        low, names = b"-", [b""]
        while names:
            names, found = self._ask("EVALSHA", self._read, 2, self._records, self._order, low, PAGE)
            made = [rewritten(name.decode(), data) for name, data in zip(names, found, strict=True)]
            for part in parts(made, _AT_ONCE):
                words: list[Any] = [one.name for one in part]
                words += [one.token for one in part]
                for one in part:
                    words += (one.name, one.data)
                words += [one.before for one in part]
                for one in part:
                    words += (0, one.after)
                keys = (self._records, self._before, self._after)
                if self._ask("EVALSHA", self._write, 3, *keys, len(part), *words):
                    raise RuntimeError("changed by somebody else")
            if names:
                low = b"(" + names[-1]

    def close(self) -> None:
        self._connection.disconnect()
