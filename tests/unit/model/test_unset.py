"""UNSET is one object, shows itself, and refuses to stand for a value."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from manystore import UNSET

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge, operator.and_, operator.lshift,
]  # fmt: skip
UNARY = [operator.neg, operator.pos, operator.index, int, float, bool, str, format, abs, "{}".format, "%d".__mod__]


@pytest.mark.parametrize("combine", BINARY)
def test_it_mixes_with_nothing(combine: Callable[[Any, Any], Any]) -> None:
    for left, right in ((UNSET, 1), (1, UNSET)):
        with pytest.raises(TypeError):
            combine(left, right)


@pytest.mark.parametrize("use", UNARY)
def test_it_becomes_nothing(use: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        use(UNSET)


def test_it_says_why() -> None:
    with pytest.raises(TypeError, match="UNSET: this record has no key yet; create it first"):
        f"/authors/{UNSET}"


def test_it_is_one_object() -> None:
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert copy.deepcopy(UNSET) is UNSET
    assert repr(UNSET) == "UNSET"
    assert UNSET != 0
    assert UNSET == UNSET
    assert {UNSET: 1}[UNSET] == 1
