"""Who uses the cloud: users and the projects they work in. Both are deleted for real."""

from __future__ import annotations

from manystore import field, model, ref, related

from .record import NovaRecord


@model(collection="users")
class User(NovaRecord):
    """Somebody with keys to the API; the id is the caller's choice."""

    id: str = field(key=True, max_length=255)
    name: str | None = field(default=None, max_length=255)
    access_key: str | None = field(default=None, max_length=255, index=True)
    secret_key: str | None = field(default=None, max_length=255, repr=False)
    is_admin: bool | None = None


@model(collection="projects")
class Project(NovaRecord):
    """A tenant: what quotas, networks and instances belong to. The id is the caller's choice."""

    id: str = field(key=True, max_length=255)
    name: str | None = field(default=None, max_length=255)
    description: str | None = field(default=None, max_length=255)
    project_manager: str | None = ref(User.id, default=None, on_delete="set_null", index=True)

    manager: User | None = related(project_manager)
