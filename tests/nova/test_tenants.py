"""Two tenants who try to reach each other's records by hand, with every method that any repository has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from manystore import Assignment, Duplicate, NotFound, UsageError, asc, col, count, everything
from manystore.model.model import model_of
from manystore.nova.access import USER
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.exception import AdminRequired, InstanceNotFound, NotAuthorized
from manystore.nova.interface import OPERATIONS
from manystore.nova.model.instance import Instance, InstanceMetadataItem
from manystore.nova.model.network import FixedIp, FloatingIp, Network, VirtualInterface
from manystore.nova.model.project import Certificate, KeyPair
from manystore.nova.model.quota import Quota
from manystore.nova.model.volume import BlockDeviceMapping, Volume
from manystore.nova.repository.instance import NAMING

MOVED = col(Instance.project_id).to("pb")


class Tenants:
    """A database with an instance of each of two projects."""

    def __init__(self, db: Nova) -> None:
        self.db = db
        self.a = db.for_context(RequestContext("ua", "pa"))
        self.b = db.for_context(RequestContext("ub", "pb"))
        self.mine = self.a.instance.create(Instance(host="h"))
        self.theirs = self.b.instance.create(Instance(host="h", user_data="secret"))


@pytest.fixture
def tenants(url: str) -> Iterator[Tenants]:
    with Nova.connect(url) as db:
        yield Tenants(db)


def forged(tenants: Tenants) -> Instance:
    """Give the other's record, with its revision, as if it were one's own."""
    record = tenants.db.instance.get(tenants.theirs.id, load=())
    record.project_id = "pa"
    return record


def in_transaction(way: Callable[[Nova, Tenants], Any]) -> Callable[[Nova, Tenants], Any]:
    def within(view: Nova, tenants: Tenants) -> Any:
        with view.transaction() as tx:
            return way(tx, tenants)

    return within


# What looks as if the other's record was not there.
MISSING: dict[str, Callable[[Nova, Tenants], Any]] = {
    "get": lambda view, t: view.instance.get(t.theirs.id),
    "get deleted": lambda view, t: view.instance.get(t.theirs.id, deleted="any"),
    "update": lambda view, t: view.instance.update(t.theirs.id, col(Instance.host).to("x")),
    "increment": lambda view, t: view.instance.increment(t.theirs.id, Instance.vcpus),
    "delete": lambda view, t: view.instance.delete(t.theirs.id),
    "hold": lambda view, t: view.instance.hold(t.theirs.id),
    "edit": lambda view, t: view.instance.edit(t.theirs.id).__enter__(),
    "save": lambda view, t: view.instance.save(forged(t)),
    "delete forged": lambda view, t: view.instance.delete(forged(t)),
}
# What is refused.
REFUSED: dict[str, Callable[[Nova, Tenants], Any]] = {
    "save theirs": lambda view, t: view.instance.save(t.db.instance.get(t.theirs.id)),
    "create for them": lambda view, t: view.instance.create(Instance(project_id="pb")),
    "create all for them": lambda view, t: view.instance.create_all([Instance(), Instance(project_id="pb")]),
    "create with their key": lambda view, t: view.instance.create(Instance(id=t.theirs.id)),
    "create with a key to come": lambda view, t: view.instance.create(Instance(id=t.theirs.id + 1)),
    "create all with a key": lambda view, t: view.instance.create_all([Instance(id=t.theirs.id + 1)]),
    "upsert": lambda view, t: view.instance.upsert(Instance(id=t.theirs.id)),
    "move": lambda view, t: view.instance.update(t.mine.id, MOVED),
    "move to nobody": lambda view, t: view.instance.update(t.mine.id, col(Instance.project_id).to(None)),
    "move several": lambda view, t: view.instance.update_where(col(Instance.host) == "h", changes=[MOVED]),
    "move by claim": lambda view, t: view.instance.claim(col(Instance.host) == "h", changes=[MOVED]),
    "purge": lambda view, t: view.instance.purge(t.theirs.id),
    "purge own": lambda view, t: view.instance.purge(t.mine.id),
    "purge where": lambda view, t: view.instance.purge_where(everything(), scan=True, deleted="any"),
    "load": lambda view, t: view.instance.load([t.theirs], Instance.metadata),
    "metadata of theirs": lambda view, t: view.instance_metadata.create(
        InstanceMetadataItem(key="k", value="v", instance_id=t.theirs.id)
    ),
    "an interface": lambda view, t: view.virtual_interface.create(VirtualInterface(instance_id=t.theirs.id)),
    "a device": lambda view, t: view.block_device_mapping.create(
        BlockDeviceMapping(instance_id=t.theirs.id, device_name="x")
    ),
    "a volume at theirs": lambda view, t: view.volume.create(Volume(instance_id=t.theirs.id)),
    "a volume at nothing": lambda view, t: view.volume.create(Volume(instance_id=999)),
    "a key pair": lambda view, t: view.key_pair.create(KeyPair(user_id="ub", name="k")),
    "system": lambda view, t: view.system,
    "outside": lambda view, t: view.outside,
    "system of a repository": lambda view, t: view.instance.system,
    "what others have on a network": lambda view, t: view.instance.find(
        load=(Instance.fixed_ips, FixedIp.network, Network.fixed_ips, FixedIp.instance)
    ),
}
# What is not there for it.
NOTHING: dict[str, Callable[[Nova, Tenants], Any]] = {
    "first": lambda view, t: view.instance.first(col(Instance.id) == t.theirs.id),
    "find": lambda view, t: view.instance.find(col(Instance.project_id) == "pb", deleted="any", scan=True),
    "count": lambda view, t: view.instance.count(col(Instance.project_id) == "pb", scan=True),
    "exists": lambda view, t: view.instance.exists(col(Instance.id) == t.theirs.id, deleted="any"),
    "aggregate": lambda view, t: view.instance.aggregate(count(), col(Instance.uuid) == t.theirs.uuid),
    "iterate": lambda view, t: list(view.instance.iterate(col(Instance.id) == t.theirs.id)),
    "select": lambda view, t: view.instance.select(NAMING, col(Instance.id) == t.theirs.id),
    "update where": lambda view, t: view.instance.update_where(
        col(Instance.id) == t.theirs.id, changes=[col(Instance.host).to("x")]
    ),
    "delete where": lambda view, t: view.instance.delete_where(col(Instance.id) == t.theirs.id),
    "destroy": lambda view, t: view.instance.destroy(t.theirs.id),
    "after": lambda view, t: [
        one for one in view.instance.find(after=t.mine, order_by=asc(Instance.id), scan=True) if one.id != t.mine.id
    ],
}


def everything_of(db: Nova) -> list[dict[str, Any]]:
    return [dict(one) for one in db.instance.find(deleted="any", scan=True)]


@pytest.mark.parametrize("wrap", [lambda way: way, in_transaction], ids=["alone", "in a transaction"])
def test_another_projects_records_are_out_of_reach(wrap: Any, tenants: Tenants) -> None:
    before = everything_of(tenants.db)
    for way in NOTHING.values():
        assert not wrap(way)(tenants.a, tenants)
    for ways, error in ((MISSING, NotFound), (REFUSED, NotAuthorized)):
        for way in ways.values():
            with pytest.raises(error):
                wrap(way)(tenants.a, tenants)
    assert everything_of(tenants.db) == before


@pytest.mark.parametrize("read_deleted", [False, True, "yes", "only"])
def test_reading_deleted_records_shows_no_others(read_deleted: bool | str, tenants: Tenants) -> None:
    tenants.b.instance.destroy(tenants.theirs.id)
    view = tenants.db.for_context(RequestContext("ua", "pa", read_deleted=read_deleted))
    assert all(one.project_id == "pa" for one in view.instance.find(deleted="any", scan=True))
    with pytest.raises(InstanceNotFound):
        view.instance.get(tenants.theirs.id)


def test_half_a_user_is_nobody(tenants: Tenants) -> None:
    for user, project_id in (("ua", None), (None, "pa"), (None, None), ("", ""), ("ua", ""), ("", "pa")):
        assert_kept_out(tenants.db.for_context(RequestContext(user, project_id)))


def assert_kept_out(view: Nova) -> None:
    for attempt in (
        lambda: view.instance.find(scan=True),
        lambda: view.instance.create(Instance()),
        lambda: view.key_pair.find(scan=True),
        lambda: view.instance.get_all_by_filters({}),
        view.instance_type.get_all,
    ):
        with pytest.raises(NotAuthorized):
            attempt()


def test_what_belongs_to_one_instance_cannot_be_moved_to_anothers(tenants: Tenants) -> None:
    a, mine, theirs = tenants.a, tenants.mine.id, tenants.theirs.id
    interface = a.virtual_interface.create(VirtualInterface(instance_id=mine, address="02:16:3e:00:00:01"))
    device = a.block_device_mapping.create(BlockDeviceMapping(instance_id=mine, device_name="x"))
    volume = a.volume.create(Volume(instance_id=mine))
    other = tenants.b.volume.create(Volume())
    moves: list[tuple[Any, int, Assignment]] = [
        (a.virtual_interface, interface.id, col(VirtualInterface.instance_id).to(theirs)),
        (a.block_device_mapping, device.id, col(BlockDeviceMapping.instance_id).to(theirs)),
        (a.block_device_mapping, device.id, col(BlockDeviceMapping.volume_id).to(other.id)),
        (a.volume, volume.id, col(Volume.instance_id).to(theirs)),
    ]
    for repository, key, change in moves:
        with pytest.raises(NotAuthorized):
            repository.update(key, change)
    with pytest.raises(NotAuthorized):
        a.block_device_mapping.update_or_create(
            BlockDeviceMapping(instance_id=mine, device_name="y", volume_id=other.id)
        )
    volume.instance_id = theirs
    with pytest.raises(NotAuthorized):
        a.volume.save(volume)
    with pytest.raises(NotAuthorized), a.volume.edit(volume.id) as edited:
        edited.instance_id = theirs
    with pytest.raises(NotAuthorized):
        a.volume.update_where(col(Volume.id) == volume.id, changes=[col(Volume.instance_id).to(theirs)])
    assert a.volume.get(volume.id).instance_id == mine


def test_what_administrators_give_no_user_makes_or_changes(tenants: Tenants) -> None:
    a = tenants.a
    limit = tenants.db.quota.create_for("pa", "instances", 1)
    address = tenants.db.floating_ip.create(FloatingIp(address="1.2.3.4", project_id="pa"))
    for attempt in (
        lambda: a.quota.create(Quota(project_id="pa", resource="cores", hard_limit=-1)),
        lambda: a.quota.update(limit.id, col(Quota.hard_limit).to(-1)),
        lambda: a.quota.delete(limit.id),
        lambda: a.quota.update_where(everything(), changes=[col(Quota.hard_limit).to(-1)], scan=True),
        lambda: a.certificate.create_all([Certificate(file_name="x")]),
        lambda: a.network.create(Network(cidr="10.0.0.0/8")),
        lambda: a.floating_ip.upsert(FloatingIp(address="5.6.7.8")),
        lambda: a.floating_ip.delete(address.id),
    ):
        with pytest.raises(AdminRequired):
            attempt()
    assert a.quota.get_by_project("pa", "instances").hard_limit == 1
    assert a.floating_ip.get(address.id, load=()).address == "1.2.3.4"


def test_a_callers_view_leads_to_no_other(tenants: Tenants) -> None:
    for context in (get_admin_context(), RequestContext("ub", "pb"), RequestContext("ua", "pa", is_admin=True)):
        with pytest.raises(UsageError):
            tenants.a.for_context(context)
    for attempt in (lambda: tenants.a.scoped("pb"), lambda: tenants.a.seeing("any"), lambda: tenants.db.scoped("pa")):
        with pytest.raises(UsageError):
            attempt()


def test_a_uuid_that_is_taken_is_taken(tenants: Tenants) -> None:
    with pytest.raises(Duplicate):
        tenants.a.instance.upsert(Instance(uuid=tenants.theirs.uuid), by=(Instance.uuid,))
    assert tenants.db.instance.get(tenants.theirs.id).project_id == "pb"


def test_an_edit_is_an_edit_by_all(tenants: Tenants) -> None:
    for view in (tenants.db, tenants.a):
        with view.instance.edit(tenants.mine.id) as instance:
            instance.display_name = "edited"
    assert tenants.a.instance.get(tenants.mine.id).display_name == "edited"


def test_every_reference_that_a_user_writes_is_looked_at() -> None:
    """A reference to what has an owner stands in owner or refers, but for groups that rules grant access to."""
    with Nova.connect("memory://") as db:
        entities = {model_of(model).collection: name for name, (_, model) in db._repositories.items()}
        owned = {name for name, (cls, _) in db._repositories.items() if cls.owner is not None}
        written = {o.entity for o in OPERATIONS if o.rule.who is USER and o.takes is not None}
        for name in sorted(written & owned):
            cls, model = db._repositories[name]
            looked_at = {cls.owner, *(field for field, _ in cls.refers)}
            for reference in db._engine.schema.collection(model_of(model).collection).references:
                if entities[reference.target] in owned and (name, reference.field) != (
                    "security_group_rule",
                    "group_id",
                ):
                    assert reference.field in looked_at, f"{name}.{reference.field}"
