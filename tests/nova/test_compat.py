"""The functions of 2011: names, arguments, records and errors as their callers knew them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace

import pytest

from manystore.nova import compat, exception
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.interface import OPERATIONS
from manystore.nova.model.instance import Instance

ADMIN = get_admin_context()


@pytest.fixture
def db(url: str) -> Iterator[Nova]:
    with compat.connect(url) as db:
        yield db


def test_all_279_functions_are_there_with_their_arguments() -> None:
    assert len(OPERATIONS) == 279
    assert len({operation.function for operation in OPERATIONS}) == 279
    assert len({operation.entity for operation in OPERATIONS}) == 39
    for operation in OPERATIONS:
        function = getattr(compat, operation.function)
        assert list(inspect.signature(function).parameters) == ["context", *operation.names]
        assert operation.function in compat.__all__
    assert str(inspect.signature(compat.network_associate)) == "(context, project_id, force=False)"


def test_every_operation_has_a_method() -> None:
    """A row of the table without a method would fail only when it is called."""
    with Nova.connect("memory://") as db:
        for operation in OPERATIONS:
            assert callable(getattr(getattr(db, operation.entity), operation.method)), operation.title


def test_a_record_is_read_by_item_and_by_attribute(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"host": "h", "project_id": "p", "metadata": {"a": "b"}, "never_stored": 1})
    found = compat.instance_get(ADMIN, made["id"])
    assert found["host"] == found.host == found.get("host") == "h"
    assert found["name"] == f"instance-{found.id:08x}"
    assert found.get("never_stored", "no") == "no"
    assert [(item["key"], item.value) for item in found["metadata"]] == [("a", "b")]
    assert found["fixed_ips"] == []
    assert "host" in found
    assert found == compat.instance_get(ADMIN, made["id"])
    pairs = dict(iter(found))
    assert pairs == dict(found)
    assert set(Instance.__dataclass_fields__) - {"_revision"} == set(pairs)
    with pytest.raises(KeyError):
        found["never_stored"]
    with pytest.raises(AttributeError):
        found.never_stored  # noqa: B018
    with pytest.raises(KeyError):
        found["keys"]


def test_times_have_no_zone(db: Nova) -> None:
    begun = datetime(2011, 11, 11, 12)  # noqa: DTZ001 - as callers of the time gave them
    made = compat.instance_create(ADMIN, {"launched_at": begun})
    assert made["launched_at"] == begun
    assert compat.instance_get(ADMIN, made.id).created_at.tzinfo is None
    assert [i.id for i in compat.instance_get_active_by_window(ADMIN, datetime(2011, 11, 12))] == [made.id]  # noqa: DTZ001


def test_numbers_may_come_as_text(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"instance_type_id": "3", "project_id": 7})
    assert (made.instance_type_id, made.project_id) == (3, "7")
    assert compat.instance_get(ADMIN, str(made.id)).id == made.id
    compat.instance_update(ADMIN, made.id, {"vcpus": "4", "locked": 1})
    changed = compat.instance_get(ADMIN, made.id)
    assert (changed.vcpus, changed.locked) == (4, True)


def test_related_records_by_name(db: Nova) -> None:
    instance = compat.instance_create(ADMIN, {"project_id": "p", "user_id": "u"})
    group = compat.security_group_create(ADMIN, {"project_id": "p", "name": "default"})
    compat.security_group_rule_create(ADMIN, {"parent_group_id": group["id"], "protocol": "tcp"})
    compat.instance_add_security_group(ADMIN, instance["id"], group["id"])
    network = compat.network_create_safe(ADMIN, {"cidr": "10.0.0.0/24", "label": "net"})
    compat.fixed_ip_create(ADMIN, {"address": "10.0.0.2", "network_id": network.id})
    address = compat.fixed_ip_associate_pool(ADMIN, network.id, instance.id)
    found = compat.instance_get(ADMIN, instance.id)
    assert found["fixed_ips"][0]["address"] == address == "10.0.0.2"
    assert found.fixed_ips[0].network["label"] == "net"
    assert found["security_groups"][0]["rules"][0]["protocol"] == "tcp"


def test_types_come_as_dicts_with_their_extra_specs(db: Nova) -> None:
    compat.instance_type_create(
        ADMIN, {"name": "m1", "flavorid": 1, "memory_mb": 512, "vcpus": 1, "local_gb": 0, "extra_specs": {"k": "v"}}
    )
    found = compat.instance_type_get_by_name(ADMIN, "m1")
    assert isinstance(found, dict)
    assert (found["memory_mb"], found["extra_specs"]) == (512, {"k": "v"})
    assert compat.instance_type_get_by_flavor_id(ADMIN, 1)["name"] == "m1"
    assert [kind["name"] for kind in compat.instance_type_get_all(ADMIN)] == ["m1"]
    compat.volume_type_create(ADMIN, {"name": "gold", "extra_specs": {"a": "b"}})
    assert compat.volume_type_get_all(ADMIN)["gold"]["extra_specs"] == {"a": "b"}


def test_errors_are_novas(db: Nova) -> None:
    with pytest.raises(exception.InstanceNotFound):
        compat.instance_get(ADMIN, 99)
    compat.instance_type_create(ADMIN, {"name": "m1", "flavorid": "1"})
    with pytest.raises(exception.DBError) as caught:
        compat.instance_type_create(ADMIN, {"name": "m1", "flavorid": "2"})
    assert caught.value.inner_exception is not None
    compat.user_create(ADMIN, {"id": "u"})
    with pytest.raises(exception.Duplicate):
        compat.user_create(ADMIN, {"id": "u"})
    with pytest.raises(exception.DBError):
        compat.user_create(ADMIN, {"id": "v", "name": "x" * 300})


def test_the_caller_counts(db: Nova) -> None:
    made = compat.instance_create(RequestContext("u", "p"), {"display_name": "mine"})
    assert made.project_id == "p"
    with pytest.raises(exception.InstanceNotFound):
        compat.instance_get(RequestContext("v", "q"), made.id)
    theirs = SimpleNamespace(user_id="u", project_id="p", is_admin=False, read_deleted="no")
    assert compat.instance_get(theirs, made.id).display_name == "mine"
    with pytest.raises(exception.AdminRequired):
        compat.instance_get_all(theirs)
    with pytest.raises(exception.Error, match="context"):
        compat.instance_get(None, made.id)
    assert compat.queue_get_for(None, "compute", "h") == "compute.h"


def test_deleted_records_are_seen_by_those_who_ask(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {})
    kept = compat.instance_create(ADMIN, {})
    compat.instance_destroy(ADMIN, made.id)
    for flag, expected in (
        (False, [kept.id]), ("no", [kept.id]), (True, [made.id]), ("only", [made.id]), ("yes", [made.id, kept.id])
    ):  # fmt: skip
        found = compat.instance_get_all(get_admin_context(read_deleted=flag))
        assert sorted(instance.id for instance in found) == sorted(expected)


def test_without_a_database_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_open", [])
    with pytest.raises(exception.Error, match="connect"):
        compat.instance_get_all(ADMIN)
