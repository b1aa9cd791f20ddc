"""What callers of 2011 gave and read: values of loose types, ids that are none, records given back, texts of errors."""

from __future__ import annotations

import copy
import pickle
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manystore.nova import compat, exception
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova

ADMIN = get_admin_context()
THEN = datetime(2011, 11, 11, 12)  # noqa: DTZ001 - as callers of the time gave them


@pytest.fixture
def db(url: str) -> Iterator[Nova]:
    with compat.connect(url) as db:
        yield db


def ids(found: Any) -> list[int]:
    return sorted(one["id"] for one in found)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"vcpus": "4"}, 4),
        ({"vcpus": 4.0}, 4),
        ({"vcpus": True}, 1),
        ({"image_ref": 1}, "1"),
        ({"config_drive": True}, "1"),
        ({"display_name": uuid.UUID(int=0)}, str(uuid.UUID(int=0))),
        ({"locked": "1"}, True),
        ({"locked": "false"}, False),
        ({"locked": 0}, False),
        ({"launched_at": THEN.replace(tzinfo=UTC)}, THEN),
        ({"launched_at": "2011-11-11 12:00:00"}, THEN),
    ],
)
def test_what_is_given_is_fitted_to_the_field(db: Nova, given: dict[str, Any], stored: Any) -> None:
    (name,) = given
    made = compat.instance_create(ADMIN, given)
    assert compat.instance_get(ADMIN, made.id)[name] == stored
    other = compat.instance_create(ADMIN, {})
    compat.instance_update(ADMIN, other.id, given)
    assert compat.instance_get(ADMIN, other.id)[name] == stored


def test_a_text_where_a_number_is_stored_is_not_stored_but_told(db: Nova) -> None:
    with pytest.warns(RuntimeWarning, match="instance_type_id is a number, 'm1.small' is none"):
        made = compat.instance_create(ADMIN, {"instance_type_id": "m1.small"})
    assert made["instance_type_id"] is None
    with pytest.raises(exception.DBError, match="str where int is wanted"):
        compat.block_device_mapping_create(ADMIN, {"instance_id": "abc", "device_name": "/dev/vda"})
    with pytest.raises(exception.DBError, match="device_name"):
        compat.block_device_mapping_create(ADMIN, {"instance_id": made.id})
    with pytest.raises(exception.DBError, match="str where bool is wanted"):
        compat.instance_update(ADMIN, made.id, {"locked": "perhaps"})


def test_floats_may_come_as_text(db: Nova) -> None:
    made = compat.zone_create(ADMIN, {"weight_offset": "2.5", "weight_scale": 1})
    assert (made.weight_offset, made.weight_scale) == (2.5, 1.0)


@pytest.mark.parametrize("filters", [{"image_ref": 1}, {"image_ref": [1, 3]}, {"instance_type_id": "7"},
    {"instance_type_id": ["7", "8"]}, {"metadata": {"n": 5}}, {"metadata": [{"n": "5"}]}, {"locked": 1},
    {"changes-since": THEN}])  # fmt: skip
def test_filters_are_fitted(db: Nova, filters: dict[str, Any]) -> None:
    values = {"image_ref": 1, "instance_type_id": 7, "metadata": {"n": 5}, "locked": True}
    made = compat.instance_create(ADMIN, values)
    compat.instance_update(ADMIN, made.id, {"host": "h"})
    compat.instance_create(ADMIN, {"image_ref": 2})
    assert ids(compat.instance_get_all_by_filters(ADMIN, filters)) == [made.id]


def test_lists_and_mappings_are_fitted(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"metadata": {"a": 1}})
    assert compat.instance_get_id_to_uuid_mapping(ADMIN, [str(made.id), "x"]) == {made.id: made.uuid}
    compat.instance_metadata_update(ADMIN, made.id, {"b": 2}, False)
    assert compat.instance_metadata_get(ADMIN, made.id) == {"a": "1", "b": "2"}
    kind = compat.instance_type_create(ADMIN, {"name": "t", "flavorid": 1, "memory_mb": 9, "extra_specs": {"xpus": 2}})
    compat.instance_type_extra_specs_update_or_create(ADMIN, kind.id, {"n": 3})
    assert compat.instance_type_extra_specs_get(ADMIN, str(kind.id)) == {"xpus": "2", "n": "3"}
    assert ids(compat.instance_type_get_all(ADMIN, filters={"min_memory_mb": "9"})) == [kind.id]


@pytest.mark.parametrize("odd", ["abc", "", None, 1.5, 10**30, -1])
@pytest.mark.parametrize(
    ("function", "error"),
    [
        (compat.instance_get, exception.InstanceNotFound),  # type: ignore[attr-defined]
        (compat.volume_get, exception.VolumeNotFound),  # type: ignore[attr-defined]
        (compat.instance_type_get, exception.InstanceTypeNotFound),  # type: ignore[attr-defined]
        (compat.fixed_ip_get_by_instance, exception.FixedIpNotFoundForInstance),  # type: ignore[attr-defined]
        (compat.user_get, exception.UserNotFound),  # type: ignore[attr-defined]
    ],
)
def test_an_id_that_is_none_finds_nothing(db: Nova, function: Callable[..., Any], error: Any, odd: Any) -> None:
    with pytest.raises(error) as caught:
        function(ADMIN, odd)
    assert str(odd or "") in str(caught.value)
    assert caught.value.args == (caught.value.message,) == (str(caught.value),)


def test_nothing_is_looked_for_as_nothing(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {})
    assert ids(compat.instance_get_all_by_host(ADMIN, None)) == [made.id]
    assert compat.block_device_mapping_get_all_by_instance(ADMIN, "abc") == []
    assert compat.virtual_interface_get(ADMIN, "abc") is None
    compat.instance_destroy(ADMIN, "abc")


def test_times_that_are_given_are_kept(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"created_at": THEN, "updated_at": THEN, "task_state": "rebooting"})
    found = compat.instance_get(ADMIN, made.id)
    assert (found.created_at, found.updated_at) == (THEN, THEN)
    assert ids(compat.instance_get_all_hung_in_rebooting(ADMIN, 10)) == [made.id]
    network = compat.network_create_safe(ADMIN, {"host": "h"})
    compat.fixed_ip_create(ADMIN, {"address": "10.0.0.1", "network_id": network.id, "instance_id": made.id})
    compat.fixed_ip_update(ADMIN, "10.0.0.1", {"updated_at": THEN})
    assert compat.fixed_ip_get_by_address(ADMIN, "10.0.0.1").updated_at == THEN
    assert compat.fixed_ip_disassociate_all_by_timeout(ADMIN, "h", THEN + timedelta(seconds=1)) == 1
    assert compat.fixed_ip_get_by_address(ADMIN, "10.0.0.1").updated_at > THEN


def test_a_record_may_be_given_back(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"host": "h1", "metadata": {"a": "b"}})
    found = compat.instance_get(ADMIN, made.id)
    compat.instance_update(ADMIN, made.id, {"host": "h2"})
    for values in (found, dict(found), dict(iter(found))):
        compat.instance_update(ADMIN, made.uuid, values)
        assert compat.instance_get(ADMIN, made.id).host == "h1"
    again = {name: value for name, value in found if name not in ("id", "uuid")}
    assert compat.instance_create(ADMIN, again).id != made.id
    assert compat.instance_metadata_get(ADMIN, made.id) == {"a": "b"}


def test_an_update_of_nothing_says_whether_the_record_is_there(db: Nova) -> None:
    made = compat.service_create(ADMIN, {"host": "h", "deleted": 0, "created_at": None})
    compat.service_update(ADMIN, made.id, {})
    compat.service_update(ADMIN, made.id, {"never_stored": 1})
    with pytest.raises(exception.ServiceNotFound):
        compat.service_update(ADMIN, made.id + 1, {})


def test_anything_may_be_set_on_a_record(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"host": "h"})
    made.mine, made["yours"] = 1, 2
    made.update({"host": "h2", "ours": 3, "volumes": []})
    assert (made["mine"], made.yours, made.get("ours"), made.host, made["volumes"]) == (1, 2, 3, "h2", [])
    assert "mine" in made
    assert "mine" not in dict(made)
    assert not hasattr(made, "theirs")
    with pytest.raises(AttributeError):
        made.name = "another"
    for copied in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert copied == made
        assert copied.mine == 1
        copied.host = "h3"
    assert made.host == "h2"
    assert compat.instance_get(ADMIN, made.id).host == "h"


def test_iteritems_has_the_related_records_that_are_loaded(db: Nova) -> None:
    made = compat.instance_create(ADMIN, {"host": "h", "metadata": {"a": "b"}})
    found = compat.instance_get(ADMIN, made.id)
    found.mine = 1
    pairs = dict(found.iteritems())
    related = set(pairs) - set(dict(found.items()))
    assert related == {"fixed_ips", "metadata", "instance_type", "volumes", "security_groups", "mine"}
    assert pairs["metadata"][0]["value"] == "b"
    assert found.values() == [value for _, value in found.items()]
    assert set(dict(compat.instance_get_active_by_window(ADMIN, THEN) or found.iteritems())) == set(pairs)


def test_a_context_of_another_class_is_read_at_each_call(db: Nova) -> None:
    class Own:
        user_id, project_id, is_admin, read_deleted = "u", "p", False, None

    made = compat.instance_create(RequestContext("u", "p"), {})
    caller = Own()
    assert compat.instance_get(caller, made.id).project_id == "p"
    caller.project_id = "q"
    with pytest.raises(exception.InstanceNotFound):
        compat.instance_get(caller, made.id)
    for number in range(200):  # more callers than are kept
        caller.project_id = str(number)
        assert compat.instance_get_all_by_project(caller, number) == []


def test_arguments_are_checked_as_those_of_any_function(db: Nova) -> None:
    with pytest.raises(TypeError, match="missing"):
        compat.instance_get(ADMIN)
    with pytest.raises(TypeError, match="too many"):
        compat.instance_get(ADMIN, 1, 2)
    with pytest.raises(TypeError, match="unexpected"):
        compat.instance_get(ADMIN, 1, nonsense=2)
    assert compat.queue_get_for(context=None, topic="t", physical_node_id="n") == "t.n"
