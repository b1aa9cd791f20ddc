"""Errors about networks and addresses."""

from __future__ import annotations

from .root import Error, NotFound, NovaException


class NetworkNotFound(NotFound):
    """No such network that the caller may see."""

    template = "network {network_id} could not be found"


class NetworkNotFoundForBridge(NetworkNotFound):
    """No network with that bridge."""

    template = "network could not be found for bridge {bridge}"


class NetworkNotFoundForUUID(NetworkNotFound):
    """No network with that uuid."""

    template = "network could not be found for uuid {uuid}"


class NetworkNotFoundForCidr(NetworkNotFound):
    """No network with that range."""

    template = "network could not be found with cidr {cidr}"


class NetworkNotFoundForInstance(NetworkNotFound):
    """No network has an address of the instance."""

    template = "network could not be found for instance {instance_id}"


class NetworkNotFoundForProject(NotFound):
    """A network that was asked for is missing, or not for the project."""

    template = "network {network_uuid} is missing or not for project {project_id}"


class NetworkHostNotSet(NovaException):
    """A network that was asked for has no host."""

    template = "host is not set for network {network_id}"


class NoNetworksFound(NotFound):
    """There is no network at all, or none of those asked for."""

    template = "no networks defined"


class NoMoreNetworks(Error):
    """No network without a project is left."""


class FixedIpNotFound(NotFound):
    """No such address."""

    template = "no fixed ip associated with id {id}"


class FixedIpNotFoundForAddress(FixedIpNotFound):
    """No such address."""

    template = "fixed ip not found for address {address}"


class FixedIpNotFoundForInstance(FixedIpNotFound):
    """The instance has no address."""

    template = "instance {instance_id} has zero fixed ips"


class FixedIpNotFoundForNetwork(FixedIpNotFound):
    """The address is not one of that network."""

    template = "fixed ip address {address} does not exist in network {network_id}"


class FixedIpNotFoundForNetworkHost(FixedIpNotFound):
    """The host has no address in that network."""

    template = "network host {host} has zero fixed ips in network {network_id}"


class FixedIpNotFoundForHost(FixedIpNotFound):
    """No address of instances on that host."""

    template = "host {host} has zero fixed ips"


class FixedIpNotFoundForVirtualInterface(FixedIpNotFound):
    """The interface has no address."""

    template = "virtual interface {vif_id} has zero associated fixed ips"


class FixedIpNotFoundForSpecificInstance(FixedIpNotFound):
    """The address is not one of that instance."""

    template = "instance {instance_id} does not have fixed ip {ip}"


class FixedIpAlreadyInUse(NovaException):
    """The address has an instance."""

    template = "fixed ip address {address} is already in use"


class NoFixedIpsDefined(NotFound):
    """There are no addresses at all."""

    template = "zero fixed ips could be found"


class NoMoreFixedIps(NovaException):
    """The pool is empty."""

    template = "zero fixed ips available"


class FloatingIpNotFound(NotFound):
    """No such floating address."""

    template = "floating ip not found for id {id}"


class FloatingIpNotFoundForAddress(FloatingIpNotFound):
    """No such floating address."""

    template = "floating ip not found for address {address}"


class FloatingIpNotFoundForHost(FloatingIpNotFound):
    """No floating address on that host."""

    template = "floating ip not found for host {host}"


class FloatingIpNotFoundForProject(FloatingIpNotFound):
    """The project has no floating address."""

    template = "floating ip not found for project {project_id}"


class NoMoreFloatingIps(FloatingIpNotFound):
    """No floating address is free."""

    template = "zero floating ips available"


class NoFloatingIpsDefined(NotFound):
    """There are no floating addresses at all."""

    template = "zero floating ips exist"


class VirtualInterfaceNotFound(NotFound):
    """No such interface."""

    template = "virtual interface {vif_id} could not be found"


class VirtualInterfaceCreateException(NovaException):
    """The MAC address is taken."""

    template = "virtual interface creation failed"


class VirtualInterfaceMacAddressException(NovaException):
    """None of the MAC addresses tried was free."""

    template = "creation of virtual interface with unique mac address failed"


class SecurityGroupNotFound(NotFound):
    """No such group that the caller may see."""

    template = "security group {security_group_id} not found"


class SecurityGroupNotFoundForProject(SecurityGroupNotFound):
    """The project has no group of that name."""

    template = "security group {security_group_id} not found for project {project_id}"


class SecurityGroupNotFoundForRule(SecurityGroupNotFound):
    """No such rule."""

    template = "security group with rule {rule_id} not found"
