"""Route: from the migration that a store stands at to the one that it shall have: windows, one after the other.

Knows histories, windows and catalogs; must not know stores. A migration that closes a collection is a window of its
own, so that nothing else waits for it. Places on the way are named by migrations, "" is where nothing was applied.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec

from ..errors import MigrationRefused
from ..schema.catalog import Catalog
from ..schema.schema import Schema
from .history import History, arranged
from .migration import Migration
from .operation import refuse
from .passage import Passage
from .window import Window

_MOST_KEPT = 16  # passages: one program seldom asks for more than two


class Leg(msgspec.Struct, frozen=True):
    """One window of a route. base, head: names of migrations, "" for none."""

    base: str
    head: str
    window: Window


def declared(schema: Schema) -> Schema:
    """Give what a program's models say of a catalog's schema: without generations and collections of the system's."""
    return schema.own.declared


def standing(history: History, named: str, stored: Schema) -> str:
    """Name the migration that a store stands at; refuse a store that stands nowhere in the history.

    named: what its catalog says; "" where it was made without a history: then the schemas tell.
    """
    shape = declared(stored)
    if named:
        place = history.stored(named).name
        if history.schema(place) == shape:
            return place
        how = "not as this history has it" if place == named else f"in the midst of what {place} replaces"
        refuse(f"the store stands at {named}, but {how}: {_odd(history.schema(place), shape)}")
    if not shape.collections:
        return ""
    # Migrations that leave the schema as it is, seeds and the like, have not been applied for all that is known.
    place = ""
    before: Schema | None = None
    for migration in history.migrations:
        schema = history.schema(migration.name)
        if schema == shape and before != shape:
            place = migration.name
        before = schema
    if not place:
        refuse(f"the store stands nowhere in this history; from its end it differs: {_odd(history.schema(), shape)}")
    return place


def _odd(history: Schema, stored: Schema) -> str:
    found = history.differences(stored)
    return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def leads_on(history: History, base: str, head: str) -> bool:
    """Tell whether one place comes before another, or is it."""
    return not base or (bool(head) and history.migration(base) in history.line(head))


def window(history: History, base: str, head: str, secret: bytes) -> Window:
    """Give the way from one place to another, forwards or back; refuse it when there is none."""
    if leads_on(history, base, head):
        return history.window(base or None, head, secret) if head else Window.of(Schema(()), ())
    if not leads_on(history, head, base):
        refuse(f"{head} is neither before {base} nor after it")
    forwards = history.window(head or None, base, secret)
    operations = forwards.inverse()
    if operations is None:
        (title, *_) = [step.operation.title() for step in forwards.steps if step.operation.inverse(step.before) is None]
        refuse(f"{base} cannot be turned round: there is no way back from {title}")
    back = Window.of(forwards.head, operations, secret)
    # Versions never fall by an operation; here they do, to those that programs of the older schema have.
    if _unversioned(back.head) != _unversioned(forwards.base):
        refuse(f"{base} cannot be turned round: the way back does not end in the schema of {head or 'nothing'}")
    return msgspec.structs.replace(back, head=forwards.base)


def passage_of(history: History, catalog: Catalog, base: str, head: str, *, fixed: bool) -> Passage:
    """Give the way from one place to another as a store of one kind goes it; refuse it when there is none.

    It is made once for all who ask, with all that it works out.
    """
    key = (base, head, catalog.secret, catalog.base, fixed)
    kept: dict[Any, Passage] = history.passages
    if key not in kept:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        way = window(history, base, head, bytes.fromhex(catalog.secret))
        kept[key] = Passage(way, catalog.base, fixed)
    return kept[key]


def _unversioned(schema: Schema) -> Schema:
    return arranged(Schema(tuple(msgspec.structs.replace(c, version=1) for c in schema.collections)))


def route(history: History, base: str, head: str, secret: bytes = b"") -> tuple[Leg, ...]:
    """Give the windows from one place to another: as few as can be, each that closes collections of one migration."""
    if base == head:
        return ()
    is_forwards = leads_on(history, base, head)
    stops = _stops(history, base, head) if is_forwards else _stops(history, head, base)[::-1]
    if not stops:
        refuse(f"{head} is neither before {base} nor after it")
    legs = [Leg(one, other, window(history, one, other, secret)) for one, other in pairwise(stops)]
    joined = list[Leg]()
    for leg in legs:
        whole = _joined(history, joined[-1], leg, secret) if joined else None
        joined = [*joined, leg] if whole is None else [*joined[:-1], whole]
    return tuple(joined)


def _joined(history: History, first: Leg, second: Leg, secret: bytes) -> Leg | None:
    """Give two legs as one, if no collection need be closed for that."""
    if first.window.closed or second.window.closed:
        return None
    try:
        whole = window(history, first.base, second.head, secret)
        return None if whole.closed else Leg(first.base, second.head, whole)
    except MigrationRefused:
        return None


def _stops(history: History, base: str, head: str) -> list[str]:
    """List the places on a way forwards at which all that leads there, and nothing else, was applied."""
    done: list[Migration] = list(history.line(base)) if base else []
    whole = history.line(head) if head else ()
    if any(migration not in whole for migration in done):
        return []
    stops = [base]
    for migration in whole:
        if migration in done:
            continue
        done.append(migration)
        if len(history.line(migration.name)) == len(done):
            stops.append(migration.name)
    return stops
