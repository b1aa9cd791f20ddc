"""What Nova does when an instance is asked for and when its time is over: one transaction after the other.

Each transaction also moves the journal on, so a replay that was killed knows which ones are done, and finds in the
journal the ids that the later ones need. Nothing here prints or waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID, uuid5

from manystore import Conflict, OutOfBounds, col

from .database import Nova
from .exception import InstanceNotFound, NoMoreFixedIps, ReplayRefused
from .meter import Meter
from .model.instance import Instance
from .model.journal import Journal
from .model.network import VirtualInterface
from .model.service import ComputeNode
from .plane import Plane, type_name
from .timeline import TraceClock
from .trace import Row

R = TypeVar("R")
Step = Callable[[Row], None]
Found = Mapping[str, Any]  # what a transaction learned, by the journal's words
_SPACE = UUID("6f0a2c1e-6c39-4a52-8f4e-0d9b8f6f2011")  # of the uuids that rows' instances get
_RUNNING, _SHUTDOWN = 1, 4  # power states
_FINISHED: Found = {"step": 0, "instance_id": None, "compute_node_id": None, "fixed_ip": None}


def instance_uuid(row: Row) -> str:
    """Give the uuid of a row's instance: the same on each run, so that an end finds what an arrival made."""
    return str(uuid5(_SPACE, str(row.number)))


def mac_address(row: Row) -> str:
    """Give the MAC address of a row's interface."""
    return "02:16:" + ":".join(f"{byte:02x}" for byte in row.number.to_bytes(4, "big"))


def amounts(row: Row) -> Mapping[str, int]:
    """Give what an instance takes of its project's quota."""
    return {"instances": 1, "cores": row.vcpus, "ram": row.memory_mb}


class Lifecycle:
    """Carries out arrivals, ends and reports, from wherever the journal stands."""

    def __init__(self, db: Nova, plane: Plane, journal: Journal, meter: Meter, clock: TraceClock) -> None:
        self.db = db
        self.plane = plane
        self.journal = journal
        self._meter = meter
        self._clock = clock
        self._began, self._before = time.perf_counter(), journal.milliseconds
        self._uncounted = 0  # operations since the last commit
        self._networks = [network.id for network in db.network.get_all()]
        self._types = {kind.name: kind.id for kind in db.instance_type.get_all()}
        services = db.service.find()
        self._services = [service.id for service in services]
        self._hosts = {service.id: service.host for service in services}
        # A step commits one transaction, or goes to another step, or finishes the event.
        self._arrival: Sequence[Step] = (
            self._reserve,
            self._create,
            self._plug,
            self._claim,
            self._allocate,
            self._place,
            self._activate,
            # No address left, or no room after all: what was made goes again.
            self._fail,
            self._deallocate,
            self._unplug,
            self._release,
            self._destroy,
            self._refuse_for_room,
        )
        self._end: Sequence[Step] = (
            self._look_up,
            self._unplug,
            self._release,
            self._destroy,
            self._leave,
            self._give_back,
        )

    def arrive(self, row: Row) -> None:
        """Boot a row's instance, or refuse it."""
        self._walk(self._arrival, row)

    def end(self, row: Row) -> None:
        """End a row's instance, if it was booted."""
        self._walk(self._end, row)

    def report(self) -> None:
        """Let each service report in."""
        for place in range(self.journal.step, len(self._services)):
            number, is_last = self._services[place], place == len(self._services) - 1

            def count(tx: Nova, number: int = number) -> None:
                tx.service.report(number)

            self._commit("service.report", count, finished=is_last)

    def close(self) -> None:
        """Say in the journal that the replay is through."""
        if not self.journal.done:
            self._commit("journal.save", _nothing, finished=True, done=True)

    def _walk(self, steps: Sequence[Step], row: Row) -> None:
        event = self.journal.event
        while self.journal.event == event:
            steps[self.journal.step](row)

    # -- arrival --

    def _reserve(self, row: Row) -> None:
        project = self.plane.project(row)
        try:
            self._commit(
                "quota.reserve", lambda tx: tx.quota_use.reserve(project, tx.quota.limits(project), amounts(row))
            )
        except OutOfBounds:
            refused = self.journal.refused_quota + 1
            self._commit("journal.save", _nothing, finished=True, refused_quota=refused)

    def _create(self, row: Row) -> None:
        node = self._first_fit(row)
        if node is None:
            self._refuse_for_room(row)
            return

        def create(tx: Nova) -> Found:
            return {"instance_id": tx.instance.create(self._instance(row)).id, "compute_node_id": node.id}

        self._commit("instance.create", create)

    def _first_fit(self, row: Row) -> ComputeNode | None:
        largest = self.plane.host_vcpus, self.plane.host_memory_mb
        return self._read(
            "compute_node.first_fit",
            lambda: self.db.compute_node.first_fit(row.vcpus, row.memory_mb, largest=largest),
        )

    def _instance(self, row: Row) -> Instance:
        return Instance(
            user_id="admin",
            project_id=self.plane.project(row),
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
        address = mac_address(row)
        uuid = str(uuid5(_SPACE, address))

        def plug(tx: Nova) -> None:
            network = self._network(row)
            tx.virtual_interface.create(
                VirtualInterface(address=address, uuid=uuid, instance_id=self._instance_id, network_id=network)
            )

        self._commit("virtual_interface.create", plug)

    def _claim(self, row: Row) -> None:
        def claim(tx: Nova) -> Found:
            return {"fixed_ip": tx.fixed_ip.associate_pool(self._network(row), self._instance_id)}

        try:
            self._commit("fixed_ip.associate_pool", claim)
        except NoMoreFixedIps:
            self._go_to(self._arrival.index(self._fail))

    def _allocate(self, row: Row) -> None:
        interface = self._read(
            "virtual_interface.get_by_instance_and_network",
            lambda: self.db.virtual_interface.get_by_instance_and_network(self._instance_id, self._network(row)),
        )
        assert interface is not None
        self._commit("fixed_ip.allocate", lambda tx: tx.fixed_ip.allocate(self._fixed_ip, interface.id))

    def _place(self, row: Row) -> None:
        chosen = self.journal.compute_node_id
        while chosen is not None:

            def place(tx: Nova, chosen: int = chosen) -> Found:
                node = tx.compute_node.take(chosen, row.vcpus, row.memory_mb)
                host = self._hosts[node.service_id or 0]
                tx.instance.update(
                    self._instance_id,
                    col(Instance.host).to(host),
                    col(Instance.launched_on).to(host),
                    col(Instance.scheduled_at).to(self._clock()),
                    col(Instance.task_state).to("spawning"),
                )
                return {"compute_node_id": chosen}

            try:
                self._commit("compute_node.take", place)
            except OutOfBounds:  # somebody else took the room since it was found
                node = self._first_fit(row)
                chosen = None if node is None else node.id
                continue
            return
        self._go_to(self._arrival.index(self._fail))

    def _activate(self, _: Row) -> None:
        def activate(tx: Nova) -> None:
            tx.instance.update(
                self._instance_id,
                col(Instance.vm_state).to("active"),
                col(Instance.power_state).to(_RUNNING),
                col(Instance.task_state).to(None),
                col(Instance.launched_at).to(self._clock()),
            )

        self._commit("instance.update", activate, finished=True, booted=self.journal.booted + 1)

    def _fail(self, _: Row) -> None:
        # Without an address it was the pool that had no room, else the hosts.
        pool = self.journal.refused_pool + (self.journal.fixed_ip is None)
        changes = col(Instance.vm_state).to("error"), col(Instance.task_state).to(None)
        self._commit(
            "instance.update", lambda tx: _done(tx.instance.update(self._instance_id, *changes)), refused_pool=pool
        )

    def _refuse_for_room(self, row: Row) -> None:
        self._return_quota(row, refused_room=self.journal.refused_room + 1)

    # -- the end --

    def _look_up(self, row: Row) -> None:
        try:
            instance = self._read("instance.get_by_uuid", lambda: self.db.instance.get_by_uuid(instance_uuid(row)))
        except InstanceNotFound:  # it was refused; nothing is written for it
            self.journal = replace(self.journal, event=self.journal.event + 1)
            return
        host, address = instance.host or "", instance.fixed_ips[0].address or ""
        service = self._read(
            "service.get_all_compute_by_host", lambda: self.db.service.get_all_compute_by_host(host)[0]
        )
        node = self._read("compute_node.get_by_service", lambda: self.db.compute_node.get_by_service(service.id))

        def deallocate(tx: Nova) -> Found:
            tx.fixed_ip.deallocate(address)
            return {"instance_id": instance.id, "compute_node_id": node.id, "fixed_ip": address}

        self._commit("fixed_ip.deallocate", deallocate)

    def _deallocate(self, _: Row) -> None:
        if self.journal.fixed_ip is None:
            self._go_to(self.journal.step + 1)
        else:
            self._commit("fixed_ip.deallocate", lambda tx: tx.fixed_ip.deallocate(self._fixed_ip))

    def _unplug(self, _: Row) -> None:
        def unplug(tx: Nova) -> None:
            tx.virtual_interface.delete_by_instance(self._instance_id)

        self._commit("virtual_interface.delete_by_instance", unplug)

    def _release(self, _: Row) -> None:
        if self.journal.fixed_ip is None:
            self._go_to(self.journal.step + 1)
        else:
            self._commit("fixed_ip.release", lambda tx: tx.fixed_ip.release(self._fixed_ip))

    def _destroy(self, _: Row) -> None:
        def destroy(tx: Nova) -> None:
            tx.instance.update(
                self._instance_id,
                col(Instance.vm_state).to("deleted"),
                col(Instance.power_state).to(_SHUTDOWN),
                col(Instance.terminated_at).to(self._clock()),
            )
            tx.instance.destroy(self._instance_id)

        self._commit("instance.destroy", destroy)

    def _leave(self, row: Row) -> None:
        node_id = self.journal.compute_node_id or 0
        self._commit("compute_node.give_back", lambda tx: tx.compute_node.give_back(node_id, row.vcpus, row.memory_mb))

    def _give_back(self, row: Row) -> None:
        self._return_quota(row, deleted_instances=self.journal.deleted_instances + 1)

    def _return_quota(self, row: Row, **counts: int) -> None:
        project = self.plane.project(row)
        self._commit(
            "quota.give_back", lambda tx: tx.quota_use.give_back(project, amounts(row)), finished=True, **counts
        )

    # -- what all of these stand on --

    @property
    def _instance_id(self) -> int:
        assert self.journal.instance_id is not None
        return self.journal.instance_id

    @property
    def _fixed_ip(self) -> str:
        assert self.journal.fixed_ip is not None
        return self.journal.fixed_ip

    def _go_to(self, step: int) -> None:
        """Go on with another step; what led here is in the store, so a resumed replay comes the same way."""
        self.journal = replace(self.journal, step=step)

    def _read(self, operation: str, read: Callable[[], R]) -> R:
        self._uncounted += 1
        with self._meter.measure(operation):
            return read()

    def _commit(
        self, operation: str, work: Callable[[Nova], Found | None], *, finished: bool = False, **changes: Any
    ) -> None:
        """Run one of Nova's transactions and move the journal on, both in one atomic step."""
        self._uncounted += 1
        before, tries = self.journal, 0
        milliseconds = self._before + round((time.perf_counter() - self._began) * 1000)
        onward: Found = {**_FINISHED, "event": before.event + 1} if finished else {"step": before.step + 1}

        def attempt(tx: Nova) -> Journal:
            nonlocal tries
            tries += 1
            if tries > 1:
                self._check_alone(tx)
            after = copy(before)
            after.operations, after.milliseconds = before.operations + self._uncounted, milliseconds
            for name, value in {**changes, **(work(tx) or {}), **onward}.items():
                setattr(after, name, value)
            return tx.journal.save(after)

        with self._meter.measure(operation):
            try:
                self.journal = self.db.retrying(attempt)
            except Conflict as lost:
                raise ReplayRefused(reason=f"the store is too busy: {lost}") from None
        self._uncounted = 0

    def _check_alone(self, tx: Nova) -> None:
        """Refuse to go on when another replay has moved the journal: the two would do everything twice."""
        there, mine = tx.peek.journal.get(self.journal.id), self.journal
        if (there.operations, there.milliseconds) != (mine.operations, mine.milliseconds):
            raise ReplayRefused(reason="another replay is at work on this store")


def _nothing(_: Nova) -> None:
    """Write the journal alone."""


def _done(_: object) -> None:
    """Drop what an operation gives back."""
