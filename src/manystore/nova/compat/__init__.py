"""The bridge: Nova's db module of 2011, for programs that still call it. `instance_get_all_by_host(context, host)`.

from manystore.nova import compat as db
db.connect("sqlite:///nova.db")

The 279 functions are made from the table of operations (interface/) when this is imported. Records are read by item
and by attribute. Errors are Nova's (manystore.nova.exception).
"""

from __future__ import annotations

from typing import Any

from ..database import Nova
from ..exception import Error
from ..interface import OPERATIONS
from .call import Call
from .views import Views

_open: list[Views] = []  # of the database that the functions use, if any


def connect(url: str, /, **options: Any) -> Nova:
    """Open the database that the functions use from now on; options: as of Nova.connect."""
    return use(Nova.connect(url, **options))


def use(database: Nova, /) -> Nova:
    """Let the functions use a database that is open."""
    _open[:] = [Views(database)]
    return database


def database() -> Nova:
    """Give the database that the functions use; raise Error."""
    return _views().database


def _views() -> Views:
    if not _open:
        raise Error("no database: call connect(url) first")
    return _open[0]


def _function(operation: Any) -> Any:
    call = Call(operation, lambda context: _views().of(context))

    def function(*args: Any, **options: Any) -> Any:
        return call(*args, **options)

    function.__name__ = function.__qualname__ = operation.function
    function.__doc__ = f"Do what `db.{operation.title}` does, for the context's caller."
    function.__signature__ = call.signature  # type: ignore[attr-defined]
    return function


globals().update({operation.function: _function(operation) for operation in OPERATIONS})

__all__ = ["connect", "database", "use"]
__all__ += [operation.function for operation in OPERATIONS]
