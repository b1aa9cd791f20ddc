"""Standing: where a program stands towards the stored catalog: of the base, of the head, or refused.

Knows catalogs, schemas and the program's history; must not know stores. engine.py acts on it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import MigrationRefused, ProgramTooOld, SchemaMismatch
from ..schema.catalog import Catalog
from ..schema.schema import Schema

if TYPE_CHECKING:
    from ..migrations.history import History
    from ..migrations.passage import Passage


_READ: dict[Path, tuple[int, Any]] = {}  # what was read, with the folder's time of change


class Standing(msgspec.Struct, frozen=True):
    """schema: the program's, as the catalog has it. passage: what leads a program of the head through the window."""

    schema: Schema
    passage: Any = None


def stand(catalog: Catalog, declared: Schema, history: Callable[[], History | None], *, fixed: bool) -> Standing:
    """Say where a program of a declared schema stands; raise SchemaMismatch or ProgramTooOld.

    history: reads the program's migrations; called only while a window is open. fixed: the store's fixed_columns.
    """
    mine = declared.fingerprint
    is_head = catalog.head.fingerprint == mine
    if catalog.phase == "stable" and is_head:
        return Standing(catalog.head)
    if catalog.phase in ("open", "closed") and catalog.base.fingerprint == mine:
        return Standing(catalog.base)
    if is_head:
        kept_is_head = catalog.stored is None and catalog.older is None
        return Standing(catalog.head, None if kept_is_head else _passage(catalog, history(), fixed=fixed))
    raise _refusal(catalog, declared)


def _passage(catalog: Catalog, history: History | None, *, fixed: bool) -> Passage:
    from ..migrations import route  # noqa: PLC0415 - for what is seldom open, and no part of the import

    if history is None:
        raise SchemaMismatch(
            (f"a migration to {catalog.target} is under way, and this program does not say where its migrations are",)
        )
    try:
        passage = route.passage_of(history, catalog, catalog.migration, catalog.target, fixed=fixed)
    except MigrationRefused as reason:
        raise SchemaMismatch((f"a migration to {catalog.target} is under way: {reason}",)) from None
    if passage.head.fingerprint != catalog.head.fingerprint:
        raise SchemaMismatch(passage.head.differences(catalog.head))
    return passage


def _refusal(catalog: Catalog, declared: Schema) -> Exception:
    there = catalog.base if catalog.phase in ("open", "closed") else catalog.head
    if catalog.phase in ("raised", "swept") and catalog.base.fingerprint == declared.fingerprint:
        return ProgramTooOld(f"the database has moved on to {catalog.target}: update this program")
    versions = [(c.version, there.collection(c.name).version) for c in declared.collections if c.name in there]
    if any(mine < theirs for mine, theirs in versions):
        return ProgramTooOld(f"the database has moved on: {'; '.join(declared.differences(there)[:3])}")
    return SchemaMismatch(declared.differences(there))


def read_history(place: str | Path | None, beside: str | None) -> History | None:
    """Read the migrations of a folder; a relative one is beside a program's file. None where no folder is named."""
    from ..migrations.folder import Folder  # noqa: PLC0415

    if place is None:
        return None
    path = Path(place)
    if not path.is_absolute() and beside is not None:
        path = Path(beside).parent / path
    stamp = path.stat().st_mtime_ns if path.is_dir() else 0
    kept = _READ.get(path)
    if kept is None or kept[0] != stamp:
        kept = _READ[path] = (stamp, Folder(path).history())
    return kept[1]
