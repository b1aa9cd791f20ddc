"""A fault: what a faulty network (network.py) is to do to one request, and how far that has come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum

PATIENCE = 30.0  # seconds: longer, and the test has failed


class Stage(Enum):
    """How far a fault is."""

    ARMED = "armed"
    STRUCK = "struck"
    """Its request has come: held, swallowed, or on its way to the server."""
    DONE = "done"
    """Nothing more comes of it: the line is cut, or what was held has been answered."""


class Fault:
    """What is to happen to one request."""

    def __init__(self, kind: str, at: int, containing: bytes, *, seconds: float = 0.0, stays: bool = False) -> None:
        self.kind = kind
        self.left = at
        self.containing = containing
        self.seconds = seconds
        self.stays = stays
        self.stage = Stage.ARMED
        self.victim: int | None = None
        self.is_released = False
        self.meanwhile: Callable[[], object] | None = None
        """What others do when the server has lost the line, before the client knows."""
        self._giving_way = threading.Lock()
        self.changed = threading.Condition()

    @property
    def has_struck(self) -> bool:
        """Whether its request has come."""
        return self.stage is not Stage.ARMED

    def wait(self, stage: Stage = Stage.DONE, patience: float = PATIENCE) -> None:
        """Wait until it has come so far; TimeoutError."""
        reached = (stage, Stage.DONE)
        with self.changed:
            if not self.changed.wait_for(lambda: self.stage in reached, patience):
                raise TimeoutError(f"{self.kind}: {self.stage.value}, not {stage.value}")

    def release(self) -> None:
        """Deliver what was held, and wait until the server has answered it."""
        with self.changed:
            self.is_released = True
            self.changed.notify_all()
        self.wait()

    def choose(self, pid: int) -> None:
        """Name the process that is to be killed; a request that came before is kept until then."""
        with self.changed:
            self.victim = pid
            self.changed.notify_all()

    def give_way(self) -> None:
        """Let others do what they are to do meanwhile, once."""
        with self._giving_way:  # who comes second waits until they are done
            then, self.meanwhile = self.meanwhile or (lambda: None), None
            then()

    def reach(self, stage: Stage) -> None:
        """Note how far it is."""
        with self.changed:
            self.stage = stage
            self.changed.notify_all()
