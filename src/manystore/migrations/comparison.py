"""Comparison: the operations that lead from a replayed history to the schema of the models, as far as they tell.

Knows schemas and what models say of earlier names and defaults (Wanted); must not know files or stores. What it cannot
tell it leaves to be filled in, or refuses: it never takes a field that is gone and a new one for a rename.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..schema.schema import Collection, Field, Schema
from .change_operation import ChangeChoices, ChangeLength, ChangeNullability, ChangeType, is_total
from .field_operation import AddField, DropField, RenameField
from .index_operation import AddIndex, AddReference, AddUnique, DropIndex, DropReference, DropUnique
from .model_operation import Arrange, ChangeKey, ChangeModel, CreateModel, DropModel, Part, RenameModel, part_name
from .operation import FILL_IN, Operation, changed, refuse
from .primitive import cast
from .value_operation import MergeFields, SplitField
from .wanted import Wanted


class Draft(msgspec.Struct, frozen=True):
    """What a comparison found. dropped: sentences on what would be lost; suspects: on what may be a rename instead."""

    operations: tuple[Operation, ...]
    dropped: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()


def compare(before: Schema, wanted: Wanted) -> Draft:
    """Give the operations from a schema to the one that models want; raise MigrationRefused where they contradict."""
    comparison = _Comparison(before, wanted)
    comparison.run()
    return Draft(tuple(comparison.operations), tuple(comparison.dropped), tuple(comparison.suspects))


class _Comparison:
    def __init__(self, before: Schema, wanted: Wanted) -> None:
        self.state = before
        self.wanted = wanted
        self.target = wanted.schema
        self.operations: list[Operation] = []
        self.dropped: list[str] = []
        self.suspects: list[str] = []
        self.touched: set[str] = set()

    def do(self, operation: Operation) -> None:
        """Take an operation, and go on from the schema after it."""
        if operation.lenses(self.state) if not operation.unfilled() else True:
            self.touched.add(getattr(operation, "collection", ""))
        self.state = operation.apply(self.state)
        self.operations.append(operation)

    def run(self) -> None:
        """Compare: names first, then what is in the way of changes, the changes, and what rests on them."""
        self.rename_models()
        common = [c.name for c in self.target.collections if c.name in self.state]
        for name in common:
            self.loosen(name)
        for name in common:
            self.change_fields(name)
        self.create_models()
        for name in common:
            self.fasten(name)
        self.drop_models()
        for name in common:
            self.settle(name)

    def here(self, name: str) -> Collection:
        """Give a collection as it is so far."""
        return self.state.collection(name)

    def rename_models(self) -> None:
        """Rename models that say what they were, and those that keep their collection under another name."""
        for there in self.target.collections:
            was = self.wanted.models.get(there.name)
            old = next((c for c in self.state.collections if c.model == was and was != there.model), None)
            if old is None or any(c.model == was for c in self.target.collections):
                if there.name in self.state and self.here(there.name).model != there.model:
                    self.do(RenameModel(there.name, there.model))
                continue
            if there.name != old.name and there.name in self.state:
                refuse(f"{there.model}: was {was}, but there is a collection {there.name} beside it")
            self.do(RenameModel(old.name, there.model, there.name if there.name != old.name else None))

    def loosen(self, name: str) -> None:
        """Drop references, uniques and indexes that are gone or different, and roles of fields that are taken away."""
        here, there = self.here(name), self.target.collection(name)
        renamed = self._renames(here, there)

        def now(fields: Iterable[str]) -> tuple[str, ...]:
            return tuple(renamed.get(field, field) for field in fields)

        led = {(r.field, r.target, r.on_delete) for r in there.references}
        for reference in here.references:
            if (*now([reference.field]), reference.target, reference.on_delete) not in led:
                self.do(DropReference(name, reference.field))
        uniques = {(u.name, u.fields, u.among) for u in there.uniques}
        for unique in here.uniques:
            if (unique.name, now(unique.fields), unique.among) not in uniques:
                self.do(DropUnique(name, unique.name))
        indexes = {(i.name, i.fields, i.descending) for i in there.indexes}
        for index in here.indexes:
            if (index.name, now(index.fields), index.descending) not in indexes:
                self.do(DropIndex(name, index.name))
        gone: dict[str, Any] = {
            word: ""
            for word in ("live", "scope")
            if (field := getattr(here, word)) is not None and now([field]) != (getattr(there, word),)
        }
        if gone:
            self.do(ChangeModel(name, **gone))

    def _renames(self, here: Collection, there: Collection) -> dict[str, str]:
        """Give the renames that fields declare and that are still to be made, new names by old ones."""
        found = dict[str, str]()
        for new, olds in self._was(there).items():
            if len(olds) == 1 and new not in here.positions and olds[0] in here.positions:
                if olds[0] in there.positions:
                    refuse(f"{there.model}.{new}: was {olds[0]}, but {olds[0]} is there as well")
                if olds[0] not in found:
                    found[olds[0]] = new
        return {old: new for old, new in found.items() if len(self._heirs(there, old)) == 1}

    def _was(self, there: Collection) -> dict[str, tuple[str, ...]]:
        return {field: olds for (name, field), olds in self.wanted.fields.items() if name == there.name}

    def _heirs(self, there: Collection, old: str) -> list[str]:
        """Name the fields that say that they were another: several are parts of it."""
        return [field for field, olds in self._was(there).items() if olds == (old,)]

    def change_fields(self, name: str) -> None:
        """Rename, split, merge, add, change and drop fields, and change the key between."""
        there = self.target.collection(name)
        for was, now in self._renames(self.here(name), there).items():
            column = there.field(now).column
            self.do(RenameField(name, was, now, column if column != now else None))
        self._regroup(name, there)
        here = self.here(name)
        gone = [f for f in here.fields if f.name not in there.positions]
        new = [f for f in there.fields if f.name not in here.positions]
        for field in new:
            self.do(AddField(name, field, self.wanted.default(name, field)))
        for field in there.fields:
            if field.name in here.positions and here.field(field.name) != field:
                self._change(name, here.field(field.name), field)
        if self.here(name).key != there.key:
            self.do(ChangeKey(name, there.key, there.generated))
        for field in gone:
            self._drop(name, field, new)

    def _regroup(self, name: str, there: Collection) -> None:
        """Split a field that several say they were; merge those that one says it was."""
        here, heirs = self.here(name), dict[str, list[Field]]()
        for new, olds in self._was(there).items():
            if new in here.positions or any(old not in here.positions for old in olds):
                continue
            if len(olds) > 1:
                self.do(MergeFields(name, olds, there.field(new), FILL_IN, FILL_IN))
            else:
                heirs.setdefault("".join(olds), []).append(there.field(new))
        for old, fields in heirs.items():
            if len(fields) > 1:
                self.do(SplitField(name, old, tuple(fields), FILL_IN, FILL_IN))

    def _drop(self, name: str, field: Field, new: list[Field]) -> None:
        there = self.target.collection(name)
        self.dropped.append(f"all values of {there.model}.{field.name}")
        alike = [f.name for f in new if f.kind == field.kind and (name, f.name) not in self.wanted.fields]
        if alike:
            self.suspects.append(f'if {there.model}.{alike[0]} is it, write field(was="{field.name}") there')
        self.do(DropField(name, field.name, None if field.optional else FILL_IN))

    def _change(self, name: str, old: Field, new: Field) -> None:
        """Change a field's definition, one matter at a time."""
        if old.column != new.column:
            self.do(RenameField(name, old.name, old.name, new.column))
            old = msgspec.structs.replace(old, column=new.column)
        if (old.kind, old.digits, old.scale) != (new.kind, new.digits, new.scale):
            old = self._change_type(name, old, new)
        if old.choices != new.choices:
            gone = [] if new.choices is None else [c for c in old.choices or () if c not in new.choices]
            otherwise: dict[str, Any] = {"otherwise": FILL_IN} if old.choices is None else {}
            mapping: dict[str, Any] = {"mapping": FILL_IN} if gone else {}
            self.do(ChangeChoices(name, old.name, new.choices, **mapping, **otherwise))
        if old.length != new.length:
            wider = new.length is None or (old.length is not None and new.length > old.length)
            self.do(ChangeLength(name, old.name, new.length, **({} if wider else {"otherwise": FILL_IN})))
        if old.optional and not new.optional:
            self.do(ChangeNullability(name, old.name, optional=False, otherwise=FILL_IN))
        elif new.optional and not old.optional:
            self.do(ChangeNullability(name, old.name, optional=True))

    def _change_type(self, name: str, old: Field, new: Field) -> Field:
        made = msgspec.structs.replace(new, optional=old.optional or new.optional)
        if cast(old, made) is None or cast(made, old) is None:
            self.do(ChangeType(name, made, up=FILL_IN, down=FILL_IN))
            return made
        otherwise = {} if is_total(old, made) else {"otherwise": FILL_IN}
        back = {"back": FILL_IN} if made.optional and not old.optional else {}
        self.do(ChangeType(name, made, **otherwise, **back))
        return made

    def create_models(self) -> None:
        """Make new models, those that others refer to first; what refers in a circle refers afterwards."""
        left = [c for c in self.target.collections if c.name not in self.state]
        while left:
            ready = [c for c in left if all(r.target in self.state or r.target == c.name for r in c.references)]
            made = ready[0] if ready else left[0]
            kept = tuple(r for r in made.references if r.target in self.state or r.target == made.name)
            self.do(CreateModel(changed(made, references=kept)))
            left.remove(made)
        for there in self.target.collections:
            for reference in there.references:
                known = {r.field for r in self.here(there.name).references}
                # Models that were there before get theirs in fasten().
                created = any(isinstance(o, CreateModel) and o.collection.name == there.name for o in self.operations)
                if created and reference.field not in known:
                    self.do(AddReference(there.name, reference))

    def fasten(self, name: str) -> None:
        """Change what is said of a whole model, and add indexes, uniques and references."""
        here, there = self.here(name), self.target.collection(name)
        parts: dict[str, Any] = {
            word: getattr(there, word) or ("" if word in ("live", "scope") else False)
            for word in ("small", "live", "scope", "generated")
            if getattr(there, word) != getattr(here, word)
        }
        if parts:
            self.do(ChangeModel(name, **parts))
        for index in there.indexes:
            if index.name not in {i.name for i in here.indexes}:
                self.do(AddIndex(name, index))
        for unique in there.uniques:
            if unique.name not in {u.name for u in here.uniques}:
                self.do(AddUnique(name, unique))
        for reference in there.references:
            if reference.field not in {r.field for r in here.references}:
                self.do(AddReference(name, reference))

    def drop_models(self) -> None:
        """Drop models that are gone, those that refer to others first."""
        left = [c for c in self.state.collections if c.name not in self.target]
        new = [c.model for c in self.target.collections if c.name not in self.wanted.known(self.state, self.operations)]
        for gone in left:
            for reference in gone.references:
                if reference.target != gone.name:
                    self.do(DropReference(gone.name, reference.field))
        for gone in left:
            self.dropped.append(f"all records of {gone.model}")
            if new:
                self.suspects.append(f'if {new[0]} is it, write @model(was="{gone.model}") there')
            self.do(DropModel(gone.name))

    def settle(self, name: str) -> None:
        """Put parts in the models' order, and raise the version of records whose shape changed."""
        there = self.target.collection(name)
        parts: tuple[Part, ...] = ("fields", "indexes", "uniques", "references")
        for part in parts:
            order = tuple(map(part_name, getattr(there, part)))
            if order != tuple(map(part_name, getattr(self.here(name), part))):
                self.do(Arrange(name, part, order))
        version, is_touched = self.here(name).version, name in self.touched
        if there.version < version:
            refuse(f"{there.model}: its records have version {version}; write @model(version={version})")
        if is_touched or there.version > version:
            self.do(ChangeModel(name, version=max(there.version, version + 1)))
