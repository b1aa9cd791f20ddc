"""Consoles and their pools."""

from __future__ import annotations

from ..exception import ConsoleNotFound, ConsolePoolNotFound
from ..model.console import Console, ConsolePool
from .guard import NovaRepository


class ConsolePoolRepository(NovaRepository[ConsolePool]):
    """Pools of consoles."""

    entity = "console_pool"
    missing = (ConsolePoolNotFound, "pool_id")


class ConsoleRepository(NovaRepository[Console]):
    """Consoles."""

    entity = "console"
    missing = (ConsoleNotFound, "console_id")
    owner = "instance_id"
    parent = "instance"
