"""The data of a benchmark: Nova's Instance: 41 fields, and the four of every Nova record; the same on every run.

Knows the model; must not know who stores it.
"""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from manystore.nova.model.instance import Instance

PAGE = 100  # records of one find
EPOCH = datetime(2011, 11, 11, tzinfo=UTC)
FIELDS = tuple(f.name for f in dataclasses.fields(Instance))  # type: ignore[arg-type]


class Workload:
    """Makes instances, one after the other, and picks among those that are stored."""

    def __init__(self, rows: int, seed: int = 11) -> None:
        self.rows = rows
        self.projects = max(1, rows // (2 * PAGE))
        self._random = random.Random(seed)
        self._made = 0

    def instances(self, number: int) -> list[Instance]:
        """Make some new instances, without keys."""
        return [self._instance() for _ in range(number)]

    def keys(self, number: int) -> list[int]:
        """Pick different keys of stored instances."""
        return self._random.sample(range(1, self.rows + 1), number)

    def project(self) -> str:
        """Pick a project; 2 PAGE of the first instances are its own."""
        return f"project-{self._random.randrange(self.projects)}"

    def _instance(self) -> Instance:
        n, self._made = self._made, self._made + 1
        at = EPOCH + timedelta(seconds=n, microseconds=1 + n % 999_983)
        return Instance(
            user_id=f"user-{n % 97}",
            project_id=f"project-{n % self.projects}",
            image_ref=f"{n % 31:036x}",
            kernel_id=f"{n % 7:036x}",
            ramdisk_id=f"{n % 5:036x}",
            server_name=f"server-{n}",
            launch_index=n % 4,
            key_name=f"key-{n % 97}",
            key_data="ssh-rsa " + "AAAAB3NzaC1yc2E" * 8,
            power_state=n % 5,
            vm_state=("building", "active", "paused", "stopped")[n % 4],
            task_state=("scheduling", "networking", "spawning", None)[n % 4],
            memory_mb=512 << n % 5,
            vcpus=1 << n % 4,
            local_gb=20 << n % 3,
            hostname=f"instance-{n:08x}",
            host=f"compute-{n % 251}",
            instance_type_id=n % 5 + 1,
            reservation_id=f"r-{n // 3:08x}",
            scheduled_at=at,
            launched_at=at + timedelta(seconds=31),
            availability_zone=f"zone-{n % 3}",
            display_name=f"web {n}",
            display_description="a web server",
            launched_on=f"compute-{n % 251}",
            locked=False,
            os_type="linux",
            architecture="x86_64",
            vm_mode="hvm",
            uuid=str(UUID(int=self._random.getrandbits(128))),
            root_device_name="/dev/vda",
            config_drive="",
            access_ip_v4=f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
            managed_disk=False,
            progress=n % 101,
        )


def touch(record: Instance) -> None:
    """Change what a save usually changes."""
    record.progress = (record.progress or 0) % 100 + 1
    record.power_state = 1
