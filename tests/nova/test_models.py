"""The models hold what Nova's did, field by field."""

import dataclasses
import pickle

import pytest

from manystore.nova.database import Nova
from manystore.nova.model.instance import Instance
from manystore.nova.model.network import FixedIp, Network, VirtualInterface
from manystore.nova.model.service import ComputeNode, Service

COMMON = ["created_at", "updated_at", "deleted_at", "deleted"]
INSTANCE = """
    id user_id project_id image_ref kernel_id ramdisk_id server_name launch_index key_name key_data power_state
    vm_state task_state memory_mb vcpus local_gb hostname host instance_type_id user_data reservation_id
    scheduled_at launched_at terminated_at availability_zone display_name display_description launched_on locked
    os_type architecture vm_mode uuid root_device_name default_local_device default_swap_device config_drive
    access_ip_v4 access_ip_v6 managed_disk progress
"""


def names(cls: type) -> list[str]:
    return [f.name for f in dataclasses.fields(cls)]


def test_an_instance_has_its_41_fields_and_the_common_four():
    assert len(INSTANCE.split()) == 41
    assert names(Instance) == [*COMMON, *INSTANCE.split()]


@pytest.mark.parametrize(
    ("cls", "count"), [(Service, 7), (ComputeNode, 11), (Network, 24), (VirtualInterface, 5), (FixedIp, 9)]
)
def test_the_others_have_theirs(cls: type, count: int):
    assert names(cls)[:4] == COMMON
    assert len(names(cls)) == 4 + count


def test_defaults():
    service, network = Service(), Network()
    assert (service.report_count, service.disabled, service.availability_zone) == (0, False, "nova")
    assert (network.injected, network.multi_host, network.cidr) == (False, False, None)


def test_an_instance_has_a_name_once_it_has_an_id():
    with Nova.connect("memory://") as db:
        assert db.instance.create(Instance()).name == "instance-00000001"


def test_records_have_dict_habits_and_travel():
    instance = Instance(host="a", vcpus=2)
    assert instance["host"] == "a"
    assert dict(instance)["vcpus"] == 2
    assert pickle.loads(pickle.dumps(instance)) == instance


def test_tables_have_the_deployed_names():
    with Nova.connect("memory://") as db:
        assert str(db.instance.explain(limit=1, deleted="any"))
    collections = {
        cls.__manystore__.collection for cls in (Service, ComputeNode, Instance, Network, VirtualInterface, FixedIp)
    }
    assert collections == {"services", "compute_nodes", "instances", "networks", "virtual_interfaces", "fixed_ips"}
