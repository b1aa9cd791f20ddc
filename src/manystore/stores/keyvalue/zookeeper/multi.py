"""Multi: an atomic step on znodes, written out as it is composed, so that its size is known before it is sent.

Knows ZooKeeper's request and what may become of it on its way; must not know what the step is for.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_CREATE, _DELETE, _SET, _CHECK, _ERROR = 1, 2, 5, 13, -1
_ROLLED_BACK, _NOT_REACHED = 0, -2  # what operations before and after the one that failed are answered with
_HEAD = struct.Struct("!iBi")
_INT = struct.Struct("!i")
_HEADS = {kind: _HEAD.pack(kind, 0, -1) for kind in (_CREATE, _DELETE, _SET, _CHECK)}
_END = _HEAD.pack(-1, 1, -1)
_ENVELOPE = 8  # the request's number and kind
_STAYS, _EPHEMERAL = _INT.pack(0), _INT.pack(1)
_OPEN = ("world", "anyone")
_OWN = ("auth", "")  # whoever is logged in when the node is made
_ALL_RIGHTS = 31


class Failed(NamedTuple):
    """The operation that kept a Multi from being done, and the server's code for it."""

    place: int
    code: int


def acl_of(*, has_login: bool) -> bytes:
    """Write the rights of nodes that are made: for everybody, or for the login only."""
    scheme, identity = _OWN if has_login else _OPEN
    return _INT.pack(1) + _INT.pack(_ALL_RIGHTS) + _text(scheme) + _text(identity)


class Multi:
    """Operations that are carried out together or not at all, in the order they are added."""

    type = 14

    def __init__(self, acl: bytes) -> None:
        self._acl = acl
        self._written = bytearray()
        self._is_withdrawn = self._is_sent = False

    @property
    def size(self) -> int:
        """Give the bytes of the request."""
        return len(self._written) + len(_END) + _ENVELOPE

    def create(self, path: str, value: bytes = b"", *, is_ephemeral: bool = False) -> None:
        """Make a node; it must not be there, and its parent must. is_ephemeral: it goes with the session."""
        kind = _EPHEMERAL if is_ephemeral else _STAYS
        self._written += _HEADS[_CREATE] + _text(path) + _INT.pack(len(value)) + value + self._acl + kind

    def delete(self, path: str, version: int = -1) -> None:
        """Delete a node; it must be there, without children."""
        self._written += _HEADS[_DELETE] + _text(path) + _INT.pack(version)

    def put(self, path: str, value: bytes, version: int = -1) -> None:
        """Set the value of a node that is there."""
        self._written += _HEADS[_SET] + _text(path) + _INT.pack(len(value)) + value + _INT.pack(version)

    def check(self, path: str, version: int = -1) -> None:
        """Require a node, and its version unless that is -1."""
        self._written += _HEADS[_CHECK] + _text(path) + _INT.pack(version)

    def withdraw(self) -> bool:
        """Take care that it is not sent any more; tell whether that came in time.

        kazoo may hold a request back while it connects, and then send it long after its caller was answered.
        """
        self._is_withdrawn = True
        return not self._is_sent

    def again(self) -> Multi:
        """Give a copy that was not sent."""
        made = Multi(self._acl)
        made._written = self._written
        return made

    def serialize(self) -> bytes:
        """Write the request; called at the moment when it is sent. A withdrawn one does nothing."""
        self._is_sent = True
        return _END if self._is_withdrawn else bytes(self._written) + _END

    @staticmethod
    def deserialize(buffer: bytes, offset: int) -> tuple[int, ...]:
        """Read the answer: nothing, or place and code of the operation that failed."""
        kind, is_done, _ = _HEAD.unpack_from(buffer, offset)
        if is_done or kind != _ERROR:
            return ()
        place = 0
        while not is_done:
            (code,) = _INT.unpack_from(buffer, offset + _HEAD.size)
            if code not in (_ROLLED_BACK, _NOT_REACHED):
                return place, code
            place += 1
            offset += _HEAD.size + 4
            _, is_done, _ = _HEAD.unpack_from(buffer, offset)
        return 0, _NOT_REACHED

    def __repr__(self) -> str:
        return f"Multi({self.size} bytes)"  # a log of kazoo's shows no values


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _INT.pack(len(encoded)) + encoded
