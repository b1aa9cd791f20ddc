"""Nova's tables of November 2011 as SQLAlchemy made them then, on three databases, and data as the drivers wrote it.

There were two ways to come by them: `nova-manage db sync`, which ran migrations 001 to 057 (deployed), and the classes,
which could make their tables as well. Where the two differ, `_CLASSES` is what the classes say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

# table: column type, key, ! not null, unique, >table a foreign key to its key
_CLASSES = """
services: id int key, host str255, binary str255, topic str255, report_count int !, disabled bool, availability_zone
    str255
compute_nodes: id int key, service_id int >services, vcpus int, memory_mb int, local_gb int, vcpus_used int,
    memory_mb_used int, local_gb_used int, hypervisor_type text, hypervisor_version int, cpu_info text
certificates: id int key, user_id str255, project_id str255, file_name str255
instances: id int key, user_id str255, project_id str255, image_ref str255, kernel_id str255, ramdisk_id str255,
    server_name str255, launch_index int, key_name str255, key_data text, power_state int, vm_state str255,
    task_state str255, memory_mb int, vcpus int, local_gb int, hostname str255, host str255, instance_type_id int,
    user_data text, reservation_id str255, scheduled_at datetime, launched_at datetime, terminated_at datetime,
    availability_zone str255, display_name str255, display_description str255, launched_on text, locked bool,
    os_type str255, architecture str255, vm_mode str255, uuid str36, root_device_name str255, default_local_device
    str255, default_swap_device str255, config_drive str255, access_ip_v4 str255, access_ip_v6 str255, managed_disk
    bool, progress int
virtual_storage_arrays: id int key, display_name str255, display_description str255, project_id str255,
    availability_zone str255, instance_type_id int >instance_types, image_ref str255, vc_count int, vol_count int,
    status str255
instance_actions: id int key, instance_id int >instances, action str255, error text
instance_types: id int key, name str255 unique, memory_mb int, vcpus int, local_gb int, flavorid str255 unique, swap
    int !, rxtx_quota int !, rxtx_cap int !, vcpu_weight int
volumes: id int key, user_id str255, project_id str255, snapshot_id str255, host str255, size int, availability_zone
    str255, instance_id int >instances, mountpoint str255, attach_time str255, status str255, attach_status str255,
    scheduled_at datetime, launched_at datetime, terminated_at datetime, display_name str255, display_description
    str255, provider_location str255, provider_auth str255, volume_type_id int
volume_metadata: id int key, key str255, value str255, volume_id int ! >volumes
volume_types: id int key, name str255 unique
volume_type_extra_specs: id int key, key str255, value str255, volume_type_id int ! >volume_types
quotas: id int key, project_id str255, resource str255, hard_limit int
snapshots: id int key, user_id str255, project_id str255, volume_id int, status str255, progress str255, volume_size
    int, display_name str255, display_description str255
block_device_mapping: id int key, instance_id int ! >instances, device_name str255 !, delete_on_termination bool,
    virtual_name str255, snapshot_id int >snapshots, volume_id int >volumes, volume_size int, no_device bool,
    connection_info text
iscsi_targets: id int key, target_num int, host str255, volume_id int >volumes, unique target_num host
security_group_instance_association: id int key, security_group_id int >security_groups, instance_id int >instances
security_groups: id int key, name str255, description str255, user_id str255, project_id str255
security_group_rules: id int key, parent_group_id int >security_groups, protocol str5, from_port int, to_port int,
    cidr str255, group_id int >security_groups
provider_fw_rules: id int key, protocol str5, from_port int, to_port int, cidr str255
key_pairs: id int key, name str255, user_id str255, fingerprint str255, public_key text
migrations: id int key, source_compute str255, dest_compute str255, dest_host str255, old_instance_type_id int,
    new_instance_type_id int, instance_uuid str255, status str255
networks: id int key, label str255, injected bool, cidr str255 unique, cidr_v6 str255 unique, multi_host bool,
    gateway_v6 str255, netmask_v6 str255, netmask str255, bridge str255, bridge_interface str255, gateway str255,
    broadcast str255, dns1 str255, dns2 str255, vlan int, vpn_public_address str255, vpn_public_port int,
    vpn_private_address str255, dhcp_start str255, project_id str255, priority int, host str255, uuid str36, unique
    vpn_public_address vpn_public_port
virtual_interfaces: id int key, address str255 unique, network_id int >networks, instance_id int !, uuid str36
fixed_ips: id int key, address str255, network_id int >networks, virtual_interface_id int >virtual_interfaces,
    instance_id int >instances, allocated bool, leased bool, reserved bool, host str255
floating_ips: id int key, address str255, fixed_ip_id int >fixed_ips, project_id str255, host str255, auto_assigned
    bool !
auth_tokens: token_hash str255 key, user_id str255, server_management_url str255, storage_url str255,
    cdn_management_url str255
users: id str255 key, name str255, access_key str255, secret_key str255, is_admin bool
projects: id str255 key, name str255, description str255, project_manager str255 >users
user_project_role_association: user_id str255 key, project_id str255 key, role str255 key
user_role_association: user_id str255 key >users, role str255 key
user_project_association: user_id str255 key >users, project_id str255 key >projects
console_pools: id int key, address str255, username str255, password str255, console_type str255, public_hostname
    str255, host str255, compute_host str255
consoles: id int key, instance_name str255, instance_id int, password str255, port int, pool_id int >console_pools
instance_metadata: id int key, key str255, value str255, instance_id int ! >instances
instance_type_extra_specs: id int key, key str255, value str255, instance_type_id int ! >instance_types
zones: id int key, name str255, api_url str255, username str255, password str255, weight_offset float, weight_scale
    float
agent_builds: id int key, hypervisor str255, os str255, architecture str255, version str255, url str255, md5hash
    str255
bw_usage_cache: id int key, instance_id int !, network_label str255, start_period datetime !, last_refreshed
    datetime, bw_in bigint, bw_out bigint
s3_images: id int key, uuid str36 !
sm_flavors: id int key, label str255, description str255
sm_backend_config: id int key, flavor_id int ! >sm_flavors, sr_uuid str255, sr_type str255, config_params str2047
sm_volume: id int key >volumes, backend_id int ! >sm_backend_config, vdi_uuid str255
"""
_COMMON = ("created_at datetime", "updated_at datetime", "deleted_at datetime", "deleted bool")
_REQUIRED = {
    "compute_nodes": (
        "service_id vcpus memory_mb local_gb vcpus_used memory_mb_used local_gb_used "
        "hypervisor_type hypervisor_version cpu_info"
    ),
    "virtual_storage_arrays": "instance_type_id vc_count vol_count",
    "instance_types": "memory_mb vcpus local_gb",
    "quotas": "resource",
    "snapshots": "volume_id",
}
_RETYPED = {
    ("volumes", "snapshot_id"): "int",
    ("volumes", "provider_location"): "str256",
    ("volumes", "provider_auth"): "str256",
    ("security_group_rules", "protocol"): "str255",
}
_UNREFERENCED = {("compute_nodes", "service_id"), ("virtual_storage_arrays", "instance_type_id")}
_LEFT_OVER = {  # what no class had any more, and no migration took away
    "instances": "internal_id int",
    "snapshots": "scheduled_at datetime",
    "volumes": "ec2_id str255",
}
# 0031 made one table anew on SQLite, without two of its references and its checks, and with more that must be there.
_REBUILT = "fixed_ips"
_REBUILT_UNREFERENCED = ("network_id", "instance_id")
_REBUILT_REQUIRED = ("created_at", "deleted")
_DEPLOYED_LINKS = {
    "user_project_role_association": (("user_id", "project_id"), "user_project_association", ("user_id", "project_id"))
}
# Only SQLite took this one, since nothing says that an instance's uuid comes once.
_CLASS_LINKS_ON_SQLITE = {"migrations": (("instance_uuid",), "instances", ("uuid",))}
Link: TypeAlias = tuple[tuple[str, ...], str, tuple[str, ...]]
_UNPROMISED = ("networks", "iscsi_targets")  # whose uniques only the classes have
_NULLABLE = {("floating_ips", "auto_assigned")}
_TYPES = {
    "sqlite": {
        "int": "INTEGER", "bigint": "BIGINT", "text": "TEXT", "bool": "BOOLEAN", "float": "FLOAT",
        "datetime": "DATETIME",
    },
    "postgresql": {
        "int": "INTEGER", "bigint": "BIGINT", "text": "TEXT", "bool": "BOOLEAN", "float": "FLOAT",
        "datetime": "TIMESTAMP WITHOUT TIME ZONE",
    },
    "mariadb": {
        "int": "INTEGER", "bigint": "BIGINT", "text": "TEXT", "bool": "BOOL", "float": "FLOAT",
        "datetime": "DATETIME",
    },
}  # fmt: skip
ROWS = 3
_BEGAN = datetime(2011, 11, 10, 23, 32, 18, tzinfo=UTC)


class Column:
    def __init__(self, table: str, text: str, *, deployed: bool, rebuilt: bool) -> None:
        words = text.split()
        self.table = table
        self.name, self.type = words[:2]
        self.is_key = "key" in words[2:]
        self.required = "!" in words
        self.unique = "unique" in words
        self.target = next((word[1:] for word in words if word.startswith(">")), None)
        place = (table, self.name)
        if deployed:
            self.type = _RETYPED.get(place, self.type)
            self.required = (self.required or self.name in _REQUIRED.get(table, "").split()) and place not in _NULLABLE
            self.unique = self.unique and table not in _UNPROMISED
            self.target = None if place in _UNREFERENCED else self.target
        self.rebuilt = rebuilt
        if rebuilt:
            self.required = self.required or self.name in _REBUILT_REQUIRED
            self.target = None if self.name in _REBUILT_UNREFERENCED else self.target

    def value(self, row: int) -> Any:
        """Give what a row, from 1 on, has: another value in each, in the last none where there may be none."""
        if self.name == "deleted":
            return row == 2
        if self.name == "deleted_at":
            return _time(row) if row == 2 else None
        if row == ROWS and not (self.required or self.is_key):
            return None
        match self.type:
            case "int" | "bigint":
                return row if self.type == "int" else 2**40 + row
            case "bool":
                return row % 2 == 1
            case "float":
                return row / 4
            case "datetime":
                return _time(row)
        if self.name == "protocol":
            return ("tcp", "udp", "icmp")[row - 1]
        # A text key begins with its table's name, and so does what refers to it.
        owners = {"user_id": "users", "project_id": "projects", "id": self.table, "instance_uuid": "uuid"}
        return f"{self.target or owners.get(self.name, self.name)} {row}é"


def _time(row: int) -> datetime:
    return _BEGAN + timedelta(days=row, microseconds=123456 if row == 2 else 0)


class Tables:
    """One database's tables. deployed: as the migrations left them."""

    def __init__(self, database: str, *, deployed: bool) -> None:
        self.database = database
        self.columns: dict[str, list[Column]] = {}
        self.together: dict[str, list[list[str]]] = {}
        self.links: dict[str, Link] = _DEPLOYED_LINKS if deployed else {}
        if database == "sqlite" and not deployed:
            self.links = _CLASS_LINKS_ON_SQLITE
        # The classes asked for one; MySQL kept the one of a foreign key that 0047 dropped.
        self.indexes = {} if deployed else {"quotas": "project_id"}
        if database == "mariadb" and deployed:
            self.indexes = {"virtual_interfaces": "instance_id"}
        for text in _CLASSES.replace("\n    ", " ").strip().splitlines():
            table, _, parts = text.partition(": ")
            listed = parts.split(", ")
            further = [part for part in listed if part.startswith("unique ")]
            self.together[table] = [] if deployed else [part.split()[1:] for part in further]
            wanted = [*_COMMON, *(part for part in listed if part not in further)]
            if deployed and table in _LEFT_OVER:
                wanted.append(_LEFT_OVER[table])
            rebuilt = deployed and database == "sqlite" and table == _REBUILT
            self.columns[table] = [Column(table, part, deployed=deployed, rebuilt=rebuilt) for part in wanted]

    def ordered(self) -> list[str]:
        """Give the tables, each behind those that it refers to."""
        done: list[str] = []
        while len(done) < len(self.columns):
            done += [
                table
                for table, columns in self.columns.items()
                if table not in done
                and all(c.target in (None, table, *done) for c in columns)
                and (table not in self.links or self.links[table][1] in done)
            ]
        return done

    def quoted(self, name: str) -> str:
        return f"`{name}`" if self.database == "mariadb" else f'"{name}"'

    def creation(self) -> Iterator[str]:
        for table in self.ordered():
            keys = [column for column in self.columns[table] if column.is_key]
            lines = [self._line(table, column, keys) for column in self.columns[table]]
            lines.append(f"PRIMARY KEY ({', '.join(self.quoted(column.name) for column in keys)})")
            for column in self.columns[table]:
                if column.target is not None:
                    (target,) = [c.name for c in self.columns[column.target] if c.is_key]
                    lines.append(self._link(((column.name,), column.target, (target,))))
                if column.unique:
                    lines.append(f"UNIQUE ({self.quoted(column.name)})")
                if column.type == "bool" and self.database == "sqlite" and not column.rebuilt:
                    lines.append(f"CHECK ({self.quoted(column.name)} IN (0, 1))")
            lines += [f"UNIQUE ({', '.join(map(self.quoted, names))})" for names in self.together[table]]
            if table in self.links:
                lines.append(self._link(self.links[table]))
            options = "ENGINE=InnoDB DEFAULT CHARSET=utf8" if self.database == "mariadb" else ""
            yield f"CREATE TABLE {self.quoted(table)} ({', '.join(lines)}) {options}"
            if table in self.indexes:
                column_name = self.indexes[table]
                yield f"CREATE INDEX ix_{table}_{column_name} ON {table} ({column_name})"
        # That of sqlalchemy-migrate.
        long = "LONGTEXT" if self.database == "mariadb" else "TEXT"
        yield (
            "CREATE TABLE migrate_version "
            f"(repository_id VARCHAR(250) NOT NULL PRIMARY KEY, repository_path {long}, version INTEGER)"
        )
        yield "INSERT INTO migrate_version VALUES ('nova', '/usr/lib/nova/db', 57)"

    def _link(self, link: Link) -> str:
        fields, target, keys = link
        names, there = (", ".join(map(self.quoted, columns)) for columns in (fields, keys))
        return f"FOREIGN KEY({names}) REFERENCES {self.quoted(target)} ({there})"

    def _line(self, table: str, column: Column, keys: list[Column]) -> str:
        kind = _TYPES[self.database].get(column.type) or f"VARCHAR({column.type[3:]})"
        if column.is_key and column.type == "int" and len(keys) == 1 and column.target is None:
            kind = {"postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}.get(self.database, kind)
        if column.rebuilt and column.type == "bool" and column.name != "deleted":
            kind += " DEFAULT FALSE"
        return f"{self.quoted(column.name)} {kind}{' NOT NULL' if column.required or column.is_key else ''}"

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        for row in range(1, ROWS + 1):
            yield {column.name: column.value(row) for column in self.columns[table]}

    def filling(self) -> Iterator[str]:
        for table in self.ordered():
            for row in self.rows(table):
                names = ", ".join(map(self.quoted, row))
                values = ", ".join(map(self._literal, row.values()))
                yield f"INSERT INTO {self.quoted(table)} ({names}) VALUES ({values})"

    def _literal(self, value: Any) -> str:
        if isinstance(value, datetime):
            # SQLAlchemy's own type of that time wrote microseconds always; scripts and triggers did not.
            micros = self.database == "sqlite" and value.microsecond == 0 and value.day % 2 == 0
            text = value.replace(tzinfo=None).isoformat(" ", "seconds" if micros else "microseconds")
            return f"'{text}'"
        if isinstance(value, bool):
            return str(value).lower() if self.database == "postgresql" else str(int(value))
        return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else repr(value)

    def kept(self, value: Any) -> Any:
        """Give what the database keeps of a value: MySQL of that time had no microseconds."""
        return value.replace(microsecond=0) if self.database == "mariadb" and isinstance(value, datetime) else value


Execute = Callable[[str], object]


def build(execute: Execute, database: str, *, deployed: bool = True) -> Tables:
    """Make all tables and fill them, by raw SQL."""
    tables = Tables(database, deployed=deployed)
    for text in (*tables.creation(), *tables.filling()):
        execute(text)
    return tables
