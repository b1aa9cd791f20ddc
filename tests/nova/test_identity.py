"""Users, projects, quotas and keys: what each operation gives, changes, loads and raises, and for whom."""

import pytest

from manystore import Duplicate, NotLoaded, OutOfBounds, UsageError, col
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AccessKeyNotFound,
    AdminRequired,
    AuthTokenNotFound,
    CertificateNotFound,
    KeypairNotFound,
    NotAuthorized,
    ProjectNotFound,
    ProjectQuotaNotFound,
    QuotaError,
    QuotaNotFound,
    UserNotFound,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.instance_type import InstanceType
from manystore.nova.model.network import FloatingIp
from manystore.nova.model.project import AuthToken, Certificate, KeyPair, Project, User
from manystore.nova.model.quota import QuotaUse
from manystore.nova.model.volume import Volume
from manystore.nova.repository.quota import COUNTED, instances_take, volumes_take

SECRET = "s3cr3t"


@pytest.fixture
def people(db: Nova) -> Nova:
    """Two users and two projects; u is in p and q, v in q."""
    for user in ("u", "v"):
        db.user.create(User(id=user, name=user, access_key=f"key-{user}", secret_key=SECRET))
    for project in ("p", "q"):
        db.project.create(Project(id=project, name=project, project_manager="u"))
    for project, user in (("p", "u"), ("q", "u"), ("q", "v")):
        db.project.add_member(project, user)
    return db


# -- users --


def test_users(people: Nova, owner: Nova):
    user = people.user.get("u")
    assert people.user.get_by_access_key("key-u") == user
    assert [each.id for each in people.user.find()] == ["u", "v"]
    assert people.user.update("u", col(User.name).to("new")).name == "new"
    assert SECRET not in repr(user) + str(user)
    with pytest.raises(NotLoaded):
        _ = user.roles
    with pytest.raises(UserNotFound, match="user x could not be found"):
        people.user.get("x")
    with pytest.raises(UserNotFound):
        people.user.update("x", col(User.name).to("new"))
    with pytest.raises(Duplicate):
        people.user.create(User(id="u"))
    with pytest.raises(AdminRequired):
        owner.user.get("u")


def test_a_secret_that_leads_nowhere_is_not_told(db: Nova):
    with pytest.raises(AccessKeyNotFound) as missing:
        db.user.get_by_access_key(SECRET)
    with pytest.raises(AuthTokenNotFound) as unknown:
        db.auth_token.get(SECRET)
    for error in (missing.value, unknown.value):
        assert SECRET not in repr(error) + str(error) + str(vars(error))


def test_roles(people: Nova, owner: Nova):
    people.user.add_role("u", "admin")
    people.user.add_role("u", "developer")
    assert people.user.get_roles("u") == ["admin", "developer"]
    with pytest.raises(Duplicate):
        people.user.add_role("u", "admin")
    people.user.remove_role("u", "admin")
    people.user.remove_role("u", "admin")
    assert people.user.get_roles("u") == ["developer"]
    for call in (lambda: people.user.add_role("x", "admin"), lambda: people.user.get_roles("x")):
        with pytest.raises(UserNotFound):
            call()
    people.user.add_project_role("u", "p", "netadmin")
    people.user.add_project_role("u", "p", "itsec")
    people.user.add_project_role("u", "q", "developer")
    assert owner.user.get_roles_for_project("u", "p") == ["itsec", "netadmin"]
    assert owner.user.get_roles_for_project("u", "r") == []
    with pytest.raises(NotAuthorized):
        owner.user.get_roles_for_project("v", "p")
    with pytest.raises(Duplicate):
        people.user.add_project_role("u", "p", "itsec")
    people.user.remove_project_role("u", "p", "itsec")
    people.user.remove_project_role("u", "p", "itsec")
    assert people.user.get_roles_for_project("u", "p") == ["netadmin"]
    with pytest.raises(UserNotFound):
        people.user.add_project_role("x", "p", "itsec")
    with pytest.raises(ProjectNotFound):
        people.user.add_project_role("u", "x", "itsec")
    with pytest.raises(AdminRequired):
        owner.user.add_role("u", "admin")


def test_with_a_user_goes_all_that_says_what_it_may_do(people: Nova):
    people.user.add_role("u", "admin")
    people.user.add_project_role("u", "p", "itsec")
    people.user.add_project_role("v", "q", "itsec")
    people.user.delete("u")
    assert [user.id for user in people.user.find()] == ["v"]
    assert people.user_role_association.find(scan=True) == []
    assert [link.user_id for link in people.user_project_role_association.find(scan=True)] == ["v"]
    assert [link.user_id for link in people.user_project_association.find(scan=True)] == ["v"]
    assert people.project.get("p").project_manager is None
    with pytest.raises(UserNotFound):
        people.user.delete("u")


# -- projects --


def test_projects(people: Nova, owner: Nova):
    project = owner.project.get("p")
    assert [user.id for user in project.members] == ["u"]
    assert (project.has_member("u"), project.has_member("v")) == (True, False)
    assert (project.has_manager("u"), project.has_manager("v")) == (True, False)
    assert [[user.id for user in each.members] for each in people.project.get_all()] == [["u"], ["u", "v"]]
    assert [each.id for each in owner.project.get_by_user("u")] == ["p", "q"]
    assert people.project.update("p", col(Project.description).to("x")).description == "x"
    with pytest.raises(NotAuthorized):
        owner.project.get("q")
    with pytest.raises(NotAuthorized):
        owner.project.get_by_user("v")
    with pytest.raises(AdminRequired):
        owner.project.add_member("p", "v")
    with pytest.raises(UserNotFound):
        people.project.get_by_user("x")
    for call in (lambda: people.project.get("x"), lambda: people.project.delete("x")):
        with pytest.raises(ProjectNotFound, match="project x could not be found"):
            call()


def test_members(people: Nova):
    people.project.add_member("p", "u")
    people.user.add_project_role("v", "q", "itsec")
    for _ in range(2):
        people.project.remove_member("q", "v")
    assert [user.id for user in people.project.get("q").members] == ["u"]
    assert people.user.get_roles_for_project("v", "q") == ["itsec"]
    for call in (people.project.add_member, people.project.remove_member):
        with pytest.raises(ProjectNotFound):
            call("x", "u")
        with pytest.raises(UserNotFound):
            call("p", "x")


def test_with_a_project_go_its_memberships_and_roles(people: Nova):
    people.user.add_project_role("u", "p", "itsec")
    people.user.add_project_role("u", "q", "itsec")
    people.project.delete("p")
    assert [project.id for project in people.project.get_by_user("u")] == ["q"]
    assert [link.project_id for link in people.user_project_role_association.find(scan=True)] == ["q"]
    assert people.user.get("u")


# -- what users prove themselves by --


def test_tokens(db: Nova, dead: Nova, owner: Nova):
    token = db.auth_token.create(AuthToken(token_hash=SECRET, user_id="u"))
    assert db.auth_token.get(SECRET) == token
    assert SECRET not in repr(token)
    assert db.auth_token.update(SECRET, col(AuthToken.storage_url).to("x")).storage_url == "x"
    db.auth_token.delete(SECRET)
    assert dead.auth_token.get(SECRET).deleted_at is not None
    for call in (db.auth_token.get, db.auth_token.delete):
        with pytest.raises(AuthTokenNotFound, match="auth token could not be found"):
            call(SECRET)
    with pytest.raises(AdminRequired):
        owner.auth_token.get(SECRET)


def test_certificates(db: Nova, owner: Nova):
    made = [db.certificate.create(Certificate(user_id=u, project_id=p)).id for u, p in ("up", "uq", "vp")]
    assert [each.id for each in db.certificate.get_all_by_user("u")] == made[:2]
    assert [each.id for each in db.certificate.get_all_by_project("p")] == [made[0], made[2]]
    assert [each.id for each in db.certificate.get_all_by_user_and_project("u", "q")] == [made[1]]
    assert db.certificate.update(made[0], col(Certificate.file_name).to("f")).file_name == "f"
    db.certificate.delete(made[0])
    assert [each.id for each in db.certificate.get_all_by_user("u")] == [made[1]]
    with pytest.raises(CertificateNotFound, match=f"certificate {made[0]} could not be found"):
        db.certificate.delete(made[0])
    with pytest.raises(AdminRequired):
        owner.certificate.get_all_by_user("u")


def test_key_pairs(db: Nova, owner: Nova, dead: Nova):
    one, two = (owner.key_pair.create(KeyPair(user_id="u", name=name, public_key="k")) for name in ("one", "two"))
    theirs = db.key_pair.create(KeyPair(user_id="v", name="one"))
    assert (one.user_id, owner.key_pair.get_by_name("u", "one")) == ("u", one)
    assert owner.key_pair.get_all_by_user("u") == [one, two]
    with pytest.raises(Duplicate):
        owner.key_pair.create(KeyPair(user_id="u", name="one"))
    owner.key_pair.destroy_by_name("u", "one")
    assert dead.key_pair.get_by_name("u", "one").deleted_at is not None
    assert owner.key_pair.create(KeyPair(user_id="u", name="one")).id != one.id
    owner.key_pair.destroy_all_by_user("u")
    owner.key_pair.destroy_all_by_user("u")
    assert owner.key_pair.get_all_by_user("u") == []
    assert db.key_pair.get_by_name("v", "one") == theirs
    for call in (owner.key_pair.get_by_name, owner.key_pair.destroy_by_name):
        with pytest.raises(KeypairNotFound):
            call("u", "one")
        with pytest.raises(NotAuthorized):
            call("v", "one")
    for all_of in (owner.key_pair.get_all_by_user, owner.key_pair.destroy_all_by_user):
        with pytest.raises(NotAuthorized):
            all_of("v")
    assert owner.key_pair.find(col(KeyPair.user_id) == "v") == []


# -- quotas --


def test_limits(db: Nova, owner: Nova):
    db.quota.create_for("p", "cores", -1)
    db.quota.create_for("p", "ram", None)
    db.quota.create_for("p", "volumes", 3)
    with pytest.raises(Duplicate):
        db.quota.create_for("p", "cores", 1)
    assert owner.quota.get_by_project("p", "volumes").hard_limit == 3
    assert owner.quota.get_all_by_project("p") == {"project_id": "p", "cores": -1, "ram": None, "volumes": 3}
    limits = owner.quota.limits("p")
    assert (limits["instances"], limits["cores"], limits["ram"], limits["volumes"]) == (10, None, None, 3)
    assert db.quota.set_limit("p", "volumes", 4).hard_limit == 4
    db.quota.destroy_by_resource("p", "volumes")
    for call in (
        lambda: db.quota.get_by_project("p", "volumes"),
        lambda: db.quota.set_limit("p", "volumes", 1),
        lambda: db.quota.destroy_by_resource("p", "volumes"),
    ):
        with pytest.raises(ProjectQuotaNotFound, match="quota for project p could not be found"):
            call()
    db.quota.destroy_all_by_project("p")
    assert owner.quota.get_all_by_project("p") == {"project_id": "p"}
    assert db.quota.create_for("p", "cores", 1).hard_limit == 1
    for refused in (
        lambda: owner.quota.get_by_project("q", "cores"),
        lambda: owner.quota.get_all_by_project("q"),
        lambda: owner.quota.limits("q"),
        lambda: owner.quota.allowed_volumes("q", 1, 1),
        lambda: owner.quota.reserve("q", {"volumes": 1}),
    ):
        with pytest.raises(NotAuthorized):
            refused()
    for admins in (
        lambda: owner.quota.set_limit("p", "cores", 9),
        lambda: owner.quota.destroy_all_by_project("p"),
        lambda: owner.quota.give_back("p", {"volumes": 1}),
    ):
        with pytest.raises(AdminRequired):
            admins()


def test_what_is_allowed_is_what_the_use_leaves(db: Nova, owner: Nova):
    size = InstanceType(name="s", vcpus=2, memory_mb=1000)
    db.instance.create(Instance(project_id="p", vcpus=6, memory_mb=1200))
    assert owner.quota.allowed_instances("p", 3, size) == 3
    assert owner.quota.allowed_instances("p", 99, size) == 7  # of 14 cores
    db.quota.create_for("p", "cores", -1)
    assert owner.quota.allowed_instances("p", 99, size) == 9
    db.quota.create_for("p", "ram", 4000)
    assert owner.quota.allowed_instances("p", 99, size) == 2
    db.quota.set_limit("p", "ram", 100)
    assert owner.quota.allowed_instances("p", 1, size) == -2  # it has too many as it is
    assert owner.quota.allowed_instances("p", 99, InstanceType(vcpus=0, memory_mb=0)) == 9

    owner.volume.create(Volume(project_id="p", size=900))
    assert owner.quota.allowed_volumes("p", 20, 0) == 9
    assert owner.quota.allowed_volumes("p", 20, 30) == 3
    db.quota.create_for("p", "gigabytes", None)
    assert owner.quota.allowed_volumes("p", 20, 30) == 9

    for auto in (False, True):
        db.floating_ip.create(FloatingIp(project_id="p", auto_assigned=auto))
    assert owner.quota.allowed_floating_ips("p", 20) == 9
    assert owner.quota.allowed("p", "metadata_items", 200) == 128
    assert owner.quota.allowed("p", "injected_file_content_bytes", 200) == 200
    with pytest.raises(QuotaNotFound, match="no quota of x"):
        owner.quota.allowed("p", "x", 1)


def test_what_is_reserved_is_counted_at_once(db: Nova, owner: Nova):
    owner.volume.create(Volume(project_id="p", size=100))
    owner.quota.reserve("p", volumes_take(2, 300))
    used = {use.resource: use.used for use in db.quota_use.find(col(QuotaUse.project_id) == "p")}
    assert used == {"volumes": 3, "gigabytes": 700}
    with pytest.raises(QuotaError, match="project p may not use 1 of volumes, 301 of gigabytes more"):
        owner.quota.reserve("p", volumes_take(1, 301))
    assert db.quota_use.get(("p", "volumes")).used == 3  # all or none
    owner.quota.reserve("p", volumes_take(1, 300))
    db.quota.give_back("p", volumes_take(3, 300))
    with pytest.raises(OutOfBounds):
        db.quota.give_back("p", volumes_take(1, 101))
    assert db.quota_use.get(("p", "volumes")).used == 1
    db.quota.create_for("p", "floating_ips", -1)
    owner.quota.reserve("p", {"floating_ips": 1000})
    with pytest.raises(QuotaNotFound):
        owner.quota.reserve("p", {"x": 1})
    with pytest.raises(UsageError):
        owner.quota.reserve("p", {"volumes": -1})


def test_a_reservation_is_one_step_with_what_it_is_for(db: Nova):
    def boot(tx: Nova) -> None:
        tx.quota.reserve("p", instances_take(1, InstanceType(vcpus=8, memory_mb=1)))
        tx.instance.create(Instance(project_id="p", vcpus=8, memory_mb=1))

    for _ in range(2):
        db.retrying(boot)
    with pytest.raises(QuotaError):
        db.retrying(boot)
    assert db.instance.data_get_for_project("p") == (2, 16, 2)
    assert db.quota_use.get(("p", "cores")).used == 16
    assert db.quota_use.counted("p", COUNTED) == {
        "instances": 2, "cores": 16, "ram": 2, "volumes": 0, "gigabytes": 0, "floating_ips": 0
    }  # fmt: skip
