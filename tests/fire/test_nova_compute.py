"""Four programs at Nova's hosts and instances: nothing is left of what is gone, nothing doubled, no host overfilled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from manystore import col
from manystore.nova.database import Nova
from manystore.nova.exception import InstanceNotFound
from manystore.nova.model.instance import BandwidthUsage, Instance, InstanceMetadataItem
from manystore.nova.model.instance_type import InstanceType
from manystore.nova.model.security_group import SecurityGroup, SecurityGroupInstanceAssociation
from manystore.nova.model.service import ComputeNode, Service
from manystore.testing.crew import Crew
from manystore.testing.provision import Place

from . import compute_contest as contest
from .compute_contest import Address

ROUNDS = pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.soak)])


@pytest.fixture
def nova(place: Place) -> Nova:
    return place.connect(Nova, on_call=None)


def add_instances(nova: Nova, rounds: int) -> list[int]:
    return [made.id for made in nova.instance.create_all([Instance(project_id="p") for _ in range(rounds)])]


@ROUNDS
def test_nothing_is_left_of_an_instance_that_others_add_to(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    instances, group = add_instances(nova, rounds), nova.security_group.create(SecurityGroup(name="g"))
    destroyed, *added = crew.run(contest.destroy_or_add, Address.of(place), instances, group.id)
    assert destroyed == ["done"] * rounds
    assert {told for each in added for told in each} <= {"done", InstanceNotFound.__name__}
    for instance in instances:
        assert nova.instance.get(instance, deleted="only").deleted_at is not None
        assert nova.instance_metadata.find(col(InstanceMetadataItem.instance_id) == instance) == []
        links = nova.security_group_instance_association
        assert links.find(col(SecurityGroupInstanceAssociation.instance_id) == instance) == []


@ROUNDS
def test_a_key_is_pinned_once_and_no_other_is_lost(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    instances = add_instances(nova, rounds)
    crew.run(contest.pin, Address.of(place), instances)
    own = {f"own-{number}" for number in range(crew.size)}
    for instance in instances:
        items = nova.instance_metadata.find(col(InstanceMetadataItem.instance_id) == instance)
        assert sorted(item.key or "" for item in items) == sorted({"shared", *own})
        assert nova.instance_metadata.get_by_instance(instance)["shared"] in {str(n) for n in range(crew.size)}


@ROUNDS
def test_an_extra_spec_is_asked_once_and_no_other_is_lost(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    sizes = nova.instance_type.create_all([InstanceType(name=f"m{n}", flavorid=str(n)) for n in range(rounds)])
    crew.run(contest.specify, Address.of(place), [size.id for size in sizes])
    own = {f"own-{number}" for number in range(crew.size)}
    for size in sizes:
        specs = nova.instance_type.get(size.id).extra_specs
        assert sorted(spec.key or "" for spec in specs) == sorted({"shared", *own})


@ROUNDS
def test_traffic_is_noted_in_one_record(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    (instance,) = add_instances(nova, 1)
    start = datetime(2011, 11, 11, tzinfo=UTC)
    periods = [start + timedelta(days=number) for number in range(rounds)]
    crew.run(contest.meter, Address.of(place), instance, periods)
    found = nova.bw_usage.find(col(BandwidthUsage.instance_id) == instance)
    assert sorted(usage.start_period for usage in found) == periods
    assert all(usage.bw_in == usage.bw_out for usage in found)


@ROUNDS
def test_an_instance_joins_a_group_once(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    instances, group = add_instances(nova, rounds), nova.security_group.create(SecurityGroup(name="g"))
    crew.run(contest.join, Address.of(place), instances, group.id)
    found = nova.security_group_instance_association.find(
        col(SecurityGroupInstanceAssociation.security_group_id) == group.id
    )
    assert sorted(link.instance_id or 0 for link in found) == instances


def test_a_host_is_filled_to_its_bound(nova: Nova, place: Place, crew: Crew) -> None:
    node = nova.compute_node.create(ComputeNode(vcpus=100, memory_mb=1000, vcpus_used=3))
    taken = crew.run(contest.fill, Address.of(place), node.id, 2, 30)
    found = nova.compute_node.get(node.id)
    assert sum(taken) == 33  # the memory is used up first
    assert (found.vcpus_used, found.memory_mb_used) == (3 + 2 * 33, 30 * 33)
    assert not found.has_room(2, 30)


@ROUNDS
def test_a_service_and_its_node_go_together(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    services = nova.service.create_all([Service(host=f"h{n}", topic="compute") for n in range(rounds)])
    made = [ComputeNode(service_id=service.id, vcpus=9, memory_mb=9, vcpus_used=0) for service in services]
    nodes = [node.id for node in nova.compute_node.create_all(made)]
    told = crew.run(contest.retire, Address.of(place), [service.id for service in services], nodes)
    assert {service is node for each in told for service, node in each} <= {True}
    assert nova.service.find() == nova.compute_node.find() == []


@ROUNDS
def test_an_instance_is_seen_with_its_metadata_or_not_at_all(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    told = crew.run(contest.make_or_look, Address.of(place), rounds)
    assert all(pinned == {"a": "1", "b": "2"} for each in told for pinned in each)
    assert nova.instance.count(col(Instance.project_id) == "p") == rounds * crew.size // 2
