"""Floating ips: addresses of the outside that projects take and put onto their instances."""

from __future__ import annotations

from ..exception import FloatingIpNotFound
from ..model.network import FloatingIp
from .guard import NovaRepository


class FloatingIpRepository(NovaRepository[FloatingIp]):
    """Floating ips."""

    entity = "floating_ip"
    missing = (FloatingIpNotFound, "id")
    owner = "project_id"
