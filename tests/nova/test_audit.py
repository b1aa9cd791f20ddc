"""The audit finds each fault that is planted, and says where."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from manystore import asc, col
from manystore.nova.audit import audit
from manystore.nova.database import Nova
from manystore.nova.model.instance import Instance
from manystore.nova.model.network import FixedIp, VirtualInterface
from manystore.nova.model.quota import Quota, QuotaUse
from manystore.nova.model.service import ComputeNode
from manystore.nova.replay import replay

from .conftest import small_trace

pytestmark = pytest.mark.slow  # a replay for each planted fault


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a replay in it, to be copied: a replay takes many times as long."""
    folder = tmp_path_factory.mktemp("replayed")
    replay(f"sqlite:///{folder / 'nova.db'}?durability=off", small_trace(folder))
    return folder / "nova.db"


@pytest.fixture
def db(url: str, trace: Path, request: pytest.FixtureRequest):
    if url.startswith("sqlite:"):
        shutil.copy(request.getfixturevalue("replayed"), trace.parent / "nova.db")
    else:
        replay(url, trace)
    with Nova.connect(url) as opened:
        yield opened


def running(db: Nova) -> list[Instance]:
    return db.instance.find(order_by=asc(Instance.id), scan=True)


def address_of(db: Nova, instance: Instance) -> FixedIp:
    return db.fixed_ip.get_by_instance(instance.id)[0]


def gone(db: Nova) -> Instance:
    return db.instance.find(scan=True, deleted="only")[0]


def free(db: Nova) -> FixedIp:
    found = db.fixed_ip.first(col(FixedIp.instance_id).is_(None), col(FixedIp.reserved).is_(False))
    assert found is not None
    return found


def same_address_twice(db: Nova) -> None:
    first, second = (address_of(db, instance) for instance in running(db))
    db.fixed_ip.update(second.id, col(FixedIp.address).to(first.address))


def second_address(db: Nova) -> None:
    interface = db.virtual_interface.get_by_instance(running(db)[0].id)[0]
    changes = [col(FixedIp.allocated).to(True), col(FixedIp.virtual_interface_id).to(interface.id)]
    db.fixed_ip.update(free(db).id, col(FixedIp.instance_id).to(running(db)[0].id), *changes)


def no_address(db: Nova) -> None:
    ip = address_of(db, running(db)[0])
    db.fixed_ip.deallocate(ip.address or "")
    db.fixed_ip.release(ip.address or "")


def address_of_the_dead(db: Nova) -> None:
    db.fixed_ip.update(free(db).id, col(FixedIp.instance_id).to(gone(db).id))


def address_kept_by_nobody(db: Nova) -> None:
    db.fixed_ip.update(free(db).id, col(FixedIp.allocated).to(True))


def leased_to_nobody(db: Nova) -> None:
    db.fixed_ip.update(free(db).id, col(FixedIp.leased).to(True))


def address_on_no_interface(db: Nova) -> None:
    db.fixed_ip.deallocate(address_of(db, running(db)[0]).address or "")


def reserved_address(db: Nova) -> None:
    db.fixed_ip.update(address_of(db, running(db)[0]).id, col(FixedIp.reserved).to(True))


def interface_of_the_dead(db: Nova) -> None:
    db.virtual_interface.create(VirtualInterface(address="02:00", instance_id=gone(db).id, network_id=1))


def second_interface(db: Nova) -> None:
    db.virtual_interface.create(VirtualInterface(address="02:00", instance_id=running(db)[0].id, network_id=1))


def still_building(db: Nova) -> None:
    db.instance.update(running(db)[0].id, col(Instance.vm_state).to("building"))


def host_uses_more(db: Nova) -> None:
    db.compute_node.increment(1, ComputeNode.vcpus_used, 1)


def host_is_overfull(db: Nova) -> None:
    db.compute_node.update(1, col(ComputeNode.memory_mb).to(1))


def unknown_host(db: Nova) -> None:
    db.instance.update(running(db)[0].id, col(Instance.host).to("nowhere"))


def quota_uses_less(db: Nova) -> None:
    db.quota_use.increment(("project-00000", "cores"), QuotaUse.used, -1)


def quota_is_passed(db: Nova) -> None:
    db.quota.update(db.quota.get_by_project("project-00000", "ram").id, col(Quota.hard_limit).to(1))


def lost_instance(db: Nova) -> None:
    db.instance.delete(running(db)[0].id)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (same_address_twice, "is held twice, by instances"),
        (second_address, "has 2 fixed ips, not one"),
        (no_address, "has 0 fixed ips, not one"),
        (address_of_the_dead, "which is gone"),
        (address_kept_by_nobody, "is nobody's, but still in use"),
        (leased_to_nobody, "is nobody's, but still in use"),
        (address_on_no_interface, "on none of its interfaces"),
        (reserved_address, "is reserved, but held by instance"),
        (interface_of_the_dead, "interface 02:00 belongs to instance"),
        (second_interface, "has 2 interfaces, not one"),
        (still_building, "is building, not active"),
        (host_uses_more, "host-00000: vcpus used is 5, but its instances use 4"),
        (host_is_overfull, "host-00000: memory_mb used is 7168, but it has 1"),
        (unknown_host, "'nowhere', which has no compute node"),
        (quota_uses_less, "project-00000: cores counted as used is 3, but its instances use 4"),
        (quota_is_passed, "project-00000: ram used is 7168, past its quota of 1"),
        (lost_instance, "1 instances are there, but the journal tells of 7 booted and 5 deleted"),
    ],
)
def test_a_planted_fault_is_found(db: Nova, fault: Callable[[Nova], None], told: str):
    assert audit(db).ok
    fault(db)
    found = audit(db)
    assert not found.ok
    assert any(told in problem for problem in found.problems), found.problems


def test_many_problems_are_counted_not_listed(db: Nova):
    for ip in db.fixed_ip.find(scan=True, limit=150):
        db.fixed_ip.update(ip.id, col(FixedIp.leased).to(True))
    problems = audit(db).problems
    assert len(problems) == 101
    assert problems[-1].startswith("... and ")
