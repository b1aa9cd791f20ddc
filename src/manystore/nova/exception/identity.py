"""Errors about users, projects and what they may do."""

from __future__ import annotations

from .root import NotFound, QuotaNotFound


class UserNotFound(NotFound):
    """No such user."""

    template = "user {user_id} could not be found"


class _SecretNotFound(NotFound):
    """What was asked for by a secret: it is in no text and no detail."""

    def __init__(self, message: str | None = None, **_: object) -> None:
        super().__init__(message)


class AccessKeyNotFound(_SecretNotFound):
    """No user with that access key."""

    template = "access key could not be found"


class ProjectNotFound(NotFound):
    """No such project."""

    template = "project {project_id} could not be found"


class ProjectQuotaNotFound(QuotaNotFound):
    """The project has no limit of its own for that resource."""

    template = "quota for project {project_id} could not be found"


class AuthTokenNotFound(_SecretNotFound):
    """No such token."""

    template = "auth token could not be found"


class CertificateNotFound(NotFound):
    """No such certificate."""

    template = "certificate {certificate_id} could not be found"
