"""A replay that is cut short again and again, and resumed each time until it is through."""

from typing import Any

import pytest

from manystore import Call
from manystore.nova import replay as replay_file
from manystore.nova.meter import Meter
from manystore.nova.replay import Result, replay


class Crash(BaseException):
    """Stands for the end of the process: nothing catches it."""


def replay_with_crashes(url: str, monkeypatch: pytest.MonkeyPatch, every: int, **options: Any) -> tuple[Result, int]:
    """Replay with a crash after each so-manyth commit; give what it came to, and the number of crashes."""
    commits = 0

    class Crashing(Meter):
        def on_call(self, call: Call) -> None:
            nonlocal commits
            super().on_call(call)
            if call.operation == "commit" and call.error is None:
                commits += 1
                if commits % every == 0:
                    raise Crash

    monkeypatch.setattr(replay_file, "Meter", Crashing)
    crashes = 0
    while True:
        try:
            return replay(url, resume=True, **options), crashes
        except Crash:
            crashes += 1
