"""What Nova's data layer raises, by Nova's names. Each is a ManystoreError, so one `except` takes them all."""

from __future__ import annotations

from typing import ClassVar

from manystore import ManystoreError


class NovaException(ManystoreError):
    """Root of Nova's errors. template: the text, filled with the keywords given, which are kept in `details`."""

    template: ClassVar[str] = "an unknown exception occurred"

    def __init__(self, **details: object) -> None:
        super().__init__(self.template.format_map(details))
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.details)


def _again(cls: type[NovaException], details: dict[str, object]) -> NovaException:
    """Make an error anew that travelled between processes."""
    return cls(**details)


class NotFound(NovaException):
    """What was asked for is not there."""


class InstanceNotFound(NotFound):
    """No such instance."""

    template = "instance {instance_id} could not be found"


class InstanceTypeNotFound(NotFound):
    """No such size."""

    template = "instance type {instance_type_id} could not be found"


class InstanceTypeNotFoundByName(InstanceTypeNotFound):
    """No size of that name."""

    template = "instance type with name {instance_type_name} could not be found"


class FlavorNotFound(NotFound):
    """No size of that flavor id."""

    template = "flavor {flavor_id} could not be found"


class ServiceNotFound(NotFound):
    """No such service."""

    template = "service {service_id} could not be found"


class HostBinaryNotFound(NotFound):
    """No such program on that host."""

    template = "could not find binary {binary} on host {host}"


class ComputeHostNotFound(NotFound):
    """No compute service, or no compute node, on that host."""

    template = "compute host {host} could not be found"


class NoNetworksFound(NotFound):
    """There is no network at all."""

    template = "no networks defined"


class NetworkNotFoundForCidr(NotFound):
    """No network with that range."""

    template = "network could not be found with cidr {cidr}"


class FixedIpNotFoundForAddress(NotFound):
    """No such address."""

    template = "fixed ip not found for address {address}"


class FixedIpNotFoundForInstance(NotFound):
    """The instance has no address."""

    template = "instance {instance_id} has zero fixed ips"


class FixedIpNotFoundForNetwork(NotFound):
    """The address is not one of that network."""

    template = "fixed ip address {address} does not exist in network {network_id}"


class FixedIpAlreadyInUse(NovaException):
    """The address has an instance."""

    template = "fixed ip address {address} is already in use"


class NoMoreFixedIps(NovaException):
    """The pool is empty."""

    template = "zero fixed ips available"


class ProjectNotFound(NotFound):
    """No such project."""

    template = "project {project_id} could not be found"


class ProjectQuotaNotFound(NotFound):
    """The project has no limit of its own for that resource."""

    template = "quota for project {project_id} could not be found"


class QuotaError(NovaException):
    """The project would pass one of its limits."""

    template = "quota exceeded for project {project_id}"


class TraceError(NovaException):
    """A trace, or one row of it, cannot be replayed."""

    template = "{place}: {reason}"


class ReplayRefused(NovaException):
    """This replay cannot go on with this store."""

    template = "{reason}"
