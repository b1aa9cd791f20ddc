"""Folder: the files of a history, one migration each, and the fingerprints of those that were released.

Knows files; must not know models or stores. A file is a Python module with a `migration` in it; one whose name begins
with an underscore is none.
"""

from __future__ import annotations

import hashlib
import json
import types
from pathlib import Path
from typing import Any

import msgspec

from ..errors import MigrationRefused
from ..schema.schema import Schema
from .history import History
from .migration import Migration
from .operation import refuse

PINS = "released.json"


class Fingerprint(msgspec.Struct, frozen=True):
    """What a released migration is recognised by. shape: of the schema after it; text: of its file."""

    shape: str
    text: str


class Folder:
    """A folder of migration files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def history(self) -> History:
        """Read all files; raise MigrationRefused, which names the file, for one that is wrong."""
        files = sorted(self.path.glob("*.py")) if self.path.is_dir() else []
        return History.of(_read(file) for file in files if not file.name.startswith("_"))

    def write(self, migration: Migration, text: str) -> Path:
        """Write a new file; refuse to replace one."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{migration.name}.py"
        if path.exists():
            refuse(f"{path} is there already")
        path.write_text(text, encoding="utf-8")
        return path

    def text(self, migration: Migration) -> str:
        """Give the text of a migration's file."""
        return (self.path / f"{migration.name}.py").read_text(encoding="utf-8")

    def remove(self, migration: Migration) -> None:
        """Remove a file, and its pin."""
        (self.path / f"{migration.name}.py").unlink()
        pins = self.pins()
        if pins.pop(migration.name, None) is not None:
            self._write_pins(pins)

    def pins(self) -> dict[str, Fingerprint]:
        """Read the fingerprints of what was released."""
        path = self.path / PINS
        if not path.exists():
            return {}
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Fingerprint])
        except msgspec.MsgspecError as reason:
            raise MigrationRefused(f"{path.name} cannot be read: {reason}") from None

    def pin(self, history: History) -> tuple[str, ...]:
        """Pin all that is not pinned yet; give the names."""
        there = self.pins()
        new = {m.name: self._fingerprint(history, m) for m in history.migrations if m.name not in there}
        self._write_pins(there | new)
        return tuple(new)

    def _write_pins(self, pins: dict[str, Fingerprint]) -> None:
        plain: dict[str, Any] = {name: msgspec.to_builtins(pins[name]) for name in sorted(pins)}
        (self.path / PINS).write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")

    def edited(self, history: History) -> tuple[str, ...]:
        """Say in sentences which released migrations are no longer what was released."""
        found = list[str]()
        names = {m.name: m for m in history.migrations}
        for name, pinned in self.pins().items():
            if name not in names:
                found.append(f"{name}: was released, and its file is gone")
                continue
            now = self._fingerprint(history, names[name])
            if now.shape != pinned.shape:
                found.append(f"{name}: was released with another shape; undo the edit, and write a further migration")
            elif now.text != pinned.text:
                found.append(f"{name}: was released, and its file was edited since; undo the edit")
        return tuple(found)

    def _fingerprint(self, history: History, migration: Migration) -> Fingerprint:
        text = hashlib.sha256(self.text(migration).encode()).hexdigest()[:16]
        return Fingerprint(shape_of(history.schema(migration.name)), text)


def shape_of(schema: Schema) -> str:
    """Give 16 hex digits of what a schema says; parts at their defaults are left out, so that new parts change none."""
    said = msgspec.json.encode([_said(collection) for collection in schema.collections], order="sorted")
    return hashlib.sha256(said).hexdigest()[:16]


def _said(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(type(value))
        parts = {field.name: (getattr(value, field.name), field.default) for field in fields}
        return {name: _said(part) for name, (part, default) in parts.items() if part != default}
    return _all_said(value) if isinstance(value, tuple) else value


def _all_said(values: Any) -> list[Any]:
    return [_said(value) for value in values]


def _read(path: Path) -> Migration:
    module = types.ModuleType(f"migration_{path.stem}")
    module.__file__ = str(path)
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    except Exception as reason:  # noqa: BLE001 - whatever the file's own code raises
        raise MigrationRefused(f"{path.name} cannot be read: {type(reason).__name__}: {reason}") from None
    found = module.__dict__.get("migration")
    if not isinstance(found, Migration):
        refuse(f"{path.name} has no `migration = Migration(...)` in it")
    if found.name != path.stem:
        refuse(f"{path.name} holds a migration called {found.name}; a file is called like its migration")
    return found
