"""Who may reach instances: groups, their rules, and the rules of the whole cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manystore import field, index, model, ref, related, unique

from .record import NovaRecord, is_live

if TYPE_CHECKING:
    from .instance import Instance


@model(collection="security_groups", soft_delete=True, indexes=[index("project_id", "name")])
class SecurityGroup(NovaRecord):
    """A named set of rules that instances are put under."""

    id: int = field(key=True, generated=True)
    name: str | None = field(default=None, max_length=255)
    description: str | None = field(default=None, max_length=255)
    user_id: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255, scope=True)

    rules: list[SecurityGroupRule] = related("SecurityGroupRule.parent_group_id")
    instance_links: list[SecurityGroupInstanceAssociation] = related(
        "SecurityGroupInstanceAssociation.security_group_id"
    )

    @property
    def instances(self) -> list[Instance]:
        """Give the live instances that are under it, once instance_links and their instances are loaded."""
        return [link.instance for link in self.instance_links if is_live(link.instance)]


@model(collection="security_group_rules", soft_delete=True)
class SecurityGroupRule(NovaRecord):
    """What may come in: from a range (cidr) or from the members of another group (group_id)."""

    id: int = field(key=True, generated=True)
    parent_group_id: int | None = ref(SecurityGroup.id, default=None, index=True)
    protocol: str | None = field(default=None, max_length=5)
    from_port: int | None = None
    to_port: int | None = None
    cidr: str | None = field(default=None, max_length=255)
    group_id: int | None = ref(SecurityGroup.id, default=None, index=True)

    parent_group: SecurityGroup | None = related(parent_group_id)
    grantee_group: SecurityGroup | None = related(group_id)


@model(
    collection="security_group_instance_association",
    soft_delete=True,
    uniques=[unique("security_group_id", "instance_id", among="live")],
)
class SecurityGroupInstanceAssociation(NovaRecord):
    """That an instance is under a group."""

    id: int = field(key=True, generated=True)
    security_group_id: int | None = ref(SecurityGroup.id, default=None, index=True)
    instance_id: int | None = ref(to="Instance.id", default=None, index=True)

    security_group: SecurityGroup | None = related(security_group_id)
    instance: Instance | None = related(instance_id)


@model(collection="provider_fw_rules", soft_delete=True, small=True, indexes=[index("cidr")])
class ProviderFirewallRule(NovaRecord):
    """What the provider lets nobody do, in the whole cloud."""

    id: int = field(key=True, generated=True)
    protocol: str | None = field(default=None, max_length=5)
    from_port: int | None = None
    to_port: int | None = None
    cidr: str | None = field(default=None, max_length=255)
