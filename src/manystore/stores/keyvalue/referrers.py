"""on_delete: what becomes of the records that refer to one that goes. Read level by level, judged on the step's end.

A child that another rule of the step deletes, or that a change of it points elsewhere, is no referrer any more.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...errors import Restricted
from ...schema.schema import Collection, Reference
from .layout import GAP, after_all, owner_of, records_space, reference_tail, references_space
from .protocol import Empty, Key, Range, Span, token_of
from .shape import decoded, encoded
from .step import Raced, Step, Touched

_REVISIONS = random.SystemRandom()


class Referrers:
    """The on_delete rules of one step."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._restricting: list[tuple[Touched, Collection, Reference, Key]] = []

    def apply(self) -> None:
        """Follow the rules from what the changes delete to all that goes with it; raise Restricted."""
        level = list(self._step.gone)
        while level:
            found = [(gone, names) for gone in level if (names := self._names(gone))]
            level = self._follow(found)
        for gone, collection, reference, key in self._restricting:
            end = self._step.by_key.get(key)
            if end is None or self._refers(end, collection, reference, gone):
                raise Restricted(gone.upkeep.model, f"{collection.model}.{reference.field}")

    def _names(self, gone: Touched) -> Sequence[str]:
        """Give the names of the references to a record, and check that they stay what they are."""
        step, target = self._step, gone.upkeep.collection.name
        if not step.keeper.schema.referrers(target):
            return ()
        space, prefix = references_space(target), gone.name + GAP
        if not step.is_thorough:
            step.is_sure = False
            step.checks.append(Empty(space, prefix))
            return ()
        span = Span(space, prefix, after_all(prefix))
        names = tuple(step.scan(span).names)
        step.checks.append(Range(span, names) if names else Empty(space, prefix))
        return names

    def _follow(self, found: Sequence[tuple[Touched, Sequence[str]]]) -> list[Touched]:
        """Apply the rules of one level; give what it deletes in turn."""
        hits: list[tuple[Touched, Collection, Reference, Key]] = []
        for gone, names in found:
            for collection, reference in self._step.keeper.schema.referrers(gone.upkeep.collection.name):
                column = collection.field(reference.field).column
                start = gone.name + reference_tail(collection.name, column)
                space = records_space(collection.name)
                hits += [(gone, collection, reference, (space, owner_of(n))) for n in names if n.startswith(start)]
        self._step.fetch([key for *_, key in hits if key not in self._step.by_key])
        deleted: list[Touched] = []
        for gone, collection, reference, key in hits:
            if reference.on_delete == "restrict":
                self._restricting.append((gone, collection, reference, key))
            elif reference.on_delete == "cascade":
                deleted += self._cascade(gone, collection, reference, key)
            else:
                self._set_null(gone, collection, reference, key)
        return deleted

    def _cascade(self, gone: Touched, collection: Collection, reference: Reference, key: Key) -> list[Touched]:
        step, touched = self._step, self._step.by_key.get(key)
        if touched is None:
            touched = step.by_key[key] = self._reached(collection, key)
        elif self._refers(touched, collection, reference, gone):
            for others in (step.nulled, step.written):
                if touched in others:
                    others.remove(touched)
        else:
            return []
        touched.go()
        step.gone.append(touched)
        return [touched]

    def _set_null(self, gone: Touched, collection: Collection, reference: Reference, key: Key) -> None:
        step, touched = self._step, self._step.by_key.get(key)
        if touched is None:
            touched = step.by_key[key] = self._reached(collection, key)
            step.nulled.append(touched)
            raw = decoded(touched.data or b"", collection.model)
            raw["_revision"], raw["_previous"] = f"{_REVISIONS.getrandbits(63):016x}", raw["_revision"]
        elif touched.data is not None and self._refers(touched, collection, reference, gone):
            raw = decoded(touched.data, collection.model)
        else:
            return
        raw[collection.field(reference.field).column] = None
        touched.become(encoded(raw), touched.upkeep.watched(raw))

    def _reached(self, collection: Collection, key: Key) -> Touched:
        """Take a stored record into the step, as it is."""
        data = self._step.stored[key]
        if data is None:
            raise Raced
        upkeep = self._step.keeper.upkeep(collection.name)
        touched = Touched(upkeep, key, token_of(data), upkeep.watched(decoded(data, collection.model)))
        touched.data, touched.will = data, touched.was
        return touched

    @staticmethod
    def _refers(touched: Touched, collection: Collection, reference: Reference, gone: Touched) -> bool:
        """Tell whether a record of the step refers, at its end, to one that goes."""
        if touched.will is None:
            return False
        column = collection.field(reference.field).column
        place = next(pointer.place for pointer in touched.upkeep.pointers if pointer.column == column)
        return touched.upkeep.texts(touched.will, touched.name)[place] == gone.name
