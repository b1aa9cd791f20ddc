"""Traces: CSV files of virtual machines in order of arrival, read and checked before anything is stored.

Knows files and rows; must not know the database.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from itertools import islice
from pathlib import Path

from .exception import TraceError

COLUMNS = ("arrival_s", "batch", "vcpus", "memory_gb", "lifetime_s")
SHIPPED = "azure-2017-vms-2000.csv"
_GZIP = b"\x1f\x8b"
_LONGEST = 100_000_000  # seconds: three years
_LARGEST = 1_000_000  # vcpus, or GB of memory
_MB = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One virtual machine. number: its place in the trace, from 0; lifetime: None when it never ends."""

    number: int
    arrival: int
    batch: int
    vcpus: int
    memory_mb: int
    lifetime: int | None


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows to replay. fingerprint: tells traces, and parts of them, from one another."""

    rows: tuple[Row, ...]
    fingerprint: str


def read_trace(path: Path | None = None, limit: int | None = None) -> Trace:
    """Read a trace, or the first rows of it; the shipped one without a path. Raise TraceError, which names the line."""
    name = SHIPPED if path is None else path.name
    try:
        content = files(f"{__package__}.data").joinpath(SHIPPED).read_bytes() if path is None else path.read_bytes()
    except OSError as reason:
        raise TraceError(place=name, reason=reason.strerror) from None
    rows: list[Row] = []
    digest = hashlib.sha256()
    for row in islice(_rows(name, content), limit):
        rows.append(row)
        digest.update(repr((row.arrival, row.batch, row.vcpus, row.memory_mb, row.lifetime)).encode())
    if not rows:
        raise TraceError(place=name, reason="it holds no rows")
    return Trace(tuple(rows), digest.hexdigest())


def _rows(name: str, content: bytes) -> Iterator[Row]:
    """Parse rows one by one, so that a limit also limits what is looked at."""
    plain = io.BytesIO(content)
    raw = gzip.GzipFile(fileobj=plain) if content.startswith(_GZIP) else plain
    reader = csv.reader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""), strict=True)
    places: list[int] = []
    arrival = 0
    number = 0
    while True:
        try:
            cells = next(reader, None)
        except (csv.Error, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as reason:
            text = "it is not UTF-8 text" if isinstance(reason, UnicodeDecodeError) else str(reason)
            raise TraceError(place=f"{name}, line {reader.line_num + 1}", reason=text) from None
        if cells is None:
            return
        place = f"{name}, line {reader.line_num}"
        if not places:
            places = _header(place, cells)
        elif cells:
            row = _row(place, number, cells, places)
            if row.arrival < arrival:
                raise TraceError(
                    place=place, reason=f"arrival_s: {row.arrival} comes before the row above it, {arrival}"
                )
            arrival, number = row.arrival, number + 1
            yield row


def _header(place: str, cells: list[str]) -> list[int]:
    """Find the columns in the first line; further ones are passed over."""
    names = [cell.strip() for cell in cells]
    for column in COLUMNS:
        if names.count(column) != 1:
            how = "twice" if column in names else "no"
            reason = f"{how} column {column}; a trace begins with the line {','.join(COLUMNS)}"
            raise TraceError(place=place, reason=reason)
    return [names.index(column) for column in COLUMNS] + [len(names)]


def _row(place: str, number: int, cells: list[str], places: list[int]) -> Row:
    if len(cells) != places[-1]:
        raise TraceError(place=place, reason=f"{len(cells)} values where the first line names {places[-1]} columns")
    arrival, batch, vcpus, memory, lifetime = (cells[p].strip() for p in places[:-1])
    return Row(
        number=number,
        arrival=_whole(place, "arrival_s", arrival, 0, _LONGEST),
        batch=_whole(place, "batch", batch, 0, 2**53),
        vcpus=_whole(place, "vcpus", vcpus, 1, _LARGEST),
        memory_mb=_megabytes(place, memory),
        lifetime=_whole(place, "lifetime_s", lifetime, 0, _LONGEST) if lifetime else None,
    )


def _whole(place: str, column: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise TraceError(place=place, reason=f"{column}: {_shown(text)} is no whole number")
    if len(text) > 20 or not low <= int(text) <= high:
        raise TraceError(place=place, reason=f"{column}: {_shown(text)} is not within {low:,} and {high:,}")
    return int(text)


def _megabytes(place: str, text: str) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise TraceError(place=place, reason=f"memory_gb: {_shown(text)} is no number") from None
    if not value.is_finite() or not 0 < value <= _LARGEST:
        raise TraceError(place=place, reason=f"memory_gb: {_shown(text)} is not above 0 and at most {_LARGEST:,}")
    return max(1, round(value * _MB))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 20 else text[:20] + "...")
