"""A trace is read whole or refused with the line that is wrong."""

import gzip
from pathlib import Path

import pytest

from manystore.nova.exception import TraceError
from manystore.nova.trace import Row, read_trace

HEADER = "arrival_s,batch,vcpus,memory_gb,lifetime_s"


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_shipped_trace_has_2000_rows():
    rows = read_trace().rows
    assert len(rows) == 2000
    assert rows[0] == Row(number=0, arrival=0, batch=0, vcpus=8, memory_mb=14336, lifetime=300)


def test_a_limit_takes_the_first_rows_and_looks_no_further(tmp_path: Path):
    path = write(tmp_path, HEADER, "0,1,1,1,", "0,1,1,1,", "this is no row")
    assert len(read_trace(path, 2).rows) == 2


def test_gzip_is_known_by_its_content(tmp_path: Path):
    path = tmp_path / "trace"
    path.write_bytes(gzip.compress(f"{HEADER}\n5,1,2,0.75,\n".encode()))
    assert read_trace(path).rows == (Row(number=0, arrival=5, batch=1, vcpus=2, memory_mb=768, lifetime=None),)


def test_columns_may_come_in_any_order_among_others(tmp_path: Path):
    path = write(tmp_path, "lifetime_s,vcpus,memory_gb,batch,arrival_s,note", "60,2,1.5,7,3,x")
    assert read_trace(path).rows == (Row(number=0, arrival=3, batch=7, vcpus=2, memory_mb=1536, lifetime=60),)


def test_the_fingerprint_tells_parts_from_the_whole(tmp_path: Path):
    path = write(tmp_path, HEADER, "0,1,1,1,", "0,1,1,1,")
    assert read_trace(path).fingerprint != read_trace(path, 1).fingerprint


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,1,1,1,", "arrival_s: 'x' is no whole number"),
        ("-1,1,1,1,", "arrival_s: '-1' is no whole number"),
        ("1.5,1,1,1,", "arrival_s: '1.5' is no whole number"),
        ("999999999999,1,1,1,", "arrival_s: '999999999999' is not within"),
        ("0,,1,1,", "batch: '' is no whole number"),
        ("0,1,0,1,", "vcpus: '0' is not within 1 and"),
        ("0,1,\u0662,1,", "vcpus: '\u0662' is no whole number"),
        ("0,1,1,nan,", "memory_gb: 'nan' is not above 0"),
        ("0,1,1,0,", "memory_gb: '0' is not above 0"),
        ("0,1,1,lots,", "memory_gb: 'lots' is no number"),
        ("0,1,1,1,soon", "lifetime_s: 'soon' is no whole number"),
        ("0,1,1,1", "4 values where the first line names 5 columns"),
        ("0,1,1,1,,", "6 values where the first line names 5 columns"),
        ('0,1,1,"1,', "unexpected end of data"),
    ],
)
def test_a_malformed_row_is_named_by_its_line(tmp_path: Path, row: str, reason: str):
    with pytest.raises(TraceError) as refused:
        read_trace(write(tmp_path, HEADER, "0,1,1,1,", row))
    assert str(refused.value).startswith("t.csv, line 3: ") or "unexpected end" in reason
    assert reason in str(refused.value)


def test_arrivals_may_not_go_back(tmp_path: Path):
    with pytest.raises(TraceError, match=r"line 3: arrival_s: 200 comes before the row above it, 300"):
        read_trace(write(tmp_path, HEADER, "300,1,1,1,", "200,1,1,1,"))


@pytest.mark.parametrize("header", ["arrival_s,batch,vcpus,memory_gb", "a,b,c,d,e", f"{HEADER},vcpus"])
def test_a_wrong_header_is_refused(tmp_path: Path, header: str):
    with pytest.raises(TraceError, match=r"line 1: .* column"):
        read_trace(write(tmp_path, header, "0,1,1,1,"))


@pytest.mark.parametrize("content", [b"", HEADER.encode(), b"\n"])
def test_nothing_to_replay_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TraceError):
        read_trace(path)


@pytest.mark.parametrize(
    "content", [gzip.compress(HEADER.encode() * 500)[:-20], b"\x1f\x8bnonsense", b"\xff\xfe\x00" * 9]
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TraceError):
        read_trace(path)
