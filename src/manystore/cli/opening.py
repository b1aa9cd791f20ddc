"""Opening: the store of a URL, for as long as a command is at it.

Knows URLs and stores by their waist; must not know what a command does there.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from ..store.protocol import Store, Wait
from ..store.registry import open_store
from ..store.url import parse_url

WAIT: Wait = time.sleep  # noqa: TID251 - the real one, of commands


@contextmanager
def opened(url: str, prefix: str, *, foreign: bool = False) -> Generator[Store]:
    """Open a store and close it at the end. foreign: also one whose tables manystore did not make."""
    store = open_store(msgspec.structs.replace(parse_url(url, prefix), foreign=foreign), wait=WAIT)
    try:
        yield store
    finally:
        store.close()
