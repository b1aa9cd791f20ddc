"""Every operation, called by an administrator, the owner, another project's user and nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from manystore import ManystoreError
from manystore.nova.access import ADMIN, ALL, ANYONE
from manystore.nova.compat.call import Call
from manystore.nova.compat.record import Record
from manystore.nova.compat.views import Views
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.exception import AdminRequired, NotAuthorized, NotFound
from manystore.nova.interface import OPERATIONS
from manystore.nova.operation import Operation
from manystore.nova.sample import NOBODY, OWNER, STRANGER, Sample

ENTITIES = sorted({name for name in Nova.__annotations__ if name != "journal"})
# What everybody may see of what the sample holds, whosever request it is.
PUBLIC = ("InstanceType", "InstanceTypeExtraSpec", "VolumeType", "VolumeTypeExtraSpec", "S3Image")


@pytest.fixture
def db() -> Iterator[Nova]:
    with Nova.connect("memory://") as db:
        yield db


@pytest.fixture
def sample(db: Nova) -> Sample:
    return Sample(db)


def everything(db: Nova) -> dict[str, list[dict[str, Any]]]:
    """Give all that is stored."""
    return {name: [dict(r) for r in getattr(db.system, name).find(deleted="any", scan=True)] for name in ENTITIES}


def call(db: Nova, sample: Sample, operation: Operation, context: RequestContext) -> Any:
    return Call(operation, Views(db).of)(context, *sample.arguments(operation))


def outcome(db: Nova, sample: Sample, operation: Operation, context: RequestContext) -> Any:
    """Give the result, or the error."""
    try:
        return call(db, sample, operation, context)
    except ManystoreError as error:
        return error


def records(result: Any) -> Iterator[Any]:
    """Give the records in a result."""
    if isinstance(result, Record):
        yield result
    elif isinstance(result, dict):
        for value in result.values():
            yield from records(value)
    elif isinstance(result, (list, tuple)):
        for value in result:
            yield from records(value)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.function)
def test_who_may_call(operation: Operation, db: Nova, sample: Sample) -> None:
    before = everything(db)
    assert_nobody_is_kept_out(db, sample, operation)
    assert everything(db) == before or operation.rule.who is ANYONE
    before = everything(db)
    assert_a_stranger_reaches_nothing(db, sample, operation)
    assert_untouched(before, everything(db))
    assert_the_owner_may(db, sample, operation)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.function)
def test_an_administrator_may_do_everything(operation: Operation, db: Nova, sample: Sample) -> None:
    assert not isinstance(outcome(db, sample, operation, get_admin_context()), ManystoreError)


def assert_nobody_is_kept_out(db: Nova, sample: Sample, operation: Operation) -> None:
    found = outcome(db, sample, operation, NOBODY)
    if operation.rule.who is ADMIN:
        assert isinstance(found, AdminRequired)
    elif operation.rule.who is not ANYONE:
        assert isinstance(found, NotAuthorized)


def assert_a_stranger_reaches_nothing(db: Nova, sample: Sample, operation: Operation) -> None:
    found = outcome(db, sample, operation, STRANGER)
    rule = operation.rule
    if rule.who is ADMIN:
        assert isinstance(found, AdminRequired)
    elif rule.project is not None or rule.user is not None:
        assert isinstance(found, NotAuthorized)
    elif rule.sees is not ALL and isinstance(found, ManystoreError):
        assert isinstance(found, (NotAuthorized, NotFound))
    for record in records(found):
        assert type(record._wrapped).__name__ in PUBLIC, f"{operation.function} shows {record!r}"


def assert_untouched(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> None:
    """Check that what was there is there as it was, and that nothing new belongs to the owner."""
    for name, rows in before.items():
        assert after[name][: len(rows)] == rows
        for row in after[name][len(rows) :]:
            assert row.get("project_id") != OWNER.project_id
            assert row.get("instance_id") != 1


def assert_the_owner_may(db: Nova, sample: Sample, operation: Operation) -> None:
    found = outcome(db, sample, operation, OWNER)
    if operation.rule.who is ADMIN:
        assert isinstance(found, AdminRequired)
    else:
        assert not isinstance(found, ManystoreError)


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_methods_of_any_repository_reach_nothing_of_others(entity: str, db: Nova, sample: Sample) -> None:
    """Find, delete and change by hand what is another project's."""
    before = everything(db)
    theirs = getattr(db.for_context(STRANGER), entity)
    for attempt in (
        lambda: theirs.find(scan=True),
        lambda: list(theirs.iterate(scan=True)),
        lambda: [theirs.first(scan=True)],
    ):
        try:
            assert [record for record in attempt() if record is not None] == []
        except (NotAuthorized, NotFound):
            continue
    for record in getattr(db.system, entity).find(scan=True):
        key = record.get("id")
        is_public = type(record).__name__ in PUBLIC
        for change in (
            lambda record=record: theirs.save(record),
            lambda record=record: theirs.delete(record),
            lambda record=record: theirs.purge(record),
            lambda record=record: theirs.load([record]),
            lambda key=key: theirs.delete(key),
            *([] if is_public else [lambda key=key: theirs.get(key)]),
        ):
            with pytest.raises(ManystoreError):
                change()
    assert everything(db) == before
