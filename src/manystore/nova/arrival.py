"""What Nova does when an instance is asked for: quota, record, interface, address, host.

Knows the steps and their order; course.py carries them out, equip.py has those of the full profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manystore import OutOfBounds, col

from .course import Course, Found, Step
from .database import Nova
from .departure import Departure
from .equip import Equipping
from .exception import NoMoreFixedIps
from .model.instance import Instance
from .model.network import VirtualInterface
from .model.service import ComputeNode
from .plane import Plane, type_name
from .timeline import TraceClock
from .trace import Row
from .wishes import amounts, instance_uuid, interface_uuid, mac_address, metadata

_RUNNING = 1  # a power state


class Arrival:
    """The steps of an arrival. departure: has those that undo what one made that fails; equipping: None in basic."""

    def __init__(
        self, course: Course, plane: Plane, clock: TraceClock, departure: Departure, equipping: Equipping | None
    ) -> None:
        self._course = course
        self._plane = plane
        self._clock = clock
        self._departure = departure
        self._is_full = equipping is not None
        self._largest = plane.host_vcpus, plane.host_memory_mb
        self._networks = [network.id for network in course.db.network.get_all()]
        self._types = {kind.name: kind.id for kind in course.db.instance_type.get_all()}
        self._hosts: Mapping[int, str | None] = {s.id: s.host for s in course.db.service.get_all()}
        self.steps: Sequence[Step] = (
            self._reserve,
            self._create,
            *(equipping.grouping if equipping else ()),
            self._plug,
            self._claim,
            self._allocate,
            self._place,
            *(equipping.addressing if equipping else ()),
            *(equipping.attaching if equipping else ()),
            self._activate,
            # No address left, or no room after all: what was made goes again.
            self._fail,
            departure.deallocate,
            departure.unplug,
            departure.release,
            departure.destroy,
            self._refuse_for_room,
        )

    def _reserve(self, row: Row) -> None:
        project = self._plane.project(row)
        try:
            # Not quota.reserve: it would look first whether the counters are there, which the plane made.
            self._course.commit(
                "quota.reserve", lambda tx: tx.quota_use.reserve(project, tx.quota.limits(project), amounts(row))
            )
        except OutOfBounds:
            self._course.note(finished=True, refused_quota=self._course.journal.refused_quota + 1)

    def _create(self, row: Row) -> None:
        node = self._first_fit(row)
        if node is None:
            self._refuse_for_room(row)
            return
        pinned = metadata(row) if self._is_full else None

        def create(tx: Nova) -> Found:
            made = tx.instance.create(self._instance(row), metadata=pinned)
            return {"instance_id": made.id, "compute_node_id": node.id}

        self._course.commit("instance.create", create)

    def _first_fit(self, row: Row) -> ComputeNode | None:
        find = self._course.db.compute_node.first_fit
        return self._course.read(
            "compute_node.first_fit", lambda: find(row.vcpus, row.memory_mb, largest=self._largest)
        )

    def _instance(self, row: Row) -> Instance:
        return Instance(
            user_id="admin",
            project_id=self._plane.project(row),
            image_ref="1",
            launch_index=0,
            vm_state="building",
            task_state="scheduling",
            vcpus=row.vcpus,
            memory_mb=row.memory_mb,
            local_gb=0,
            hostname=f"vm-{row.number}",
            display_name=f"vm-{row.number}",
            instance_type_id=self._types[type_name(row.vcpus, row.memory_mb)],
            reservation_id=f"r-{row.batch:08x}",
            availability_zone="nova",
            uuid=instance_uuid(row),
        )

    def _network(self, row: Row) -> int:
        return self._networks[row.number % len(self._networks)]

    def _plug(self, row: Row) -> None:
        def plug(tx: Nova) -> None:
            tx.virtual_interface.create(
                VirtualInterface(
                    address=mac_address(row),
                    uuid=interface_uuid(row),
                    instance_id=self._course.instance_id,
                    network_id=self._network(row),
                )
            )

        self._course.commit("virtual_interface.create", plug)

    def _claim(self, row: Row) -> None:
        def claim(tx: Nova) -> Found:
            return {"fixed_ip": tx.fixed_ip.associate_pool(self._network(row), self._course.instance_id)}

        try:
            self._course.commit("fixed_ip.associate_pool", claim)
        except NoMoreFixedIps:
            self._course.go_to(self._fail)

    def _allocate(self, row: Row) -> None:
        course = self._course
        find = course.db.virtual_interface.get_by_instance_and_network
        interface = course.read(
            "virtual_interface.get_by_instance_and_network", lambda: find(course.instance_id, self._network(row))
        )
        assert interface is not None
        course.commit("fixed_ip.allocate", lambda tx: tx.fixed_ip.allocate(course.fixed_ip, interface.id))

    def _place(self, row: Row) -> None:
        chosen = self._course.journal.compute_node_id
        while chosen is not None:

            def place(tx: Nova, chosen: int = chosen) -> Found:
                node = tx.compute_node.take(chosen, row.vcpus, row.memory_mb)
                host = self._hosts[node.service_id or 0]
                tx.instance.update(
                    self._course.instance_id,
                    col(Instance.host).to(host),
                    col(Instance.launched_on).to(host),
                    col(Instance.scheduled_at).to(self._clock()),
                    col(Instance.task_state).to("spawning"),
                )
                return {"compute_node_id": chosen}

            try:
                self._course.commit("compute_node.take", place)
            except OutOfBounds:  # somebody else took the room since it was found
                node = self._first_fit(row)
                chosen = None if node is None else node.id
                continue
            return
        self._course.go_to(self._fail)

    def _activate(self, _: Row) -> None:
        def activate(tx: Nova) -> None:
            tx.instance.update(
                self._course.instance_id,
                col(Instance.vm_state).to("active"),
                col(Instance.power_state).to(_RUNNING),
                col(Instance.task_state).to(None),
                col(Instance.launched_at).to(self._clock()),
            )

        self._course.commit("instance.update", activate, finished=True, booted=self._course.journal.booted + 1)

    def _fail(self, _: Row) -> None:
        def fail(tx: Nova) -> None:
            tx.instance.update(
                self._course.instance_id, col(Instance.vm_state).to("error"), col(Instance.task_state).to(None)
            )

        # Without an address it was the pool that had no room, else the hosts.
        journal = self._course.journal
        self._course.commit("instance.update", fail, refused_pool=journal.refused_pool + (journal.fixed_ip is None))

    def _refuse_for_room(self, row: Row) -> None:
        self._departure.return_quota(row, refused_room=self._course.journal.refused_room + 1)
