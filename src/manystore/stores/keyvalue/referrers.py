"""on_delete: what becomes of the records that refer to one that goes. Read level by level, judged on the step's end.

A child that another rule of the step deletes, or that a change of it points elsewhere, is no referrer any more. While
there are records of an older shape, each referrer is taken by the rules of its own. unbuilt.py finds those without an
entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import Restricted
from ...store.revision import new_revision
from .entries import Pointer, Upkeep
from .layout import GAP, after_all, owner_of, references_space
from .protocol import Empty, Key, Range, Span, all_of, head_of, token_of, version_of
from .shape import decoded, encoded
from .step import Raced, Step, Touched
from .unbuilt import Unbuilt


class Referrers:
    """The on_delete rules of one step."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._restricting: list[tuple[Touched, Upkeep, Pointer, Key]] = []

    def apply(self) -> None:
        """Follow the rules from what the changes delete to all that goes with it; raise Restricted."""
        level, unbuilt = list(self._step.gone), Unbuilt(self._step)
        while level:
            further = unbuilt.names(level)
            found = [(gone, names) for gone in level if (names := self._names(gone, further.get(gone.key, ())))]
            level = self._follow(found)
        for gone, upkeep, pointer, key in self._restricting:
            end = self._step.by_key.get(key)
            if end is None or self._refers(end, pointer, gone):
                raise Restricted(gone.upkeep.model, f"{upkeep.model}.{pointer.reference.field}")

    def _names(self, gone: Touched, unbuilt: Sequence[str]) -> Sequence[str]:
        """Give the names of the references to a record, and check that they stay what they are.

        unbuilt: those that may not be there yet, and count nevertheless.
        """
        step, target = self._step, gone.upkeep.collection
        if not step.keeper.referring(target):
            return ()
        space, prefix = references_space(target.stored), gone.name + GAP
        if not step.is_thorough:
            step.is_sure = False
            step.checks.append(Empty(space, prefix))
            return unbuilt
        span = Span(space, prefix, after_all(prefix))
        names = tuple(step.scan(span).names)
        step.checks.append(Range(span, names) if names else Empty(space, prefix))
        return (*names, *(name for name in unbuilt if name not in names))

    def _follow(self, found: Sequence[tuple[Touched, Sequence[str]]]) -> list[Touched]:
        """Apply the rules of one level; give what it deletes in turn."""
        keeper, step = self._step.keeper, self._step
        hits: list[tuple[Touched, str, str, Key]] = []
        for gone, names in found:
            for tail, collection in keeper.referring(gone.upkeep.collection).items():
                start, space = gone.name + tail, keeper.upkeep(collection).space
                hits += [(gone, tail, collection, (space, owner_of(n))) for n in names if n.startswith(start)]
        step.fetch([key for *_, key in hits if key not in step.by_key])
        deleted: list[Touched] = []
        for gone, tail, collection, key in hits:
            upkeep = self._upkeep(collection, key)
            pointer = upkeep.pointer(tail)
            if pointer is None:
                continue  # left over by a reference that is kept up no more
            if pointer.reference.on_delete == "restrict":
                self._restricting.append((gone, upkeep, pointer, key))
            elif pointer.reference.on_delete == "cascade":
                deleted += self._cascade(gone, upkeep, pointer, key)
            else:
                self._set_null(gone, upkeep, pointer, key)
        return deleted

    def _upkeep(self, collection: str, key: Key) -> Upkeep:
        """Give the upkeep of a referrer, as the step leaves it or as it is stored."""
        touched = self._step.by_key.get(key)
        if touched is not None:
            return touched.upkeep
        data = self._step.stored[key]
        if data is None:
            raise Raced
        return self._step.keeper.upkeep(collection, version_of(data))

    def _cascade(self, gone: Touched, upkeep: Upkeep, pointer: Pointer, key: Key) -> list[Touched]:
        step, touched = self._step, self._step.by_key.get(key)
        if touched is None:
            touched = step.by_key[key] = self._reached(upkeep, key)
        elif self._refers(touched, pointer, gone):
            for others in (step.nulled, step.written):
                if touched in others:
                    others.remove(touched)
        else:
            return []
        touched.go()
        step.gone.append(touched)
        return [touched]

    def _set_null(self, gone: Touched, upkeep: Upkeep, pointer: Pointer, key: Key) -> None:
        step, touched = self._step, self._step.by_key.get(key)
        if touched is None:
            touched = step.by_key[key] = self._reached(upkeep, key)
            step.nulled.append(touched)
            raw = decoded(touched.data or b"", upkeep.model)
            raw["_revision"], raw["_previous"] = f"{new_revision():016x}", raw["_revision"]
        elif touched.data is not None and self._refers(touched, pointer, gone):
            raw = decoded(touched.data, upkeep.model)
        else:
            return
        raw[pointer.column] = None
        touched.become(encoded(raw), upkeep.watched(raw))

    def _reached(self, upkeep: Upkeep, key: Key) -> Touched:
        """Take a stored record into the step, as it is."""
        data = self._step.stored[key]
        assert data is not None
        is_older = upkeep is not self._step.keeper.upkeep(upkeep.collection.name)
        sheds = self._step.keeper.shed(upkeep.collection.name)
        head = head_of(data) if is_older else all_of(data) if sheds else b""
        touched = Touched(upkeep, key, token_of(data), head=head)
        touched.data, touched.was = data, upkeep.watched(decoded(data, upkeep.model))
        touched.will = touched.was
        return touched

    @staticmethod
    def _refers(touched: Touched, pointer: Pointer, gone: Touched) -> bool:
        """Tell whether a record of the step refers, at its end, to one that goes."""
        if touched.will is None:
            return False
        own = touched.upkeep.pointer(pointer.tail)
        return own is not None and touched.upkeep.texts(touched.will, touched.name)[own.place] == gone.name
