"""Who uses the cloud: users, the projects they work in, what they may do there, and their keys."""

from __future__ import annotations

from manystore import field, model, ref, related, unique

from .record import NovaRecord


@model(collection="users", small=True)
class User(NovaRecord):
    """Somebody with keys to the API; the id is the caller's choice. It is deleted for real."""

    id: str = field(key=True, max_length=255)
    name: str | None = field(default=None, max_length=255)
    access_key: str | None = field(default=None, max_length=255, index=True)
    secret_key: str | None = field(default=None, max_length=255, repr=False)
    is_admin: bool | None = None

    project_links: list[UserProjectAssociation] = related("UserProjectAssociation.user_id")
    roles: list[UserRoleAssociation] = related("UserRoleAssociation.user_id")

    @property
    def projects(self) -> list[Project]:
        """Give the projects that it is a member of, once project_links and their projects are loaded."""
        return [link.project for link in self.project_links if link.project is not None]


@model(collection="projects", small=True)
class Project(NovaRecord):
    """A tenant: what quotas, networks and instances belong to. The id is the caller's choice. Deleted for real."""

    id: str = field(key=True, max_length=255)
    name: str | None = field(default=None, max_length=255)
    description: str | None = field(default=None, max_length=255)
    project_manager: str | None = ref(User.id, default=None, on_delete="set_null", index=True)

    manager: User | None = related(project_manager)
    member_links: list[UserProjectAssociation] = related("UserProjectAssociation.project_id")

    @property
    def members(self) -> list[User]:
        """Give its users, once member_links and their users are loaded."""
        return [link.user for link in self.member_links if link.user is not None]

    def has_member(self, user_id: str) -> bool:
        """Tell whether a user is a member, once member_links is loaded."""
        return any(link.user_id == user_id for link in self.member_links)

    def has_manager(self, user_id: str) -> bool:
        """Tell whether a user is its manager."""
        return self.project_manager is not None and self.project_manager == user_id


@model(collection="user_project_association")
class UserProjectAssociation(NovaRecord):
    """That a user is a member of a project."""

    user_id: str = ref(User.id, key=True, on_delete="cascade", index=True)
    project_id: str = ref(Project.id, key=True, on_delete="cascade", index=True)

    user: User | None = related(user_id)
    project: Project | None = related(project_id)


@model(collection="user_role_association")
class UserRoleAssociation(NovaRecord):
    """A role that a user has everywhere."""

    user_id: str = ref(User.id, key=True, on_delete="cascade", index=True)
    role: str = field(key=True, max_length=255)

    user: User | None = related(user_id)


@model(collection="user_project_role_association")
class UserProjectRoleAssociation(NovaRecord):
    """A role that a user has in one project."""

    user_id: str = ref(User.id, key=True, on_delete="cascade", index=True)
    project_id: str = ref(Project.id, key=True, on_delete="cascade", index=True)
    role: str = field(key=True, max_length=255)

    user: User | None = related(user_id)
    project: Project | None = related(project_id)


@model(collection="auth_tokens", version=3, soft_delete=True)
class AuthToken(NovaRecord):
    """What a user shows instead of a password for a while."""

    token_hash: str = field(key=True, max_length=255, repr=False)
    user_id: str | None = field(default=None, max_length=255)
    server_management_url: str | None = field(default=None, max_length=255)
    storage_url: str | None = field(default=None, max_length=255)
    cdn_management_url: str | None = field(default=None, max_length=255)


@model(collection="certificates", soft_delete=True)
class Certificate(NovaRecord):
    """A file with a certificate that a user was given in a project."""

    id: int = field(key=True, generated=True)
    user_id: str | None = field(default=None, max_length=255, index=True)
    project_id: str | None = field(default=None, max_length=255, scope=True, index=True)
    file_name: str | None = field(default=None, max_length=255)


@model(collection="key_pairs", soft_delete=True, uniques=[unique("user_id", "name", among="live")])
class KeyPair(NovaRecord):
    """A public key that a user has put into instances; known by its name."""

    id: int = field(key=True, generated=True)
    name: str | None = field(default=None, max_length=255)
    user_id: str | None = field(default=None, max_length=255, scope=True, index=True)
    fingerprint: str | None = field(default=None, max_length=255)
    public_key: str | None = None
