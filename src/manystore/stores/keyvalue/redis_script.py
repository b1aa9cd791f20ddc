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

COMMITTED, OTHER_EPOCH, SLOT_GONE = 0, -1, -2
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


# A step is one flat list, since Lua takes long to unpack many small ones. Redis's Lua takes no more than some 8,000
# values at once, so long lists go to a command in slices.
COMMIT = Script("""\
local call, step, at = redis.call, cmsgpack.unpack(ARGV[2]), 4
if ARGV[1] ~= '' and call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return -1 end

local function sliced(command, key, first, last)
  local sum = 0
  for start = first, last, 4000 do
    sum = sum + call(command, key, unpack(step, start, math.min(start + 3999, last)))
  end
  return sum
end

local function range(key, low, high, most)
  return call('ZRANGE', key, '[' .. low, '(' .. high, 'BYLEX', 'LIMIT', 0, most)
end

for place = 1, step[1] do
  local kind, key, name, more, holds = step[at], KEYS[step[at + 1]], step[at + 2], step[at + 3], nil
  at = at + 4
  if kind == 'absent' then
    holds = call('HEXISTS', key, name) == 0
  elseif kind == 'same' then
    local value = call('HGET', key, name)
    holds = value and string.sub(value, 1, 30) == '{"_revision":"' .. more
  elseif kind == 'head' then
    local value = call('HGET', key, name)
    holds = value and string.sub(value, 1, #more) == more
  elseif kind == 'exists' then
    holds = call('HEXISTS', key, name) == 1
  elseif kind == 'empty' then
    holds = #range(key, name, more, 1) == 0
  else
    local count = step[at]
    local found = range(key, name, more, count + 1)
    holds = #found == count
    for number = 1, count do
      holds = holds and found[number] == step[at + number]
    end
    at = at + count + 1
  end
  if not holds then return place end
end

if not ARGV[3] and step[2] + step[3] > 0 then
  local slot = KEYS[#KEYS]
  -- A full server refuses a script at its first write. It must not refuse deletes, and those alone come after this one.
  if step[2] == 0 then call('PEXPIRE', slot, 600000) end
  local number = call('INCR', slot)
  if number < 2 then
    if number == 1 then call('DEL', slot) end
    return -2
  end
end

for _ = 1, step[2] do
  local values, names, first, last = KEYS[step[at]], KEYS[step[at + 1]], at + 3, at + 2 + step[at + 2]
  if not values then
    sliced('ZADD', names, first, last)
  elseif sliced('HSET', values, first, last) > 0 and names then
    for place = first, last, 2 do
      step[place], step[place + 1] = '0', step[place]
    end
    sliced('ZADD', names, first, last)
  end
  at = last + 1
end
for _ = 1, step[3] do
  local values, names, first, last = KEYS[step[at]], KEYS[step[at + 1]], at + 3, at + 2 + step[at + 2]
  if values then sliced('HDEL', values, first, last) end
  if names then sliced('ZREM', names, first, last) end
  at = last + 1
end
return 0
""")
"""KEYS: the catalog, all that is touched, and, of a step that writes, its slot (redis_slot.py).

ARGV: the epoch or nothing; the step (see Keyspace); anything more, for a step that has no slot.
"""

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
        self.slots = self.start + b"w:"
        self.catalog = self.values(CATALOG[0])
        self.epoch = packed(b"HGET", self.catalog, b"epoch")
        self._heads: dict[str, bytes] = {}
        self._numbered: dict[frozenset[str], tuple[list[bytes], Numbers]] = {}

    def slot(self, name: str) -> bytes:
        """Give the key of a slot."""
        return self.slots + name.encode()

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
        """Give the keys and arguments of COMMIT.

        A step is how many checks there are, how many groups of puts and of deletes, and then all those. A check is four
        values, a range's then what was seen, its number first; a group is the numbers of its keys, of its values, and
        these: name and value, or 0 and a name; of deletes, names.
        """
        spaces = {put[0] for put in puts}
        spaces.update(map(_space, checks))
        spaces.update([space for space, _ in deletes])
        keys, numbers = self.numbered(frozenset(spaces))
        made: dict[str, list[str]] = {}
        for space, name, value in puts:
            part = made.setdefault(space, [])
            if space[0] in _VALUED:
                part += (name, value.decode())  # Redis's msgpack knows no bytes; all values are JSON or keys
                if space == CATALOG[0]:
                    part += ("epoch", epoch_of(value))
            else:
                part += ("0", name)
        gone: dict[str, list[str]] = {}
        if deletes:
            # Puts go first: a full server refuses a script only before it has written anything, and deletes never.
            kept = {(space, name) for space, name, _ in puts}
            for key in deletes:
                if key not in kept:
                    gone.setdefault(key[0], []).append(key[1])
        step: list[Any] = [len(checks), len(made), len(gone)]
        for check in checks:
            step += _test(numbers, check)
        for groups in (made, gone):
            for space, names in groups.items():
                step += numbers[space]
                step.append(len(names))
                step += names
        return keys, [(epoch or "").encode(), _PACK(step)]


_VALUED = "ruc"
_KEPT = 1000


def _space(check: Check) -> str:
    if isinstance(check, (Absent, Same, Exists)):
        return check.key[0]
    return check.space if isinstance(check, Empty) else check.span.space


def _test(numbers: Numbers, check: Check) -> tuple[Any, ...]:
    if isinstance(check, Absent):
        return "absent", numbers[check.key[0]][0], check.key[1], ""
    if isinstance(check, Same):
        if check.head:
            return "head", numbers[check.key[0]][0], check.key[1], check.head.decode()
        return "same", numbers[check.key[0]][0], check.key[1], check.token
    if isinstance(check, Exists):
        return "exists", numbers[check.key[0]][0], check.key[1], ""
    if isinstance(check, Empty):
        return "empty", numbers[check.space][1], check.prefix, after_all(check.prefix)
    span = check.span
    return "range", numbers[span.space][1], span.low, span.high, len(check.seen), *check.seen
