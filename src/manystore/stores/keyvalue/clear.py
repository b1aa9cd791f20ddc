"""Clear: entries, claims, references and records that an older schema kept and the kept one does not have go away.

They are known by their spaces, and references by what stands in their names; nobody writes there any more. On ZooKeeper
the nodes that held them stay as empty folders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...schema.encoding import END
from ...schema.operation import Clear, Progress
from ...schema.schema import Collection, Schema
from .bulk import Bulk
from .layout import (
    GAP,
    after_all,
    claims_space,
    column_of,
    entries_space,
    just_after,
    records_space,
    reference_tail,
    references_space,
)
from .protocol import Span

_TARGETS = 1000  # records whose references are looked at in one scan


class Part(msgspec.Struct, frozen=True):
    """A space to be cleared, wholly or, of references, but for those that the kept schema has. words: what it is."""

    space: str
    words: str
    kept: frozenset[str] = frozenset()


def parts(older: Schema, kept: Schema) -> list[Part]:
    """List what is to be cleared; records last, since references may be kept with them."""
    lasting = {part.space for c in kept.collections for part in _spaces(c)}
    found = [part for c in older.collections for part in _spaces(c) if part.space not in lasting]
    found.sort(key=lambda part: part.space[0] == "r")
    mine, theirs = _tails(older), _tails(kept)
    references = [
        Part(space, f"references to {space[2:]}", frozenset(theirs.get(space, ())))
        for space, tails in sorted(mine.items())
        if not tails <= theirs.get(space, set())
    ]
    return references + found


def _spaces(collection: Collection) -> Iterator[Part]:
    stored, model = collection.stored, collection.model
    for index in collection.indexes:
        yield Part(entries_space(stored, index), f"entries of {model} by {index.name}")
    for unique in collection.uniques:
        yield Part(claims_space(stored, unique), f"claims of {model} by {unique.name}")
    yield Part(records_space(stored), f"records of {model}")


def _tails(schema: Schema) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for collection in schema.collections:
        for reference in collection.references:
            space = references_space(schema.collection(reference.target).stored)
            tail = reference_tail(collection.stored, column_of(collection, reference.field))
            found.setdefault(space, set()).add(tail)
    return found


def clear(bulk: Bulk, operation: Clear) -> Progress:
    """Take away some names. after: the place of a part, and where it goes on there."""
    every = parts(operation.older, bulk.catalog.kept)
    place, start = operation.after or (0, "")
    done = 0
    while place < len(every) and done < operation.limit:
        part, most = every[place], operation.limit - done
        if part.space[0] == "b":
            number, start = _clear_references(bulk, part, start, most)
        else:
            number, start = _clear_space(bulk, part, most)
        done += number
        if start is None:
            place, start = place + 1, ""
    return Progress(done, (place, start) if place < len(every) else None)


def _clear_space(bulk: Bulk, part: Part, limit: int) -> tuple[int, Any]:
    page = bulk.kv.scan((Span(part.space, "", END),), limit=limit)
    bulk.believe(page.epoch)
    bulk.delete([(part.space, name) for name in page.names])
    return len(page.names), "" if len(page.names) == limit else None


def _clear_references(bulk: Bulk, part: Part, start: str, limit: int) -> tuple[int, Any]:
    """Go on among the references; those to some records at a time, for stores that keep them with the records."""
    targets = bulk.kv.scan((Span(f"r{part.space[1:]}", start.partition(GAP)[0], END),), limit=_TARGETS).names
    high = after_all(targets[-1] + GAP) if len(targets) == _TARGETS else END
    page = bulk.kv.scan((Span(part.space, start, high),), limit=limit)
    bulk.believe(page.epoch)
    gone = [name for name in page.names if not any(tail in name for tail in part.kept)]
    bulk.delete([(part.space, name) for name in gone])
    if len(page.names) == limit:
        return len(gone), just_after(page.names[-1])
    return len(gone), None if high == END else high
