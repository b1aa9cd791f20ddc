"""The root's `__all__` is the public surface: sorted, complete and importable."""

from types import ModuleType

import manystore


def test_sorted_and_named_once():
    assert list(manystore.__all__) == sorted(set(manystore.__all__))


def test_every_name_can_be_imported():
    missing = [name for name in manystore.__all__ if not hasattr(manystore, name)]
    assert missing == []


def test_nothing_else_is_public():
    present = {name for name, value in vars(manystore).items() if not isinstance(value, ModuleType)}
    assert {name for name in present if not name.startswith("_")} <= set(manystore.__all__)
