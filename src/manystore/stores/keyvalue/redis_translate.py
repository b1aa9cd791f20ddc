"""The translator: every error of redis-py, and every error that a Redis server answers, becomes one of ours.

Knows redis-py's classes and the first words of Redis's errors; must not know requests. Messages hold no values.
"""

from __future__ import annotations

import re

from redis import exceptions as driver

from ...errors import Corrupted, ManystoreError, StoreError, Unavailable

DRIVER_ERRORS = (driver.RedisError, driver.RedisClusterException, OSError, UnicodeError)
"""All that a call of the driver raises; the last two are for hosts and certificates."""

ANSWERS = (driver.ResponseError, driver.AuthenticationError, driver.AuthorizationError, driver.BusyLoadingError)
"""What stands for an error that the server answered: it did not carry the command out. Some are ConnectionErrors."""

_UNAVAILABLE = {
    "ASK": "the cluster is moving this database to another node",
    "BUSY": "the server is busy with a script of somebody's",
    "CLUSTERDOWN": "the cluster is down",
    "EXECABORT": "the server gave a read up",
    "LOADING": "the server is still loading its data",
    "MASTERDOWN": "the server is a replica that has lost its master",
    "MISCONF": "the server cannot write its data to the disk, and takes no writes",
    "MOVED": "the cluster has moved this database to another node",
    "NOAUTH": "the server wants a password",
    "NOPERM": "this user may not do that on the server",
    "NOREPLICAS": "the server has fewer replicas than its settings demand, and takes no writes",
    "NOSCRIPT": "the server forgets scripts at once",
    "OOM": "the server is out of memory",
    "READONLY": "the server is a replica, and takes no writes",
    "TRYAGAIN": "the cluster is moving this database to another node",
    "UNKILLABLE": "the server is busy with a script of somebody's",
    "WRONGPASS": "the server does not take this user and password",
}
_CLASSES: tuple[tuple[type[Exception], str], ...] = (  # the driver cuts the first word off the texts of these
    (driver.MovedError, "MOVED"),
    (driver.AskError, "ASK"),
    (driver.TryAgainError, "TRYAGAIN"),
    (driver.MasterDownError, "MASTERDOWN"),
    (driver.ClusterDownError, "CLUSTERDOWN"),
    (driver.BusyLoadingError, "LOADING"),
    (driver.ExecAbortError, "EXECABORT"),
    (driver.NoScriptError, "NOSCRIPT"),
    (driver.OutOfMemoryError, "OOM"),
    (driver.ReadOnlyError, "READONLY"),
    (driver.NoPermissionError, "NOPERM"),
    (driver.AuthorizationError, "NOPERM"),
    (driver.AuthenticationWrongNumberOfArgsError, "WRONGPASS"),
)
_WORD = re.compile(r"[A-Z]{2,}\b")
_WRONG_TYPE = "a key of this database holds something else"


def translate(error: Exception) -> ManystoreError:
    """Give the error to raise, for a call that surely changed nothing."""
    for cls, code in _CLASSES:
        if isinstance(error, cls):
            return Unavailable(_UNAVAILABLE[code])
    if isinstance(error, driver.AuthenticationError):
        is_missing = "required" in str(error)
        return Unavailable(_UNAVAILABLE["NOAUTH" if is_missing else "WRONGPASS"])
    if isinstance(error, (driver.TimeoutError, TimeoutError)):
        return Unavailable("the server does not answer in time")
    if isinstance(error, (driver.ConnectionError, OSError, UnicodeError)):
        return Unavailable("the server cannot be reached, or broke the connection off")
    if isinstance(error, driver.ResponseError):
        return _by_text(str(error))
    return StoreError(f"the server or its driver refuses the call ({type(error).__name__})")


def _by_text(text: str) -> ManystoreError:
    # Before Redis 7 an error inside a script stands in the middle of a text that begins with ERR.
    for word in _WORD.findall(text):
        if word in _UNAVAILABLE:
            return Unavailable(_UNAVAILABLE[word])
        if word == "WRONGTYPE":
            return Corrupted(_WRONG_TYPE)
    return StoreError("the server refuses the call")


def is_wrong_type(error: Exception) -> bool:
    """Tell whether a key holds another type of value than was asked for."""
    return isinstance(error, driver.ResponseError) and str(error).startswith("WRONGTYPE")
