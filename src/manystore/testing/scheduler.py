"""A scheduler: several actors in threads of which one runs at a time, chosen by a seed, so that a run can be repeated.

    scheduler = Scheduler(seed)
    scheduler.begin("old 1", work)                 # work() calls scheduler.pause() wherever others may go on
    scheduler.run()

At a pause the baton may go to any other actor; the actor may be killed there (Killed), or put to sleep. Knows no store.
Where a store has servers that make one caller wait for another, patience says after how many seconds the baton goes on
without whoever holds it; such runs cannot be repeated exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import TypeAlias

Until: TypeAlias = Callable[[], bool]

_STUCK = 120.0  # seconds without any turn: longer, and the run has failed


class Killed(BaseException):
    """The actor was killed here. No `except Exception` of the code under test stops it, as nothing stops a SIGKILL."""


class Actor:
    """One who takes part. rate: of being killed, a pause; while is_dead nothing that it calls is carried out."""

    def __init__(self, name: str, work: Callable[[], None], rate: float) -> None:
        self.name = name
        self.work = work
        self.rate = rate
        self.is_dead = False
        self.is_done = False
        self.until: Until | None = None
        self.baton = threading.Lock()
        self.baton.acquire()

    @property
    def is_ready(self) -> bool:
        """Whether it can go on."""
        if self.until is not None and self.until():
            self.until = None
        return not self.is_done and self.until is None


class Scheduler:
    """Who runs when."""

    def __init__(self, seed: int, patience: float | None = None) -> None:
        self.random = Random(seed)
        self.turns = 0
        self._patience = patience
        self._actors: list[Actor] = []
        self._waiting: list[Actor] = []  # for the baton, in the order in which they began
        self._holder: Actor | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._mine = threading.local()
        self.failures: list[BaseException] = []

    def begin(self, name: str, work: Callable[[], None], rate: float = 0.0) -> Actor:
        """Add an actor; before run."""
        actor = Actor(name, work, rate)
        self._actors.append(actor)
        return actor

    @property
    def actor(self) -> Actor | None:
        """Whose thread this is."""
        return getattr(self._mine, "actor", None)

    def run(self) -> None:
        """Let all work to their ends; raise what one of them raised."""
        threads = [threading.Thread(target=self._work, args=(actor,), daemon=True) for actor in self._actors]
        self._waiting = list(self._actors)
        for thread in threads:
            thread.start()
        with self._lock:
            self._hand_on()
        self._watch()
        for thread in threads:
            thread.join(_STUCK)
        if self.failures:
            raise self.failures[0]

    def _watch(self) -> None:
        seen, quiet = -1, 0.0
        pause = self._patience or _STUCK
        while not self._over.wait(pause):
            with self._lock:
                quiet = quiet + pause if self.turns == seen else 0.0
                if quiet >= _STUCK:
                    where = "nobody" if self._holder is None else self._holder.name
                    raise TimeoutError(f"no turn for {_STUCK} seconds; {where} holds the baton")
                if self._patience is not None and self.turns == seen and self._waiting:
                    self._hand_on()  # whoever held it waits for another, who may need the baton to go on
                seen = self.turns

    def _work(self, actor: Actor) -> None:
        self._mine.actor = actor
        actor.baton.acquire()
        try:
            actor.work()
        except BaseException as error:  # noqa: BLE001 - raised again by run
            self.failures.append(error)
        with self._lock:
            actor.is_done = True
            if self._holder is actor:
                self._hand_on()
            if all(each.is_done for each in self._actors):
                self._over.set()

    def _hand_on(self) -> None:
        """Give the baton to one who waits for it: to one that can go on, if there is one."""
        self.turns += 1
        ready = [actor for actor in self._waiting if actor.is_ready]
        chosen = self.random.choice(ready or self._waiting) if self._waiting else None
        self._holder = chosen
        if chosen is not None:
            chosen.until = None
            self._waiting.remove(chosen)
            chosen.baton.release()

    def pause(self, *, blocked: bool = False, until: Until | None = None) -> None:
        """Let others go on; raise Killed if that is to be. blocked: this one cannot; until: it sleeps so long.

        Of a thread that is no actor's it does nothing.
        """
        actor = self.actor
        if actor is None:
            return
        if actor.is_dead:
            raise Killed
        with self._lock:
            if self._holder is actor or self._holder is None:
                others = [each for each in self._waiting if each.is_ready]
                if until is None and (not others or not (blocked or self._is_over_to(len(others)))):
                    self.turns += 1
                    self._die_maybe(actor)
                    return
                actor.until = until
                self._holder = None
                self._waiting.append(actor)
                self._waiting.sort(key=self._actors.index)
                if blocked and others:
                    self._hand_to_others(actor)
                else:
                    self._hand_on()
            else:  # the baton went on without it
                self._waiting.append(actor)
                self._waiting.sort(key=self._actors.index)
        actor.baton.acquire()
        with self._lock:
            self._die_maybe(actor)

    def _is_over_to(self, others: int) -> bool:
        return self.random.random() * (others + 1) >= 1

    def _hand_to_others(self, actor: Actor) -> None:
        self._waiting.remove(actor)
        self._hand_on()
        self._waiting.append(actor)
        self._waiting.sort(key=self._actors.index)

    def _die_maybe(self, actor: Actor) -> None:
        if actor.rate and self.random.random() < actor.rate:
            actor.is_dead = True
            raise Killed
