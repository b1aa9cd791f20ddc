"""Consoles of instances, and the pools that serve them."""

from __future__ import annotations

from manystore import field, index, model, ref, related

from .record import NovaRecord


@model(collection="console_pools", soft_delete=True, small=True, indexes=[index("host", "console_type")])
class ConsolePool(NovaRecord):
    """Consoles of one type that a proxy host serves for one compute host."""

    id: int = field(key=True, generated=True)
    address: str | None = field(default=None, max_length=255)
    username: str | None = field(default=None, max_length=255)
    password: str | None = field(default=None, max_length=255, repr=False)
    console_type: str | None = field(default=None, max_length=255)
    public_hostname: str | None = field(default=None, max_length=255)
    host: str | None = field(default=None, max_length=255)
    compute_host: str | None = field(default=None, max_length=255)

    consoles: list[Console] = related("Console.pool_id")


@model(collection="consoles")
class Console(NovaRecord):
    """An instance's console. It is deleted for real."""

    id: int = field(key=True, generated=True)
    instance_name: str | None = field(default=None, max_length=255)
    instance_id: int | None = field(default=None, index=True)
    password: str | None = field(default=None, max_length=255, repr=False)
    port: int | None = None
    pool_id: int | None = ref(ConsolePool.id, default=None, index=True)

    pool: ConsolePool | None = related(pool_id)
