"""Slots: counters of a writer's own, one for each connection. By them a commit whose reply was lost is decided.

Each commit that writes counts its connection's slot up, and is refused where that is closed or not there. So one look
tells for good whether the commit was carried out, and closing the slot shuts out a commit that may still be on its way.
A slot lives ten minutes; no connection uses one for longer than five. Must not know checks or records.
"""

from __future__ import annotations

import secrets
import time

from .redis_script import Keyspace, Script

_LIFE = 600  # seconds; the scripts have it in milliseconds

_MAKE = Script("""\
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], 1, 'PX', 600000)
return 1
""")
"""A full server refuses a SET that comes first; then nothing could be deleted there any more."""

_ASK = Script("""\
local stored = redis.call('GET', KEYS[1])
if not stored then return -1 end
redis.call('PEXPIRE', KEYS[1], 600000)
if stored == ARGV[1] then return 1 end
redis.call('SET', KEYS[1], -1000000000, 'PX', 600000)
return 0
""")
"""It writes in either case, so that WAIT behind it waits for all that was written before. It may be asked again."""


class Slot:
    """A counter that the commits of one connection use. number: what it holds; until: when it is not used any more."""

    __slots__ = ("key", "number", "until")

    def __init__(self, keyspace: Keyspace) -> None:
        self.key = keyspace.slot(secrets.token_hex(8))
        self.number = 1
        self.until = time.monotonic() + _LIFE / 2

    def make(self) -> bytes:
        """Write the command that makes it; a commit that comes before or without it is refused."""
        return _MAKE.packed([self.key], [], whole=True)

    def ask(self) -> bytes:
        """Write the command that tells of the last commit: 1 carried out, 0 not, -1 when the slot is gone.

        Except after a 1, it is carried out never.
        """
        return _ASK.packed([self.key], [b"%d" % (self.number + 1)], whole=True)
