"""Access: who may call an operation, and which records it sees for whom. The only place that decides it.

Knows contexts and rules; must not know repositories or models. interface/ has the rule of each operation;
repository/guard.py asks here at each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from .context import RequestContext
from .exception import AdminRequired, NotAuthorized

Deleted: TypeAlias = Literal["no", "any", "only"]


class Who(Enum):
    """Who may call: administrators; users of a project as well; or anyone, without a user or project too."""

    ADMIN = "admin"
    USER = "user"
    ANYONE = "anyone"


class Reads(Enum):
    """What an operation sees of soft-deleted records.

    LIVE: none of them. ANY: them as well. SWITCH: what the context's read_deleted says. SPLIT: SWITCH for an
    administrator, LIVE for a user.
    """

    LIVE = "live"
    ANY = "any"
    SWITCH = "switch"
    SPLIT = "split"


class Sees(Enum):
    """What a user's call sees of other projects: ALL of it; OWN: it looks missing; CHECKED: it is refused."""

    ALL = "all"
    OWN = "own"
    CHECKED = "checked"


ADMIN, USER, ANYONE = Who
LIVE, ANY, SWITCH, SPLIT = Reads
ALL, OWN, CHECKED = Sees

_BY_FLAG: Mapping[bool | str, Deleted] = {False: "no", True: "only", "no": "no", "yes": "any", "only": "only"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for an operation. project, user: its argument that must be the caller's own, unless an admin's."""

    who: Who
    reads: Reads = LIVE
    sees: Sees = ALL
    project: str | None = None
    user: str | None = None


_FOR_USERS = Rule(USER, LIVE, OWN)
_FOR_ADMINISTRATORS = Rule(ADMIN, LIVE)
_READING = frozenset({"get", "first", "find", "iterate", "count", "exists", "select", "aggregate"})
_FOR_GOOD = frozenset({"purge", "purge_where"})  # what a project has had is kept for who counts it


def generic(name: str, *, is_owned: bool, made_by: Who | None) -> Rule:
    """Give the rule of a method of any repository, where the table has none for it.

    is_owned: whether records say whose they are; then users may read what is theirs. made_by: who may create them by
    the table; where users may, they may change and delete theirs as well.
    """
    if not is_owned or name == "load":  # which trusts the records that it is given
        return _FOR_ADMINISTRATORS
    if name in _READING or (made_by is USER and name not in _FOR_GOOD):
        return _FOR_USERS
    return _FOR_ADMINISTRATORS


def deleted_for(reads: Reads, context: RequestContext | None) -> Deleted:
    """Say which records a call sees; no context: it is the program itself that asks."""
    if reads is ANY:
        return "any"
    if reads is LIVE or context is None or (reads is SPLIT and not context.is_admin):
        return "no"
    return _BY_FLAG[context.read_deleted]


def authorize(rule: Rule, context: RequestContext | None, arguments: Mapping[str, Any]) -> None:
    """Raise AdminRequired or NotAuthorized unless the rule lets this caller do it. arguments: those the rule names."""
    if context is None or context.is_admin or rule.who is ANYONE:
        return
    if rule.who is ADMIN:
        raise AdminRequired
    if not context.is_user:
        raise NotAuthorized
    if rule.project is not None and arguments[rule.project] != context.project_id:
        raise NotAuthorized
    if rule.user is not None and arguments[rule.user] != context.user_id:
        raise NotAuthorized


def sees_for(rule: Rule, context: RequestContext | None) -> Sees:
    """Say what a call sees of other projects."""
    return ALL if context is None or context.is_admin or not context.is_user else rule.sees


def is_own(owner: str | None, mine: str | None, *, free: bool) -> bool:
    """Tell whether a record of an owner is the caller's. free: whether nobody's counts as well."""
    return owner == mine if owner is not None else free
