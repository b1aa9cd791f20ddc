"""Security groups, their rules and the provider's: what their operations give and raise, and whom they serve."""

from __future__ import annotations

import pytest

from manystore import col
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    NotAuthorized,
    SecurityGroupNotFound,
    SecurityGroupNotFoundForProject,
    SecurityGroupNotFoundForRule,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.security_group import (
    ProviderFirewallRule,
    SecurityGroup,
    SecurityGroupInstanceAssociation,
    SecurityGroupRule,
)

MINE, OTHER = RequestContext("alice", "blue"), RequestContext("bob", "red")


def group(db: Nova, project: str, name: str = "default") -> SecurityGroup:
    return db.security_group.create(SecurityGroup(project_id=project, name=name))


def rule(db: Nova, parent: SecurityGroup, granted: SecurityGroup | None = None) -> SecurityGroupRule:
    made = SecurityGroupRule(parent_group_id=parent.id, group_id=granted and granted.id, protocol="tcp")
    return db.security_group_rule.create(made)


def join(db: Nova, instance: Instance, joined: SecurityGroup) -> None:
    link = SecurityGroupInstanceAssociation(security_group_id=joined.id, instance_id=instance.id)
    db.security_group_instance_association.create(link)


def test_groups_are_found_with_their_rules_and_instances(db: Nova):
    first, second, third = group(db, "blue"), group(db, "blue", "web"), group(db, "red")
    made, gone = rule(db, first), rule(db, first)
    db.security_group_rule.delete(gone.id)
    instance, deleted = db.instance.create(Instance()), db.instance.create(Instance())
    for member in (instance, deleted):
        join(db, member, first)
    db.instance.delete(deleted.id)
    every = db.security_group
    for found in (
        every.get(first.id),
        every.get_by_name("blue", "default"),
        every.get_all()[0],
        every.get_by_project("blue")[0],
        *every.get_by_instance(instance.id),
    ):
        assert (found.id, [each.id for each in found.rules]) == (first.id, [made.id])
    for found in (every.get(first.id), every.get_by_name("blue", "default")):
        assert found.instances == [instance]
    with pytest.raises(AttributeError):  # NotLoaded
        _ = every.get_all()[0].instances
    assert [found.id for found in every.get_all()] == [first.id, second.id, third.id]
    assert [found.id for found in every.get_by_project("blue")] == [first.id, second.id]
    assert every.get_by_instance(deleted.id) == every.get_by_instance(99) == []
    assert every.exists_named("blue", "web")
    assert not every.exists_named("red", "web")
    with pytest.raises(SecurityGroupNotFound, match="security group 99 not found"):
        every.get(99)
    with pytest.raises(SecurityGroupNotFoundForProject, match="security group web not found for project red"):
        every.get_by_name("red", "web")


def test_with_a_group_go_its_members_and_what_lets_them_in(db: Nova):
    doomed, other = group(db, "blue"), group(db, "blue", "web")
    own, granted, foreign = rule(db, doomed, other), rule(db, other, doomed), rule(db, other)
    instance = db.instance.create(Instance())
    join(db, instance, doomed)
    join(db, instance, other)
    db.security_group.destroy(doomed.id)
    assert [found.id for found in db.security_group.get_all()] == [other.id]
    assert [found.id for found in db.security_group_rule.find(scan=True)] == [own.id, foreign.id]
    links = db.security_group_instance_association
    assert [link.security_group_id for link in links.find(scan=True)] == [other.id]
    gone = db.security_group_rule.get(granted.id, deleted="only")
    assert gone.deleted_at is not None
    db.security_group.destroy(99)
    db.security_group.destroy_all()
    assert db.security_group.get_all() == db.security_group_rule.find(scan=True) == []
    assert links.count(scan=True) == 1


def test_rules_are_found_by_either_group(db: Nova):
    owner, granted = group(db, "blue"), group(db, "blue", "web")
    instance = db.instance.create(Instance(project_id="blue"))
    join(db, instance, granted)
    open_to, closed = rule(db, owner, granted), rule(db, owner)
    found, plain = db.security_group_rule.get_by_security_group(owner.id)
    assert (found.id, plain.id) == (open_to.id, closed.id)
    assert found.grantee_group is not None
    assert (found.grantee_group.id, found.grantee_group.instances) == (granted.id, [instance])
    assert plain.grantee_group is None
    assert [each.id for each in db.security_group_rule.get_by_security_group_grantee(granted.id)] == [open_to.id]
    assert db.security_group_rule.get_by_security_group(granted.id) == []
    db.security_group_rule.delete(closed.id)
    for ask in (db.security_group_rule.get, db.security_group_rule.delete):
        with pytest.raises(SecurityGroupNotFoundForRule, match=f"rule {closed.id} not found"):
            ask(closed.id)
    asked = db.for_context(get_admin_context(read_deleted=True)).security_group_rule
    assert [each.id for each in asked.get_by_security_group(owner.id)] == [closed.id]


def test_a_user_reaches_the_projects_groups_and_rules_only(db: Nova):
    made, theirs = group(db, "blue"), group(db, "red")
    own = rule(db, made)
    instance = db.instance.create(Instance(project_id="blue"))
    join(db, instance, made)
    mine, others = db.for_context(MINE), db.for_context(OTHER)
    assert [found.id for found in mine.security_group.get_all()] == [made.id]
    assert [found.id for found in others.security_group.get_all()] == [theirs.id]
    assert [found.id for found in mine.security_group.get_by_instance(instance.id)] == [made.id]
    assert others.security_group.get_by_instance(instance.id) == []
    assert others.security_group_rule.get_by_security_group(made.id) == []
    others.security_group.destroy(made.id)
    assert mine.security_group.get(made.id).id == made.id
    for ask, error in (
        (lambda: others.security_group.get(made.id), SecurityGroupNotFound),
        (lambda: others.security_group.get_by_name("blue", "default"), NotAuthorized),
        (lambda: others.security_group.get_by_project("blue"), NotAuthorized),
        (lambda: others.security_group.exists_named("blue", "default"), NotAuthorized),
        (lambda: others.security_group.create(SecurityGroup(project_id="blue")), NotAuthorized),
        (others.security_group.destroy_all, AdminRequired),
        (lambda: others.security_group_rule.get(own.id), SecurityGroupNotFoundForRule),
        (lambda: others.security_group_rule.delete(own.id), SecurityGroupNotFoundForRule),
        (lambda: others.security_group_rule.create(SecurityGroupRule(parent_group_id=made.id)), NotAuthorized),
    ):
        with pytest.raises(error):
            ask()
    mine.security_group_rule.delete(own.id)
    mine.security_group.destroy(made.id)
    assert [found.id for found in db.security_group.get_all()] == [theirs.id]


def test_a_rule_about_anothers_group_does_not_show_who_is_under_it(db: Nova):
    victims = group(db, "blue")
    join(db, db.instance.create(Instance(project_id="blue", key_data="secret")), victims)
    theirs = db.for_context(OTHER)
    trap = theirs.security_group.create(SecurityGroup(project_id="red", name="trap"))
    made = SecurityGroupRule(parent_group_id=trap.id, group_id=victims.id)
    theirs.security_group_rule.create(made)
    (found,) = theirs.security_group_rule.get_by_security_group(trap.id)
    assert found.grantee_group is not None
    with pytest.raises(AttributeError):  # NotLoaded
        _ = found.grantee_group.instances
    assert theirs.security_group_rule.get_by_security_group_grantee(victims.id) == [made]
    assert db.for_context(MINE).security_group_rule.get_by_security_group_grantee(victims.id) == []


def test_the_providers_rules(db: Nova):
    made = db.provider_fw_rule.create(ProviderFirewallRule(protocol="tcp", cidr="10.0.0.0/8"))
    other = db.provider_fw_rule.create(ProviderFirewallRule(protocol="tcp", cidr="192.0.2.0/24"))
    assert [found.id for found in db.provider_fw_rule.find()] == [made.id, other.id]
    assert [found.id for found in db.provider_fw_rule.get_all_by_cidr("10.0.0.0/8")] == [made.id]
    db.provider_fw_rule.destroy(made.id)
    db.provider_fw_rule.destroy(made.id)
    assert [found.id for found in db.provider_fw_rule.find()] == [other.id]
    deleted = db.for_context(get_admin_context(read_deleted=True)).provider_fw_rule
    assert [found.id for found in deleted.find()] == [made.id]
    with pytest.raises(AdminRequired):
        db.for_context(MINE).provider_fw_rule.find(col(ProviderFirewallRule.cidr) == "10.0.0.0/8")


def test_a_group_goes_with_any_number_of_members(db: Nova):
    """In one step, or in several where one cannot hold all that changes."""
    made, parent = group(db, "blue"), group(db, "blue", "web")
    rule(db, parent, made)
    for _ in range(4):
        for instance in db.instance.create_all([Instance() for _ in range(25)]):
            join(db, instance, made)
    db.security_group.destroy(made.id)
    assert db.security_group_instance_association.find(scan=True) == []
    assert db.security_group_rule.find(scan=True) == []
    before = db.security_group.get(made.id, deleted="only")
    db.security_group.destroy(made.id)  # again does nothing
    assert db.security_group.get(made.id, deleted="only") == before


def test_a_rule_lets_in_a_group_that_is_there(db: Nova):
    parent, gone = group(db, "blue"), group(db, "red")
    db.security_group.destroy(gone.id)
    for asking in (db, db.for_context(MINE)):
        with pytest.raises(SecurityGroupNotFound, match=f"security group {gone.id} not found"):
            rule(asking, parent, gone)
    other = group(db, "red")
    assert rule(db.for_context(MINE), parent, other).group_id == other.id
