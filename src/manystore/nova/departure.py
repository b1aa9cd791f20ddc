"""What Nova does when an instance's time is over: address, interface, record, host, quota.

Knows the steps and their order; course.py carries them out, strip.py has those of the full profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manystore import col

from .course import Course, Found, Step
from .database import Nova
from .exception import InstanceNotFound
from .model.instance import Instance
from .plane import Plane
from .strip import Stripping
from .timeline import TraceClock
from .trace import Row
from .wishes import amounts, instance_uuid

_SHUTDOWN = 4  # a power state


class Departure:
    """The steps of an end. stripping: None in the basic profile."""

    def __init__(self, course: Course, plane: Plane, clock: TraceClock, stripping: Stripping | None) -> None:
        self._course = course
        self._plane = plane
        self._clock = clock
        begin: Sequence[Step] = (
            (self._deallocate_found,)
            if stripping is None
            else (self._mark_found, *stripping.detaching, *stripping.addressing, self.deallocate)
        )
        self.steps: Sequence[Step] = (
            *begin,
            self.unplug,
            self.release,
            self.destroy,
            self._leave,
            self._give_back,
        )

    def _deallocate_found(self, row: Row) -> None:
        found = self._look_up(row)
        if found is not None:
            address = found["fixed_ip"]
            self._course.commit("fixed_ip.deallocate", lambda tx: tx.fixed_ip.deallocate(address), **found)

    def _mark_found(self, row: Row) -> None:
        found = self._look_up(row)
        if found is None:
            return

        def mark(tx: Nova) -> None:
            tx.instance.update(found["instance_id"], col(Instance.task_state).to("deleting"))

        self._course.commit("instance.update", mark, **found)

    def _look_up(self, row: Row) -> Found | None:
        """Find a row's instance; go on with the next event when there is none."""
        course, db = self._course, self._course.db
        try:
            instance = course.read("instance.get_by_uuid", lambda: db.instance.get_by_uuid(instance_uuid(row)))
        except InstanceNotFound:  # it was refused; nothing is written for it
            course.drop()
            return None
        host, address = instance.host or "", instance.fixed_ips[0].address or ""
        service = course.read("service.get_all_compute_by_host", lambda: db.service.get_all_compute_by_host(host)[0])
        node = course.read("compute_node.get_by_service", lambda: db.compute_node.get_by_service(service.id))
        return {"instance_id": instance.id, "compute_node_id": node.id, "fixed_ip": address}

    def deallocate(self, _: Row) -> None:
        """Take the address off its interface, if there is one."""
        if self._course.journal.fixed_ip is None:
            self._course.go_past(self.deallocate)
        else:
            self._course.commit("fixed_ip.deallocate", lambda tx: tx.fixed_ip.deallocate(self._course.fixed_ip))

    def unplug(self, _: Row) -> None:
        """Delete the interface."""

        def unplug(tx: Nova) -> None:
            tx.virtual_interface.delete_by_instance(self._course.instance_id)

        self._course.commit("virtual_interface.delete_by_instance", unplug)

    def release(self, _: Row) -> None:
        """Let go of the address, if there is one."""
        if self._course.journal.fixed_ip is None:
            self._course.go_past(self.release)
        else:
            self._course.commit("fixed_ip.release", lambda tx: tx.fixed_ip.release(self._course.fixed_ip))

    def destroy(self, _: Row) -> None:
        """Delete the instance."""

        def destroy(tx: Nova) -> None:
            tx.instance.update(
                self._course.instance_id,
                col(Instance.vm_state).to("deleted"),
                col(Instance.power_state).to(_SHUTDOWN),
                col(Instance.terminated_at).to(self._clock()),
            )
            tx.instance.destroy(self._course.instance_id)

        self._course.commit("instance.destroy", destroy)

    def _leave(self, row: Row) -> None:
        node_id = self._course.journal.compute_node_id or 0
        self._course.commit(
            "compute_node.give_back", lambda tx: tx.compute_node.give_back(node_id, row.vcpus, row.memory_mb)
        )

    def _give_back(self, row: Row) -> None:
        self.return_quota(row, deleted_instances=self._course.journal.deleted_instances + 1)

    def return_quota(self, row: Row, **counts: Any) -> None:
        """Give back what the instance took of its project's quota, and finish the event."""
        project = self._plane.project(row)
        self._course.commit(
            "quota.give_back", lambda tx: tx.quota.give_back(project, amounts(row)), finished=True, **counts
        )
