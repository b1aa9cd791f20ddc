"""Users, projects, and the roles of users in them."""

from __future__ import annotations

from ..exception import ProjectNotFound, UserNotFound
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


class UserProjectRepository(NovaRepository[UserProjectAssociation, tuple[str, str]]):
    """Who is a member of which project."""

    entity = "user_project_association"


class UserRoleRepository(NovaRepository[UserRoleAssociation, tuple[str, str]]):
    """Who has which role everywhere."""

    entity = "user_role_association"


class UserProjectRoleRepository(NovaRepository[UserProjectRoleAssociation, tuple[str, str, str]]):
    """Who has which role in which project."""

    entity = "user_project_role_association"
