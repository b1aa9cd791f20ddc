"""Who asks: the user, project and rights that come with each request.

Knows no database. access.py decides by it what an operation may do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from manystore import UsageError

_ADMIN = "admin"
_STAMP = "%Y-%m-%dT%H:%M:%S.%f"


def _now() -> datetime:
    return datetime.now(UTC)


def _request_id() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request's caller. is_admin left out: whether one of the roles is "admin", in any case; never None afterwards.

    read_deleted: True or "only": operations that heed it see deleted records only; "yes": deleted and live ones.
    timestamp: aware, UTC.
    """

    user_id: str | None = None
    project_id: str | None = None
    is_admin: bool | None = None
    read_deleted: bool | str = False
    roles: Sequence[str] = ()
    remote_address: str | None = None
    timestamp: datetime = field(default_factory=_now)
    request_id: str = field(default_factory=_request_id)
    auth_token: str | None = field(default=None, repr=False)
    strategy: str = "noauth"

    def __post_init__(self) -> None:
        roles = tuple(self.roles or ())
        object.__setattr__(self, "roles", roles)
        if self.is_admin is None:
            object.__setattr__(self, "is_admin", any(role.lower() == _ADMIN for role in roles))
        if isinstance(self.timestamp, str):
            parsed = datetime.fromisoformat(self.timestamp)
            object.__setattr__(self, "timestamp", parsed.replace(tzinfo=parsed.tzinfo or UTC))
        if self.read_deleted not in (False, True, "no", "yes", "only"):
            raise UsageError('read_deleted takes False, True, "no", "yes" or "only"')

    @property
    def is_user(self) -> bool:
        """Tell whether this is a user at work in a project, without an administrator's rights."""
        return not self.is_admin and bool(self.user_id) and bool(self.project_id)

    def elevated(self, read_deleted: bool | str | None = None) -> Self:  # noqa: FBT001 - Nova's callers pass it so
        """Give the same with an administrator's rights."""
        return replace(self, is_admin=True, read_deleted=self.read_deleted if read_deleted is None else read_deleted)

    def to_dict(self) -> dict[str, Any]:
        """Write it down for a message; from_dict reads it."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "is_admin": self.is_admin,
            "read_deleted": self.read_deleted,
            "roles": list(self.roles),
            "remote_address": self.remote_address,
            "timestamp": self.timestamp.astimezone(UTC).strftime(_STAMP),
            "request_id": self.request_id,
            "auth_token": self.auth_token,
            "strategy": self.strategy,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what to_dict wrote."""
        return cls(**values)


def get_admin_context(read_deleted: bool | str = False) -> RequestContext:  # noqa: FBT001, FBT002 - as in elevated
    """Give an administrator's context of no user and no project: what services run with."""
    return RequestContext(is_admin=True, read_deleted=read_deleted)
