"""Networks."""

from __future__ import annotations

from manystore import col

from ..exception import NetworkNotFound, NetworkNotFoundForCidr, NoNetworksFound
from ..model.network import Network
from .guard import NovaRepository


class NetworkRepository(NovaRepository[Network]):
    """Networks."""

    entity = "network"
    missing = (NetworkNotFound, "network_id")
    owner = "project_id"

    def get_all(self) -> list[Network]:
        """Give every network; raise NoNetworksFound when there is none."""
        found = self.find()
        if not found:
            raise NoNetworksFound
        return found

    def get_by_cidr(self, cidr: str) -> Network:
        """Give the network with a range, IPv4 or IPv6; raise NetworkNotFoundForCidr."""
        found = self.first((col(Network.cidr) == cidr) | (col(Network.cidr_v6) == cidr))
        if found is None:
            raise NetworkNotFoundForCidr(cidr=cidr)
        return found
