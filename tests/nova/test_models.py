"""The 42 models beside what those of November 2011 were: every field, length, default, key, reference and relation."""

import dataclasses
import inspect
import pickle

import pytest

from manystore.model.model import Model, model_of
from manystore.nova.database import Nova
from manystore.nova.model.instance import Instance
from manystore.nova.model.volume import Snapshot, Volume
from manystore.schema.schema import Collection

# Model, table, fields, .relations. A field is name:type, with its longest length; ! never None, * part of the key,
# + counted up by the store, ^ unique, ->table it refers to, =default where that is not None.
FACTS = """
Service services id:int!*+ host:str255 binary:str255 topic:str255 report_count:int!=0 disabled:bool=False
    availability_zone:str255=nova .compute_node:ComputeNode[]
ComputeNode compute_nodes id:int!*+ service_id:int->services vcpus:int memory_mb:int local_gb:int vcpus_used:int
    memory_mb_used:int local_gb_used:int hypervisor_type:str hypervisor_version:int cpu_info:str .service:Service
Certificate certificates id:int!*+ user_id:str255 project_id:str255 file_name:str255
Instance instances id:int!*+ user_id:str255 project_id:str255 image_ref:str255 kernel_id:str255 ramdisk_id:str255
    server_name:str255 launch_index:int key_name:str255 key_data:str power_state:int vm_state:str255
    task_state:str255 memory_mb:int vcpus:int local_gb:int hostname:str255 host:str255 instance_type_id:int
    user_data:str reservation_id:str255 scheduled_at:datetime launched_at:datetime terminated_at:datetime
    availability_zone:str255 display_name:str255 display_description:str255 launched_on:str locked:bool
    os_type:str255 architecture:str255 vm_mode:str255 uuid:str36 root_device_name:str255 default_local_device:str255
    default_swap_device:str255 config_drive:str255 access_ip_v4:str255 access_ip_v6:str255 managed_disk:bool
    progress:int .instance_type:InstanceType .volumes:Volume[] .balock_device_mapping:BlockDeviceMapping[]
    .security_groups:SecurityGroup[] .fixed_ips:FixedIp[] .metadata:InstanceMetadataItem[]
VirtualStorageArray virtual_storage_arrays id:int!*+ display_name:str255 display_description:str255
    project_id:str255 availability_zone:str255 instance_type_id:int->instance_types image_ref:str255 vc_count:int=0
    vol_count:int=0 status:str255 .vsa_instance_type:InstanceType
InstanceAction instance_actions id:int!*+ instance_id:int->instances action:str255 error:str
InstanceType instance_types id:int!*+ name:str255^ memory_mb:int vcpus:int local_gb:int flavorid:str255^ swap:int!=0
    rxtx_quota:int!=0 rxtx_cap:int!=0 vcpu_weight:int .instances:Instance[] .vsas:VirtualStorageArray[]
    .extra_specs:InstanceTypeExtraSpec[]
Volume volumes id:int!*+ user_id:str255 project_id:str255 snapshot_id:str255 host:str255 size:int
    availability_zone:str255 instance_id:int->instances mountpoint:str255 attach_time:str255 status:str255
    attach_status:str255 scheduled_at:datetime launched_at:datetime terminated_at:datetime display_name:str255
    display_description:str255 provider_location:str255 provider_auth:str255 volume_type_id:int .instance:Instance
    .volume_metadata:VolumeMetadataItem[] .volume_type:VolumeType .iscsi_target:IscsiTarget
VolumeMetadataItem volume_metadata id:int!*+ key:str255 value:str255 volume_id:int!->volumes .volume:Volume
VolumeType volume_types id:int!*+ name:str255^ .volumes:Volume[] .extra_specs:VolumeTypeExtraSpec[]
VolumeTypeExtraSpec volume_type_extra_specs id:int!*+ key:str255 value:str255 volume_type_id:int!->volume_types
    .volume_type:VolumeType
Quota quotas id:int!*+ project_id:str255 resource:str255 hard_limit:int
Snapshot snapshots id:int!*+ user_id:str255 project_id:str255 volume_id:int status:str255 progress:str255
    volume_size:int display_name:str255 display_description:str255
BlockDeviceMapping block_device_mapping id:int!*+ instance_id:int!->instances device_name:str255!
    delete_on_termination:bool=False virtual_name:str255 snapshot_id:int->snapshots volume_id:int->volumes
    volume_size:int no_device:bool connection_info:str .instance:Instance .snapshot:Snapshot .volume:Volume
IscsiTarget iscsi_targets id:int!*+ target_num:int host:str255 volume_id:int->volumes .volume:Volume
SecurityGroupInstanceAssociation security_group_instance_association id:int!*+
    security_group_id:int->security_groups instance_id:int->instances
SecurityGroup security_groups id:int!*+ name:str255 description:str255 user_id:str255 project_id:str255
    .instances:Instance[] .rules:SecurityGroupRule[]
SecurityGroupRule security_group_rules id:int!*+ parent_group_id:int->security_groups protocol:str5 from_port:int
    to_port:int cidr:str255 group_id:int->security_groups .parent_group:SecurityGroup .grantee_group:SecurityGroup
ProviderFirewallRule provider_fw_rules id:int!*+ protocol:str5 from_port:int to_port:int cidr:str255
KeyPair key_pairs id:int!*+ name:str255 user_id:str255 fingerprint:str255 public_key:str
Migration migrations id:int!*+ source_compute:str255 dest_compute:str255 dest_host:str255 old_instance_type_id:int
    new_instance_type_id:int instance_uuid:str255->instances status:str255
Network networks id:int!*+ label:str255 injected:bool=False cidr:str255^ cidr_v6:str255^ multi_host:bool=False
    gateway_v6:str255 netmask_v6:str255 netmask:str255 bridge:str255 bridge_interface:str255 gateway:str255
    broadcast:str255 dns1:str255 dns2:str255 vlan:int vpn_public_address:str255 vpn_public_port:int
    vpn_private_address:str255 dhcp_start:str255 project_id:str255 priority:int host:str255 uuid:str36
    .virtual_interfaces:VirtualInterface[] .fixed_ips:FixedIp[]
VirtualInterface virtual_interfaces id:int!*+ address:str255^ network_id:int->networks instance_id:int! uuid:str36
    .network:Network .fixed_ips:FixedIp[]
FixedIp fixed_ips id:int!*+ address:str255 network_id:int->networks virtual_interface_id:int->virtual_interfaces
    instance_id:int->instances allocated:bool=False leased:bool=False reserved:bool=False host:str255
    .network:Network .virtual_interface:VirtualInterface .instance:Instance .floating_ips:FloatingIp[]
FloatingIp floating_ips id:int!*+ address:str255 fixed_ip_id:int->fixed_ips project_id:str255 host:str255
    auto_assigned:bool!=False .fixed_ip:FixedIp
AuthToken auth_tokens token_hash:str255!* user_id:str255 server_management_url:str255 storage_url:str255
    cdn_management_url:str255
User users id:str255!* name:str255 access_key:str255 secret_key:str255 is_admin:bool .projects:Project[]
    .roles:UserRoleAssociation[]
Project projects id:str255!* name:str255 description:str255 project_manager:str255->users .members:User[]
UserProjectRoleAssociation user_project_role_association user_id:str255!* project_id:str255!* role:str255!*
    .user:User .project:Project
UserRoleAssociation user_role_association user_id:str255!*->users role:str255!* .user:User
UserProjectAssociation user_project_association user_id:str255!*->users project_id:str255!*->projects
ConsolePool console_pools id:int!*+ address:str255 username:str255 password:str255 console_type:str255
    public_hostname:str255 host:str255 compute_host:str255 .consoles:Console[]
Console consoles id:int!*+ instance_name:str255 instance_id:int password:str255 port:int pool_id:int->console_pools
    .pool:ConsolePool
InstanceMetadataItem instance_metadata id:int!*+ key:str255 value:str255 instance_id:int!->instances
    .instance:Instance
InstanceTypeExtraSpec instance_type_extra_specs id:int!*+ key:str255 value:str255
    instance_type_id:int!->instance_types .instance_type:InstanceType
Zone zones id:int!*+ name:str255 api_url:str255 username:str255 password:str255 weight_offset:float=0.0
    weight_scale:float=1.0
AgentBuild agent_builds id:int!*+ hypervisor:str255 os:str255 architecture:str255 version:str255 url:str255
    md5hash:str255
BandwidthUsage bw_usage_cache id:int!*+ instance_id:int! network_label:str255 start_period:datetime!
    last_refreshed:datetime bw_in:int bw_out:int
S3Image s3_images id:int!*+ uuid:str36!
SMFlavor sm_flavors id:int!*+ label:str255 description:str255
SMBackendConf sm_backend_config id:int!*+ flavor_id:int!->sm_flavors sr_uuid:str255 sr_type:str255
    config_params:str2047
SMVolume sm_volume id:int!*->volumes backend_id:int!->sm_backend_config vdi_uuid:str255
"""
COMMON = ("created_at", "updated_at", "deleted_at", "deleted")

# What is not as it was, and what is there instead. Many-to-many relations go through their links, and properties give
# what they lead to; docs/nova.md has the reason of each.
CHANGED = {
    "Instance": (
        ".balock_device_mapping:BlockDeviceMapping[] .security_groups:SecurityGroup[] uuid:str36",
        ".block_device_mappings:BlockDeviceMapping[] .security_group_links:SecurityGroupInstanceAssociation[] "
        "uuid:str36^",
    ),
    "InstanceType": (".instances:Instance[] .vsas:VirtualStorageArray[]", ""),
    "Migration": ("instance_uuid:str255->instances", "instance_uuid:str255"),
    "Project": (".members:User[]", ".manager:User .member_links:UserProjectAssociation[]"),
    "SecurityGroup": (".instances:Instance[]", ".instance_links:SecurityGroupInstanceAssociation[]"),
    "SecurityGroupInstanceAssociation": ("", ".instance:Instance .security_group:SecurityGroup"),
    "User": (".projects:Project[]", ".project_links:UserProjectAssociation[]"),
    "UserProjectAssociation": ("", ".project:Project .user:User"),
    "UserProjectRoleAssociation": (
        "project_id:str255!* user_id:str255!*",
        "project_id:str255!*->projects user_id:str255!*->users",
    ),
    "Volume": (".iscsi_target:IscsiTarget", ".iscsi_targets:IscsiTarget[]"),
    "VolumeType": (".volumes:Volume[]", ""),
}
OURS = {"NetworkTaking", "QuotaUse", "Journal"}
TOGETHER = {  # uniques of several fields, and among which records they hold
    "BandwidthUsage": ("live", "instance_id", "network_label", "start_period"),
    "BlockDeviceMapping": ("live", "instance_id", "device_name"),
    "InstanceMetadataItem": ("live", "instance_id", "key"),
    "InstanceTypeExtraSpec": ("live", "instance_type_id", "key"),
    "IscsiTarget": ("all", "target_num", "host"),
    "KeyPair": ("live", "user_id", "name"),
    "Network": ("all", "vpn_public_address", "vpn_public_port"),
    "Quota": ("live", "project_id", "resource"),
    "SecurityGroupInstanceAssociation": ("live", "security_group_id", "instance_id"),
    "VolumeMetadataItem": ("live", "volume_id", "key"),
    "VolumeTypeExtraSpec": ("live", "volume_type_id", "key"),
}
PROPERTIES = {
    "Instance": "name security_groups",
    "Project": "members",
    "SecurityGroup": "instances",
    "Snapshot": "name volume_name",
    "User": "projects",
    "VirtualInterface": "fixed_ipv6",
    "VirtualStorageArray": "name",
    "Volume": "name iscsi_target",
}


def listed(facts: str) -> dict[str, tuple[str, set[str]]]:
    """Give each model's table and all else that is said of it."""
    lines = facts.replace("\n    ", " ").strip().splitlines()
    return {words[0]: (words[1], set(words[2:])) for words in map(str.split, lines)}


def described(model: Model, collection: Collection) -> set[str]:
    """Say of a model of ours what the facts say of one of 2011."""
    alone = {one.fields[0] for one in collection.uniques if len(one.fields) == 1}
    leads = {one.field: f"->{one.target}" for one in collection.references}
    found = set[str]()
    for spec in model.fields:
        if spec.name in COMMON:
            continue
        marks = "!" * (not spec.optional) + "*" * spec.key + "+" * spec.generated + "^" * (spec.name in alone)
        default = "" if spec.default in (dataclasses.MISSING, None) else f"={spec.default}"
        kind = f"{spec.type.kind}{spec.type.length or ''}"
        found.add(f"{spec.column}:{kind}{marks}{leads.get(spec.name, '')}{default}")
    for one in model.related:
        to = str(inspect.get_annotations(model.cls)[one.name]).removesuffix(" | None")
        found.add(f".{one.name}:{to[5:-1]}[]" if to.startswith("list[") else f".{one.name}:{to}")
    return found


@pytest.fixture(scope="module")
def ours() -> dict[str, tuple[Model, Collection]]:
    with Nova.connect("memory://") as db:
        models = [model_of(cls) for _, cls in db._repositories.values()]
        return {model.name: (model, db._engine.schema.collection(model.collection)) for model in models}


def test_there_are_42_and_three_of_ours(ours: dict[str, tuple[Model, Collection]]) -> None:
    assert len(listed(FACTS)) == 42
    assert set(ours) == {*listed(FACTS), *OURS}


@pytest.mark.parametrize("name", listed(FACTS))
def test_a_model_is_what_it_was(name: str, ours: dict[str, tuple[Model, Collection]]) -> None:
    (table, facts), (model, collection) = listed(FACTS)[name], ours[name]
    gone, new = CHANGED.get(name, ("", ""))
    there = described(model, collection)
    assert collection.name == table
    assert facts - there == set(gone.split())
    assert there - facts == set(new.split())
    assert tuple(spec.name for spec in model.fields)[:4] == COMMON
    together = [(one.among, *one.fields) for one in collection.uniques if len(one.fields) > 1]
    assert together == [TOGETHER[one] for one in (name,) if one in TOGETHER]
    assert all(one.among == "all" for one in collection.uniques if len(one.fields) == 1)


@pytest.mark.parametrize(("name", "properties"), PROPERTIES.items())
def test_its_properties_are_there(name: str, properties: str, ours: dict[str, tuple[Model, Collection]]) -> None:
    for attribute in properties.split():
        assert isinstance(getattr(ours[name][0].cls, attribute), property)


def test_fields_keep_the_order_of_the_tables() -> None:
    names = [field.name for field in dataclasses.fields(Instance)]
    assert names[:7] == [*COMMON, "id", "user_id", "project_id"]
    assert len(names) == 4 + 41


def test_names_are_made_of_ids() -> None:
    with Nova.connect("memory://") as db:
        assert db.instance.create(Instance()).name == "instance-00000001"
        assert db.volume.create(Volume()).name == "volume-00000001"
        snapshot = db.snapshot.create(Snapshot(volume_id=1))
        assert (snapshot.name, snapshot.volume_name) == ("snapshot-00000001", "volume-00000001")


def test_records_have_dict_habits_and_travel() -> None:
    instance = Instance(host="a", vcpus=2)
    assert instance["host"] == "a"
    assert dict(instance)["vcpus"] == 2
    assert pickle.loads(pickle.dumps(instance)) == instance
