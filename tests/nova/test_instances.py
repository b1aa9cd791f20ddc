"""Instances by Nova's operations: what each gives, to whom, with what it brings, and what it leaves behind."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manystore import NotLoaded, TooLarge, col
from manystore.nova.context import RequestContext
from manystore.nova.database import Nova
from manystore.nova.exception import (
    FixedIpNotFoundForAddress,
    FixedIpNotFoundForInstance,
    InstanceNotFound,
    Invalid,
    NetworkNotFoundForInstance,
    NotAuthorized,
    SecurityGroupNotFound,
)
from manystore.nova.model.instance import Instance, InstanceMetadataItem
from manystore.nova.model.instance_type import InstanceType
from manystore.nova.model.network import FixedIp, FloatingIp, Network, VirtualInterface
from manystore.nova.model.security_group import (
    SecurityGroup,
    SecurityGroupInstanceAssociation,
    SecurityGroupRule,
)
from manystore.nova.model.volume import BlockDeviceMapping, Volume
from manystore.nova.options import options

START = datetime(2011, 11, 11, tzinfo=UTC)
MAC, MAC_V6 = "02:16:3e:00:00:01", "fd00::16:3eff:fe00:1"


class Clock:
    """The time goes on by a second at each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(url: str, clock: Clock) -> Iterator[Nova]:
    with Nova.connect(url, clock=clock) as opened:
        yield opened


def user(db: Nova, project: str = "p", **options: Any) -> Nova:
    return db.for_context(RequestContext("u", project, **options))


def admin(db: Nova, **options: Any) -> Nova:
    return db.for_context(RequestContext(is_admin=True, **options))


def make(db: Nova, **fields: Any) -> Instance:
    return db.instance.create(Instance(**{"project_id": "p", "user_id": "u", **fields}))


def ids(found: list[Instance]) -> list[int]:
    return [instance.id for instance in found]


def furnish(db: Nova) -> Instance:
    """Make an instance with one of everything that may belong to it."""
    size = db.instance_type.create(InstanceType(name="m1", flavorid="1"))
    made = db.instance.create(
        Instance(project_id="p", user_id="u", host="h", reservation_id="r", instance_type_id=size.id, image_ref="0"),
        metadata={"k": "v"},
    )
    network = db.network.create(Network(cidr="10.0.0.0/24", cidr_v6="fd00::/64"))
    card = db.virtual_interface.create(VirtualInterface(address=MAC, network_id=network.id, instance_id=made.id))
    fixed = FixedIp(
        address="10.0.0.5", network_id=network.id, instance_id=made.id, virtual_interface_id=card.id, allocated=True
    )
    db.floating_ip.create(FloatingIp(address="1.2.3.4", fixed_ip_id=db.fixed_ip.create(fixed).id, project_id="p"))
    group = db.security_group.create(SecurityGroup(name="default", project_id="p"))
    db.security_group_rule.create(SecurityGroupRule(parent_group_id=group.id, protocol="tcp"))
    db.instance.add_security_group(made.id, group.id)
    db.volume.create(Volume(instance_id=made.id, project_id="p"))
    db.block_device_mapping.create(BlockDeviceMapping(instance_id=made.id, device_name="vda"))
    return made


def test_making_one_gives_it_a_uuid_and_what_is_pinned_to_it(db: Nova):
    made = db.instance.create(Instance(project_id="p"), metadata={"a": "1", "b": "2"})
    assert made.metadata_by_key == {"a": "1", "b": "2"}
    assert len(made.uuid or "") == 36
    assert db.instance.get(made.id) == made
    assert db.instance.create(Instance(uuid="mine")).uuid == "mine"
    assert make(db).metadata == []
    assert user(db).instance.create(Instance(project_id="p"), metadata={"a": "1"}).metadata_by_key == {"a": "1"}
    with pytest.raises(NotAuthorized):
        user(db).instance.create(Instance(project_id="q"))


def test_what_comes_along(db: Nova):
    made = furnish(db)
    for found in (db.instance.get(made.id), user(db).instance.get_by_uuid(made.uuid or "")):
        assert found.fixed_addresses == ["10.0.0.5"]
        assert found.floating_addresses == ["1.2.3.4"]
        assert found.fixed_ips[0].network is not None
        assert found.fixed_ips[0].virtual_interface is not None
        assert [group.name for group in found.security_groups] == ["default"]
        assert [rule.protocol for rule in found.security_groups[0].rules] == ["tcp"]
        assert [volume.instance_id for volume in found.volumes] == [made.id]
        assert found.metadata_by_key == {"k": "v"}
        assert found.instance_type is not None
        assert found["security_groups"] == found.security_groups
    joined = db.instance.get_project_vpn("p")
    for several in (
        db.instance.get_all(),
        db.instance.get_all_by_user("u"),
        db.instance.get_all_by_project("p"),
        db.instance.get_all_by_host("h"),
        db.instance.get_all_by_reservation("r"),
        [joined] if joined else [],
        db.instance.get_all_by_filters({}),
    ):
        assert ids(several) == [made.id]
        assert several[0].floating_addresses == ["1.2.3.4"]
        assert [group.name for group in several[0].security_groups] == ["default"]
        assert several[0].metadata_by_key == {"k": "v"}
        assert several[0].instance_type is not None
        with pytest.raises(NotLoaded):
            _ = several[0].volumes
    db.instance.update(made.id, col(Instance.launched_at).to(START))
    (found,) = db.instance.get_active_by_window_joined(START + timedelta(1))
    assert found.floating_addresses == ["1.2.3.4"]
    with pytest.raises(NotLoaded):
        _ = found.metadata


def test_whose_are_seen(db: Nova):
    mine, theirs, gone = make(db), make(db, project_id="q", user_id="x"), make(db)
    db.instance.destroy(gone.id)
    assert user(db).instance.get(mine.id).id == mine.id
    for ask in (
        lambda: user(db).instance.get(theirs.id),
        lambda: user(db).instance.get_by_uuid(theirs.uuid or ""),
        lambda: user(db).instance.update(theirs.id, col(Instance.host).to("h")),
        lambda: user(db).instance.update(theirs.uuid or "", col(Instance.host).to("h")),
        lambda: user(db).instance.get_fixed_addresses(theirs.id),
        lambda: user(db, read_deleted=True).instance.get(gone.id),
        lambda: db.instance.get(gone.id),
        lambda: db.instance.get_by_uuid("none"),
    ):
        with pytest.raises(InstanceNotFound):
            ask()
    assert admin(db, read_deleted=True).instance.get(gone.id).deleted
    assert ids(admin(db, read_deleted=True).instance.get_all()) == [gone.id]
    assert ids(admin(db, read_deleted="yes").instance.get_all_by_project("p")) == [mine.id, gone.id]
    assert ids(user(db, read_deleted=True).instance.get_all_by_project("p")) == [gone.id]
    with pytest.raises(NotAuthorized):
        user(db).instance.get_all_by_project("q")
    for refused in ("get_all", "get_all_by_host"):
        with pytest.raises(NotAuthorized):
            getattr(user(db).instance, refused)()
    assert user(db).instance.get_id_to_uuid_mapping([mine.id, theirs.id, gone.id, 99]) == {
        mine.id: mine.uuid,
        gone.id: gone.uuid,
    }
    user(db).instance.destroy(theirs.id)
    user(db).instance.stop(theirs.id)
    assert db.instance.get(theirs.id).vm_state is None


def test_changes(db: Nova):
    made = db.instance.create(Instance(project_id="p", host="h", task_state="rebooting"), metadata={"a": "1", "b": "2"})
    assert db.instance.update(made.id, col(Instance.host).to("i")).host == "i"
    assert db.instance.update(made.uuid or "", col(Instance.host).to("j")).host == "j"
    changed = db.instance.update(made.uuid or "", col(Instance.host).to("k"), metadata={"a": "3", "c": "4"})
    assert (changed.host, changed.metadata_by_key) == ("k", {"a": "3", "c": "4"})
    assert db.instance.update(made.id, metadata={}).metadata_by_key == {}
    assert db.instance.update(made.id).host == "k"
    user(db).instance.stop(made.id)
    found = db.instance.get(made.id)
    assert (found.host, found.is_stopped, found.is_busy) == (None, True, False)
    db.instance.stop(99)
    with pytest.raises(InstanceNotFound):
        db.instance.update(99, metadata={"a": "1"})
    assert db.instance_metadata.find(deleted="any", scan=True)[-1].deleted


def test_destroying_takes_four_kinds_of_records_and_leaves_the_rest(db: Nova):
    made, other = furnish(db), make(db)
    db.instance_metadata.replace(other.id, {"k": "v"}, delete=False)
    user(db).instance.destroy(made.id)
    user(db).instance.destroy(made.id)  # again: nothing
    db.instance.destroy(99)
    gone = db.instance.get(made.id, deleted="only")
    assert gone.deleted_at is not None
    assert gone.is_going
    assert gone.fixed_addresses == ["10.0.0.5"]
    assert [volume.id for volume in gone.volumes] == [1]
    assert (gone.metadata, gone.security_groups) == ([], [])
    assert db.block_device_mapping.find(col(BlockDeviceMapping.instance_id) == made.id) == []
    assert len(db.block_device_mapping.find(col(BlockDeviceMapping.instance_id) == made.id, deleted="only")) == 1
    assert db.instance.get(other.id).metadata_by_key == {"k": "v"}


def test_one_with_as_much_pinned_to_it_as_a_quota_allows_goes_in_one_step(db: Nova):
    keys = {f"key-{number}": "v" for number in range(options.quotas["metadata_items"])}
    made = db.instance.create(Instance(project_id="p"), metadata=keys)
    db.retrying(lambda tx: tx.instance.destroy(made.id))
    assert db.instance.get_all() == []
    assert db.instance_metadata.find(col(InstanceMetadataItem.instance_id) == made.id) == []


def test_one_with_more_pinned_to_it_than_a_step_holds_goes_as_well(db: Nova):
    keys = {f"key-{number}": "v" for number in range(128)}
    made, other = db.instance.create(Instance(project_id="p"), metadata=keys), make(db)
    with pytest.raises(TooLarge):
        db.instance_metadata.replace(made.id, {f"other-{key}": "v" for key in keys}, delete=True)
    keys |= db.instance_metadata.replace(made.id, {f"other-{key}": "v" for key in keys}, delete=False)
    with pytest.raises(TooLarge):
        db.retrying(lambda tx: tx.instance.destroy(made.id))
    user(db, "q").instance.destroy(made.id)
    assert db.instance.get(made.id).metadata_by_key == keys
    user(db).instance.destroy(made.id)
    assert ids(db.instance.get_all()) == [other.id]
    assert db.instance_metadata.find(col(InstanceMetadataItem.instance_id) == made.id) == []


def test_searching(db: Nova, clock: Clock):
    first = db.instance.create(
        Instance(project_id="p", user_id="u", host="host1", display_name="web-1", vm_state="active"),
        metadata={"a": "1", "b": "2"},
    )
    second = db.instance.create(
        Instance(project_id="p", user_id="v", host="host10", reservation_id="r-1", vm_state="soft-delete"),
        metadata={"a": "1"},
    )
    third = make(db, project_id="q", image_ref="7", instance_type_id=3, power_state=0, host="other")
    gone = make(db, vm_state="active")
    db.instance.destroy(gone.id)
    middle = clock.now
    db.instance.update(first.id, col(Instance.progress).to(1))

    def found(filters: dict[str, Any], view: Nova = db) -> set[int]:
        return set(ids(view.instance.get_all_by_filters(filters)))

    assert ids(db.instance.get_all_by_filters({})) == [gone.id, third.id, second.id, first.id]
    everything = {first.id, second.id, third.id, gone.id}
    for filters, expected in [
        ({"project_id": "q"}, {third.id}),
        ({"project_id": ["p", "q"]}, everything),
        ({"user_id": "v"}, {second.id}),
        ({"image_ref": "7", "instance_type_id": 3}, {third.id}),
        ({"vm_state": ("active", "soft-delete"), "deleted": False}, {first.id}),
        ({"vm_state": None}, {third.id}),
        ({"uuid": first.uuid}, {first.id}),
        ({"uuid": {first.uuid, third.uuid, "x"}}, {first.id, third.id}),
        ({"uuid": [*map(str, range(120)), third.uuid]}, {third.id}),
        ({"uuid": []}, set()),
        ({"deleted": True}, {second.id, gone.id}),
        ({"deleted": False}, {first.id, third.id}),
        ({"changes-since": middle}, {first.id}),
        ({"metadata": {"a": "1"}}, {first.id, second.id}),
        ({"metadata": [{"a": "1"}, {"b": "2"}]}, {first.id}),
        ({"metadata": {"b": "1"}}, set()),
        ({"host": "host1"}, {first.id, second.id}),
        ({"host": "host1$"}, {first.id}),
        ({"host": "host1*|other"}, {first.id, second.id, third.id}),
        ({"host": "hosts?1"}, {first.id, second.id}),
        ({"host": "HOST"}, set()),
        ({"host": ".*0"}, {second.id}),
        ({"reservation_id": "r-"}, {second.id}),
        ({"display_name": r"\w+-\d", "name": "instance-0"}, {first.id}),
        ({"power_state": "0"}, set()),  # what is empty or 0 matches nothing
        ({"no_such_attribute": "x", "project_id": "q"}, {third.id}),
    ]:
        assert found(filters) == expected, filters
    assert found({}, user(db)) == found({"project_id": "q"}, user(db)) == everything - {third.id}
    assert found({"uuid": third.uuid}, user(db)) == set()
    with pytest.raises(Invalid, match="filter host: no regular expression"):
        db.instance.get_all_by_filters({"host": "("})


def test_a_search_has_no_cap_and_loads_what_comes_along(url: str):
    with Nova.connect(f"{url}{'&' if '?' in url else '?'}max_examined=5") as db:
        for number in range(8):
            db.instance.create(Instance(project_id="p", host=f"h{number}"), metadata={"k": "v"})
        assert len(db.instance.get_all_by_filters({"host": "h", "metadata": {"k": "v"}})) == 8
        assert [i.metadata_by_key for i in db.instance.get_all_by_project("p")] == [{"k": "v"}] * 8
        assert db.instance.data_get_for_project("p")[0] == len(db.instance.get_all()) == 8


def test_windows(db: Nova, clock: Clock):
    at = {day: START + timedelta(day) for day in range(5)}
    running, ended = make(db, launched_at=at[0]), make(db, launched_at=at[1], terminated_at=at[3])
    theirs = make(db, launched_at=at[0], project_id="q")
    make(db)
    db.instance.destroy(ended.id)
    window = db.instance.get_active_by_window
    assert ids(window(at[1])) == [running.id, theirs.id]
    assert ids(window(at[2], at[2])) == [running.id, ended.id, theirs.id]
    assert ids(window(at[2], at[3], "p")) == [running.id]
    assert window(at[0]) == []
    assert ids(user(db).instance.get_active_by_window(at[4], at[2])) == [running.id, ended.id]
    hung = make(db, task_state="rebooting")
    db.instance.update(hung.id, col(Instance.progress).to(1))
    assert db.instance.get_all_hung_in_rebooting(60) == []
    clock.now += timedelta(minutes=2)
    assert ids(db.instance.get_all_hung_in_rebooting(60)) == [hung.id]


def test_addresses(db: Nova):
    made, bare = furnish(db), make(db)
    assert db.instance.get_by_fixed_ip("10.0.0.5").id == user(db).instance.get_by_fixed_ipv6(MAC_V6).id == made.id
    missing: list[Callable[[], object]] = [
        lambda: db.instance.get_by_fixed_ip("10.0.0.9"),
        lambda: user(db, "q").instance.get_by_fixed_ip("10.0.0.5"),
        lambda: user(db, "q").instance.get_by_fixed_ipv6(MAC_V6),
        lambda: db.instance.get_by_fixed_ipv6("fd01::16:3eff:fe00:1"),  # another network's
        lambda: db.instance.get_by_fixed_ipv6("fd00::1"),
        lambda: db.instance.get_by_fixed_ipv6("10.0.0.5"),
    ]
    for ask in missing:
        with pytest.raises(FixedIpNotFoundForAddress):
            ask()
    assert user(db).instance.get_fixed_addresses(made.id) == ["10.0.0.5"]
    assert db.instance.get_fixed_addresses(bare.id) == []
    assert user(db).instance.get_fixed_addresses_v6(made.id) == [MAC_V6]
    with pytest.raises(NetworkNotFoundForInstance):
        db.instance.get_fixed_addresses_v6(bare.id)
    with pytest.raises(InstanceNotFound):
        user(db, "q").instance.get_fixed_addresses_v6(made.id)
    assert user(db).instance.get_floating_address(made.id) == "1.2.3.4"
    db.floating_ip.delete(1)
    assert db.instance.get_floating_address(made.id) is None
    with pytest.raises(FixedIpNotFoundForInstance):
        user(db, "q").instance.get_floating_address(made.id)
    assert db.instance.get_project_vpn("q") is None


def test_an_instance_joins_and_leaves_groups(db: Nova):
    made, group = make(db), db.security_group.create(SecurityGroup(name="g", project_id="p"))
    theirs = db.security_group.create(SecurityGroup(name="t", project_id="q"))
    before = db.instance.get(made.id).updated_at
    for _ in range(2):
        user(db).instance.add_security_group(made.id, group.id)
    assert db.security_group_instance_association.count(scan=True) == 1
    assert db.instance.get(made.id).updated_at == before
    with pytest.raises(SecurityGroupNotFound):
        user(db).instance.add_security_group(made.id, theirs.id)
    with pytest.raises(InstanceNotFound):
        user(db, "q").instance.add_security_group(made.id, theirs.id)
    user(db, "q").instance.remove_security_group(made.id, group.id)
    assert len(db.instance.get(made.id).security_groups) == 1
    for _ in range(2):
        user(db).instance.remove_security_group(made.id, group.id)
    assert db.instance.get(made.id).security_groups == []
    (left,) = db.security_group_instance_association.find(deleted="any", scan=True)
    assert left.deleted_at is not None
    db.instance.add_security_group(made.id, group.id)  # anew
    db.instance.destroy(made.id)
    with pytest.raises(InstanceNotFound):
        admin(db, read_deleted=True).instance.add_security_group(made.id, group.id)
    assert db.security_group_instance_association.first(col(SecurityGroupInstanceAssociation.id) == 1) is None


def test_what_is_pinned(db: Nova):
    made = make(db)
    mine = user(db).instance_metadata
    assert mine.replace(made.id, {"a": "1", "b": "2"}, delete=False) == {"a": "1", "b": "2"}
    first = db.instance.get(made.id).metadata[0]
    assert mine.replace(made.id, {"a": "3"}, delete=False) == mine.get_by_instance(made.id) == {"a": "3", "b": "2"}
    assert db.instance_metadata.get(first.id).value == "3"
    assert mine.replace(made.id, {"c": "4"}, delete=True) == {"c": "4"}
    assert db.instance_metadata.get(first.id, deleted="only").deleted_at is not None
    for _ in range(2):
        mine.delete_by_key(made.id, "c")
    assert mine.get_by_instance(made.id) == {}
    mine.replace(made.id, {"a": "5"}, delete=False)  # a new record: the old one is not revived
    assert db.instance.get(made.id).metadata[0].id != first.id
    theirs = user(db, "q").instance_metadata
    for ask in (
        lambda: theirs.get_by_instance(made.id),
        lambda: theirs.delete_by_key(made.id, "a"),
        lambda: theirs.replace(made.id, {}, delete=True),
        lambda: mine.get_by_instance(99),
        lambda: mine.replace(99, {}, delete=True),
    ):
        with pytest.raises(InstanceNotFound):
            ask()
    assert mine.get_by_instance(made.id) == {"a": "5"}


def test_state_checks():
    assert Instance(vm_state="active").is_active
    assert Instance(vm_state="soft-delete").is_soft_deleted
    assert Instance(task_state="deleting").is_going
    assert Instance(task_state="spawning").is_busy
    checks = ("is_active", "is_stopped", "is_soft_deleted", "is_busy", "is_going")
    assert not any(Instance()[check] for check in checks)
