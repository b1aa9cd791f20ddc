"""Where a request begins and an answer comes in a stream of bytes, for the faulty network (network.py).

Three speeches: in turns, as most have it; HTTP/2, where pings and windows go both ways between requests; and frames
with a length and a number in front, where some numbers mean heartbeats. Knows bytes only.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol


class Mark(Enum):
    """What a place in the stream is the beginning of."""

    REQUEST = "request"
    ANSWER = "answer"
    WITHDRAWAL = "withdrawal"
    """The client takes a request back; a connection that broke before this has not brought it."""


class Place(NamedTuple):
    """A mark and where it stands in the bytes that were given; below 0: it began in bytes given before."""

    offset: int
    mark: Mark


class Speech(Protocol):
    """The state of one connection's talk."""

    def sent(self, data: bytes, /) -> list[Place]:
        """Mark what the client sent."""
        ...

    def received(self, data: bytes, /) -> list[Place]:
        """Mark what the server sent."""
        ...


class Turns:
    """Client and server speak in turns: what the client says first after an answer is a request."""

    def __init__(self) -> None:
        self._is_asked = False

    def sent(self, data: bytes, /) -> list[Place]:
        """Mark the beginning of a turn."""
        del data
        begins, self._is_asked = not self._is_asked, True
        return [Place(0, Mark.REQUEST)] if begins else []

    def received(self, data: bytes, /) -> list[Place]:
        """Mark what ends a turn: the first of what is said in answer."""
        del data
        ends, self._is_asked = self._is_asked, False
        return [Place(0, Mark.ANSWER)] if ends else []


class _Frames:
    """Finds the frames of a stream, also those that come in pieces."""

    def __init__(self, head: int, skip: int = 0) -> None:
        self._head = head  # bytes before a frame's content that say what it is
        self._skip = skip  # bytes of the frame at hand that are still to come
        self._part = b""  # of a head

    def heads(self, data: bytes) -> list[tuple[int, bytes]]:
        """Give where each frame begins, and its head."""
        found: list[tuple[int, bytes]] = []
        at = 0
        while True:
            passed = min(self._skip, len(data) - at)
            self._skip -= passed
            at += passed
            part = self._part + data[at : at + self._head - len(self._part)]
            if len(part) < self._head:
                self._part = part
                return found
            found.append((at - len(self._part), part))
            at += self._head - len(self._part)
            self._part = b""
            self._skip = self.content(part)

    def content(self, head: bytes) -> int:
        """Give how many bytes follow the head."""
        raise NotImplementedError


class _HTTP2Frames(_Frames):
    def content(self, head: bytes) -> int:
        return int.from_bytes(head[:3], "big")


class HTTP2:
    """HTTP/2, as gRPC speaks it: a request begins with its headers, an answer ends with the headers behind it."""

    _PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    _HEADERS, _RESET, _GO_AWAY = 1, 3, 7
    _IS_LAST = 1  # of a stream: a flag

    def __init__(self) -> None:
        self._sent = _HTTP2Frames(9, self._PREFACE)
        self._received = _HTTP2Frames(9)

    def sent(self, data: bytes, /) -> list[Place]:
        """Mark requests, and those taken back."""
        marks = {
            self._HEADERS: Mark.REQUEST,
            self._RESET: Mark.WITHDRAWAL,
            self._GO_AWAY: Mark.WITHDRAWAL,
        }
        return [Place(at, marks[head[3]]) for at, head in self._sent.heads(data) if head[3] in marks]

    def received(self, data: bytes, /) -> list[Place]:
        """Mark answers."""
        heads = self._received.heads(data)
        return [Place(at, Mark.ANSWER) for at, head in heads if head[3] == self._HEADERS and head[4] & self._IS_LAST]


class _NumberedFrames(_Frames):
    def content(self, head: bytes) -> int:
        return max(int.from_bytes(head[:4], "big") - 4, 0)


class Numbered:
    """Frames of a length, a number and a content; a negative number is no request: heartbeats, logins, notices."""

    def __init__(self) -> None:
        self._sent = _NumberedFrames(8)
        self._received = _NumberedFrames(8)

    def sent(self, data: bytes, /) -> list[Place]:
        """Mark requests."""
        return [Place(at, Mark.REQUEST) for at, head in self._sent.heads(data) if head[4] < 0x80]

    def received(self, data: bytes, /) -> list[Place]:
        """Mark answers."""
        return [Place(at, Mark.ANSWER) for at, head in self._received.heads(data) if head[4] < 0x80]
