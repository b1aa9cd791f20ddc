"""What several programs do at the same time to Nova's volumes, limits, users and keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from manystore import Duplicate
from manystore.nova.database import Nova
from manystore.nova.exception import (
    NoMoreTargets,
    ProjectNotFound,
    QuotaError,
    UserNotFound,
    VolumeNotFound,
)
from manystore.nova.model.project import KeyPair
from manystore.nova.model.volume import BlockDeviceMapping, Volume
from manystore.nova.options import options
from manystore.nova.repository.quota import volumes_take
from manystore.testing.crew import Seat
from manystore.testing.provision import Place

from .contest import outcome

HOST, PROJECT, USER = "host", "project", "user"


class Address(NamedTuple):
    """Where the database is: what a Place is in another process."""

    url: str
    prefix: str

    @classmethod
    def of(cls, place: Place) -> Address:
        return cls(place.url, place.prefix)

    def connect(self) -> Nova:
        return Nova.connect(self.url, prefix=self.prefix)


class Things(NamedTuple):
    """What they meet at: ids, one a round where there are several."""

    instance: int
    volume_type: int
    volumes: list[int]


def fill_and_take(seat: Seat, address: Address, targets: int, volumes: list[int]) -> dict[int, int]:
    """Give a host its targets, as all others do, then take them for this seat's volumes until none is left."""
    taken: dict[int, int] = {}
    with address.connect() as db:
        before, options.iscsi_num_targets = options.iscsi_num_targets, targets
        seat.meet()
        db.iscsi_target.fill(HOST)
        seat.meet()
        options.iscsi_num_targets = before
        for volume in volumes[seat.number :: seat.size]:
            try:
                taken[volume] = db.volume.allocate_iscsi_target(volume, HOST) or 0
            except NoMoreTargets:
                break
    return taken


def use_up(seat: Seat, address: Address, times: int, size: int) -> list[str]:
    """Make volumes of a size as long as the limit allows, each in one step with its reservation."""

    def make(tx: Nova) -> None:
        tx.quota.reserve(PROJECT, volumes_take(1, size))
        tx.volume.create(Volume(project_id=PROJECT, size=size))

    with address.connect() as db:
        seat.meet()
        return [outcome(lambda: db.retrying(make), QuotaError) for _ in range(times)]


def write_over(seat: Seat, address: Address, things: Things) -> None:
    """Write what the others write as well, under the same names: metadata, extra specs and devices."""
    mine = {"all": str(seat.number), f"only-{seat.number}": "yes"}
    with address.connect() as db:
        for number, volume in enumerate(things.volumes):
            devices = [
                BlockDeviceMapping(
                    instance_id=things.instance, device_name=f"/dev/vd{number}", volume_size=seat.number
                ),
                BlockDeviceMapping(
                    instance_id=things.instance, device_name=f"/dev/sd{seat.number}", virtual_name="swap"
                ),
            ]
            seat.meet()
            db.volume_metadata.replace(volume, mine, delete=True)
            db.volume_type_extra_spec.update_or_create(things.volume_type, mine)
            for device in devices:
                db.block_device_mapping.update_or_create(device)


def take_keys(seat: Seat, address: Address, rounds: int) -> list[tuple[str, str]]:
    """Make a key pair and a limit that the others make as well."""
    outcomes: list[tuple[str, str]] = []
    with address.connect() as db:
        for number in range(rounds):
            pair = KeyPair(user_id=USER, name=f"key-{number}", public_key=str(seat.number))
            seat.meet()
            outcomes.append(
                (
                    outcome(lambda pair=pair: db.key_pair.create(pair), Duplicate),  # type: ignore[misc]
                    outcome(lambda n=number: db.quota.create_for(PROJECT, f"r{n}", seat.number), Duplicate),  # type: ignore[misc]
                )
            )
    return outcomes


def destroy_or_use(seat: Seat, address: Address, things: Things) -> list[str]:
    """One destroys a volume while the others attach it, pin to it, and take a target for it."""
    outcomes: list[str] = []
    with address.connect() as db:
        for volume in things.volumes:
            acts: list[Callable[[], Any]] = [
                lambda volume=volume: db.volume.destroy(volume),  # type: ignore[misc]
                lambda volume=volume: db.volume.attached(volume, things.instance, "/dev/vdb"),  # type: ignore[misc]
                lambda volume=volume: db.volume_metadata.replace(volume, {"a": "1"}, delete=True),  # type: ignore[misc]
                lambda volume=volume: db.volume.allocate_iscsi_target(volume, HOST),  # type: ignore[misc]
            ]
            seat.meet()
            outcomes.append(outcome(acts[seat.number], VolumeNotFound))
    return outcomes


def delete_or_grant(seat: Seat, address: Address, rounds: int) -> list[str]:
    """One deletes a user, or a project, while the others give the user roles and make it a member."""
    outcomes: list[str] = []
    with address.connect() as db:
        for number in range(rounds):
            user, project = f"{USER}-{number}", f"{PROJECT}-{number}"
            acts: list[Callable[[], Any]] = [
                lambda n=number, u=user, p=project: db.project.delete(p) if n % 2 else db.user.delete(u),  # type: ignore[misc]
                lambda u=user: db.user.add_role(u, "admin"),  # type: ignore[misc]
                lambda u=user, p=project: db.project.add_member(p, u),  # type: ignore[misc]
                lambda u=user, p=project: db.user.add_project_role(u, p, "itsec"),  # type: ignore[misc]
            ]
            seat.meet()
            outcomes.append(outcome(acts[seat.number], UserNotFound, ProjectNotFound))
    return outcomes
