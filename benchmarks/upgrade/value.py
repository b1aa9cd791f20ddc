"""What the five migrations do to values; the hand-written rewriting calls the same functions."""

from __future__ import annotations


def split(name: str) -> tuple[str, str]:
    """Part a name at its first blank."""
    first, _, last = name.partition(" ")
    return first, last


def join(first: str, last: str) -> str:
    """Put it together again."""
    return f"{first} {last}".strip()


def volume(width: int, height: int, depth: int) -> int:
    """Give what the box holds."""
    return width * height * depth
