"""The floor on Redis: redis-py's connection by hand, a Lua script for each write and for the find.

A hash of records, one of claims; sorted sets of the keys and of each index's entries, read in the order of names.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from redis.connection import Connection

from manystore.nova.model.instance import Instance

from ..workload import PAGE
from .builder import INDEXES
from .ordered import BY_PROJECT, TAIL, New, changed, decode, finish, new, number_name, text_name, token_of

_AT_ONCE = 500  # records in one script
_IDS = 1000

# Lua's unpack takes some 8,000 values at most; 500 records are 1,000.
_CREATE = """\
local number, call = tonumber(ARGV[1]), redis.call
local function part(place) return unpack(ARGV, 2 + place * 2 * number, 1 + (place + 1) * 2 * number) end
for place = 0, 1 do
  local names = {}
  for at = 1, number do names[at] = ARGV[2 + place * 2 * number + (at - 1) * 2] end
  for at, value in ipairs(call('HMGET', KEYS[1 + place], unpack(names))) do if value then return at end end
end
call('HSET', KEYS[1], part(0))
call('HSET', KEYS[2], part(1))
for place = 2, #KEYS - 1 do call('ZADD', KEYS[1 + place], part(place)) end
return 0
"""
# ARGV: numbers of checks, saves, moved entries; then (name, token), (name, token, record), (index, before, after).
_SAVE = """\
local call, at = redis.call, 4
local checks, saves, moves = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function holds(at)
  local value = call('HGET', KEYS[1], ARGV[at])
  return value and string.sub(value, 15, 30) == ARGV[at + 1]
end
for place = 1, checks do if not holds(at + 2 * place - 2) then return place end end
at = at + 2 * checks
for place = 1, saves do if not holds(at + 3 * place - 3) then return checks + place end end
for place = 1, saves do call('HSET', KEYS[1], ARGV[at + 3 * place - 3], ARGV[at + 3 * place - 1]) end
at = at + 3 * saves
for place = 1, moves do
  call('ZREM', KEYS[tonumber(ARGV[at])], ARGV[at + 1])
  call('ZADD', KEYS[tonumber(ARGV[at])], 0, ARGV[at + 2])
  at = at + 3
end
return 0
"""
_FIND = """\
local names, keys = redis.call('ZRANGE', KEYS[2], ARGV[1], ARGV[2], 'BYLEX', unpack(ARGV, 3)), {}
for place, name in ipairs(names) do keys[place] = string.match(name, '.* (.*)') or name end
local found = {names}
for first = 1, #keys, 4000 do
  found[#found + 1] = redis.call('HMGET', KEYS[1], unpack(keys, first, math.min(first + 3999, #keys)))
end
return found
"""


class RedisFloor:
    """One connection of redis-py's, without its client and its pool: those cost as much as a read."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self._connection = Connection(host=host, port=port, protocol=2)
        self._connection.connect()
        self._records, self._claims, self._order = (f"{{{prefix}}}:{name}" for name in ("records", "claims", "order"))
        self._indexes = [f"{{{prefix}}}:{'_'.join(fields)}" for fields in INDEXES]
        self._counter = f"{{{prefix}}}:next"
        load = [self._ask("SCRIPT", "LOAD", text).decode() for text in (_CREATE, _SAVE, _FIND)]
        self._create_sha, self._save_sha, self._find_sha = load
        self._next = self._last = 0

    def _ask(self, *words: Any) -> Any:
        self._connection.send_command(*words)
        return self._connection.read_response()

    def get(self, key: int) -> Instance:
        data = self._ask("HGET", self._records, number_name(key))
        record = None if data is None else decode(data)
        if record is None or record.deleted:
            raise LookupError(key)
        return record

    def find(self, project: str) -> list[Instance]:
        start, found = text_name(project), list[Instance]()
        high = b"(" + (start + TAIL).encode()
        while len(found) < PAGE:
            bounds = (high, f"[{start}", "REV", "LIMIT", 0, PAGE)
            names, *slices = self._ask("EVALSHA", self._find_sha, 2, self._records, self._indexes[BY_PROJECT], *bounds)
            records = [decode(data) for part in slices for data in part if data is not None]
            found += [record for record in records if record.project_id == project and not record.deleted]
            if len(names) < PAGE:
                break
            high = b"(" + names[-1]
        return found[:PAGE]

    def list(self, number: int) -> list[Instance]:
        found, low = list[Instance](), b"-"
        while len(found) < number:
            bounds = (low, "+", "LIMIT", 0, number)
            names, *slices = self._ask("EVALSHA", self._find_sha, 2, self._records, self._order, *bounds)
            records = [decode(data) for part in slices for data in part if data is not None]
            found += [record for record in records if not record.deleted]
            if len(names) < number:
                break
            low = b"(" + names[-1]
        return found[:number]

    def create(self, record: Instance) -> None:
        self.create_all([record])

    def create_all(self, records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        made = [new(record, self._key(), now) for record in records]
        for start in range(0, len(made), _AT_ONCE):
            self._store(made[start : start + _AT_ONCE])
        finish(records, made)

    def _key(self) -> int:
        if self._next == self._last:
            self._last = self._ask("INCRBY", self._counter, _IDS)
            self._next = self._last - _IDS
        self._next += 1
        return self._next

    def _store(self, made: Sequence[New]) -> None:
        keys = (self._records, self._claims, self._order, *self._indexes)
        words: list[Any] = ["EVALSHA", self._create_sha, len(keys), *keys, len(made)]
        for one in made:
            words += (one.name, one.data)
        for one in made:
            words += (one.claim, one.name)
        for one in made:
            words += (0, one.name)
        for place in range(len(INDEXES)):
            for one in made:
                words += (0, one.entries[place])
        if self._ask(*words):
            raise RuntimeError("taken")

    def save(self, record: Instance) -> None:
        self._save([], [record])

    def _save(self, seen: Sequence[Instance], records: Sequence[Instance]) -> None:
        now, names = datetime.now(UTC), [number_name(record.id) for record in records]
        stored = self._ask("HMGET", self._records, *names)
        made = [changed(record, data, now) for record, data in zip(records, stored, strict=True)]
        moved = [move for one in made for move in one.moved]
        keys = (self._records, *self._indexes)
        words: list[Any] = ["EVALSHA", self._save_sha, len(keys), *keys, len(seen), len(made), len(moved)]
        for record in seen:
            words += (number_name(record.id), token_of(record))
        for one in made:
            words += (one.name, one.expected, one.data)
        for place, before, after in moved:
            words += (2 + place, before, after)
        if self._ask(*words):
            raise RuntimeError("changed by somebody else")
        finish(records, made)

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        self._save([self.get(key) for key in read], records)

    def close(self) -> None:
        self._connection.disconnect()
