"""Every exception of kazoo's, as one of ours. In one place; which those are is tested against kazoo itself."""

from __future__ import annotations

from kazoo.exceptions import (
    EXCEPTIONS,
    AuthFailedError,
    CancelledError,
    ConnectionLoss,
    InvalidACLError,
    KazooException,
    NoAuthError,
    OperationTimeoutError,
    QuotaExceededError,
    RequestTimeoutError,
    SessionClosedRequireSaslError,
    SessionExpiredError,
    SessionMovedError,
    ThrottledOpError,
    UnimplementedError,
)

from ....errors import StoreError, Unavailable

# What was asked may have been done, or may yet be.
LOST = (
    CancelledError,
    ConnectionLoss,
    OperationTimeoutError,
    RequestTimeoutError,
    SessionExpiredError,
    SessionMovedError,
)
_LOGIN = (AuthFailedError, InvalidACLError, NoAuthError, SessionClosedRequireSaslError)

NO_NODE, BAD_VERSION, NODE_EXISTS, NOT_EMPTY = -101, -103, -110, -111


def translate(error: KazooException) -> StoreError:
    """Say what the server, or kazoo, refused; nothing was written."""
    if isinstance(error, LOST):
        return Unavailable("the connection broke")
    if isinstance(error, _LOGIN):
        return Unavailable("the server refuses this login, or it may not touch these nodes")
    if isinstance(error, QuotaExceededError):
        return Unavailable("a quota of the server's is used up")
    if isinstance(error, ThrottledOpError):
        return Unavailable("the server is too busy")
    if isinstance(error, UnimplementedError):
        return Unavailable("the server is older than ZooKeeper 3.6")
    return Unavailable(f"the server refuses what was asked: {type(error).__name__}")


def translate_code(code: int) -> StoreError:
    """Say it of a code that stands in the answer to a step, and that nobody expected there."""
    return translate(EXCEPTIONS[code]())
