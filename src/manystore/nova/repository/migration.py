"""Instances on their way, what was done to them, and what they sent and received."""

from __future__ import annotations

from datetime import datetime, timedelta

from manystore import col

from ..exception import MigrationNotFound, MigrationNotFoundByStatus
from ..model.instance import BandwidthUsage, InstanceAction, Migration
from .guard import NovaRepository

_FINISHED = "FINISHED"  # the instance is at its new place or size, and its user has to confirm it


class MigrationRepository(NovaRepository[Migration]):
    """Instances on their way to another host or size."""

    entity = "migration"
    missing = (MigrationNotFound, "migration_id")

    def get_by_instance_and_status(self, instance_uuid: str, status: str) -> Migration:
        """Give an instance's move in a status; raise MigrationNotFoundByStatus."""
        found = self.first(col(Migration.instance_uuid) == instance_uuid, col(Migration.status) == status)
        if found is None:
            raise MigrationNotFoundByStatus(instance_id=instance_uuid, status=status)
        return found

    def get_all_unconfirmed(self, confirm_window: int) -> list[Migration]:
        """Give the moves that have been finished for that many seconds or longer, and are not confirmed."""
        since = self.database.now() - timedelta(seconds=confirm_window)
        return self.find(col(Migration.status) == _FINISHED, col(Migration.updated_at) <= since)


class InstanceActionRepository(NovaRepository[InstanceAction]):
    """What was done to instances."""

    entity = "instance_action"
    owner = "instance_id"
    parent = "instance"

    def get_all_by_instance(self, instance_id: int | str) -> list[InstanceAction]:
        """Give what was done to the instance with an id, or with a uuid; raise InstanceNotFound for an unknown uuid."""
        if isinstance(instance_id, str):
            instance_id = self.database.instance.get_by_uuid(instance_id, load=()).id
        return self.find(col(InstanceAction.instance_id) == instance_id)


class BandwidthUsageRepository(NovaRepository[BandwidthUsage]):
    """What instances sent and received."""

    entity = "bw_usage"
    owner = "instance_id"
    parent = "instance"

    def get_by_instance(self, instance_id: int, start_period: datetime) -> list[BandwidthUsage]:
        """Give what an instance sent and received in the period that began then, by network."""
        return self.find(
            col(BandwidthUsage.instance_id) == instance_id, col(BandwidthUsage.start_period) == start_period
        )

    def record(self, instance_id: int, network_label: str, start_period: datetime, bw_in: int, bw_out: int) -> None:
        """Note what an instance has sent and received on a network in a period so far, in the one record of them.

        Raises InstanceNotFound.
        """
        self.database.instance.get(instance_id, load=())
        usage = BandwidthUsage(
            instance_id=instance_id,
            network_label=network_label,
            start_period=start_period,
            last_refreshed=self.database.now(),
            bw_in=bw_in,
            bw_out=bw_out,
        )
        self.upsert(usage, by=(BandwidthUsage.instance_id, BandwidthUsage.network_label, BandwidthUsage.start_period))
