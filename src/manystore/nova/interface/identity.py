"""Users, projects, quotas and keys: who may call which operation of 2011, and what it sees (operation.py)."""

from __future__ import annotations

from ..access import ADMIN, ANY, LIVE, OWN, SWITCH, USER
from ..operation import entity, op

IDENTITY = (
    *entity(
        "certificate",
        op("create(values)", ADMIN, LIVE),
        op("destroy(certificate_id)", ADMIN, SWITCH, to="delete"),
        op("get_all_by_project(project_id)", ADMIN, LIVE),
        op("get_all_by_user(user_id)", ADMIN, LIVE),
        op("get_all_by_user_and_project(user_id, project_id)", ADMIN, LIVE),
        op("update(certificate_id, values)", ADMIN, SWITCH),
    ),
    *entity(
        "key_pair",
        op("create(values)", USER, LIVE, sees=OWN),
        op("destroy(user_id, name)", USER, SWITCH, user="user_id", to="destroy_by_name"),
        op("destroy_all_by_user(user_id)", USER, ANY, user="user_id"),
        op("get(user_id, name)", USER, SWITCH, user="user_id", to="get_by_name"),
        op("get_all_by_user(user_id)", USER, LIVE, user="user_id"),
    ),
    *entity(
        "auth_token",
        op("destroy(token_id)", ADMIN, SWITCH, to="delete"),
        op("get(token_hash)", ADMIN, SWITCH),
        op("update(token_hash, values)", ADMIN, SWITCH),
        op("create(token)", ADMIN, LIVE),
    ),
    *entity(
        "quota",
        op("create(project_id, resource, limit)", ADMIN, LIVE, to="create_for"),
        op("get(project_id, resource)", USER, LIVE, project="project_id", to="get_by_project"),
        op("get_all_by_project(project_id)", USER, LIVE, project="project_id"),
        op("update(project_id, resource, limit)", ADMIN, LIVE, to="set_limit"),
        op("destroy(project_id, resource)", ADMIN, LIVE, to="destroy_by_resource"),
        op("destroy_all_by_project(project_id)", ADMIN, LIVE),
    ),
    *entity(
        "user",
        op("get(id)", ADMIN, SWITCH),
        op("get_by_uid(uid)", ADMIN, SWITCH, to="get"),
        op("get_by_access_key(access_key)", ADMIN, SWITCH),
        op("create(values)", ADMIN, LIVE),
        op("delete(id)", ADMIN, SWITCH),
        op("get_all()", ADMIN, SWITCH, to="find"),
        op("add_role(user_id, role)", ADMIN, SWITCH),
        op("remove_role(user_id, role)", ADMIN, ANY),
        op("get_roles(user_id)", ADMIN, SWITCH),
        op("add_project_role(user_id, project_id, role)", ADMIN, SWITCH),
        op("remove_project_role(user_id, project_id, role)", ADMIN, ANY),
        op("get_roles_for_project(user_id, project_id)", USER, ANY, user="user_id"),
        op("update(user_id, values)", ADMIN, SWITCH),
    ),
    *entity(
        "project",
        op("get(id)", USER, LIVE, project="key"),
        op("create(values)", ADMIN, LIVE),
        op("add_member(project_id, user_id)", ADMIN, LIVE),
        op("get_all()", ADMIN, SWITCH),
        op("get_by_user(user_id)", USER, SWITCH, user="user_id"),
        op("remove_member(project_id, user_id)", ADMIN, LIVE),
        op("update(project_id, values)", ADMIN, LIVE),
        op("delete(project_id)", ADMIN, LIVE),
        op("get_networks(project_id, associate=True)", USER, LIVE, project="project_id"),
        op("get_networks_v6(project_id)", USER, LIVE, project="project_id"),
    ),
)

IDENTITY_ADDED = entity(
    "quota",
    op("limits(project_id)", USER, LIVE, project="project_id"),
    op("allowed_instances(project_id, requested, instance_type)", USER, LIVE, project="project_id"),
    op("allowed_volumes(project_id, requested, size)", USER, LIVE, project="project_id"),
    op("allowed_floating_ips(project_id, requested)", USER, LIVE, project="project_id"),
    op("allowed(project_id, resource, requested)", USER, LIVE, project="project_id"),
    op("reserve(project_id, amounts)", USER, LIVE, project="project_id"),
    op("give_back(project_id, amounts)", ADMIN, LIVE),
)
