"""Build: records that were there before get the entries, claims and references that are building, page by page.

Other writers put theirs by themselves, since all of them know the catalog; each record is checked to be still the one
that was read.
"""

from __future__ import annotations

from ...errors import Unavailable
from ...schema.encoding import NONE
from ...schema.operation import Build, Progress
from .bulk import Bulk, Piece, records_of, still
from .protocol import Key, version_of
from .shape import decoded


def build(bulk: Bulk, operation: Build) -> Progress:
    """Build for one page of records."""
    keeper, name = bulk.building, operation.collection
    upkeep, older = keeper.upkeep(name), keeper.older(name)
    if upkeep.is_idle and (older is None or older.is_idle):
        return Progress(0)
    page, after = bulk.page(upkeep.space, operation.after, operation.limit)
    records = records_of(upkeep.space, page)

    def piece(key: Key, data: bytes) -> Piece | None:
        own, name = keeper.upkeep(operation.collection, version_of(data)), key[1]
        texts = own.texts(own.watched(decoded(data, own.model)), name)
        claims = own.held(texts)
        names = own.places(texts)
        if not names and not claims:
            return None
        targets = {(p.targets, texts[p.place]): p for p in own.pointers if texts[p.place] != NONE}
        return Piece(key, data, still(key, data), [(*entry, b"") for entry in names], [], claims, targets)

    _, left = bulk.carry_out(records, piece, upkeep.collection)
    if left:
        raise Unavailable("other writers kept changing some records; go on where this began")
    return Progress(len(records), after)
