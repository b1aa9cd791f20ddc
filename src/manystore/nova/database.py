"""Nova's database: one repository an entity, by Nova's names, for the program itself or for one caller."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from manystore import Database, UsageError

from .access import ALL, OWN, Deleted, Sees
from .context import RequestContext
from .exception import NotAuthorized
from .repository.block_device import BlockDeviceMappingRepository, IscsiTargetRepository, SnapshotRepository
from .repository.console import ConsolePoolRepository, ConsoleRepository
from .repository.fixed_ip import FixedIpRepository
from .repository.floating_ip import FloatingIpRepository
from .repository.instance import InstanceRepository
from .repository.instance_metadata import InstanceMetadataRepository
from .repository.instance_type import InstanceTypeExtraSpecRepository, InstanceTypeRepository
from .repository.journal import JournalRepository
from .repository.key_pair import AuthTokenRepository, CertificateRepository, KeyPairRepository
from .repository.migration import BandwidthUsageRepository, InstanceActionRepository, MigrationRepository
from .repository.network import NetworkRepository, NetworkTakingRepository
from .repository.project import (
    ProjectRepository,
    UserProjectRepository,
    UserProjectRoleRepository,
    UserRepository,
    UserRoleRepository,
)
from .repository.queue import Queue
from .repository.quota import QuotaRepository, QuotaUseRepository
from .repository.security_group import (
    ProviderFirewallRuleRepository,
    SecurityGroupInstanceAssociationRepository,
    SecurityGroupRepository,
    SecurityGroupRuleRepository,
)
from .repository.service import AgentBuildRepository, ComputeNodeRepository, ServiceRepository, ZoneRepository
from .repository.storage import (
    S3ImageRepository,
    SMBackendConfRepository,
    SMFlavorRepository,
    SMVolumeRepository,
    VirtualStorageArrayRepository,
)
from .repository.virtual_interface import VirtualInterfaceRepository
from .repository.volume import VolumeMetadataRepository, VolumeRepository
from .repository.volume_type import VolumeTypeExtraSpecRepository, VolumeTypeRepository


class Nova(Database):
    """The control plane's data: `Nova.connect(url)`, then `db.instance.get_by_uuid(...)`, with all rights.

    `db.for_context(context)` gives a caller's view. Within an operation: sees, what it sees of other projects.
    """

    migrations = "migrations"

    service: ServiceRepository
    compute_node: ComputeNodeRepository
    agent_build: AgentBuildRepository
    zone: ZoneRepository
    instance: InstanceRepository
    instance_metadata: InstanceMetadataRepository
    instance_action: InstanceActionRepository
    bw_usage: BandwidthUsageRepository
    migration: MigrationRepository
    instance_type: InstanceTypeRepository
    instance_type_extra_spec: InstanceTypeExtraSpecRepository
    console_pool: ConsolePoolRepository
    console: ConsoleRepository
    network: NetworkRepository
    network_taking: NetworkTakingRepository
    virtual_interface: VirtualInterfaceRepository
    fixed_ip: FixedIpRepository
    floating_ip: FloatingIpRepository
    security_group: SecurityGroupRepository
    security_group_rule: SecurityGroupRuleRepository
    security_group_instance_association: SecurityGroupInstanceAssociationRepository
    provider_fw_rule: ProviderFirewallRuleRepository
    volume: VolumeRepository
    volume_metadata: VolumeMetadataRepository
    volume_type: VolumeTypeRepository
    volume_type_extra_spec: VolumeTypeExtraSpecRepository
    snapshot: SnapshotRepository
    block_device_mapping: BlockDeviceMappingRepository
    iscsi_target: IscsiTargetRepository
    vsa: VirtualStorageArrayRepository
    s3_image: S3ImageRepository
    sm_flavor: SMFlavorRepository
    sm_backend_conf: SMBackendConfRepository
    sm_volume: SMVolumeRepository
    user: UserRepository
    project: ProjectRepository
    user_project_association: UserProjectRepository
    user_role_association: UserRoleRepository
    user_project_role_association: UserProjectRoleRepository
    auth_token: AuthTokenRepository
    certificate: CertificateRepository
    key_pair: KeyPairRepository
    quota: QuotaRepository
    quota_use: QuotaUseRepository
    journal: JournalRepository

    queue = Queue()

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.context: RequestContext | None = None
        self.sees: Sees = ALL
        self.is_open = False

    def for_context(self, context: RequestContext, /) -> Self:
        """Give the same database for one caller: each operation checks whether that caller may.

        From a caller's view no way leads to another's: UsageError.
        """
        if self.context is not None and self.context is not context:
            raise UsageError("this is a caller's view already; ask the database itself for another's")
        return self._view(context=context, is_open=False)

    def scoped(self, value: object, /) -> Self:
        """Raise UsageError: whose records are seen is the rules' business here."""
        raise UsageError("use for_context: the rules say which records a caller sees")

    def seeing(self, deleted: Deleted, /) -> Self:
        """Raise UsageError: whether deleted records are seen is the rules' business here."""
        raise UsageError("use a context's read_deleted, or deleted= of a read: the rules say what else is seen")

    def now(self) -> datetime:
        """Give the time by the clock that makes the stamps."""
        return self._engine.clock()

    @property
    def system(self) -> Self:
        """Give the whole of it, unguarded: for operations, which were let in before. From a caller's view: refused."""
        return self._unguarded()

    @property
    def outside(self) -> Self:
        """Give what system gives, outside the transaction that is open: for what must be there before it ends."""
        return self._unguarded(_tx=None, _peeking=False)

    def _unguarded(self, **changes: Any) -> Self:
        if self.context is not None and not self.is_open:
            raise NotAuthorized
        return self._view(is_open=True, sees=ALL, _scope=None, _deleted="no", **changes)

    def _opened(self, repository: Any, deleted: Deleted, sees: Sees) -> Self:
        """Give the view that an operation of a repository goes on in."""
        scope = self.owner_for(repository) if sees is OWN else None
        return self._view(is_open=True, sees=sees, _scope=scope, _deleted=deleted)

    def owner_for(self, repository: Any) -> str | None:
        """Give what a repository's records of this caller have as their owner."""
        context = self.context
        if context is None:
            return None
        return context.user_id if repository.owner == "user_id" else context.project_id
