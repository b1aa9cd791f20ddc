"""Consoles and their pools."""

from __future__ import annotations

from manystore import col

from ..exception import (
    ConsoleNotFound,
    ConsoleNotFoundForInstance,
    ConsoleNotFoundInPoolForInstance,
    ConsolePoolNotFound,
    ConsolePoolNotFoundForHostType,
)
from ..model.console import Console, ConsolePool
from .guard import NovaRepository

_CONSOLES = (ConsolePool.consoles,)
_POOL = (Console.pool,)


class ConsolePoolRepository(NovaRepository[ConsolePool]):
    """Pools of consoles."""

    entity = "console_pool"
    missing = (ConsolePoolNotFound, "pool_id")

    def get_by_host_type(self, compute_host: str, proxy_host: str, console_type: str) -> ConsolePool:
        """Give the pool of a type that a proxy serves for a compute host; raise ConsolePoolNotFoundForHostType."""
        found = self.first(
            col(ConsolePool.host) == proxy_host,
            col(ConsolePool.console_type) == console_type,
            col(ConsolePool.compute_host) == compute_host,
            load=_CONSOLES,
        )
        if found is None:
            raise ConsolePoolNotFoundForHostType(host=proxy_host, compute_host=compute_host, console_type=console_type)
        return found

    def get_all_by_host_type(self, host: str, console_type: str) -> list[ConsolePool]:
        """Give the pools of a type that a proxy serves."""
        return self.find(col(ConsolePool.host) == host, col(ConsolePool.console_type) == console_type, load=_CONSOLES)


class ConsoleRepository(NovaRepository[Console]):
    """Consoles, each with its pool. Deleting one is real."""

    entity = "console"
    missing = (ConsoleNotFound, "console_id")
    owner = "instance_id"
    parent = "instance"

    def get_by_pool_instance(self, pool_id: int, instance_id: int) -> Console:
        """Give the console of an instance in a pool; raise ConsoleNotFoundInPoolForInstance."""
        found = self.first(col(Console.instance_id) == instance_id, col(Console.pool_id) == pool_id, load=_POOL)
        if found is None:
            raise ConsoleNotFoundInPoolForInstance(pool_id=pool_id, instance_id=instance_id)
        return found

    def get_all_by_instance(self, instance_id: int) -> list[Console]:
        """Give the consoles of an instance."""
        return self.find(col(Console.instance_id) == instance_id, load=_POOL)

    def get_for(self, console_id: int, instance_id: int | None = None) -> Console:
        """Give the console with an id, of an instance if one is named.

        Raises ConsoleNotFound, or ConsoleNotFoundForInstance when an instance is named.
        """
        found = self.first(col(Console.id) == console_id, load=_POOL)
        if found is not None and instance_id in (None, found.instance_id):
            return found
        if instance_id is not None:
            raise ConsoleNotFoundForInstance(instance_id=instance_id)
        raise ConsoleNotFound(console_id=console_id)
