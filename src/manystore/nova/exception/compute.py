"""Errors about what computes: instances, their sizes and hosts."""

from __future__ import annotations

from .root import HostNotFound, NotFound


class InstanceNotFound(NotFound):
    """No such instance that the caller may see."""

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


class ComputeHostNotFound(HostNotFound):
    """No compute service on that host, or no such compute node."""

    template = "compute host {host} could not be found"


class MigrationNotFound(NotFound):
    """No such move of an instance."""

    template = "migration {migration_id} could not be found"


class MigrationNotFoundByStatus(MigrationNotFound):
    """The instance has no move in that status."""

    template = "migration of instance {instance_id} with status {status} could not be found"


class KeypairNotFound(NotFound):
    """The user has no key pair of that name."""

    template = "keypair {name} not found for user {user_id}"


class AgentBuildNotFound(NotFound):
    """No such build of the guest agent."""

    template = "agent build {id} could not be found"


class ConsolePoolNotFound(NotFound):
    """No such pool of consoles."""

    template = "console pool {pool_id} could not be found"


class ConsolePoolNotFoundForHostType(NotFound):
    """No pool of that type between these hosts."""

    template = "console pool of type {console_type} for compute host {compute_host} on proxy host {host} not found"


class ConsoleNotFound(NotFound):
    """No such console."""

    template = "console {console_id} could not be found"


class ConsoleNotFoundForInstance(ConsoleNotFound):
    """The console is not one of that instance."""

    template = "console for instance {instance_id} could not be found"


class ConsoleNotFoundInPoolForInstance(ConsoleNotFound):
    """The instance has no console in that pool."""

    template = "console for instance {instance_id} in pool {pool_id} could not be found"


class ImageNotFound(NotFound):
    """No image of that number or uuid."""

    template = "image {image_id} could not be found"


class ZoneNotFound(NotFound):
    """No such zone."""

    template = "zone {zone_id} could not be found"
