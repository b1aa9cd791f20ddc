"""Instances on their way, what was done to them, and what they sent and received."""

from __future__ import annotations

from ..exception import MigrationNotFound
from ..model.instance import BandwidthUsage, InstanceAction, Migration
from .guard import NovaRepository


class MigrationRepository(NovaRepository[Migration]):
    """Instances on their way to another host or size."""

    entity = "migration"
    missing = (MigrationNotFound, "migration_id")


class InstanceActionRepository(NovaRepository[InstanceAction]):
    """What was done to instances."""

    entity = "instance_action"
    owner = "instance_id"
    parent = "instance"


class BandwidthUsageRepository(NovaRepository[BandwidthUsage]):
    """What instances sent and received."""

    entity = "bw_usage"
    owner = "instance_id"
    parent = "instance"
