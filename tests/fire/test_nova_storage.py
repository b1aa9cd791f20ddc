"""Four programs on Nova's volumes, limits, users and keys: none is taken twice, none is left behind, none mixed."""

from __future__ import annotations

import pytest

from manystore import col
from manystore.nova.database import Nova
from manystore.nova.model.instance import Instance
from manystore.nova.model.project import KeyPair, Project, User
from manystore.nova.model.quota import QuotaUse
from manystore.nova.model.volume import IscsiTarget, Volume, VolumeMetadataItem, VolumeType
from manystore.testing.crew import Crew
from manystore.testing.provision import Place

from . import storage_contest
from .storage_contest import HOST, PROJECT, USER, Address, Things

ROUNDS = pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.soak)])


@pytest.fixture
def nova(place: Place) -> Nova:
    return place.connect(Nova, on_call=None)


def things(nova: Nova, volumes: int) -> Things:
    made = [nova.volume.create(Volume(project_id=PROJECT)).id for _ in range(volumes)]
    return Things(nova.instance.create(Instance()).id, nova.volume_type.create(VolumeType(name="t")).id, made)


def test_each_target_of_a_host_is_one_volumes(nova: Nova, place: Place, crew: Crew) -> None:
    targets = 10
    volumes = things(nova, 16).volumes
    taken = crew.run(storage_contest.fill_and_take, Address.of(place), targets, volumes)
    everything = {volume: number for each in taken for volume, number in each.items()}
    assert sorted(everything.values()) == list(range(1, targets + 1))
    stored = nova.iscsi_target.find(col(IscsiTarget.host) == HOST)
    assert {target.volume_id: target.target_num for target in stored} == everything


def test_no_limit_is_passed_together(nova: Nova, place: Place, crew: Crew) -> None:
    nova.quota.create_for(PROJECT, "gigabytes", 100)
    nova.volume.create(Volume(project_id=PROJECT, size=30))  # from before anything was counted
    outcomes = crew.run(storage_contest.use_up, Address.of(place), 3, 10)
    assert sorted(told for each in outcomes for told in each) == ["QuotaError"] * 5 + ["done"] * 7
    assert nova.volume.data_get_for_project(PROJECT) == (8, 100)
    assert nova.quota.allowed_volumes(PROJECT, 1, 10) == 0
    used = {use.resource: use.used for use in nova.quota_use.find(col(QuotaUse.project_id) == PROJECT)}
    assert used == {"volumes": 8, "gigabytes": 100}


@ROUNDS
def test_what_is_written_at_once_is_not_mixed(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    met = things(nova, rounds)
    crew.run(storage_contest.write_over, Address.of(place), met)
    for volume in met.volumes:
        left = nova.volume_metadata.get_by_volume(volume)
        assert left == {"all": left["all"], f"only-{left['all']}": "yes"}
    specs = nova.volume_type_extra_spec.get_by_type(met.volume_type)
    assert specs == {"all": specs["all"], **{f"only-{number}": "yes" for number in range(crew.size)}}
    devices = nova.block_device_mapping.get_all_by_instance(met.instance)
    assert sorted(d.device_name for d in devices if not d.virtual_name) == [f"/dev/vd{n}" for n in range(rounds)]
    assert [d.virtual_name for d in devices if d.virtual_name] == ["swap"]


@ROUNDS
def test_a_name_is_given_once(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    outcomes = crew.run(storage_contest.take_keys, Address.of(place), rounds)
    for number, told in enumerate(zip(*outcomes, strict=True)):
        for which in (0, 1):
            assert sorted(each[which] for each in told) == ["Duplicate"] * (crew.size - 1) + ["done"]
        winner = [each[0] for each in told].index("done")
        assert nova.key_pair.get_by_name(USER, f"key-{number}").public_key == str(winner)
        limiter = [each[1] for each in told].index("done")
        assert nova.quota.get_by_project(PROJECT, f"r{number}").hard_limit == limiter
    assert nova.key_pair.count(col(KeyPair.user_id) == USER) == rounds


@ROUNDS
def test_a_destroyed_volume_leaves_nothing_taken(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    met = things(nova, rounds)
    for number in range(rounds):
        nova.iscsi_target.create(IscsiTarget(host=HOST, target_num=number))
    outcomes = crew.run(storage_contest.destroy_or_use, Address.of(place), met)
    assert set(outcomes[0]) == {"done"}
    for volume, attached in zip(met.volumes, outcomes[1], strict=True):
        gone = nova.volume.get(volume, deleted="only", load=())
        there = (met.instance, "in-use") if attached == "done" else (None, None)
        assert (gone.instance_id, gone.status) == there
        assert nova.volume_metadata.find(col(VolumeMetadataItem.volume_id) == volume) == []
    assert all(target.is_free for target in nova.iscsi_target.find(col(IscsiTarget.host) == HOST))


@ROUNDS
def test_who_is_deleted_keeps_no_right(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    for number in range(rounds):
        nova.user.create(User(id=f"{USER}-{number}"))
        nova.project.create(Project(id=f"{PROJECT}-{number}"))
    outcomes = crew.run(storage_contest.delete_or_grant, Address.of(place), rounds)
    assert set(outcomes[0]) == {"done"}
    users = {user.id for user in nova.user.find()}
    projects = {project.id for project in nova.project.find()}
    assert (len(users), len(projects)) == (rounds // 2, rounds - rounds // 2)
    roles = [link.user_id for link in nova.user_role_association.find(scan=True)]
    assert sorted(roles) == sorted(users)  # whose project went, was given its role in any case
    assert nova.user_project_association.find(scan=True) == []
    assert nova.user_project_role_association.find(scan=True) == []
