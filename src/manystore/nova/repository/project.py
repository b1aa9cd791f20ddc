"""Users, projects, and the roles of users in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from manystore import Duplicate, col

from ..access import Deleted
from ..exception import AccessKeyNotFound, ProjectNotFound, UserNotFound
from ..model.network import Network
from ..model.project import Project, User, UserProjectAssociation, UserProjectRoleAssociation, UserRoleAssociation
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_LOADS = (Project.member_links, UserProjectAssociation.user)


class UserRepository(NovaRepository[User, str]):
    """Users. With one that is deleted go its memberships and roles, in one step."""

    entity = "user"
    missing = (UserNotFound, "user_id")

    def get_by_access_key(self, access_key: str) -> User:
        """Give the user with an access key; raise AccessKeyNotFound."""
        found = self.first(col(User.access_key) == access_key)
        if found is None:
            raise AccessKeyNotFound(access_key=access_key)
        return found

    def get_roles(self, user_id: str) -> list[str]:
        """Give the roles that a user has everywhere; raise UserNotFound."""
        return [link.role for link in self.get(user_id, load=(User.roles,)).roles]

    def add_role(self, user_id: str, role: str) -> None:
        """Give a user a role everywhere; raise UserNotFound, or Duplicate when it has it."""

        def add(db: Nova) -> None:
            db.user.get(user_id)
            db.user_role_association.create(UserRoleAssociation(user_id=user_id, role=role))

        self.database.atomic(add)

    def remove_role(self, user_id: str, role: str) -> None:
        """Take a role from a user, if it has it."""
        self.database.user_role_association.destroy((user_id, role))

    def get_roles_for_project(self, user_id: str, project_id: str) -> list[str]:
        """Give the roles that a user has in a project."""
        found = self.database.user_project_role_association.find(
            col(UserProjectRoleAssociation.user_id) == user_id, col(UserProjectRoleAssociation.project_id) == project_id
        )
        return [link.role for link in found]

    def add_project_role(self, user_id: str, project_id: str, role: str) -> None:
        """Give a user a role in a project; raise UserNotFound, ProjectNotFound, or Duplicate when it has it."""

        def add(db: Nova) -> None:
            db.user.get(user_id)
            db.project.get(project_id, load=())
            link = UserProjectRoleAssociation(user_id=user_id, project_id=project_id, role=role)
            db.user_project_role_association.create(link)

        self.database.atomic(add)

    def remove_project_role(self, user_id: str, project_id: str, role: str) -> None:
        """Take a role in a project from a user, if it has it."""
        self.database.user_project_role_association.destroy((user_id, project_id, role))


class ProjectRepository(NovaRepository[Project, str]):
    """Projects. With one that is deleted go its memberships and roles, in one step."""

    entity = "project"
    missing = (ProjectNotFound, "project_id")

    def get(self, key: str, /, *, deleted: Deleted | None = None, load: Sequence[object] = _LOADS) -> Project:
        """Give a project and its members; raise ProjectNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self) -> list[Project]:
        """Give all projects and their members."""
        return self.find(load=_LOADS)

    def get_by_user(self, user_id: str) -> list[Project]:
        """Give the projects that a user is a member of; raise UserNotFound."""
        loads = (User.project_links, UserProjectAssociation.project)
        return self.database.user.get(user_id, load=loads).projects

    def add_member(self, project_id: str, user_id: str) -> None:
        """Make a user a member of a project, if it is not; raise ProjectNotFound or UserNotFound."""
        link = UserProjectAssociation(user_id=user_id, project_id=project_id)

        def add(db: Nova) -> None:
            db.project.get(project_id, load=())
            db.user.get(user_id)
            if not _is_member(db, project_id, user_id):
                db.user_project_association.create(link)

        try:
            self.database.atomic(add)
        except Duplicate:  # somebody else was faster
            return

    def remove_member(self, project_id: str, user_id: str) -> None:
        """End a user's membership of a project, if it is a member; raise ProjectNotFound or UserNotFound."""

        def remove(db: Nova) -> None:
            db.project.get(project_id, load=())
            db.user.get(user_id)
            db.user_project_association.destroy((user_id, project_id))

        self.database.atomic(remove)

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


def _is_member(db: Nova, project_id: str, user_id: str) -> bool:
    """Tell whether a user is a member of a project."""
    of_user, of_project = UserProjectAssociation.user_id, UserProjectAssociation.project_id
    return db.user_project_association.exists(col(of_user) == user_id, col(of_project) == project_id)
