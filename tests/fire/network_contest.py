"""What several programs do to Nova's networks and addresses at the same time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple, Self

from manystore import col
from manystore.nova.database import Nova
from manystore.nova.exception import (
    FixedIpAlreadyInUse,
    NoMoreFixedIps,
    NoMoreFloatingIps,
    SecurityGroupNotFound,
    VirtualInterfaceCreateException,
)
from manystore.nova.model.network import FixedIp, Network, VirtualInterface
from manystore.nova.model.security_group import SecurityGroupRule
from manystore.testing.crew import Seat
from manystore.testing.provision import Place

from .contest import outcome

LONG_AGO, NOT_SO_LONG_AGO = datetime(2011, 1, 1, tzinfo=UTC), datetime(2011, 2, 1, tzinfo=UTC)


class Address(NamedTuple):
    """Where the cloud is: what a Place is in another process."""

    url: str
    prefix: str

    @classmethod
    def of(cls, place: Place) -> Self:
        return cls(place.url, place.prefix)

    def connect(self) -> Nova:
        return Nova.connect(self.url, prefix=self.prefix)


def take_from_pool(seat: Seat, address: Address, network: int, instances: list[int]) -> list[str]:
    """Take addresses for the seat's own instance until none is left."""
    taken: list[str] = []
    with address.connect() as db:
        seat.meet()
        while True:
            try:
                taken.append(db.fixed_ip.associate_pool(network, instances[seat.number]))
            except NoMoreFixedIps:
                return taken


def take_given(seat: Seat, address: Address, network: int, instances: list[int], ips: list[str]) -> list[str]:
    """Take the same address as all others, one after the other, for the seat's own instance."""
    outcomes: list[str] = []
    with address.connect() as db:
        for ip in ips:

            def take(ip: str = ip) -> None:
                db.fixed_ip.associate(ip, instances[seat.number], network)

            seat.meet()
            outcomes.append(outcome(take, FixedIpAlreadyInUse))
    return outcomes


def sweep_or_renew(seat: Seat, address: Address, rounds: dict[str, list[str]]) -> list[str]:
    """Of each host, the first seat sweeps the addresses while the others renew their parts; give those renewed."""
    renewed: list[str] = []
    with address.connect() as db:

        def renew(tx: Nova, ip: str) -> bool:
            found = tx.fixed_ip.get_by_address(ip)
            if found.instance_id is None:
                return False
            found.leased = True
            tx.fixed_ip.save(found)
            return True

        for host, ips in rounds.items():
            seat.meet()
            if seat.number == 0:
                db.fixed_ip.disassociate_all_by_timeout(host, NOT_SO_LONG_AGO)
                continue
            mine = ips[seat.number - 1 :: seat.size - 1]
            renewed += [ip for ip in mine if db.retrying(lambda tx, ip=ip: renew(tx, ip))]  # type: ignore[misc]
    return renewed


def take_floating(seat: Seat, address: Address) -> list[str]:
    """Take floating addresses for the seat's own project until none is left."""
    taken: list[str] = []
    with address.connect() as db:
        seat.meet()
        while True:
            try:
                taken.append(db.floating_ip.allocate_address(f"project-{seat.number}"))
            except NoMoreFloatingIps:
                return taken


def take_network(seat: Seat, address: Address, projects: list[str]) -> list[int]:
    """Take a network for the same project as all others, one project after the other."""
    taken: list[int] = []
    with address.connect() as db:
        for project in projects:
            seat.meet()
            taken.append(db.network.associate(project).id)
    return taken


def serve(seat: Seat, address: Address, networks: list[int]) -> list[str]:
    """Want to be the host of the same network as all others, one network after the other."""
    with address.connect() as db:
        hosts: list[str] = []
        for network in networks:
            seat.meet()
            hosts.append(db.network.set_host(network, f"host-{seat.number}"))
        return hosts


def make_network(seat: Seat, address: Address, ranges: list[str]) -> list[str]:
    """Make a network of the same range as all others, one range after the other."""
    with address.connect() as db:
        outcomes: list[str] = []
        for cidr in ranges:
            seat.meet()
            made = db.network.create_safe(Network(cidr=cidr, label=str(seat.number)))
            outcomes.append("None" if made is None else "done")
        return outcomes


def make_addresses(seat: Seat, address: Address, network: int) -> int:
    """Make the addresses of the same network as all others; tell how many there are."""
    with address.connect() as db:
        seat.meet()
        db.network.create_fixed_ips(network, 0)
        return db.fixed_ip.count(col(FixedIp.network_id) == network)


def plug(seat: Seat, address: Address, network: int, macs: list[str]) -> list[str]:
    """Make an interface with the same MAC address as all others, one address after the other."""
    outcomes: list[str] = []
    with address.connect() as db:
        for mac in macs:
            interface = VirtualInterface(address=mac, network_id=network, instance_id=seat.number)

            def create(interface: VirtualInterface = interface) -> None:
                db.virtual_interface.create(interface)

            seat.meet()
            outcomes.append(outcome(create, VirtualInterfaceCreateException))
    return outcomes


def give_up_or_lead(seat: Seat, address: Address, ips: list[str]) -> list[str]:
    """Of each floating address, half of the seats deallocate it while the others let it lead to their fixed ips."""
    outcomes: list[str] = []
    with address.connect() as db:
        for ip in ips:

            def act(ip: str = ip) -> None:
                if seat.number % 2:
                    db.floating_ip.fixed_ip_associate(ip, f"10.0.1.{seat.number}", f"host-{seat.number}")
                else:
                    db.floating_ip.deallocate(ip)

            seat.meet()
            outcomes.append(outcome(act))
    return outcomes


def destroy_or_join(seat: Seat, address: Address, groups: list[int], parent: int, instances: list[int]) -> list[str]:
    """The first seat destroys each group, while others put instances under it and make rules that let it in."""
    outcomes: list[str] = []
    with address.connect() as db:
        for group in groups:

            def act(group: int = group) -> None:
                if seat.number == 0:
                    db.security_group.destroy(group)
                elif seat.number == 1:
                    db.security_group_rule.create(SecurityGroupRule(parent_group_id=parent, group_id=group))
                else:
                    db.instance.add_security_group(instances[seat.number], group)

            seat.meet()
            outcomes.append(outcome(act, SecurityGroupNotFound))
    return outcomes
