"""Generated functions: alike sources are compiled once, and each function goes by names of its own."""

from __future__ import annotations

import pytest

from manystore import generated


def test_each_has_its_own_names() -> None:
    source = "def made(x):\n return x + step"
    one, ten = (generated.function("test", source, {"step": step}) for step in (1, 10))
    assert (one(1), ten(1)) == (2, 11)
    assert one.__code__ is not ten.__code__


def test_a_source_is_compiled_once() -> None:
    before = generated._code.cache_info().misses
    for _ in range(3):
        generated.function("test", "lambda r, v: r < v + 12345", {})
    assert generated._code.cache_info().misses == before + 1


def test_a_traceback_names_what_it_is() -> None:
    fails = generated.function("numbers", "def made(x):\n return x / 0", {})
    with pytest.raises(ZeroDivisionError) as caught:
        fails(1)
    assert caught.traceback[-1].frame.code.raw.co_filename == "<manystore numbers>"
