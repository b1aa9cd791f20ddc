"""The planner: which access serves which filter, what is left to look at, and what comes in order."""

from __future__ import annotations

from typing import Any

import pytest

from manystore import IndexNotReady, NoAccessPath, asc, col, desc, everything, field, index, model, unique
from manystore.query.order import Order, orders
from manystore.query.plan import (
    AllOf,
    AnyOf,
    Claimed,
    Lookup,
    Nothing,
    Ordering,
    Plan,
    Union,
)
from manystore.query.plan import (
    Test as Leaf,
)
from manystore.query.planner import Query, full_order, plan
from manystore.query.predicate import And, Compare, Predicate
from manystore.schema.catalog import Catalog
from manystore.schema.schema import Schema


@model(
    soft_delete=True,
    indexes=[
        index("host"),
        index("project", "-created"),
        index("zone", "rack", "slot"),
        index("-created", name="newest"),
    ],
    uniques=[unique("uuid"), unique("name", "project", among="live")],
)
class Server:
    id: int = field(key=True)
    uuid: str = ""
    name: str = ""
    host: str | None = None
    project: str = ""
    created: int = 0
    zone: str = ""
    rack: int = 0
    slot: int = 0
    note: str = ""
    size: int = 0
    extra: dict[str, Any] | None = None
    deleted: bool = False


@model
class Part:
    box: str = field(key=True)
    number: int = field(key=True)
    label: str = ""


@model(small=True)
class Flavour:
    id: int = field(key=True)
    name: str = ""


SCHEMA = Schema.of([Server, Part, Flavour])
CATALOG = Catalog.first(SCHEMA)
LIVE = Compare(Server, "deleted", "live", False, optional=False)
S = SCHEMA.collection("server")


def planned(
    *where: Predicate, order: tuple[Order, ...] = (), catalog: Catalog = CATALOG, collection: str = "server", **how: Any
) -> Plan:
    shape = None if not where else where[0].shape if len(where) == 1 else And(where).shape
    terms = tuple(Ordering(term.field, term.descending) for term in orders(order))
    return plan(Query(SCHEMA.collection(collection), shape, terms, **how), catalog)


def words(access: Any) -> str:
    """An access in short: what it walks, by which tests."""
    if isinstance(access, Union):
        return " | ".join(words(part) for part in access.parts)
    if isinstance(access, Nothing):
        return "nothing"
    if isinstance(access, Lookup):
        return "lookup " + listed(access.tests)
    if isinstance(access, Claimed):
        return f"{access.unique.name} {listed(access.tests)}"
    name = access.index.name if access.index else "key"
    bounds = listed([t for t in (*access.equal, access.lower, access.upper, access.prefix) if t is not None])
    return f"{name} {bounds}".strip() + (" reversed" if access.reverse else "")


def listed(found: Any) -> str:
    return ",".join(f"{t.field}:{t.op}{t.param if t.param >= 0 else ''}" for t in found)


def residual(condition: Any) -> str:
    if condition is None:
        return ""
    if isinstance(condition, Leaf):
        return listed([condition])
    joint = " & " if isinstance(condition, AllOf) else " | "
    return "(" + joint.join(residual(part) for part in condition.parts) + ")"


C = col
CASES: list[tuple[list[Predicate], str, str]] = [
    # the key
    ([C(Server.id) == 1], "lookup id:eq0", ""),
    ([C(Server.id).in_([1, 2])], "lookup id:in0", ""),
    ([C(Server.id) > 1], "key id:gt0", ""),
    ([C(Server.id).between(1, 2)], "key id:ge0,id:le1", ""),
    ([C(Server.id) == 1, C(Server.host) == "a"], "lookup id:eq0", "host:eq1"),
    ([C(Server.id) == 1, C(Server.id) == 2], "lookup id:eq0", "id:eq1"),
    ([C(Server.id) == 1, C(Server.id).in_([1])], "lookup id:eq0", "id:in1"),
    ([C(Server.id).in_([1]), C(Server.id).in_([2])], "lookup id:in0", "id:in1"),
    # uniques
    ([C(Server.uuid) == "u"], "unique_uuid uuid:eq0", ""),
    ([C(Server.uuid) == "u", C(Server.host) == "a"], "unique_uuid uuid:eq0", "host:eq1"),
    ([C(Server.uuid) == "u", LIVE], "unique_uuid uuid:eq0", "deleted:eq1"),
    # a unique among the live, only where only the live are wanted, and said so by the shape
    (
        [C(Server.name) == "n", C(Server.project) == "p", LIVE],
        "unique_name_project name:eq0,project:eq1",
        "deleted:eq2",
    ),
    ([C(Server.name) == "n", C(Server.project) == "p"], "by_project_created project:eq1", "name:eq0"),
    (
        [C(Server.name) == "n", C(Server.project) == "p", C(Server.deleted) == False],  # noqa: E712
        "by_project_created project:eq1",
        "(name:eq0 & deleted:eq2)",
    ),
    # indexes
    ([C(Server.host) == "a"], "by_host host:eq0", ""),
    ([C(Server.host).is_(None)], "by_host host:null", ""),
    ([C(Server.host).in_(["a"])], "by_host host:in0", ""),
    ([C(Server.host).in_(["a", None])], "by_host host:in0 | by_host host:null", "(host:in0 | host:null)"),
    ([C(Server.host).prefix("a")], "by_host host:prefix0", ""),
    ([C(Server.host) > "a", C(Server.host) < "b"], "by_host host:gt0,host:lt1", ""),
    ([C(Server.zone) == "z", C(Server.rack) == 1], "by_zone_rack_slot zone:eq0,rack:eq1", ""),
    ([C(Server.zone) == "z", C(Server.slot) == 1], "by_zone_rack_slot zone:eq0", "slot:eq1"),
    ([C(Server.zone) == "z", C(Server.rack) >= 1], "by_zone_rack_slot zone:eq0,rack:ge1", ""),
    ([C(Server.project) == "p", C(Server.created) < 9], "by_project_created project:eq0,created:lt1", ""),
    # the longest beginning wins; one that is equal to one value goes before one of several
    (
        [C(Server.host) == "a", C(Server.zone) == "z", C(Server.rack) == 1],
        "by_zone_rack_slot zone:eq1,rack:eq2",
        "host:eq0",
    ),
    ([C(Server.host).in_(["a"]), C(Server.zone) == "z"], "by_zone_rack_slot zone:eq1", "host:in0"),
    # several tests of one field: one serves, the others are looked at
    ([C(Server.host) > "a", C(Server.host) >= "b"], "by_host host:gt0", "host:ge1"),
    ([C(Server.host) == "a", C(Server.host) == "b"], "by_host host:eq0", "host:eq1"),
    ([C(Server.host) == "a", C(Server.host) < "b"], "by_host host:eq0", "host:lt1"),
    ([C(Server.host).prefix("a"), C(Server.host) < "b"], "by_host host:prefix0", "host:lt1"),
    ([C(Server.host).is_(None), C(Server.host).is_(None)], "by_host host:null", ""),
    # one `in` of several
    ([C(Server.zone).in_(["z"]), C(Server.rack).in_([1])], "by_zone_rack_slot zone:in0", "rack:in1"),
    (
        [C(Server.zone).in_(["z"]), C(Server.rack) == 1, C(Server.slot) > 1],
        "by_zone_rack_slot zone:in0,rack:eq1,slot:gt2",
        "",
    ),
    # choices
    ([(C(Server.host) == "a") | (C(Server.id) == 1)], "by_host host:eq0 | lookup id:eq1", "(host:eq0 | id:eq1)"),
    (
        [C(Server.note) == "n", (C(Server.host) == "a") | (C(Server.id) == 1)],
        "by_host host:eq1 | lookup id:eq2",
        "(note:eq0 & (host:eq1 | id:eq2))",
    ),
    ([C(Server.host) == "a", (C(Server.note) == "n") | (C(Server.id) == 1)], "by_host host:eq0", "(note:eq1 | id:eq2)"),
    # both parts of a choice are bound together with what stands beside it
    (
        [C(Server.zone) == "z", (C(Server.rack) == 1) | (C(Server.rack) == 2)],
        "by_zone_rack_slot zone:eq0",
        "(rack:eq1 | rack:eq2)",
    ),
    # a choice inside a choice
    (
        [(C(Server.id) == 1) | ((C(Server.note) == "n") & ((C(Server.host) == "a") | (C(Server.uuid) == "u")))],
        "lookup id:eq0 | by_host host:eq2 | unique_uuid uuid:eq3",
        "(id:eq0 | (note:eq1 & (host:eq2 | uuid:eq3)))",
    ),
    ([LIVE, (C(Server.name) == "n") & (C(Server.project) == "p") | (C(Server.id) == 1)],
     "unique_name_project name:eq1,project:eq2 | lookup id:eq3",
     "(deleted:eq0 & ((name:eq1 & project:eq2) | id:eq3))"),
    # what is never, or always, true
    ([C(Server.host).in_([])], "nothing", ""),
    ([C(Server.note) == "n", C(Server.host).in_([])], "nothing", ""),
    ([C(Server.host).in_([]) | (C(Server.id) == 1)], "lookup id:eq0", ""),
    ([C(Server.host) == "a", everything() | (C(Server.note) == "n")], "by_host host:eq0", ""),
    ([~everything() & (C(Server.note) == "n")], "nothing", ""),
]  # fmt: skip


@pytest.mark.parametrize(("where", "access", "left"), CASES, ids=[f"{n}: {case[1]}" for n, case in enumerate(CASES)])
def test_access(where: list[Predicate], access: str, left: str) -> None:
    made = planned(*where)
    assert words(made.access) == access
    assert residual(made.residual) == left
    assert not made.is_scan


def test_keys_of_several_fields() -> None:
    both = (C(Part.number) == 1, C(Part.box) == "b")
    assert words(planned(*both, collection="part").access) == "lookup box:eq1,number:eq0"
    assert words(planned(C(Part.box) == "b", collection="part").access) == "key box:eq0"
    assert words(planned(C(Part.box) == "b", C(Part.number) > 1, collection="part").access) == "key box:eq0,number:gt1"
    many = planned(C(Part.box).in_(["b"]), C(Part.number) == 1, collection="part")
    assert words(many.access) == "key box:in0,number:eq1"
    assert many.residual is None
    with pytest.raises(NoAccessPath):
        planned(C(Part.number) == 1, collection="part")


# --- order ---

BY_PROJECT, BY_ZONE = "by_project_created project", "by_zone_rack_slot zone"
ORDERS: list[tuple[list[Predicate], tuple[Order, ...], str, int, int]] = [
    # where, order, access, presorted, terms
    ([C(Server.host) == "a"], (), "by_host host:eq0", 1, 1),
    ([C(Server.host) == "a"], (desc(Server.id),), "by_host host:eq0 reversed", 1, 1),
    ([C(Server.host) == "a"], (asc(Server.host),), "by_host host:eq0", 2, 2),
    ([C(Server.host) == "a"], (desc(Server.host),), "by_host host:eq0", 2, 2),  # one value is in any order
    ([C(Server.host) == "a"], (asc(Server.size),), "by_host host:eq0", 0, 2),
    ([C(Server.host) == "a"], (asc(Server.host), asc(Server.size)), "by_host host:eq0", 1, 3),
    ([C(Server.host) > "a"], (asc(Server.host),), "by_host host:gt0", 2, 2),
    # from the end, ties would come with the largest key first: only the first term is in order
    ([C(Server.host) > "a"], (desc(Server.host),), "by_host host:gt0 reversed", 1, 2),
    ([C(Server.host) > "a"], (desc(Server.host), desc(Server.id)), "by_host host:gt0 reversed", 2, 2),
    ([C(Server.host) > "a"], (asc(Server.host), desc(Server.id)), "by_host host:gt0", 1, 2),
    ([C(Server.project) == "p"], (desc(Server.created),), "by_project_created project:eq0", 2, 2),
    ([C(Server.project) == "p"], (asc(Server.created),), "by_project_created project:eq0 reversed", 1, 2),
    ([C(Server.project) == "p"], (asc(Server.created), desc(Server.id)), f"{BY_PROJECT}:eq0 reversed", 2, 2),
    ([C(Server.project) > "p"], (asc(Server.project), desc(Server.created)), "by_project_created project:gt0", 3, 3),
    ([C(Server.project) > "p"], (desc(Server.project), asc(Server.created)), f"{BY_PROJECT}:gt0 reversed", 2, 3),
    ([C(Server.project) > "p"], (asc(Server.project), asc(Server.created)), "by_project_created project:gt0", 1, 3),
    ([C(Server.project) > "p"], (asc(Server.created),), "by_project_created project:gt0", 0, 2),
    ([C(Server.zone) == "z"], (asc(Server.rack), asc(Server.slot)), "by_zone_rack_slot zone:eq0", 3, 3),
    ([C(Server.zone) == "z"], (asc(Server.slot),), "by_zone_rack_slot zone:eq0", 0, 2),
    ([C(Server.zone) == "z", C(Server.slot) > 1], (asc(Server.rack), asc(Server.slot)), f"{BY_ZONE}:eq0", 3, 3),
    # a choice of two paths goes to the one in order
    ([C(Server.host) == "a", C(Server.zone) == "z"], (asc(Server.rack),), "by_zone_rack_slot zone:eq1", 1, 2),
    # several stretches are in no order at all; nor are several lookups, or a union
    ([C(Server.host).in_(["a"])], (asc(Server.host),), "by_host host:in0", 0, 2),
    ([C(Server.id).in_([1])], (), "lookup id:in0", 0, 1),
    ([C(Server.id).in_([1])], (desc(Server.created),), "lookup id:in0", 0, 2),
    ([(C(Server.host) == "a") | (C(Server.id) == 1)], (), "by_host host:eq0 | lookup id:eq1", 0, 1),
    # one record is in any order
    ([C(Server.id) == 1], (desc(Server.created),), "lookup id:eq0", 2, 2),
    ([C(Server.uuid) == "u"], (desc(Server.created),), "unique_uuid uuid:eq0", 2, 2),
    # what comes after the whole key orders nothing
    ([C(Server.host) == "a"], (asc(Server.id), desc(Server.created)), "by_host host:eq0", 1, 1),
    ([C(Server.host) == "a"], (asc(Server.id), desc(Server.id)), "by_host host:eq0", 1, 1),
]  # fmt: skip


@pytest.mark.parametrize(("where", "order", "access", "presorted", "terms"), ORDERS)
def test_order(where: list[Predicate], order: tuple[Order, ...], access: str, presorted: int, terms: int) -> None:
    made = planned(*where, order=order)
    assert words(made.access) == access
    assert made.presorted == presorted
    assert len(made.order) == terms


def test_an_order_ends_in_the_key() -> None:
    made = planned(C(Part.box) == "b", order=(desc(Part.label),), collection="part")
    assert made.order == (Ordering("label", True), Ordering("box"), Ordering("number"))
    mixed = planned(C(Part.box) == "b", order=(desc(Part.number), asc(Part.label)), collection="part")
    assert mixed.order == (Ordering("number", True), Ordering("label"), Ordering("box"))


# --- scans and refusals ---


def test_scans_are_asked_for_aloud() -> None:
    made = planned(C(Server.note) == "n", scan=True)
    assert (made.is_scan, words(made.access), residual(made.residual)) == (True, "key", "note:eq0")
    whole = planned(scan=True, order=(desc(Server.created),))
    assert (whole.is_scan, words(whole.access), whole.presorted, whole.residual) == (True, "newest", 2, None)
    assert words(planned(scan=True, order=(asc(Server.created),)).access) == "newest reversed"
    assert words(planned(scan=True, order=(desc(Server.id),)).access) == "key reversed"
    # A path is taken where there is one.
    assert not planned(C(Server.host) == "a", scan=True).is_scan


def test_small_collections_are_scanned() -> None:
    assert planned(C(Flavour.name) == "n", collection="flavour").is_scan
    assert planned(collection="flavour").is_scan


@pytest.mark.parametrize(
    ("order", "presorted"),
    [
        ((), 1),
        ((desc(Server.id),), 1),
        ((asc(Server.id), asc(Server.size)), 1),
        ((desc(Server.created),), 2),
        ((asc(Server.host),), 2),
        ((asc(Server.created),), 1),  # from the end: ties would come with the largest key first, so they are sorted
    ],
)
def test_a_page_in_an_order_that_a_path_yields_is_bounded(order: tuple[Order, ...], presorted: int) -> None:
    made = planned(order=order, limited=True)
    assert made.is_scan
    assert made.presorted == presorted
    assert made.residual is None
    assert planned(everything(), order=order, limited=True).is_scan
    assert residual(planned(LIVE, order=order, limited=True).residual) == "deleted:eq0"
    with pytest.raises(NoAccessPath):
        planned(order=order)


@pytest.mark.parametrize(
    ("where", "order", "limited"),
    [
        ([], (asc(Server.size),), True),
        ([], (desc(Server.created), asc(Server.size)), True),
        ([LIVE], (), False),
        ([LIVE], (asc(Server.size),), True),
        ([C(Server.note) == "n"], (), True),
        ([C(Server.host) != "a"], (), False),
        ([C(Server.host).is_not(None)], (), False),
        ([C(Server.rack) == 1], (), False),  # not the first field of its index
        ([C(Server.name) == "n", LIVE], (), False),  # half a unique
        ([(C(Server.host) == "a") | (C(Server.note) == "n")], (), False),
        ([~(C(Server.host) == "a")], (), False),
    ],
)
def test_what_is_refused(where: list[Predicate], order: tuple[Order, ...], limited: bool) -> None:
    with pytest.raises(NoAccessPath):
        planned(*where, order=order, limited=limited)
    assert planned(*where, order=order, limited=limited, scan=True).is_scan


HINTS: list[tuple[list[Predicate], tuple[Order, ...], bool, str]] = [
    ([C(Server.note) == "n"], (), False, 'index("note")'),
    ([C(Server.note) == "n", C(Server.size) > 3], (), False, 'index("note", "size")'),
    ([C(Server.size) > 3, C(Server.note) == "n"], (desc(Server.created),), False, 'index("note", "size")'),
    ([C(Server.note) == "n"], (desc(Server.created),), False, 'index("note", "-created")'),
    ([C(Server.note).prefix("n")], (), False, 'index("note")'),
    ([C(Server.note) == "n", LIVE], (), False, 'index("note")'),
    ([C(Server.note) != "n", C(Server.size) == 3], (), False, 'index("size")'),
    ([LIVE], (desc(Server.size),), True, 'index("deleted", "-size")'),
    ([LIVE], (), False, 'index("deleted")'),
    ([], (asc(Server.size),), True, 'index("size")'),
    ([(C(Server.note) == "n") | (C(Server.size) == 1)], (), False, 'index("note"), index("size")'),
    ([(C(Server.note) == "n") | (C(Server.host) == "a")], (), False, 'index("note")'),
    ([(C(Server.note) == "n") | (C(Server.note) == "m")], (), False, 'index("note")'),
]


@pytest.mark.parametrize(("where", "order", "limited", "hint"), HINTS)
def test_the_hint_names_what_to_declare(
    where: list[Predicate], order: tuple[Order, ...], limited: bool, hint: str
) -> None:
    with pytest.raises(NoAccessPath) as caught:
        planned(*where, order=order, limited=limited)
    assert caught.value.index == f"@model(indexes=[{hint}])"
    assert f"declare @model(indexes=[{hint}]), or pass scan=True" in str(caught.value)


@pytest.mark.parametrize(
    ("where", "order", "wanted"),
    [
        ([C(Server.note) != "n"], (), "a filter on note"),
        ([C(Server.extra).is_(None)], (), "a filter on extra"),
        ([(C(Server.note) != "n") | (C(Server.size) == 1)], (), "a filter on note, size"),
        ([], (), "a read of everything"),
        ([], (asc(Server.size),), "the order by size"),  # without a limit, an index would not make it any less
    ],
)
def test_no_hint_where_no_index_helps(where: list[Predicate], order: tuple[Order, ...], wanted: str) -> None:
    with pytest.raises(NoAccessPath) as caught:
        planned(*where, order=order)
    assert str(caught.value) == f"Server: no key or index serves {wanted}; pass scan=True to read everything"


# --- indexes that are not ready ---


def building(*names: str) -> Catalog:
    return CATALOG.changed(indexes={f"server.{name}": "building" for name in names})


def test_an_index_that_is_being_built_is_not_used() -> None:
    catalog = building("by_host")
    with pytest.raises(IndexNotReady, match="Server: by_host is still being built"):
        planned(C(Server.host) == "a", catalog=catalog)
    with pytest.raises(IndexNotReady, match="unique_uuid is still being built"):
        planned(C(Server.uuid) == "u", catalog=building("unique_uuid"))
    # Anything else that serves is taken instead: another path, a choice, or the scan that was asked for.
    assert words(planned(C(Server.host) == "a", C(Server.id) > 1, catalog=catalog).access) == "key id:gt1"
    either = (C(Server.id) == 1) | (C(Server.id) == 2)
    assert words(planned(C(Server.host) == "a", either, catalog=catalog).access) == "lookup id:eq1 | lookup id:eq2"
    assert planned(C(Server.host) == "a", catalog=catalog, scan=True).is_scan
    with pytest.raises(NoAccessPath):
        planned(C(Server.note) == "a", catalog=catalog)
    with pytest.raises(NoAccessPath):
        planned(order=(desc(Server.created),), limited=True, catalog=building("newest"))
    assert words(planned(order=(desc(Server.created),), scan=True, catalog=building("newest")).access) == "key"


# --- the rest of a plan ---


def test_what_a_plan_carries() -> None:
    made = planned(C(Server.host) == "a", output="rows", columns=("id", "host"))
    assert (made.collection, made.output, made.columns, made.totals) == (S, "rows", ("id", "host"), ())
    assert made != planned(C(Server.host) == "a", output="rows", columns=("id", "host"))  # known by identity
    assert made.compiled == {}
    assert hash(made) == hash(made)


def test_parameters_are_numbered_as_values_come() -> None:
    asked = (C(Server.note) == "n") | ((C(Server.id) == 1) & C(Server.host).is_(None) & C(Server.size).in_([2, 3]))
    made = planned(asked, scan=True)
    assert list(asked.values()) == ["n", 1, (2, 3)]
    assert made.where == AnyOf(
        (
            Leaf("note", "eq", 0),
            AllOf((Leaf("id", "eq", 1), Leaf("host", "null", -1), Leaf("size", "in", 2))),
        )
    )


def test_many_choices_are_planned_quickly() -> None:
    choices = [(C(Server.note) == str(n)) | (C(Server.size) == n) | (C(Server.slot) == n) for n in range(12)]
    with pytest.raises(NoAccessPath):
        planned(*choices)


def test_an_order_ends_where_the_key_is_complete() -> None:
    terms = (Ordering("id"), Ordering("size"))
    assert full_order(terms, S) == (Ordering("id"),)
    assert full_order((Ordering("size"), Ordering("size", True)), S) == (Ordering("size"), Ordering("id"))
    assert full_order((), SCHEMA.collection("part")) == (Ordering("box"), Ordering("number"))
