"""The table: times, ratios to the floor, and a mark where a bar is broken."""

from __future__ import annotations

from collections.abc import Mapping

from .measure import Samples

BAR = 1.5  # times the floor, on each row
ABOVE_THE_PLAN = 12.0  # µs of a get that are not the statement and the loading of its row
FLOOR, CONTROL, OURS = "floor", "control", "manystore"
_WIDTHS = (20, 11, 11, 11, 7, 7, 9, 12, 11, 7)
_HEAD = ("µs an operation", "floor", "manystore", "p10", "ratio", "p10", "control", "cpu: floor", "manystore", "ratio")


def line(*cells: str) -> str:
    """Lay out one line: the name to the left, figures to the right."""
    first, *rest = cells
    return first.ljust(_WIDTHS[0]) + "".join(cell.rjust(width) for cell, width in zip(rest, _WIDTHS[1:], strict=False))


def header(title: str, *, waits: bool) -> str:
    """Give the head of one store's table. waits: the processor's time stands beside what counts."""
    return f"\n{title}\n" + line(*(_HEAD if waits else _HEAD[:7]))


def row(name: str, samples: Mapping[str, Samples], bar: float = BAR) -> tuple[str, bool]:
    """Lay out one row; tell whether it holds the bar. There may be no control.

    The bar is broken when both the median and the p10 are past it: one alone is the machine's noise.
    """
    floor, ours = samples[FLOOR].counted, samples[OURS].counted
    ratio, low = ours.median / floor.median, ours.p10 / floor.p10
    holds = ratio <= bar or low <= bar
    mark = "" if holds else f"  <-- over {bar}"
    if holds and max(ratio, low) > bar:
        mark = "  (noisy)"
    figures = [figure(floor.median), figure(ours.median), figure(ours.p10)]
    figures += [f"{ratio:.2f}", f"{low:.2f}"]
    figures.append(f"{samples[CONTROL].counted.median / floor.median:.2f}" if CONTROL in samples else "")
    if samples[OURS].waits:
        here, there = samples[FLOOR].client.median, samples[OURS].client.median
        figures += [figure(here), figure(there), f"{there / here:.2f}"]
    return line(name, *figures) + mark, holds


def above_the_plan(bare: Samples, whole: Samples) -> tuple[str, bool]:
    """Lay out what a get costs beside its statement and its row."""
    least, ours = bare.counted, whole.counted
    above, low = ours.median - least.median, ours.p10 - least.p10
    holds = min(above, low) <= ABOVE_THE_PLAN
    figures = (figure(least.median), figure(ours.median), figure(ours.p10))
    text = line("get above the plan", *figures, f"{above:.1f}", f"{low:.1f}")
    return text + ("  µs" if holds else f"  µs  <-- over {ABOVE_THE_PLAN:.0f}"), holds


def figure(value: float) -> str:
    """Write microseconds with as many digits as mean something."""
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
