"""Errors: one tree, drawn as it is; short texts; whole after a pickle."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from manystore import errors
from manystore.errors import (
    AlreadyCommitted,
    Conflict,
    Duplicate,
    Exhausted,
    FunctionFailed,
    ManystoreError,
    MissingReference,
    NoAccessPath,
    NotFound,
    OutOfBounds,
    OutOfScope,
    Restricted,
    SchemaMismatch,
    TooLarge,
    TooManyExamined,
    ValueRefused,
)

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass)]

TEXTS: list[tuple[ManystoreError, str]] = [
    (ValueRefused("Book", "pages", "outside 64 bits"), "Book.pages: outside 64 bits"),
    (OutOfBounds("Book", "pages", "below 0"), "Book.pages: below 0"),
    (NoAccessPath("Book", "a filter on pages", "@model(…)"),
     "Book: no key or index serves a filter on pages; declare @model(…), or pass scan=True"),
    (NoAccessPath("Book", "a filter on pages", ""),
     "Book: no key or index serves a filter on pages; pass scan=True to read everything"),
    (TooManyExamined("Book", 10_000),
     "Book: more than 10,000 records examined; narrow the filter, set limit=, or pass scan=True"),
    (NotFound("Book", "1"), "Book: no record with key '1'"),
    (NotFound("Book"), "Book: none matches"),
    (Conflict("Book", 1), "Book: record 1 is not what was read: changed or deleted meanwhile; read it again"),
    (Duplicate("Book", ("shop", "title")), "Book: shop, title already taken"),
    (MissingReference("Book", "author_id", "Author"), "Book.author_id: no such Author"),
    (Restricted("Author", "Book.author_id"), "Author: still referred to by Book.author_id"),
    (OutOfScope("Book", "shop"), "Book.shop: the record belongs to another scope"),
    (AlreadyCommitted("k"), "idempotency key 'k': already committed"),
    (Exhausted("Book"), "Book: none left to claim"),
    (TooLarge("bytes", 1_000_000, 900_000), "1,000,000 bytes in one step; the limit is 900,000"),
    (FunctionFailed("Book", ("pages", "title"), 7, "KeyError in 0002.py, line 3"),
     "Book.pages, title: a function of the migration fails: KeyError in 0002.py, line 3 (key 7)"),
    (FunctionFailed("Book", (), ("a", 7), "KeyError"), "Book: a function of the migration fails: KeyError (key a/7)"),
    (FunctionFailed("Book", ("pages",), None, "KeyError"), "Book.pages: a function of the migration fails: KeyError"),
    (SchemaMismatch(("a", "b", "c", "d", "e")),
     "the database's schema is not this program's: a; b; c; and 2 more; run `manystore migrate up`, or connect to an "
     "empty store"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "text"), TEXTS, ids=lambda given: type(given).__name__)
def test_texts(error: ManystoreError, text: str) -> None:
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == text
    assert vars(again) == vars(error)


def test_the_drawing_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:[│ ] {3})*)(?:[├└]── )?(\w+)", line)
        if found is None or found[2] not in {c.__name__ for c in CLASSES}:
            continue
        depth = (found.start(2) - 4) // 4
        above[depth:] = [found[2]]
        drawn[found[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {c.__name__: c.__bases__[0].__name__ for c in CLASSES}


def test_other_parents_are_as_drawn() -> None:
    for line in (errors.__doc__ or "").splitlines():
        found = re.search(r"(\w+) +.*\(also an? (\w+)\)", line)
        if found is not None:
            assert found[2] in {c.__name__ for c in getattr(errors, found[1]).__mro__}
