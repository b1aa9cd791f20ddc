"""Projects' limits, and bounded counters of what they use of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from manystore import Duplicate, NotFound, OutOfBounds, UsageError, col

from ..exception import ProjectQuotaNotFound, QuotaError, QuotaNotFound
from ..model.instance_type import InstanceType
from ..model.network import FloatingIp
from ..model.quota import Quota, QuotaUse
from ..options import options
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_UNLIMITED = -1
_OF_INSTANCES = ("instances", "cores", "ram")
_OF_VOLUMES = ("volumes", "gigabytes")
COUNTED = (*_OF_INSTANCES, *_OF_VOLUMES, "floating_ips")


class QuotaRepository(NovaRepository[Quota]):
    """Limits that stand in place of the defaults, and what they leave.

    allowed_...: how many of what is requested a project may have, by what it has now. To be told so is no promise:
    reserve is, for it counts before anything is made.
    """

    entity = "quota"
    owner = "project_id"

    def create_for(self, project_id: str, resource: str, limit: int | None) -> Quota:
        """Give a project a limit of its own; None or -1: without limit. Raise Duplicate when it has one."""
        return self.create(Quota(project_id=project_id, resource=resource, hard_limit=limit))

    def get_by_project(self, project_id: str, resource: str) -> Quota:
        """Give a project's own limit of a resource; raise ProjectQuotaNotFound."""
        found = self.first(col(Quota.project_id) == project_id, col(Quota.resource) == resource)
        if found is None:
            raise ProjectQuotaNotFound(project_id=project_id)
        return found

    def get_all_by_project(self, project_id: str) -> dict[str, str | int | None]:
        """Give a project's own limits by resource, and its id under "project_id"; None or -1: without limit."""
        return {"project_id": project_id, **self._of_project(project_id)}

    def set_limit(self, project_id: str, resource: str, limit: int | None) -> Quota:
        """Change a project's own limit of a resource; raise ProjectQuotaNotFound."""
        found = self.get_by_project(project_id, resource)
        try:
            return self.update(found.id, col(Quota.hard_limit).to(limit))
        except NotFound:  # it was deleted meanwhile
            raise ProjectQuotaNotFound(project_id=project_id) from None

    def destroy_by_resource(self, project_id: str, resource: str) -> None:
        """Delete a project's own limit of a resource; raise ProjectQuotaNotFound."""
        found = self.get_by_project(project_id, resource)
        try:
            self.delete(found.id)
        except NotFound:  # somebody else was faster
            raise ProjectQuotaNotFound(project_id=project_id) from None

    def destroy_all_by_project(self, project_id: str) -> None:
        """Delete all of a project's own limits, in one step."""
        self.database.atomic(lambda db: db.quota.delete_where(col(Quota.project_id) == project_id))

    # -- what they leave --

    def limits(self, project_id: str) -> dict[str, int | None]:
        """Give the limits that hold for a project, defaults among them; None: without limit."""
        return effective(self._of_project(project_id))

    def allowed_instances(self, project_id: str, requested: int, instance_type: InstanceType) -> int:
        """Say how many of the instances requested a project may have; below 0 when it has too many."""
        return self._allowed(project_id, requested, instances_take(1, instance_type))

    def allowed_volumes(self, project_id: str, requested: int, size: int) -> int:
        """Say how many of the volumes requested a project may have; below 0 when it has too many."""
        return self._allowed(project_id, requested, volumes_take(1, size))

    def allowed_floating_ips(self, project_id: str, requested: int) -> int:
        """Say how many of the floating ips requested a project may have; below 0 when it has too many."""
        return self._allowed(project_id, requested, {"floating_ips": 1})

    def allowed(self, project_id: str, resource: str, requested: int) -> int:
        """Say how much of what is requested a project may have: of metadata_items, injected_files and so on."""
        return self._allowed(project_id, requested, {resource: 1})

    def reserve(self, project_id: str, amounts: Mapping[str, int]) -> None:
        """Count amounts of some resources as used, all or none; raise QuotaError when a limit would be passed.

        Limits are looked up in the same step, which may be the one that makes what is counted here.
        """
        if any(amount < 0 for amount in amounts.values()):
            raise UsageError("reserve takes amounts of 0 or more")
        # Not in the caller's step: that of two first ones would fail at its end.
        self.database.outside.quota_use.begin(project_id, amounts)

        def reserve(db: Nova) -> None:
            limits = db.quota.limits(project_id)
            db.system.quota_use.reserve(project_id, {name: _limit(limits, name) for name in amounts}, amounts)

        try:
            self.database.atomic(reserve)
        except OutOfBounds:
            asked = ", ".join(f"{amount} of {resource}" for resource, amount in amounts.items())
            raise QuotaError(f"project {project_id} may not use {asked} more") from None

    def give_back(self, project_id: str, amounts: Mapping[str, int]) -> None:
        """Count amounts of some resources as no longer used, all or none; raise OutOfBounds below 0."""
        self.database.atomic(lambda db: db.quota_use.give_back(project_id, amounts))

    def _of_project(self, project_id: str) -> dict[str, int | None]:
        return {quota.resource or "": quota.hard_limit for quota in self.find(col(Quota.project_id) == project_id)}

    def _allowed(self, project_id: str, requested: int, each: Mapping[str, int]) -> int:
        """Say how many may be had that take so much each."""
        limits, used = self.limits(project_id), self.system.quota_use.counted(project_id, each)
        allowed = requested
        for resource, amount in each.items():
            limit = _limit(limits, resource)
            if limit is not None and amount:
                allowed = min(allowed, (limit - used[resource]) // amount)
        return allowed


class QuotaUseRepository(NovaRepository[QuotaUse, tuple[str, str]]):
    """What projects use. The counters can neither pass a limit nor fall below 0."""

    entity = "quota_use"

    def counted(self, project_id: str, resources: Iterable[str]) -> dict[str, int]:
        """Count what a project uses of some resources, by the live records there are; 0 of what has none."""
        wanted, system = set(resources), self.system
        used = dict.fromkeys(wanted, 0)
        if wanted.intersection(_OF_INSTANCES):
            used |= zip(_OF_INSTANCES, system.instance.data_get_for_project(project_id), strict=True)
        if wanted.intersection(_OF_VOLUMES):
            used |= zip(_OF_VOLUMES, system.volume.data_get_for_project(project_id), strict=True)
        if "floating_ips" in wanted:
            of_project, of_pool = col(FloatingIp.project_id) == project_id, col(FloatingIp.auto_assigned).is_(False)
            used["floating_ips"] = system.floating_ip.count(of_project, of_pool)
        return used

    def begin(self, project_id: str, resources: Iterable[str]) -> None:
        """Give a project the counters of these resources that it lacks, set to what it uses now."""
        of_project = col(QuotaUse.project_id) == project_id
        lacking = set(resources).difference(use.resource for use in self.find(of_project))
        if not lacking:
            return
        used = self.counted(project_id, lacking)
        for resource in sorted(lacking):
            try:
                self.create(QuotaUse(project_id=project_id, resource=resource, used=used[resource]))
            except Duplicate:  # somebody else was faster
                continue

    def reserve(self, project_id: str, limits: Mapping[str, int | None], amounts: Mapping[str, int]) -> None:
        """Count amounts of some resources as used; refused with OutOfBounds when a limit would be passed."""
        for resource, amount in amounts.items():
            self.increment((project_id, resource), QuotaUse.used, amount, high=limits[resource])

    def give_back(self, project_id: str, amounts: Mapping[str, int]) -> None:
        """Count amounts of some resources as no longer used."""
        for resource, amount in amounts.items():
            self.increment((project_id, resource), QuotaUse.used, -amount, low=0)


def instances_take(number: int, instance_type: InstanceType) -> dict[str, int]:
    """Give what so many instances of a size take of a project's limits."""
    vcpus, memory_mb = instance_type.vcpus or 0, instance_type.memory_mb or 0
    return {"instances": number, "cores": number * vcpus, "ram": number * memory_mb}


def volumes_take(number: int, size: int) -> dict[str, int]:
    """Give what so many volumes of a size in gigabytes take of a project's limits."""
    return {"volumes": number, "gigabytes": number * size}


def effective(own: Mapping[str, int | None]) -> dict[str, int | None]:
    """Join a project's own limits with the defaults; None: without limit."""
    return {resource: None if limit == _UNLIMITED else limit for resource, limit in {**options.quotas, **own}.items()}


def _limit(limits: Mapping[str, int | None], resource: str) -> int | None:
    if resource not in limits:
        raise QuotaNotFound(f"there is no quota of {resource}")
    return limits[resource]
