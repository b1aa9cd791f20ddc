"""What shapes have in common, and what they must not."""

from __future__ import annotations

from msgspec import NODEFAULT

from manystore.stores.keyvalue.shape import twin


def test_one_struct_for_all_that_are_alike():
    assert twin(("id", "name"), NODEFAULT, None) is twin(("id", "name"), NODEFAULT, None)


def test_a_default_is_what_it_is_and_not_what_equals_it():
    # Where a bool becomes an int, both shapes have the column, one with a default of True and one of 1.
    found = [read(b"{}").f0 for _, read in (twin(("paid",), default) for default in (True, 1, 1.0, True))]
    assert list(map(type, found)) == [bool, int, float, bool]
