"""Projects' limits, and bounded counters of what they use of them."""

from __future__ import annotations

from collections.abc import Mapping

from manystore import col

from ..exception import ProjectQuotaNotFound
from ..model.quota import Quota, QuotaUse
from ..options import options
from .guard import NovaRepository

_UNLIMITED = -1


class QuotaRepository(NovaRepository[Quota]):
    """Limits that stand in place of the defaults."""

    entity = "quota"
    owner = "project_id"

    def get_by_project(self, project_id: str, resource: str) -> Quota:
        """Give a project's own limit of a resource; raise ProjectQuotaNotFound."""
        found = self.first(col(Quota.project_id) == project_id, col(Quota.resource) == resource)
        if found is None:
            raise ProjectQuotaNotFound(project_id=project_id)
        return found

    def get_all_by_project(self, project_id: str) -> dict[str, int | None]:
        """Give a project's own limits by resource; None: without limit."""
        return {str(quota.resource): quota.hard_limit for quota in self.find(col(Quota.project_id) == project_id)}

    def limits(self, project_id: str) -> dict[str, int | None]:
        """Give the limits that hold for a project, defaults among them; None: without limit."""
        return effective(self.get_all_by_project(project_id))


class QuotaUseRepository(NovaRepository[QuotaUse, tuple[str, str]]):
    """What projects use. The counters can neither pass a limit nor fall below 0."""

    entity = "quota_use"

    def reserve(self, project_id: str, limits: Mapping[str, int | None], amounts: Mapping[str, int]) -> None:
        """Count amounts of some resources as used; refused with OutOfBounds when a limit would be passed."""
        for resource, amount in amounts.items():
            self.increment((project_id, resource), QuotaUse.used, amount, high=limits[resource])

    def give_back(self, project_id: str, amounts: Mapping[str, int]) -> None:
        """Count amounts of some resources as no longer used."""
        for resource, amount in amounts.items():
            self.increment((project_id, resource), QuotaUse.used, -amount, low=0)


def effective(own: Mapping[str, int | None]) -> dict[str, int | None]:
    """Join a project's own limits with the defaults; None: without limit."""
    return {resource: None if limit == _UNLIMITED else limit for resource, limit in {**options.quotas, **own}.items()}
