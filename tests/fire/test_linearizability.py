"""Each record behaves as if there were one copy of it and one user, also when lines break and leaders die."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from manystore import OutcomeUnknown, col
from manystore.testing import provision
from manystore.testing.crew import Crew, Shift
from manystore.testing.fault import Fault, Stage
from manystore.testing.linearizability import Operation, Read, explanation
from manystore.testing.network import Proxy
from manystore.testing.provision import Place

from . import register
from .conftest import SERVERS, stores
from .register import Game, Register, Registers, Report

NOTE = b"the create whose answer is lost"
STEPS = pytest.mark.parametrize("steps", [100, pytest.param(2_500, marks=pytest.mark.soak)])
FAULTS: tuple[Callable[[Proxy, int], Fault], ...] = (
    lambda proxy, at: proxy.cut_before(at),
    lambda proxy, at: proxy.cut_after(at),
    lambda proxy, at: proxy.hold(at),
    lambda proxy, at: proxy.delay(0.02, at),
)


def assert_linearizable(reports: Iterable[Report], registers: Registers) -> Counter[str]:
    """Fail with the first history that no order explains; count what was done, by its kind and by how it went.

    What is there at the end is a part of each history.
    """
    done = Counter[str]()
    left = {record.key: record.value for record in registers.register.find(scan=True)}
    for key, history in sorted(register.histories(reports).items()):
        now = time.monotonic_ns()
        history.append(Operation(Read(), left.pop(key, None), now, now))
        if explanation(history) is None:
            told = "\n".join(map(str, sorted(history, key=lambda operation: operation.called)))
            pytest.fail(f"register {key}:\n{told}", pytrace=False)
        done.update(type(operation.action).__name__ for operation in history)
        done["unknown"] += sum(not operation.is_known for operation in history)
        done["refused"] += sum(operation.answer is False for operation in history)
    assert left == {}
    return done


@STEPS
def test_undisturbed(place: Place, crew: Crew, steps: int) -> None:
    registers = place.connect(Registers)
    reports = crew.run(register.play, Game(place.url, place.prefix, steps))
    done = assert_linearizable(reports, registers)
    assert done["unknown"] == sum(report.unavailable for report in reports) == 0
    assert done["refused"] < done.total() // 2
    for kind in ("Read", "CompareAndSet", "Set", "Add", "Swap", "Remove"):
        assert done[kind] > 0


def disturb(proxy: Proxy, shift: Shift, faults: int) -> list[Report]:
    """Break one line after the other while the crew plays; give what all did."""
    dice = random.Random(faults)
    assert shift.until(lambda steps: min(steps) > 0)
    for _ in range(faults):
        fault = dice.choice(FAULTS)(proxy, dice.randint(1, 12))
        fault.wait(Stage.STRUCK)
        if fault.kind == "hold":
            time.sleep(dice.uniform(0, 0.05))
            fault.release()
        fault.wait()
    before = shift.steps
    shift.until(lambda steps: min(now - then for now, then in zip(steps, before, strict=True)) > 3)
    return shift.end()


@pytest.mark.parametrize("faults", [24, pytest.param(500, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", stores(*SERVERS))
def test_over_lines_that_break(place: Place, processes: Crew, faults: int) -> None:
    registers = place.connect(Registers)
    with provision.through(place.url) as (proxy, url):
        game = Game(url, place.prefix)
        reports = disturb(proxy, processes.begin(register.play, game), faults)
    done = assert_linearizable(reports, registers)
    assert done.total() > 100


@pytest.mark.parametrize("kind", stores(*SERVERS))
def test_a_create_that_others_delete_is_not_made_again(place: Place) -> None:
    """The reply to a create is lost, and while its client finds out what became of it the record goes."""
    registers = place.connect(Registers)
    with ExitStack() as stack:
        proxy, url = stack.enter_context(provision.through(place.url))
        broken = stack.enter_context(Registers.connect(url, prefix=place.prefix))
        broken.register.create(Register(key=1, place=1, value=1))  # so that the store has made room for it
        broken.register.delete(1)
        with ThreadPoolExecutor(1) as pool:
            lost, slow = proxy.cut_after(containing=NOTE), proxy.delay(3.0, 2, containing=NOTE)
            record = Register(key=1, place=1, value=7, note=NOTE.decode())
            creating = pool.submit(lambda: broken.register.create(record))
            lost.wait()
            while not (slow.has_struck or creating.done()):
                time.sleep(0.01)
            registers.register.delete(1)
            with contextlib.suppress(OutcomeUnknown):
                creating.result()
    assert registers.register.count(col(Register.key) == 1) == 0


def counted(proxy: Proxy, write: Callable[[int], object]) -> int:
    """Count the requests of a write in its usual way; the last of them decides."""
    found: list[int] = []
    for key in itertools.count(100):
        before = proxy.requests
        write(key)
        found.append(proxy.requests - before)
        if len(found) > 6 and len(set(found[-3:])) == 1:
            return found[-1]
    raise AssertionError


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "hold"])
@pytest.mark.parametrize("kind", stores(*SERVERS))
def test_a_lone_write_whose_reply_is_lost_is_done_once(place: Place, kind: str, fault: str) -> None:
    """Nothing is left of a delete to tell by, and a second increment would look like the first."""
    registers = place.connect(Registers)
    for key in (*range(1, 9), *range(100, 160)):
        registers.register.create(Register(key=key, place=key, value=0))
    with ExitStack() as stack:
        proxy, url = stack.enter_context(provision.through(place.url))
        ours = stack.enter_context(Registers.connect(url, prefix=place.prefix)).register
        for key in range(1, 5):
            at = counted(proxy, lambda key: ours.increment(key, Register.value))
            struck: Fault = getattr(proxy, fault)(at)
            assert ours.increment(key, Register.value).value == 1
            assert struck.has_struck
            if fault == "hold":
                struck.release()
            assert registers.register.get(key).value == 1
        for key in range(5, 9):
            at = counted(proxy, lambda number, key=key: ours.delete(number + (key - 5) * 10))
            struck = getattr(proxy, fault)(at)
            ours.delete(key)
            assert struck.has_struck
            if fault == "hold":
                struck.release()
            assert registers.register.count(col(Register.key) == key) == 0
