"""Generated functions: made of source that is written for one shape of records, and compiled once for all like it.

Knows no shape. To compile takes far longer than to make one more function of what is compiled, and a program that opens
a store once more, or follows its catalog, asks for the same sources again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any


def function(title: str, source: str, names: dict[str, Any]) -> Callable[..., Any]:
    """Make the one function that a source defines, or its lambda. names: what it may use; title: for a traceback."""
    # A code of its own: what the interpreter learns about the names of one function must not mislead another.
    return FunctionType(_code(title, source).replace(), names)


@lru_cache(maxsize=512)
def _code(title: str, source: str) -> CodeType:
    whole = compile(source, f"<manystore {title}>", "exec" if source.startswith("def ") else "eval")
    return next(constant for constant in whole.co_consts if isinstance(constant, CodeType))
