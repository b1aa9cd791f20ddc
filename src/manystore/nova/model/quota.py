"""How much a project may use, and (which Nova did not keep) how much it does use."""

from __future__ import annotations

from manystore import field, model, unique

from .record import NovaRecord


@model(collection="quotas", version=4, soft_delete=True, uniques=[unique("project_id", "resource", among="live")])
class Quota(NovaRecord):
    """A project's own limit of one resource, in place of the default; None: without limit."""

    id: int = field(key=True, generated=True)
    project_id: str | None = field(default=None, max_length=255, index=True, scope=True)
    resource: str | None = field(default=None, max_length=255)
    hard_limit: int | None = None


@model(collection="quota_uses")
class QuotaUse(NovaRecord):
    """What a project uses of one resource, ours beside Nova's models.

    Nova counts the rows, then acts: two requests at once pass a limit together. A bounded counter cannot be passed.
    """

    project_id: str = field(key=True, max_length=255)
    resource: str = field(key=True, max_length=255)
    used: int = 0
