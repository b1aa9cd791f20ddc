"""What is sent to Redis: the Lua scripts, and the packing of commands.

Knows Redis's commands and the checks of the inner waist; must not know connections. Every key that a script touches is
among its KEYS, so that a cluster refuses it as a whole while a slot moves, never half-way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from .layout import after_all
from .protocol import CATALOG, Absent, Check, Empty, Exists, Key, Put, Same, Span, epoch_of

_PACK = msgspec.msgpack.Encoder().encode

Numbers: TypeAlias = dict[str, tuple[int, int]]
"""Of a space's hash and of its sorted set among KEYS, as Lua counts; 0 is none."""

COMMITTED, OTHER_EPOCH = 0, -1
"""What COMMIT gives; above 0 it is the number of the first check that fails, counted from 1."""


def packed(*words: bytes) -> bytes:
    """Write a command as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


class Script:
    """A Lua script. Servers keep scripts by their SHA-1; one that does not know it is sent the text."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()

    def packed(self, keys: Sequence[bytes], arguments: Sequence[bytes], *, whole: bool = False) -> bytes:
        """Write the call. whole: with the text, for a server that has not seen it."""
        head = (b"EVAL", self.text) if whole else (b"EVALSHA", self.sha)
        return packed(*head, b"%d" % len(keys), *keys, *arguments)


# Redis's Lua takes no more than some 8,000 values at once, so long lists go to a command in slices.
COMMIT = Script("""\
local call, step = redis.call, cmsgpack.unpack(ARGV[2])
if ARGV[1] ~= '' and call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return -1 end

local function sliced(command, key, arguments)
  local sum = 0
  for first = 1, #arguments, 4000 do
    sum = sum + call(command, key, unpack(arguments, first, math.min(first + 3999, #arguments)))
  end
  return sum
end

local function add(key, names, stride)
  local arguments = {}
  for place = 1, #names, stride do
    arguments[#arguments + 1] = 0
    arguments[#arguments + 1] = names[place]
  end
  sliced('ZADD', key, arguments)
end

local function range(key, check, most)
  return call('ZRANGE', key, '[' .. check[3], '(' .. check[4], 'BYLEX', 'LIMIT', 0, most)
end

for place, check in ipairs(step[1]) do
  local kind, key, name, holds = check[1], KEYS[check[2]], check[3], nil
  if kind == 'absent' then
    holds = call('HEXISTS', key, name) == 0
  elseif kind == 'same' then
    local value = call('HGET', key, name)
    holds = value and string.sub(value, 1, 30) == '{"_revision":"' .. check[4]
  elseif kind == 'exists' then
    holds = call('HEXISTS', key, name) == 1
  elseif kind == 'empty' then
    holds = #range(key, check, 1) == 0
  else
    local seen = check[5]
    local found = range(key, check, #seen + 1)
    holds = #found == #seen and table.concat(found, '\\0') == table.concat(seen, '\\0')
  end
  if not holds then return place end
end

for _, part in ipairs(step[2]) do
  local values, names = KEYS[part[1]], KEYS[part[2]]
  if not values then
    add(names, part[3], 1)
  elseif sliced('HSET', values, part[3]) > 0 and names then
    add(names, part[3], 2)
  end
end
for _, part in ipairs(step[3]) do
  local values, names = KEYS[part[1]], KEYS[part[2]]
  if values then sliced('HDEL', values, part[3]) end
  if names then sliced('ZREM', names, part[3]) end
end
return 0
""")
"""KEYS: the catalog, then all that is touched. ARGV: the epoch or nothing; checks, puts, deletes (see Keyspace)."""

_FOLLOWED = """\
local found, keys = {call('HGET', KEYS[1], 'epoch'), names}, {}
if not KEYS[3] then return found end
for place, name in ipairs(names) do
  keys[place] = string.match(name, '.* (.*)') or name
end
for first = 1, #keys, 4000 do
  found[#found + 1] = call('HMGET', KEYS[3], unpack(keys, first, math.min(first + 3999, #keys)))
end
return found
"""

FIND = Script(f"""\
local call = redis.call
local names = call('ZRANGE', KEYS[2], ARGV[1], ARGV[2], 'BYLEX', unpack(ARGV, 3))
{_FOLLOWED}""")
"""KEYS: the catalog, the names, the records. ARGV: two bounds, REV, LIMIT. Gives epoch, names, values in slices."""

FIND_ALL = Script(f"""\
local call, left, names = redis.call, tonumber(ARGV[1]), {{}}
for place = 3, #ARGV, 2 do
  if left == 0 then break end
  local rest = {{'LIMIT', 0, left}}
  if ARGV[2] ~= '' then rest[4] = ARGV[2] end
  local part = call('ZRANGE', KEYS[2], ARGV[place], ARGV[place + 1], 'BYLEX', unpack(rest))
  for _, name in ipairs(part) do names[#names + 1] = name end
  if left > 0 then left = left - #part end
end
{_FOLLOWED}""")
"""The same of several spans. KEYS: the records only if they are to be followed. ARGV: the limit (-1: none), REV or
nothing, two bounds a span."""

OWNED = Script("""\
local call, found = redis.call, {redis.call('HGET', KEYS[1], 'epoch')}
for place, name in ipairs(ARGV) do
  local owner = call('HGET', KEYS[place + 2], name)
  found[place + 1] = owner and call('HGET', KEYS[2], owner)
end
return found
""")
"""KEYS: the catalog, the records, the space of each claim. ARGV: the claims' names. Gives epoch, then the records."""


class Keyspace:
    """The keys of one database, all with one hash tag: a hash a space with values, a sorted set a space in order.

    The space r: has both: its names are kept in order under k:.
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.start = b"{%b}:" % tag.encode()
        self.catalog = self.values(CATALOG[0])
        self.epoch = packed(b"HGET", self.catalog, b"epoch")
        self._heads: dict[str, bytes] = {}
        self._numbered: dict[frozenset[str], tuple[list[bytes], Numbers]] = {}

    def values(self, space: str) -> bytes:
        """Give the hash of a space."""
        return self.start + space.encode()

    def names(self, space: str) -> bytes:
        """Give the sorted set of a space."""
        return self.start + (f"k{space[1:]}" if space[0] == "r" else space).encode()

    def numbered(self, spaces: frozenset[str]) -> tuple[list[bytes], Numbers]:
        """Give the keys of some spaces, and their numbers; kept, since commits touch the same ones over again."""
        found = self._numbered.get(spaces)
        if found is None:
            keys, numbers = [self.catalog], {CATALOG[0]: (1, 0)}
            for space in sorted(spaces.difference(numbers)):
                has_values, has_names = space[0] in _VALUED, space[0] != "u"
                keys += [self.values(space)] if has_values else []
                keys += [self.names(space)] if has_names else []
                numbers[space] = (len(keys) - has_names if has_values else 0, len(keys) if has_names else 0)
            if len(self._numbered) >= _KEPT:
                self._numbered.clear()
            found = self._numbered[spaces] = keys, numbers
        return found

    def read_one(self, space: str, name: str) -> bytes:
        """Write the commands that read one value, and then the epoch: the commonest of all requests."""
        head = self._heads.get(space)
        if head is None:
            key = self.values(space)
            head = self._heads[space] = b"*3\r\n$4\r\nHGET\r\n$%d\r\n%b\r\n$" % (len(key), key)
        field = name.encode()
        return b"%b%d\r\n%b\r\n%b" % (head, len(field), field, self.epoch)

    def read_many(self, space: str, names: Iterable[str]) -> bytes:
        """Write the command that reads values of one space."""
        return packed(b"HMGET", self.values(space), *[name.encode() for name in names])

    def bounds(self, span: Span, limit: int | None, *, reverse: bool) -> list[bytes]:
        """Give the arguments of ZRANGE: two bounds, then what follows on BYLEX."""
        low, high = b"[" + span.low.encode(), b"(" + span.high.encode()
        rest = [b"REV"] if reverse else []
        if limit is not None:
            rest += [b"LIMIT", b"0", b"%d" % limit]
        return [high, low, *rest] if reverse else [low, high, *rest]

    def all_bounds(self, spans: Sequence[Span], limit: int | None, *, reverse: bool) -> list[bytes]:
        """Give the arguments of FIND_ALL."""
        arguments = [b"%d" % (-1 if limit is None else limit), b"REV" if reverse else b""]
        for span in spans:
            arguments += self.bounds(span, None, reverse=reverse)[:2]
        return arguments

    def owned(self, keys: Sequence[Key], follow: str) -> tuple[list[bytes], list[bytes]]:
        """Give the keys and arguments of OWNED."""
        spaces = [self.values(space) for space, _ in keys]
        return [self.catalog, self.values(follow), *spaces], [name.encode() for _, name in keys]

    def step(
        self, checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key], epoch: str | None
    ) -> tuple[list[bytes], list[bytes]]:
        """Give the keys and arguments of COMMIT."""
        spaces = {put[0] for put in puts}
        spaces.update(map(_space, checks))
        spaces.update([space for space, _ in deletes])
        keys, numbers = self.numbered(frozenset(spaces))
        tests = [_test(numbers, check) for check in checks]
        made: dict[str, list[Any]] = {}
        for space, name, value in puts:
            part = made.setdefault(space, [])
            part.append(name)
            if space[0] in _VALUED:
                part.append(value.decode())  # Redis's msgpack knows no bytes; all values are JSON or keys
                if space == CATALOG[0]:
                    part += ("epoch", epoch_of(value))
        gone: dict[str, list[Any]] = {}
        if deletes:
            # Puts go first, since a full server refuses a script only at its first write, and deletes it never refuses.
            kept = {(space, name) for space, name, _ in puts}
            for key in deletes:
                if key not in kept:
                    gone.setdefault(key[0], []).append(key[1])
        parts = [[(*numbers[space], names) for space, names in part.items()] for part in (made, gone)]
        blob = _PACK((tests, *parts))
        return keys, [(epoch or "").encode(), blob]


_VALUED = "ruc"
_KEPT = 1000


def _space(check: Check) -> str:
    if isinstance(check, (Absent, Same, Exists)):
        return check.key[0]
    return check.space if isinstance(check, Empty) else check.span.space


def _test(numbers: Numbers, check: Check) -> tuple[Any, ...]:
    if isinstance(check, Absent):
        return "absent", numbers[check.key[0]][0], check.key[1]
    if isinstance(check, Same):
        return "same", numbers[check.key[0]][0], check.key[1], check.token
    if isinstance(check, Exists):
        return "exists", numbers[check.key[0]][0], check.key[1]
    if isinstance(check, Empty):
        return "empty", numbers[check.space][1], check.prefix, after_all(check.prefix)
    span = check.span
    return "range", numbers[span.space][1], span.low, span.high, check.seen
