"""A project's quota becomes a row a limit, so that a new resource needs no new column."""

from collections.abc import Iterable
from typing import Any

from manystore.migrations import Collection, Field, Migration, Precondition, Spread

LIMITS = ("instances", "cores", "volumes", "gigabytes", "floating_ips", "metadata_items")


def one_live_each(rows: Iterable[dict[str, Any]]) -> bool:
    """Tell whether no project has two live rows."""
    live = [row["project_id"] for row in rows if not row["deleted"]]
    return len(set(live)) == len(live)


def one_live_limit_each(rows: Iterable[dict[str, Any]]) -> bool:
    """Tell whether no project has two live limits of one of the resources that had a column."""
    live = [(row["project_id"], row["resource"]) for row in rows if not row["deleted"] and row["resource"] in LIMITS]
    return len(set(live)) == len(live)


def a_row_each(quota: dict[str, Any]) -> list[dict[str, Any]]:
    """Make a row of each limit; deleted rows stay deleted."""
    kept = {name: quota[name] for name in ("created_at", "updated_at", "deleted_at", "deleted", "project_id")}
    return [
        {**kept, "resource": name, "hard_limit": quota[name]}
        for name in LIMITS
        if quota[name] is not None  # it meant the default, which a row that is not there means as well
    ]


def one_row(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Make one row of a project's live limits. Those without a number, and of other resources, had no place there."""
    limits = [row for row in rows if not row["deleted"] and row["resource"] in LIMITS and row["hard_limit"] is not None]
    if not limits:
        return None
    return {
        "created_at": min((row["created_at"] for row in limits if row["created_at"] is not None), default=None),
        "updated_at": max((row["updated_at"] for row in limits if row["updated_at"] is not None), default=None),
        "deleted_at": None,
        "deleted": False,
        "project_id": limits[0]["project_id"],
        **dict.fromkeys(LIMITS),
        **{row["resource"]: row["hard_limit"] for row in limits},
    }


migration = Migration(
    "0016_quotas_as_rows",
    after=("0015_auto_assigned_floating_ips",),
    operations=(
        Precondition(
            "quotas",
            "a project has two live rows, and which of them counts is not known",
            holds=one_live_each,
        ),
        Spread(
            "quotas",
            Collection(
                "quotas",
                "Quota",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("project_id", "project_id", kind="str", optional=True, length=255),
                    Field("resource", "resource", kind="str", length=255),
                    Field("hard_limit", "hard_limit", kind="int", optional=True),
                ),
                key=("id",),
                version=3,
                live="deleted",
                scope="project_id",
                generated=True,
            ),
            up=a_row_each,
            down=one_row,
            by=("project_id",),
        ),
        Precondition(
            "quotas",
            "a project has two live limits of one resource, and which of them counts is not known",
            holds=one_live_limit_each,
            back=True,
        ),
    ),
)
