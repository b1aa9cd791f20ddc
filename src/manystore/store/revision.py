"""Revision: the token that a writer makes, new for each write (docs/format.md)."""

from __future__ import annotations

import os
import random

# Of its own: a program may seed the shared one, and the system's takes three times as long.
_REVISIONS = random.Random()
os.register_at_fork(after_in_child=_REVISIONS.seed)


def new_revision() -> int:
    """Make a revision: 63 random bits, unique for each write."""
    return _REVISIONS.getrandbits(63)
