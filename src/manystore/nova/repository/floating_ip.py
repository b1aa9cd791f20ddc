"""Floating ips: addresses of the outside that projects take and put onto their instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from manystore import Assignment, Exhausted, col

from ..access import Deleted
from ..exception import (
    FloatingIpNotFound,
    FloatingIpNotFoundForAddress,
    FloatingIpNotFoundForHost,
    FloatingIpNotFoundForProject,
    NoFloatingIpsDefined,
    NoMoreFloatingIps,
)
from ..model.network import FixedIp, FloatingIp
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_INSTANCE = (FloatingIp.fixed_ip, FixedIp.instance)
_NETWORK = (FloatingIp.fixed_ip, FixedIp.network)


class FloatingIpRepository(NovaRepository[FloatingIp]):
    """Floating ips. One that belongs to no project is anybody's to see."""

    entity = "floating_ip"
    missing = (FloatingIpNotFound, "id")
    owner = "project_id"
    refers = (("fixed_ip_id", "fixed_ip"),)
    loads = (*_INSTANCE, *_NETWORK)

    # -- taking one, and giving it back --

    def allocate_address(self, project_id: str) -> str:
        """Take any free address for a project, and give it; raise NoMoreFloatingIps."""
        try:
            taken = self.claim(
                col(FloatingIp.project_id).is_(None),
                col(FloatingIp.fixed_ip_id).is_(None),
                changes=[col(FloatingIp.project_id).to(project_id)],
            )
        except Exhausted:
            raise NoMoreFloatingIps from None
        return taken.address or ""

    def deallocate(self, address: str) -> None:
        """Take an address from its project and its host; what it leads to it goes on leading to."""
        self._change(
            address,
            col(FloatingIp.project_id).to(None),
            col(FloatingIp.host).to(None),
            col(FloatingIp.auto_assigned).to(False),
        )

    def destroy_by_address(self, address: str) -> None:
        """Delete an address; raise FloatingIpNotFoundForAddress."""

        def destroy(db: Nova) -> None:
            db.floating_ip.delete(db.floating_ip.get_by_address(address, load=()))

        self.database.atomic(destroy)

    # -- where it leads to --

    def fixed_ip_associate(self, floating_address: str, fixed_address: str, host: str | None) -> None:
        """Let an address lead to a fixed ip, on a host, wherever it led before."""

        def associate(db: Nova) -> None:
            found = db.floating_ip.get_by_address(floating_address, load=())
            found.fixed_ip_id = db.fixed_ip.get_by_address(fixed_address, load=()).id
            found.host = host
            db.floating_ip.save(found)

        self.database.atomic(associate)

    def disassociate(self, address: str) -> str | None:
        """Let an address lead nowhere; give the fixed ip that it led to, if any."""

        def disassociate(db: Nova) -> str | None:
            found = db.floating_ip.get_by_address(address, load=(FloatingIp.fixed_ip,))
            fixed = found.fixed_ip
            found.fixed_ip_id = found.host = None
            db.floating_ip.save(found)
            return None if fixed is None else fixed.address

        return self.database.atomic(disassociate)

    # -- finding them --

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _INSTANCE) -> FloatingIp:
        """Give the floating ip with this id, and its fixed ip with the instance; raise FloatingIpNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self) -> list[FloatingIp]:
        """Give every address, and its fixed ip with the instance; raise NoFloatingIpsDefined when there is none."""
        found = self.find(load=_INSTANCE, scan=True)  # all are asked for
        if not found:
            raise NoFloatingIpsDefined
        return found

    def get_all_by_host(self, host: str) -> list[FloatingIp]:
        """Give the addresses on a host, and their fixed ips with the instances; raise FloatingIpNotFoundForHost."""
        found = self.find(col(FloatingIp.host) == host, load=_INSTANCE)
        if not found:
            raise FloatingIpNotFoundForHost(host=host)
        return found

    def get_all_by_project(self, project_id: str) -> list[FloatingIp]:
        """Give a project's addresses but those assigned unasked; raise FloatingIpNotFoundForProject."""
        found = self.find(
            col(FloatingIp.project_id) == project_id, col(FloatingIp.auto_assigned).is_(False), load=_INSTANCE
        )
        if not found:
            raise FloatingIpNotFoundForProject(project_id=project_id)
        return found

    def count_by_project(self, project_id: str) -> int:
        """Count a project's addresses but those assigned unasked."""
        return self.count(col(FloatingIp.project_id) == project_id, col(FloatingIp.auto_assigned).is_(False))

    def get_by_address(self, address: str, /, *, load: Sequence[object] = _NETWORK) -> FloatingIp:
        """Give the record of an address, and its fixed ip with the network; raise FloatingIpNotFoundForAddress."""
        found = self.first(col(FloatingIp.address) == address, load=load)
        if found is None:
            raise FloatingIpNotFoundForAddress(address=address)
        return found

    def get_by_fixed_address(self, fixed_address: str) -> list[FloatingIp]:
        """Give the addresses that lead to a fixed ip, and it with its network; raise FixedIpNotFoundForAddress."""
        fixed = self.database.fixed_ip.get_by_address(fixed_address, load=())
        return self.find(col(FloatingIp.fixed_ip_id) == fixed.id, load=_NETWORK)

    # -- changing them by address --

    def update_by_address(self, address: str, /, *changes: Assignment) -> None:
        """Change the record of an address; raise FloatingIpNotFoundForAddress."""
        self._change(address, *changes)

    def set_auto_assigned(self, address: str) -> None:
        """Note that an address was given to an instance unasked."""
        self._change(address, col(FloatingIp.auto_assigned).to(True))

    def _change(self, address: str, *changes: Assignment) -> None:
        """Change the record of an address, in one step with the look-up that tells whose it is."""

        def change(db: Nova) -> None:
            db.floating_ip.change(db.floating_ip.get_by_address(address, load=()), *changes)

        self.database.atomic(change)
