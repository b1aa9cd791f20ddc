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


class Scheduler:
    """Who runs when."""

    def __init__(self, seed: int, patience: float | None = None) -> None:
        self.random = Random(seed)
        self.turns = 0
        self._patience = patience
        self._actors: list[Actor] = []
        self._ready: list[Actor] = []  # who waits for the baton
        self._asleep: list[Actor] = []  # who waits for it, and for something else before
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
        self._ready = list(self._actors)
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
                if self._patience is not None and self.turns == seen and (self._ready or self._asleep):
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
        self._wake()
        waiting = self._ready or self._asleep
        chosen = waiting.pop(int(self.random.random() * len(waiting))) if waiting else None
        self._holder = chosen
        if chosen is not None:
            chosen.until = None
            chosen.baton.release()

    def _wake(self) -> None:
        """See who of those asleep can go on."""
        for actor in [each for each in self._asleep if each.until is not None and each.until()]:
            self._asleep.remove(actor)
            self._ready.append(actor)

    def pause(self, *, blocked: bool = False, until: Until | None = None) -> None:
        """Let others go on; raise Killed if that is to be. blocked: this one cannot; until: it sleeps so long.

        Of a thread that is no actor's it does nothing.
        """
        actor: Actor | None = getattr(self._mine, "actor", None)
        if actor is None:
            return
        if actor.is_dead:
            raise Killed
        with self._lock:
            is_over = self._hand_over(actor, until, blocked=blocked)
        if is_over:
            actor.baton.acquire()
        if actor.rate and self.random.random() < actor.rate:
            actor.is_dead = True
            raise Killed

    def _hand_over(self, actor: Actor, until: Until | None, *, blocked: bool) -> bool:
        """Give the baton to another, or not, as chance will have it; tell whether this one waits for it now."""
        if self._holder is not actor and self._holder is not None:  # the baton went on without it
            self._ready.append(actor)
            return True
        if until is not None:
            actor.until = until
            self._asleep.append(actor)
            self._hand_on()
            return True
        if self._asleep:
            self._wake()
        others = len(self._ready)
        at = int(self.random.random() * (others + (not blocked)))
        if at >= others:
            self.turns += 1
            return False
        self.turns += 1
        self._holder, self._ready[at] = self._ready[at], actor
        self._holder.baton.release()
        return True
