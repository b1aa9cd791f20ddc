"""The flagship's models, forty-odd with references and uniques: a first migration of them leads to their schema."""

from __future__ import annotations

from pathlib import Path

from manystore.api.database import models_of
from manystore.migrations import Folder, Window
from manystore.migrations.making import check, make
from manystore.migrations.wanted import Wanted
from manystore.nova.database import Nova
from manystore.schema.schema import Schema


def test_a_first_migration_of_all_models(tmp_path: Path) -> None:
    folder, wanted = Folder(tmp_path), Wanted.of(models_of(Nova))
    made = make(folder, wanted, name=None, drop=False, closed=False)
    assert made is not None
    folder.write(made.migration, made.text)
    assert folder.history().schema() == wanted.schema
    assert check(folder, wanted) == ()
    window = Window.of(wanted.schema, Window.of(Schema(()), made.migration.operations).inverse() or ())
    assert window.head == Schema(())
