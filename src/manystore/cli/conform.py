"""`manystore conform URL`: runs the conformance suite on any store and prints its column of the support matrix.

Knows the suite by name only, as pytest does: pytest and hypothesis are an extra that programs do without.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import UsageError
from ..store.registry import known, open_store
from ..store.url import parse_url

_PLUGINS = ("manystore.testing.plugin", "manystore.testing.outcomes")
_SUITES = ("verbs", "suite")  # what stands on wrong verbs fails in hundreds of ways that do not lead to them
_TESTING = Path(__file__).parent.parent / "testing"


@click.command()
@click.argument("url")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Also write a report.")
@click.option("-k", "chosen", metavar="WORDS", help="Only tests whose names match, as in pytest.")
def conform(url: str, junit: Path | None, chosen: str | None) -> None:
    """Run the conformance suite on the store of URL and print what it passes.

    The suite makes its databases under prefixes of their own. Of a store that is not manystore's they are not removed
    afterwards: give it a server, or a folder, that may be thrown away.

    \b
    manystore conform myscheme://localhost --junit report.xml
    manystore conform myscheme://localhost -k verbs
    manystore conform redis:

    A scheme alone is a server of the suite's own. On a key-value store the verbs come first, for a few seconds; when
    one of them fails, the rest is not run.

    Ends with exit code 1 when a test fails that no stated capability explains.
    """
    missing = [name for name in ("pytest", "hypothesis") if find_spec(name) is None]
    if missing:
        raise click.ClickException(f"conform needs {' and '.join(missing)}: pip install 'manystore[testing]'")
    _look(url)
    options = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-o", "xfail_strict=true"]
    # Neither the settings nor the tests of the folder that it is called in have a say.
    options += ["-c", os.devnull, "--rootdir", str(_TESTING)]
    options += [part for plugin in _PLUGINS for part in ("-p", plugin)]
    options += [f"--junitxml={junit.absolute()}"] if junit else []
    options += ["-k", chosen] if chosen else []
    status = import_module("pytest").main([*options, "--store", url, *(str(_TESTING / each) for each in _SUITES)])
    sys.exit(1 if status else 0)


def _look(url: str) -> None:
    """Raise what is wrong with the URL, before hundreds of tests do."""
    scheme, _, rest = url.partition(":")
    if scheme not in known():
        raise UsageError(f"no store for {scheme}:; there are: {', '.join(sorted(known()))}")
    provision = import_module("manystore.testing.provision")
    if rest or not provision.stands_alone(scheme):  # else for a server of the suite's own
        open_store(parse_url(url), wait=time.sleep).close()  # noqa: TID251 - a real one
