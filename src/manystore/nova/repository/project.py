"""Users, projects, and the roles of users in them."""

from __future__ import annotations

from manystore import col

from ..exception import ProjectNotFound, UserNotFound
from ..model.network import Network
from ..model.project import Project, User, UserProjectAssociation, UserProjectRoleAssociation, UserRoleAssociation
from .guard import NovaRepository


class UserRepository(NovaRepository[User, str]):
    """Users."""

    entity = "user"
    missing = (UserNotFound, "user_id")


class ProjectRepository(NovaRepository[Project, str]):
    """Projects."""

    entity = "project"
    missing = (ProjectNotFound, "project_id")

    def get_networks(self, project_id: str, *, associate: bool = True) -> list[Network]:
        """Give a project's networks; with associate, one that is taken for it when it has none.

        Taking one is for administrators: others get AdminRequired then. Raises NoMoreNetworks when none is free.
        """
        found = self.database.network.find(col(Network.project_id) == project_id)
        if found or not associate:
            return found
        taker = self.system if self.context is None else self.database.for_context(self.context)
        return [taker.network.associate(project_id)]

    def get_networks_v6(self, project_id: str) -> list[Network]:
        """Give what get_networks gives: networks have IPv4 and IPv6 ranges alike."""
        return self.get_networks(project_id)


class UserProjectRepository(NovaRepository[UserProjectAssociation, tuple[str, str]]):
    """Who is a member of which project."""

    entity = "user_project_association"


class UserRoleRepository(NovaRepository[UserRoleAssociation, tuple[str, str]]):
    """Who has which role everywhere."""

    entity = "user_role_association"


class UserProjectRoleRepository(NovaRepository[UserProjectRoleAssociation, tuple[str, str, str]]):
    """Who has which role in which project."""

    entity = "user_project_role_association"
