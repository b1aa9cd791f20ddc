"""A sample cloud: one of everything, all of one project, and arguments for each operation that find it there.

For what must call every operation: `manystore nova api`, and the tests of access and access paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .context import RequestContext
from .database import Nova
from .model.console import Console, ConsolePool
from .model.instance import BandwidthUsage, Instance, InstanceAction, InstanceMetadataItem, Migration
from .model.instance_type import InstanceType, InstanceTypeExtraSpec
from .model.network import FixedIp, FloatingIp, Network, VirtualInterface
from .model.project import (
    AuthToken,
    Certificate,
    KeyPair,
    Project,
    User,
    UserProjectAssociation,
    UserProjectRoleAssociation,
    UserRoleAssociation,
)
from .model.quota import Quota
from .model.security_group import (
    ProviderFirewallRule,
    SecurityGroup,
    SecurityGroupInstanceAssociation,
    SecurityGroupRule,
)
from .model.service import AgentBuild, ComputeNode, Service, Zone
from .model.storage import S3Image, SMBackendConf, SMFlavor, SMVolume, VirtualStorageArray
from .model.volume import (
    BlockDeviceMapping,
    IscsiTarget,
    Snapshot,
    Volume,
    VolumeMetadataItem,
    VolumeType,
    VolumeTypeExtraSpec,
)
from .operation import CHANGES, RECORDS, Operation

OWNER = RequestContext("alice", "blue")
STRANGER = RequestContext("bob", "red")
NOBODY = RequestContext()
_START = datetime(2011, 11, 11, tzinfo=UTC)

# What `values` holds in a create, and in an update, by entity.
_NEW: Mapping[str, Mapping[str, Any]] = {
    "instance": {"project_id": "blue", "user_id": "alice"},
    "volume": {"project_id": "blue", "user_id": "alice", "size": 1},
    "snapshot": {"project_id": "blue", "user_id": "alice"},
    "security_group": {"project_id": "blue", "name": "web"},
    "key_pair": {"user_id": "alice", "name": "another"},
    "vsa": {"project_id": "blue"},
    "user": {"id": "carol"},
    "project": {"id": "green"},
    "auth_token": {"token_hash": "another"},
}
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "service": {"disabled": True},
    "compute_node": {"vcpus_used": 1},
    "certificate": {"file_name": "other.pem"},
    "floating_ip": {"host": "other"},
    "fixed_ip": {"leased": True},
    "migration": {"status": "CONFIRMED"},
    "virtual_interface": {"uuid": "another"},
    "instance": {"display_name": "renamed"},
    "network": {"label": "renamed"},
    "auth_token": {"storage_url": "elsewhere"},
    "volume": {"display_name": "renamed"},
    "snapshot": {"display_name": "renamed"},
    "block_device_mapping": {"volume_size": 2},
    "user": {"name": "renamed"},
    "project": {"name": "renamed"},
    "zone": {"name": "renamed"},
    "agent_build": {"version": "2"},
    "vsa": {"display_name": "renamed"},
    "sm_backend_conf": {"sr_type": "other"},
    "sm_flavor": {"description": "other"},
    "sm_volume": {"vdi_uuid": "another"},
}


class Sample:
    """The sample cloud in a database. Everything that has a number has 1, but for what is free."""

    def __init__(self, db: Nova) -> None:
        self.instance = self._fill(db)
        self._values = self._by_parameter()

    def arguments(self, operation: Operation) -> list[Any]:
        """Give arguments of 2011 for an operation, without the context."""
        own = self._by_function().get(operation.function, {})
        return [own[name] if name in own else self._value(operation, name) for name in operation.names]

    def _value(self, operation: Operation, name: str) -> Any:
        if name in ("values", "token", "rule"):
            is_change = operation.takes is CHANGES
            return dict((_CHANGES if is_change else {**_NEW, **self._made()}).get(operation.entity, {}))
        if operation.takes is RECORDS:
            return [{"address": "10.0.0.99", "network_id": 1}]
        return self._values[name]

    def _fill(self, db: Nova) -> Instance:
        every = db.system
        every.user.create(User(id="alice", name="alice", access_key="ak", secret_key="sk"))
        every.project.create(Project(id="blue", name="blue", project_manager="alice"))
        every.user_project_association.create(UserProjectAssociation(user_id="alice", project_id="blue"))
        every.user_role_association.create(UserRoleAssociation(user_id="alice", role="netadmin"))
        every.user_project_role_association.create(
            UserProjectRoleAssociation(user_id="alice", project_id="blue", role="developer")
        )
        every.auth_token.create(AuthToken(token_hash="hash", user_id="alice"))
        every.certificate.create(Certificate(user_id="alice", project_id="blue", file_name="a.pem"))
        every.key_pair.create(KeyPair(user_id="alice", name="key", public_key="ssh-rsa"))
        every.quota.create(Quota(project_id="blue", resource="cores", hard_limit=5))
        self._fill_hosts(every)
        instance = self._fill_instance(every)
        self._fill_network(every)
        self._fill_storage(every)
        return instance

    def _fill_hosts(self, every: Nova) -> None:
        every.service.create(Service(host="host", binary="nova-compute", topic="compute"))
        every.compute_node.create(ComputeNode(service_id=1, vcpus=8, memory_mb=4096, local_gb=100))
        every.agent_build.create(AgentBuild(hypervisor="xen", os="linux", architecture="x86", version="1"))
        every.zone.create(Zone(name="zone", api_url="http://127.0.0.1"))
        every.console_pool.create(ConsolePool(host="proxy", compute_host="host", console_type="vnc"))
        every.instance_type.create(InstanceType(name="small", flavorid="1", vcpus=1, memory_mb=512, local_gb=1))
        every.instance_type.create(InstanceType(name="spare", flavorid="3"))
        every.instance_type_extra_spec.create(InstanceTypeExtraSpec(instance_type_id=1, key="key", value="value"))

    def _fill_instance(self, every: Nova) -> Instance:
        instance = every.instance.create(
            Instance(
                user_id="alice",
                project_id="blue",
                host="host",
                reservation_id="r-1",
                instance_type_id=1,
                vcpus=1,
                memory_mb=512,
                image_ref="0",
                vm_state="active",
                task_state="rebooting",
                power_state=1,
                launched_at=_START,
                uuid="11111111-1111-4111-8111-111111111111",
            )
        )
        every.instance_metadata.create(InstanceMetadataItem(instance_id=1, key="key", value="value"))
        every.instance_action.create(InstanceAction(instance_id=1, action="reboot"))
        every.bw_usage.create(BandwidthUsage(instance_id=1, network_label="net", start_period=_START, bw_in=1))
        every.migration.create(Migration(instance_uuid=instance.uuid, status="FINISHED"))
        every.console.create(Console(instance_id=1, pool_id=1, port=5900))
        return instance

    def _fill_network(self, every: Nova) -> None:
        every.network.create(
            Network(
                label="net",
                cidr="10.0.0.0/24",
                cidr_v6="fd00::/64",
                bridge="br100",
                host="host",
                project_id="blue",
                uuid="net-1",
            )
        )
        every.network.create(Network(label="free", cidr="10.0.1.0/24"))
        every.virtual_interface.create(
            VirtualInterface(address="02:16:3e:00:00:01", network_id=1, instance_id=1, uuid="vif-1")
        )
        every.fixed_ip.create(
            FixedIp(
                address="10.0.0.3", network_id=1, virtual_interface_id=1, instance_id=1, allocated=True, leased=True
            )
        )
        every.fixed_ip.create(FixedIp(address="10.0.0.4", network_id=1))
        every.fixed_ip.create(FixedIp(address="10.0.0.1", network_id=1, host="host"))
        every.floating_ip.create(FloatingIp(address="192.0.2.1", project_id="blue", fixed_ip_id=1, host="host"))
        every.floating_ip.create(FloatingIp(address="192.0.2.2"))
        every.security_group.create(SecurityGroup(project_id="blue", user_id="alice", name="default"))
        every.security_group_rule.create(SecurityGroupRule(parent_group_id=1, group_id=1, protocol="tcp"))
        every.security_group_instance_association.create(
            SecurityGroupInstanceAssociation(security_group_id=1, instance_id=1)
        )
        every.provider_fw_rule.create(ProviderFirewallRule(protocol="tcp", cidr="192.0.2.0/24"))

    def _fill_storage(self, every: Nova) -> None:
        every.volume_type.create(VolumeType(name="small"))
        every.volume_type_extra_spec.create(VolumeTypeExtraSpec(volume_type_id=1, key="key", value="value"))
        every.volume.create(
            Volume(user_id="alice", project_id="blue", host="host", size=1, instance_id=1, volume_type_id=1)
        )
        every.volume.create(Volume(project_id="blue"))
        every.volume_metadata.create(VolumeMetadataItem(volume_id=1, key="key", value="value"))
        every.snapshot.create(Snapshot(user_id="alice", project_id="blue", volume_id=1))
        every.block_device_mapping.create(BlockDeviceMapping(instance_id=1, device_name="/dev/vdb", volume_id=1))
        every.iscsi_target.create(IscsiTarget(target_num=1, host="host", volume_id=1))
        every.iscsi_target.create(IscsiTarget(target_num=2, host="host"))
        every.vsa.create(VirtualStorageArray(project_id="blue", instance_type_id=1))
        every.s3_image.create(S3Image(uuid="image-1"))
        every.sm_flavor.create(SMFlavor(label="gold"))
        every.sm_backend_conf.create(SMBackendConf(flavor_id=1, sr_uuid="sr-1"))
        every.sm_backend_conf.create(SMBackendConf(flavor_id=1, sr_uuid="sr-2"))
        every.sm_volume.create(SMVolume(id=1, backend_id=1))

    def _made(self) -> Mapping[str, Mapping[str, Any]]:
        """Give values for what belongs to something else."""
        return {
            "fixed_ip": {"address": "10.0.0.98", "network_id": 1},
            "floating_ip": {"address": "192.0.2.98"},
            "virtual_interface": {"address": "02:16:3e:00:00:99", "instance_id": 1, "network_id": 1},
            "instance_action": {"instance_id": 1, "action": "reboot"},
            "security_group_rule": {"parent_group_id": 1, "protocol": "udp"},
            "block_device_mapping": {"instance_id": 1, "device_name": "/dev/vdc", "virtual_name": None},
            "console": {"instance_id": 1, "pool_id": 1},
            "iscsi_target": {"target_num": 3, "host": "host"},
            "instance_type": {"name": "large", "flavorid": "2"},
            "volume_type": {"name": "large"},
            "network": {"cidr": "10.0.2.0/24"},
            "migration": {"instance_uuid": self.instance.uuid},
            "sm_backend_conf": {"flavor_id": 1},
            "sm_volume": {"id": 2, "backend_id": 1},
            "compute_node": {"service_id": 1},
        }

    def _by_parameter(self) -> Mapping[str, Any]:
        now = datetime.now(UTC) + timedelta(hours=1)
        names = {
            "host": "host", "binary": "nova-compute", "topic": "compute", "project_id": "blue", "user_id": "alice",
            "address": "10.0.0.3", "fixed_address": "10.0.0.3", "floating_address": "192.0.2.1", "key": "key",
            "name": "small", "role": "netadmin", "resource": "cores", "uuid": self.instance.uuid,
            "instance_uuid": self.instance.uuid, "cidr": "10.0.0.0/24", "bridge": "br100", "group_name": "default",
            "reservation_id": "r-1", "status": "FINISHED", "access_key": "ak", "uid": "alice", "hypervisor": "xen",
            "os": "linux", "architecture": "x86", "compute_host": "host", "console_type": "vnc", "proxy_host": "proxy",
            "ec2_id": "vol-00000001", "host_id": "host", "image_uuid": "image-1", "mountpoint": "/dev/vdb",
            "network_label": "net", "physical_node_id": "host", "sm_flavor": "gold", "sr_uuid": "sr-1",
            "token_hash": "hash", "token_id": "hash", "vif_uuid": "vif-1",
        }  # fmt: skip
        values = {
            "associate": True, "begin": now, "end": None, "bw_in": 1, "bw_out": 1, "confirm_window": 0,
            "reboot_window": 0, "delete": True, "disabled": None, "extra_specs": {"key": "other"}, "filters": {},
            "force": False, "ids": [1], "inactive": False, "limit": 7, "metadata": {"key": "other"},
            "network_uuids": ["net-1"], "num_vpn_clients": 0, "reserved": False, "session": None,
            "start_period": _START, "time": now,
        }  # fmt: skip
        numbered = (
            "instance_id service_id compute_id certificate_id migration_id vif_id volume_id snapshot_id bdm_id zone_id "
            "network_id fixed_ip_id security_group_id security_group_rule_id rule_id image_id instance_type_id id "
            "volume_type_id agent_build_id agent_update_id vsa_id sm_backend_conf_id sm_flavor_id pool_id console_id"
        )
        return {**dict.fromkeys(numbered.split(), 1), **names, **values}

    def _by_function(self) -> Mapping[str, Mapping[str, Any]]:
        """Give arguments that differ from the others of their name."""
        floating = {"address": "192.0.2.1"}
        return {
            **{
                f"floating_ip_{name}": floating
                for name in ("deallocate", "destroy", "disassociate", "get_by_address", "update", "set_auto_assigned")
            },
            "virtual_interface_get_by_address": {"address": "02:16:3e:00:00:01"},
            "fixed_ip_associate": {"address": "10.0.0.4", "network_id": 1},
            "network_get_by_uuid": {"uuid": "net-1"},
            "network_get_all_by_uuids": {"project_id": "blue"},
            "network_set_cidr": {"cidr": "10.0.3.0/24"},
            "instance_get_by_fixed_ipv6": {"address": "fd00::16:3eff:fe00:1"},
            "instance_get_all_by_filters": {"filters": {"display_name": "a.*"}},  # the worst: no index helps
            "provider_fw_rule_get_all_by_cidr": {"cidr": "192.0.2.0/24"},
            "user_get": {"id": "alice"},
            "user_delete": {"id": "alice"},
            "project_get": {"id": "blue"},
            "user_add_role": {"role": "another"},
            "user_add_project_role": {"role": "another"},
            "user_remove_project_role": {"role": "developer"},
            "key_pair_get": {"name": "key"},
            "key_pair_destroy": {"name": "key"},
            "quota_create": {"resource": "ram"},
            "instance_type_purge": {"name": "spare"},  # the other is a storage array's
            "instance_type_get_by_flavor_id": {"id": "1"},
            "sm_backend_conf_delete": {"sm_backend_conf_id": 2},
            "sm_flavor_get": {"sm_flavor": "gold"},
            "sm_flavor_update": {"sm_flavor_id": "gold"},
            "sm_flavor_delete": {"sm_flavor_id": "silver"},
            "s3_image_create": {"image_uuid": "image-2"},
            "console_get_by_pool_instance": {"instance_id": 1},
        }
