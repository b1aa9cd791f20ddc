"""Security groups, their rules and members, and the rules of the whole cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from manystore import Predicate, TooLarge, col, everything

from ..access import Deleted
from ..exception import SecurityGroupNotFound, SecurityGroupNotFoundForProject, SecurityGroupNotFoundForRule
from ..model.instance import Instance
from ..model.record import is_live
from ..model.security_group import (
    ProviderFirewallRule,
    SecurityGroup,
    SecurityGroupInstanceAssociation,
    SecurityGroupRule,
)
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_RULES = (SecurityGroup.rules,)
_INSTANCES = (SecurityGroup.instance_links, SecurityGroupInstanceAssociation.instance)
_RULES_INSTANCES = (*_RULES, *_INSTANCES)


class SecurityGroupRepository(NovaRepository[SecurityGroup]):
    """Security groups. A user's calls know of no other project's, whatever they name."""

    entity = "security_group"
    missing = (SecurityGroupNotFound, "security_group_id")
    owner = "project_id"
    loads = _RULES_INSTANCES

    def get(
        self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _RULES_INSTANCES
    ) -> SecurityGroup:
        """Give the group with this id, its rules and instances; raise SecurityGroupNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self) -> list[SecurityGroup]:
        """Give every group and its rules; to a user, the project's."""
        return self.find(load=_RULES, scan=True)  # all are asked for

    def get_by_name(self, project_id: str, group_name: str) -> SecurityGroup:
        """Give a project's group, its rules and instances; raise SecurityGroupNotFoundForProject."""
        found = self.first(*_named(project_id, group_name), load=_RULES_INSTANCES)
        if found is None:
            raise SecurityGroupNotFoundForProject(project_id=project_id, security_group_id=group_name)
        return found

    def get_by_project(self, project_id: str) -> list[SecurityGroup]:
        """Give a project's groups and their rules."""
        # scan: deleted ones count too, so there may be more than may be examined in one call
        return self.find(col(SecurityGroup.project_id) == project_id, load=_RULES, scan=True)

    def get_by_instance(self, instance_id: int) -> list[SecurityGroup]:
        """Give the groups that a live instance is under, and their rules."""
        if self.system.instance.first(col(Instance.id) == instance_id) is None:
            return []
        links = self.system.security_group_instance_association.find(
            col(SecurityGroupInstanceAssociation.instance_id) == instance_id
        )
        return self.find(col(SecurityGroup.id).in_([link.security_group_id for link in links]), load=_RULES)

    def exists_named(self, project_id: str, group_name: str) -> bool:
        """Tell whether a project has a group of that name."""
        return self.exists(*_named(project_id, group_name))

    def destroy(self, security_group_id: int, /) -> None:
        """Delete a group, if it is there, with who is under it and the rules that let its members in.

        Its own rules stay, of a deleted group. One step; where that is more than a step holds (about 70 members),
        these go first, in steps of their own.
        """
        links, rules = self.system.security_group_instance_association, self.system.security_group_rule
        of_members = col(SecurityGroupInstanceAssociation.security_group_id) == security_group_id
        of_granted = col(SecurityGroupRule.group_id) == security_group_id

        def destroy(db: Nova) -> None:
            found = db.security_group.first(col(SecurityGroup.id) == security_group_id)
            if not is_live(found):
                return
            db.system.security_group_instance_association.delete_where(of_members)
            db.system.security_group_rule.delete_where(of_granted)
            db.security_group.delete(found)

        try:
            self.database.atomic(destroy)
        except TooLarge:
            links.delete_where(of_members, scan=True)  # as many as the group has
            rules.delete_where(of_granted, scan=True)
            self.database.atomic(destroy)

    def destroy_all(self) -> None:
        """Delete every group and every rule; who is under them stays. A series of steps, the rules first."""
        self.system.security_group_rule.delete_where(everything(), scan=True)
        self.system.security_group.delete_where(everything(), scan=True)


class SecurityGroupRuleRepository(NovaRepository[SecurityGroupRule]):
    """What security groups let in. A rule is the project's that its group (parent_group_id) belongs to."""

    entity = "security_group_rule"
    missing = (SecurityGroupNotFoundForRule, "rule_id")
    owner = "parent_group_id"
    parent = "security_group"

    def create(self, record: SecurityGroupRule, /) -> SecurityGroupRule:
        """Add a rule; a group that it lets in must be there, and stay until it is: raise SecurityGroupNotFound."""

        def create(db: Nova) -> SecurityGroupRule:
            if record.group_id is not None:
                db.system.security_group.hold(record.group_id)
            return super(SecurityGroupRuleRepository, db.security_group_rule).create(record)

        return self.database.atomic(create)

    def get_by_security_group(self, security_group_id: int) -> list[SecurityGroupRule]:
        """Give a group's rules, and the groups that these let in, with the instances of those that the caller sees."""
        rules = self.find(
            col(SecurityGroupRule.parent_group_id) == security_group_id, load=(SecurityGroupRule.grantee_group,)
        )
        groups = {rule.grantee_group.id: rule.grantee_group for rule in rules if rule.grantee_group is not None}
        seen = self.database.security_group.find(col(SecurityGroup.id).in_(sorted(groups)), deleted="any")
        self.system.security_group.load([groups[group.id] for group in seen], *_INSTANCES)
        return rules

    def get_by_security_group_grantee(self, security_group_id: int) -> list[SecurityGroupRule]:
        """Give the rules that let the members of a group in."""
        return self.find(col(SecurityGroupRule.group_id) == security_group_id)


class SecurityGroupInstanceAssociationRepository(NovaRepository[SecurityGroupInstanceAssociation]):
    """Which instances are under which groups."""

    entity = "security_group_instance_association"


class ProviderFirewallRuleRepository(NovaRepository[ProviderFirewallRule]):
    """What the provider lets nobody do."""

    entity = "provider_fw_rule"

    def get_all_by_cidr(self, cidr: str) -> list[ProviderFirewallRule]:
        """Give the rules about a range."""
        return self.find(col(ProviderFirewallRule.cidr) == cidr)


def _named(project_id: str, group_name: str) -> tuple[Predicate, Predicate]:
    return col(SecurityGroup.project_id) == project_id, col(SecurityGroup.name) == group_name
