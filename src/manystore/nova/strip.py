"""What goes before an instance does, in the full profile: its volumes and its floating ip.

Knows the steps; course.py carries them out. What there is to go is read from the store: some were refused theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from .course import Course, Step
from .database import Nova
from .exception import VolumeNotFoundForInstance
from .model.volume import Volume
from .plane import Plane
from .repository.quota import volumes_take
from .trace import Row
from .wishes import gigabytes, volumes, wants_floating_ip


class Stripping:
    """The steps, in two parts of an end."""

    def __init__(self, course: Course, plane: Plane) -> None:
        self._course = course
        self._plane = plane
        self.detaching: Sequence[Step] = (  # once for each volume
            self._detach,
            self._unmap,
            self._destroy,
            self._return_volume,
        )
        self.addressing: Sequence[Step] = (self._disassociate, self._deallocate, self._return_address)

    # -- volumes --

    def _detach(self, row: Row) -> None:
        volume = self._attached() if volumes(row) else None
        if volume is None:
            self._course.go_past(self._return_volume)
            return
        self._course.commit("volume.detached", lambda tx: tx.volume.detached(volume.id), volume_id=volume.id)

    def _attached(self) -> Volume | None:
        """Find the first volume that the instance still has."""
        find, instance_id = self._course.db.volume.get_all_by_instance, self._course.instance_id
        try:
            found = self._course.read("volume.get_all_by_instance", lambda: find(instance_id))
        except VolumeNotFoundForInstance:
            return None
        return min(found, key=lambda volume: volume.id)

    def _unmap(self, _: Row) -> None:
        def unmap(tx: Nova) -> None:
            tx.block_device_mapping.destroy_by_instance_and_volume(self._course.instance_id, self._course.volume_id)

        self._course.commit("block_device_mapping.destroy_by_instance_and_volume", unmap)

    def _destroy(self, _: Row) -> None:
        self._course.commit("volume.destroy", lambda tx: tx.volume.destroy(self._course.volume_id))

    def _return_volume(self, row: Row) -> None:
        project, amounts = self._plane.project(row), volumes_take(1, gigabytes(row))
        self._course.commit(
            "quota.give_back",
            lambda tx: tx.quota.give_back(project, amounts),
            to=self._detach,
            volume_id=None,
            deleted_volumes=self._course.journal.deleted_volumes + 1,
        )

    # -- the floating ip --

    def _disassociate(self, row: Row) -> None:
        address = self._leading() if wants_floating_ip(row) else None
        if address is None:
            self._course.go_past(self._return_address)
            return

        def disassociate(tx: Nova) -> None:
            tx.floating_ip.disassociate(address)

        self._course.commit("floating_ip.disassociate", disassociate, floating_ip=address)

    def _leading(self) -> str | None:
        """Find the floating ip that leads to the instance."""
        find, fixed_ip = self._course.db.floating_ip.get_by_fixed_address, self._course.fixed_ip
        found = self._course.read("floating_ip.get_by_fixed_address", lambda: find(fixed_ip))
        return found[0].address if found else None

    def _deallocate(self, _: Row) -> None:
        self._course.commit("floating_ip.deallocate", lambda tx: tx.floating_ip.deallocate(self._course.floating_ip))

    def _return_address(self, row: Row) -> None:
        project = self._plane.project(row)
        self._course.commit(
            "quota.give_back",
            lambda tx: tx.quota.give_back(project, {"floating_ips": 1}),
            floating_ip=None,
            freed_floating_ips=self._course.journal.freed_floating_ips + 1,
        )
