"""The lives of instances: arrivals, ends, and the reports of services in between, from wherever the journal stands.

Puts the parts together: arrival.py and departure.py have the steps, equip.py and strip.py those of the full profile,
course.py carries them out.
"""

from __future__ import annotations

from .arrival import Arrival
from .course import Course
from .database import Nova
from .departure import Departure
from .equip import Equipping
from .meter import Meter
from .model.journal import Journal
from .plane import Plane
from .strip import Stripping
from .timeline import TraceClock
from .trace import Row


class Lifecycle:
    """Carries out arrivals, ends and reports."""

    def __init__(self, db: Nova, plane: Plane, journal: Journal, meter: Meter, clock: TraceClock) -> None:
        self._course = course = Course(db, journal, meter)
        is_full = journal.profile == "full"
        departure = Departure(course, plane, clock, Stripping(course, plane) if is_full else None)
        equipping = Equipping(course, plane, clock) if is_full else None
        self._end = departure.steps
        self._arrival = Arrival(course, plane, clock, departure, equipping).steps
        self._services = [service.id for service in db.service.get_all()]

    @property
    def journal(self) -> Journal:
        """Give the journal as it stands."""
        return self._course.journal

    def arrive(self, row: Row) -> None:
        """Boot a row's instance, or refuse it."""
        self._course.walk(self._arrival, row)

    def end(self, row: Row) -> None:
        """End a row's instance, if it was booted."""
        self._course.walk(self._end, row)

    def report(self) -> None:
        """Let each service report in."""
        for place in range(self.journal.step, len(self._services)):
            number, is_last = self._services[place], place == len(self._services) - 1

            def count(tx: Nova, number: int = number) -> None:
                tx.service.report(number)

            self._course.commit("service.report", count, finished=is_last)

    def close(self) -> None:
        """Say in the journal that the replay is through."""
        if not self.journal.done:
            self._course.note(finished=True, done=True)
