"""Security groups, their rules and members, and the rules of the whole cloud."""

from __future__ import annotations

from ..exception import SecurityGroupNotFound, SecurityGroupNotFoundForRule
from ..model.security_group import (
    ProviderFirewallRule,
    SecurityGroup,
    SecurityGroupInstanceAssociation,
    SecurityGroupRule,
)
from .guard import NovaRepository


class SecurityGroupRepository(NovaRepository[SecurityGroup]):
    """Security groups."""

    entity = "security_group"
    missing = (SecurityGroupNotFound, "security_group_id")
    owner = "project_id"


class SecurityGroupRuleRepository(NovaRepository[SecurityGroupRule]):
    """What security groups let in."""

    entity = "security_group_rule"
    missing = (SecurityGroupNotFoundForRule, "rule_id")
    owner = "parent_group_id"
    parent = "security_group"


class SecurityGroupInstanceAssociationRepository(NovaRepository[SecurityGroupInstanceAssociation]):
    """Which instances are under which groups."""

    entity = "security_group_instance_association"


class ProviderFirewallRuleRepository(NovaRepository[ProviderFirewallRule]):
    """What the provider lets nobody do."""

    entity = "provider_fw_rule"
