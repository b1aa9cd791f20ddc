"""What Nova's code took for granted and no table promised, is promised: what comes once, and what is there."""

from manystore.migrations import AddReference, AddUnique, Arrange, Migration, Reference, Unique

migration = Migration(
    "0059_promises",
    after=("0058_as_the_classes_say",),
    operations=(
        AddUnique(
            "block_device_mapping",
            Unique("unique_instance_id_device_name", ("instance_id", "device_name"), among="live"),
        ),
        AddUnique(
            "bw_usage_cache",
            Unique(
                "unique_instance_id_network_label_start_period",
                ("instance_id", "network_label", "start_period"),
                among="live",
            ),
        ),
        AddReference("compute_nodes", Reference("service_id", "services")),
        AddUnique("instance_metadata", Unique("unique_instance_id_key", ("instance_id", "key"), among="live")),
        AddUnique(
            "instance_type_extra_specs",
            Unique("unique_instance_type_id_key", ("instance_type_id", "key"), among="live"),
        ),
        AddUnique("instances", Unique("unique_uuid", ("uuid",))),
        AddUnique("iscsi_targets", Unique("unique_target_num_host", ("target_num", "host"))),
        AddUnique("key_pairs", Unique("unique_user_id_name", ("user_id", "name"), among="live")),
        AddUnique("networks", Unique("unique_cidr", ("cidr",))),
        AddUnique("networks", Unique("unique_cidr_v6", ("cidr_v6",))),
        AddUnique(
            "networks",
            Unique("unique_vpn_public_address_vpn_public_port", ("vpn_public_address", "vpn_public_port")),
        ),
        AddUnique("quotas", Unique("unique_project_id_resource", ("project_id", "resource"), among="live")),
        AddUnique(
            "security_group_instance_association",
            Unique("unique_security_group_id_instance_id", ("security_group_id", "instance_id"), among="live"),
        ),
        AddReference("virtual_storage_arrays", Reference("instance_type_id", "instance_types")),
        AddUnique("volume_metadata", Unique("unique_volume_id_key", ("volume_id", "key"), among="live")),
        AddUnique(
            "volume_type_extra_specs",
            Unique("unique_volume_type_id_key", ("volume_type_id", "key"), among="live"),
        ),
        Arrange("fixed_ips", "references", order=("network_id", "virtual_interface_id", "instance_id")),
    ),
)
