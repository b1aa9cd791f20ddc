"""What instances get in the full profile: security groups for all, floating ips and volumes for a share of them.

Knows the steps; course.py carries them out, wishes.py says who gets what. What is refused, for quota or because the
pool is empty, is counted and done without: the instance boots.
"""

from __future__ import annotations

from collections.abc import Sequence

from manystore import OutOfBounds, col

from .course import Course, Found, Step
from .database import Nova
from .exception import NoMoreFloatingIps, NoMoreTargets, QuotaError
from .model.volume import BlockDeviceMapping, Volume
from .plane import NETWORK_HOST, Plane
from .repository.quota import volumes_take
from .timeline import TraceClock
from .trace import Row
from .wishes import (
    DEFAULT_GROUP,
    SECOND_GROUP,
    device_name,
    gigabytes,
    volume_place,
    volumes,
    wants_floating_ip,
    wants_second_group,
)

_REFUSED = (QuotaError, OutOfBounds)  # the second where the limit is passed by another's doing, at the commit


class Equipping:
    """The steps, in three parts of an arrival."""

    def __init__(self, course: Course, plane: Plane, clock: TraceClock) -> None:
        self._course = course
        self._plane = plane
        self._clock = clock
        groups = course.db.security_group.get_all()
        self._groups = {(group.project_id, group.name): group.id for group in groups}
        self._volume_hosts = [service.host or "" for service in course.db.service.get_all_by_topic("volume")]
        self.grouping: Sequence[Step] = (self._join_default, self._join_second)
        self.addressing: Sequence[Step] = (
            self._reserve_address,
            self._take_address,
            self._lead,
            self._return_address,  # when there is none
        )
        self.attaching: Sequence[Step] = (  # once for each volume
            self._reserve_volume,
            self._create_volume,
            self._export,
            self._attach,
            self._map,
            self._destroy_volume,  # this and the next when there is no target for it
            self._return_volume,
        )

    # -- security groups --

    def _join_default(self, row: Row) -> None:
        self._join(row, DEFAULT_GROUP)

    def _join_second(self, row: Row) -> None:
        if wants_second_group(row):
            self._join(row, SECOND_GROUP)
        else:
            self._course.go_past(self._join_second)

    def _join(self, row: Row, name: str) -> None:
        group = self._groups[self._plane.project(row), name]
        self._course.commit(
            "instance.add_security_group", lambda tx: tx.instance.add_security_group(self._course.instance_id, group)
        )

    # -- a floating ip --

    def _reserve_address(self, row: Row) -> None:
        if not wants_floating_ip(row):
            self._course.go_past(self._return_address)
            return
        project = self._plane.project(row)
        try:
            self._course.commit("quota.reserve", lambda tx: tx.quota.reserve(project, {"floating_ips": 1}))
        except _REFUSED:
            refused = self._course.journal.refused_floating_quota + 1
            self._course.note(past=self._return_address, refused_floating_quota=refused)

    def _take_address(self, row: Row) -> None:
        def take(tx: Nova) -> Found:
            return {"floating_ip": tx.floating_ip.allocate_address(self._plane.project(row))}

        try:
            self._course.commit("floating_ip.allocate_address", take)
        except NoMoreFloatingIps:
            self._course.go_to(self._return_address)

    def _lead(self, _: Row) -> None:
        def lead(tx: Nova) -> None:
            tx.floating_ip.fixed_ip_associate(self._course.floating_ip, self._course.fixed_ip, NETWORK_HOST)

        given = self._course.journal.floating_ips + 1
        self._course.commit("floating_ip.fixed_ip_associate", lead, past=self._return_address, floating_ips=given)

    def _return_address(self, row: Row) -> None:
        project, refused = self._plane.project(row), self._course.journal.refused_floating_pool + 1
        self._course.commit(
            "quota.give_back",
            lambda tx: tx.quota.give_back(project, {"floating_ips": 1}),
            refused_floating_pool=refused,
        )

    # -- volumes --

    def _reserve_volume(self, row: Row) -> None:
        number = self._course.journal.volume_number
        if number >= volumes(row):
            self._course.go_past(self._return_volume)
            return
        project, amounts = self._plane.project(row), volumes_take(1, gigabytes(row))
        try:
            self._course.commit("quota.reserve", lambda tx: tx.quota.reserve(project, amounts))
        except _REFUSED:
            refused = self._course.journal.refused_volume_quota + 1
            self._course.note(to=self._reserve_volume, refused_volume_quota=refused, volume_number=number + 1)

    def _create_volume(self, row: Row) -> None:
        def create(tx: Nova) -> Found:
            made = Volume(
                user_id="admin",
                project_id=self._plane.project(row),
                size=gigabytes(row),
                availability_zone="nova",
                status="creating",
                attach_status="detached",
                display_name=f"vm-{row.number}-{self._course.journal.volume_number}",
            )
            return {"volume_id": tx.volume.create(made, metadata={"row": str(row.number)}).id}

        self._course.commit("volume.create", create)

    def _export(self, row: Row) -> None:
        number = self._course.journal.volume_number
        host = self._volume_hosts[volume_place(row, number, len(self._volume_hosts))]

        def export(tx: Nova) -> None:
            volume_id = self._course.volume_id
            tx.volume.allocate_iscsi_target(volume_id, host)
            tx.volume.update(
                volume_id,
                col(Volume.host).to(host),
                col(Volume.scheduled_at).to(self._clock()),
                col(Volume.launched_at).to(self._clock()),
                col(Volume.status).to("available"),
            )

        try:
            self._course.commit("volume.allocate_iscsi_target", export)
        except NoMoreTargets:
            self._course.go_to(self._destroy_volume)

    def _attach(self, _: Row) -> None:
        course, device = self._course, device_name(self._course.journal.volume_number)
        course.commit("volume.attached", lambda tx: tx.volume.attached(course.volume_id, course.instance_id, device))

    def _map(self, row: Row) -> None:
        journal = self._course.journal

        def put(tx: Nova) -> None:
            tx.block_device_mapping.update_or_create(
                BlockDeviceMapping(
                    instance_id=self._course.instance_id,
                    device_name=device_name(journal.volume_number),
                    delete_on_termination=True,
                    volume_id=self._course.volume_id,
                    volume_size=gigabytes(row),
                )
            )

        self._course.commit(
            "block_device_mapping.update_or_create",
            put,
            to=self._reserve_volume,
            volumes=journal.volumes + 1,
            volume_number=journal.volume_number + 1,
        )

    def _destroy_volume(self, _: Row) -> None:
        self._course.commit("volume.destroy", lambda tx: tx.volume.destroy(self._course.volume_id))

    def _return_volume(self, row: Row) -> None:
        journal, project, amounts = self._course.journal, self._plane.project(row), volumes_take(1, gigabytes(row))
        self._course.commit(
            "quota.give_back",
            lambda tx: tx.quota.give_back(project, amounts),
            to=self._reserve_volume,
            refused_target=journal.refused_target + 1,
            volume_number=journal.volume_number + 1,
        )
