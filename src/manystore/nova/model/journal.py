"""How far a replay has come: written in the same step as what it tells of, so that it is never wrong."""

from __future__ import annotations

from manystore import field, model

from .record import NovaRecord


@model(collection="journals", small=True)
class Journal(NovaRecord):
    """The replay on this store, or one worker's share: there are as many journals as workers, with keys from 1 on.

    event: the number of the event in work, among the worker's; step: how many of its transactions are committed; the
    ids: what they made.
    trace, rows, hosts, profile: what is replayed, so that going on with something else is refused. plane: it is built.
    volume_number: how many of the volumes that an instance asks for it has been given or refused. From floating_ips
    on, the counts are of the full profile.
    """

    id: int = field(key=True)
    trace: str = field(max_length=64)
    rows: int
    hosts: int
    workers: int = 1
    profile: str = field(default="basic", max_length=8)
    plane: bool = False
    event: int = 0
    step: int = 0
    instance_id: int | None = None
    compute_node_id: int | None = None
    fixed_ip: str | None = field(default=None, max_length=255)
    floating_ip: str | None = field(default=None, max_length=255)
    volume_id: int | None = None
    volume_number: int = 0
    booted: int = 0
    deleted_instances: int = 0
    refused_quota: int = 0
    refused_room: int = 0
    refused_pool: int = 0
    operations: int = 0
    milliseconds: int = 0
    done: bool = False
    floating_ips: int = 0
    freed_floating_ips: int = 0
    refused_floating_quota: int = 0
    refused_floating_pool: int = 0
    volumes: int = 0
    deleted_volumes: int = 0
    refused_volume_quota: int = 0
    refused_target: int = 0
