"""`import manystore` is quick, and brings along neither a driver nor what only tests and the command line need."""

import os
import subprocess
import sys

import pytest

LIMIT_MS = 80
# The best of several runs: what else the machine does can only make an import look slower.
ATTEMPTS = 10
NOT_YET_NEEDED = {"click", "hypothesis", "pytest", "sqlalchemy", "sqlite3"}
# These make Python load or compile modules that an import in a user's program would not.
MISLEADING = ("COVERAGE_", "PYTHON")

# Processor time, not the clock's: beside the type checkers on two cores, the clock shows three times as much.
PROGRAM = """
import sys, time
started = time.process_time_ns()
import manystore
print((time.process_time_ns() - started) / 1e6, *{name.partition(".")[0] for name in sys.modules})
"""


def import_in_a_new_python() -> tuple[float, set[str]]:
    """Return the milliseconds that `import manystore` takes, and the packages present after it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(MISLEADING)}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=clean, capture_output=True, text=True, check=True)
    took, *packages = ran.stdout.split()
    return float(took), set(packages)


@pytest.mark.alone
def test_import_is_quick():
    best = float("inf")
    for _ in range(ATTEMPTS):
        best = min(best, import_in_a_new_python()[0])
        if best < LIMIT_MS:
            break
    assert best < LIMIT_MS, "where the time goes: python -X importtime -c 'import manystore'"


def test_import_brings_only_what_is_needed():
    _, packages = import_in_a_new_python()
    assert packages & NOT_YET_NEEDED == set()
