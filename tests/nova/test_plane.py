"""The plane is sized by the trace: a small one fits whole, a large one is refused a share."""

from pathlib import Path

import pytest

from manystore.nova.plane import size_plane
from manystore.nova.timeline import Kind, peak, timeline
from manystore.nova.trace import read_trace


def test_events_come_in_order_and_room_is_made_before_it_is_asked_for(trace: Path):
    events = timeline(read_trace(trace).rows)
    assert events == sorted(events)
    assert [(e.kind, e.number) for e in events if e.time == 300] == [
        (Kind.REPORT, 0),
        (Kind.END, 1),
        (Kind.ARRIVAL, 3),
        (Kind.ARRIVAL, 4),
        (Kind.END_AT_ONCE, 4),
    ]


def test_peaks(trace: Path):
    rows = read_trace(trace).rows
    most = peak(rows, timeline(rows))
    assert (most.instances, most.vcpus, most.memory_mb) == (3, 20, 121856)


def test_the_peak_of_the_shipped_trace():
    rows = read_trace().rows
    assert peak(rows, timeline(rows)).instances == 1094


@pytest.mark.parametrize("hosts", [None, 1, 3, 50])
def test_a_host_can_take_the_largest_instance(trace: Path, hosts: int | None):
    rows = read_trace(trace).rows
    plane = size_plane(rows, timeline(rows), hosts)
    assert plane.hosts == (hosts or 1)
    assert plane.host_vcpus >= 16
    assert plane.host_memory_mb >= 112 * 1024


def test_of_a_large_trace_a_share_is_refused():
    rows = read_trace().rows
    events = timeline(rows)
    plane, most = size_plane(rows, events), peak(rows, events)
    assert plane.pool * plane.networks < most.instances
    assert plane.hosts * plane.host_vcpus < most.vcpus
