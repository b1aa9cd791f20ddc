"""Splitting a bucket that is full, and taking away one that is empty.

First the bucket is frozen, so that its entries stay while they move. Then the upper ones move to a new bucket, one step
a bucket; each step leaves every entry in exactly one bucket, and the last one opens it again. A splitter that dies
leaves a frozen bucket behind, from which anybody goes on: each step requires the version that the one before made.

Where it is cut depends on what comes next. Names that come to few places, as those of keys that are counted up, get a
bucket that ends behind them, and begins before them if much lies there: for them nothing moves twice, or at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from .buckets import Bucket, Buckets, Directory, named, state, state_of
from .multiread import Node

FULL = 600  # entries at which a bucket is split
_PIECE = 400  # entries that a bucket has after it at most
_FULL_BYTES, _PIECE_BYTES = 250_000, 150_000  # a step that moves a piece names each of its entries twice
_MANY = 32  # entries that come at once: more will, so that pieces are half as large
_RUN = 8  # entries that come to a place, on average, when they come to few
_LOOKS = 8  # at a frozen bucket, before its splitter is taken for dead
_PAUSE = 0.004


def is_full(count: int, name: str) -> bool:
    """Tell whether a bucket is to be split, by the number of its entries and one of their names."""
    return count > FULL or count * len(name.encode()) > _FULL_BYTES


class Cut(NamedTuple):
    """Where a bucket is cut. place: of the first entry that moves; low: the bound of the bucket that it moves to."""

    place: int
    low: str


def cuts(names: Sequence[str], coming: Sequence[str] = ()) -> list[Cut]:
    """Say where to cut sorted entries, before others come among them; in order, and several may be at one place."""
    around = _around(names, coming)
    most = _PIECE if around or len(coming) < _MANY else _PIECE // 2
    made: list[Cut] = []
    start = 0
    for number, end in enumerate([*(cut.place for cut in around), len(names)]):
        part = names[start:end]
        # What stays where it is, and gets nothing more, may be more than a step can move.
        stays = around and number == 0 and len(pieces(part, 2 * _PIECE, 2 * _PIECE_BYTES)) == 1
        for piece in () if stays else pieces(part, most, _PIECE_BYTES)[:-1]:
            start += len(piece)
            made.append(Cut(start, boundary(names[start - 1], names[start])))
        made += around[number : number + 1]
        start = end
    return made


def _around(names: Sequence[str], coming: Sequence[str]) -> list[Cut]:
    """Cut behind each place that others come to, and before it when half of all lies there; nothing for many places."""
    places: dict[int, tuple[str, str]] = {}
    for name in coming:
        place = bisect_left(names, name)
        if names[place : place + 1] != [name]:
            places[place] = places.get(place, (name,))[0], name
    is_at_end = list(places) == [len(names)]
    if not is_at_end and len(places) * _RUN > len(coming):
        return []
    found: list[Cut] = []
    start = 0
    for place, (first, last) in places.items():
        if 2 * (place - start) > len(names):
            found.append(Cut(place, right_above(names[place - 1], first)))
        if 0 < place < len(names):
            found.append(Cut(place, boundary(last, names[place])))
        start = place
    return found


def pieces(names: Sequence[str], most: int, most_bytes: int) -> list[list[str]]:
    """Cut sorted entries into pieces of about one size, none of which has more than so many."""
    number = -(-len(names) // most)
    most = -(-len(names) // max(1, number))
    made: list[list[str]] = []
    weight = 0
    for name in names:
        weight += len(name.encode())
        if not made or len(made[-1]) >= most or weight > most_bytes:
            made.append([])
            weight = len(name.encode())
        made[-1].append(name)
    return made


def boundary(below: str, above: str) -> str:
    """Give the shortest beginning of a name that lies above another."""
    length = 1
    while above[:length] <= below:
        length += 1
    return above[:length]


def right_above(below: str, above: str) -> str:
    """Give a short bound between two names, nearer to the lower one.

    What is below it stays full: of names that come downwards, few may still belong there.
    """
    bound = boundary(below, above)
    at = len(bound) - 1
    following = chr(ord(below[at]) + 1) if at < len(below) else "/"
    return bound[:at] + following if "!" < following < "~" and following not in "./" else bound


def split(buckets: Buckets, space: str, bucket: Bucket, node: Node, coming: Sequence[str] = ()) -> None:
    """Split a bucket as it was read, or go on with a split that was begun. Whoever is faster, it is looked at again.

    coming: in order, the entries that are to be put there next.
    """
    link, (value, version, _) = buckets.link, node
    is_frozen, following = state_of(value)
    buckets.forget(space)
    if not is_frozen:
        step = link.step()
        step.put(bucket.path, state(following, frozen=True), version)
        if link.tidy(step) is not None:
            return
        version += 1
    names = link.read((), (bucket.path,)).lists[0]
    if names is None:
        return
    names.sort()
    cut, end = cuts(names, coming), len(names)
    for number in range(len(cut) - 1, -1, -1):
        place, low = cut[number]
        made = named(low)
        path = f"{buckets.nodes.space(space)}/{made}"
        step = link.step()
        # First, so that a splitter who was overtaken is told by the version, whatever else has changed.
        step.put(bucket.path, state(made, frozen=number > 0), version)
        step.create(path, state(following))
        for name in names[place:end]:
            step.delete(f"{bucket.path}/{name}")
            step.create(f"{path}/{name}")
        if link.tidy(step) is not None:
            return
        following, version, end = made, version + 1, place
    if not cut:
        step = link.step()
        step.put(bucket.path, state(following), version)
        link.tidy(step)


def go_on(buckets: Buckets, space: str, bucket: Bucket, node: Node) -> None:
    """Wait until a frozen bucket is open again; when nothing moves there for a while, do what its splitter left."""
    for look in range(_LOOKS):
        buckets.wait(_PAUSE * (look + 1))
        (now,) = buckets.look([bucket])
        if now is None or now[1] != node[1]:
            buckets.forget(space)
            return
    split(buckets, space, bucket, node)


def take_away(buckets: Buckets, space: str, directory: Directory, bucket: Bucket) -> None:
    """Delete a bucket that seems empty; the one before it then reaches as far as it did."""
    place = directory.buckets.index(bucket)
    if place == 0:
        return
    before = directory.buckets[place - 1]
    earlier, node = buckets.look([before, bucket])
    if node is not None and node[2] > 0:
        bucket.count = node[2]
        return
    if earlier is None or node is None:
        return
    (is_frozen, following), (is_frozen_too, after) = state_of(earlier[0]), state_of(node[0])
    if is_frozen or is_frozen_too or following != bucket.name:
        return
    step = buckets.link.step()
    step.put(before.path, state(after), earlier[1])
    step.delete(bucket.path, node[1])  # refused while it has an entry
    buckets.link.tidy(step)
    buckets.forget(space)
