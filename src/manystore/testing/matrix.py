"""The page docs/support-matrix.md, made of what a run of the suite on every store wrote (outcomes.py).

`python -m manystore.testing.matrix OUTCOMES PAGE` makes it anew; it refuses a run with failures, since a gap has a
reason or is a fault.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .outcomes import Outcome, capabilities, cell, read, shown

_HEAD = """\
# Support matrix

Made by `make matrix` from a run of the conformance suite on every store; do not edit. A number says how many tests of
an area pass; where not all do, the rest are gaps, each of them explained below by a capability that the store states
that it lacks. A gap is tested too: were it to heal, CI would fail. The verbs are those of key-value stores (`get`,
`scan`, `commit`), which the SQL stores do without. `make test` runs all this on real servers, and fails when this page
is not what the run gives.
"""


def page(outcomes: Sequence[Outcome]) -> str:
    """Give the page; raise ValueError when a test failed."""
    if failed := [f"{each.store}: {each.test}" for each in outcomes if each.result == "failed"]:
        raise ValueError("no matrix can be made of a run with failures: " + "; ".join(failed[:5]))
    stores = sorted({each.store for each in outcomes})
    stated = {store: capabilities(store) for store in stores}
    by_store = {store: [each for each in outcomes if each.store == store] for store in stores}
    areas = {area: [cell(by_store[store], area) for store in stores] for area in sorted({o.area for o in outcomes})}
    facts = {name: [shown(stated[store][name]) for store in stores] for name in sorted(stated[stores[0]])}
    gaps = sorted(
        f"- `{each.test}`, on {each.store}, for want of `{each.gap}`" for each in outcomes if each.result == "gap"
    )
    return "\n".join(
        [
            _HEAD,
            *_table("Area", stores, {name.replace("_", " "): cells for name, cells in areas.items()}),
            "## Capabilities\n",
            *_table("Capability", stores, {f"`{name}`": cells for name, cells in facts.items()}),
            "## Gaps\n",
            *(gaps or ["None."]),
            "",
        ]
    )


def _table(title: str, stores: Sequence[str], rows: dict[str, list[str]]) -> list[str]:
    lines = [[title, *stores], ["---", *["---:"] * len(stores)], *([name, *cells] for name, cells in rows.items())]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _main(arguments: Sequence[str]) -> None:
    outcomes, target = arguments
    Path(target).write_text(page(read(Path(outcomes))))


if __name__ == "__main__":
    _main(sys.argv[1:])
