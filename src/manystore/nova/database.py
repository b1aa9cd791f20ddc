"""Nova's database: one repository a model, by Nova's names."""

from __future__ import annotations

from manystore import Database, Repository

from .model.instance_type import InstanceTypeExtraSpec
from .model.journal import Journal
from .model.project import Project, User
from .repository.instance import InstanceMetadataRepository, InstanceRepository, InstanceTypeRepository
from .repository.network import FixedIpRepository, NetworkRepository, VirtualInterfaceRepository
from .repository.quota import QuotaRepository, QuotaUseRepository
from .repository.service import ComputeNodeRepository, ServiceRepository


class Nova(Database):
    """The control plane's data: `Nova.connect(url)`, then `db.instance.get_by_uuid(...)`."""

    service: ServiceRepository
    compute_node: ComputeNodeRepository
    instance: InstanceRepository
    instance_metadata: InstanceMetadataRepository
    instance_type: InstanceTypeRepository
    instance_type_extra_spec: Repository[InstanceTypeExtraSpec, int]
    network: NetworkRepository
    virtual_interface: VirtualInterfaceRepository
    fixed_ip: FixedIpRepository
    user: Repository[User, str]
    project: Repository[Project, str]
    quota: QuotaRepository
    quota_use: QuotaUseRepository
    journal: Repository[Journal, int]
