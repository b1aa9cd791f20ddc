"""References: what they demand of a write, and what a delete does to those that refer."""

from __future__ import annotations

import pytest

from manystore import (
    Conflict,
    Database,
    MissingReference,
    NotFound,
    Repository,
    Restricted,
    col,
    field,
    model,
    ref,
)
from manystore.testing.models import Author, Book, Cloud, Copy, Folder, Host, Library, Reader, Server, Volume
from manystore.testing.provision import Place


@model
class Node:
    """What edges run between."""

    name: str = field(key=True)


@model
class Edge:
    """Refers to one model three times, each with another rule."""

    id: int = field(key=True)
    source: str | None = ref(Node.name, default=None, on_delete="cascade")
    target: str | None = ref(Node.name, default=None, on_delete="set_null")
    kept_by: str | None = ref(Node.name, default=None, index=True)
    label: str | None = field(default=None, unique=True)


class Graph(Database):
    """Nodes and edges."""

    node: Repository[Node, str]
    edge: Repository[Edge, int]


@pytest.fixture
def graph(place: Place) -> Graph:
    """Nodes a to d."""
    made = place.connect(Graph)
    made.node.create_all([Node(name=name) for name in "abcd"])
    return made


@pytest.fixture
def lent(library: Library) -> Library:
    """An author with a book of three copies, two of them lent to a reader."""
    author = library.author.create(Author(name="a"))
    library.book.create(Book(isbn="1", title="t", author_id=author.id))
    reader = library.reader.create(Reader(name="r"))
    for number, borrower in enumerate((None, reader.id, reader.id), 1):
        library.copy.create(Copy(isbn="1", number=number, reader_id=borrower))
    return library


def test_a_reference_to_nothing_is_refused(lent: Library) -> None:
    with pytest.raises(MissingReference) as caught:
        lent.book.create(Book(isbn="2", title="t", author_id=99))
    assert (caught.value.model, caught.value.field, caught.value.target) == ("Book", "author_id", "Author")
    with pytest.raises(MissingReference):
        lent.book.update("1", col(Book.author_id).to(99))
    book = lent.book.get("1")
    book.author_id = 99
    with pytest.raises(MissingReference):
        lent.book.save(book)
    with pytest.raises(MissingReference):
        lent.copy.create(Copy(isbn="none", number=1))
    with pytest.raises(MissingReference):
        lent.copy.update_where(col(Copy.isbn) == "1", changes=[col(Copy.reader_id).to(99)])
    assert lent.book.get("1").author_id == 1
    assert [c.reader_id for c in lent.copy.find(limit=9)] == [None, 1, 1]


def test_none_refers_to_nothing(lent: Library) -> None:
    lent.copy.update(("1", 2), col(Copy.reader_id).to(None))
    assert lent.copy.get(("1", 2)).reader_id is None


def test_restrict(lent: Library) -> None:
    with pytest.raises(Restricted) as caught:
        lent.author.delete(1)
    assert (caught.value.model, caught.value.by) == ("Author", "Book.author_id")
    with pytest.raises(Restricted):
        lent.author.delete_where(col(Author.name) == "a")
    assert lent.author.get(1).name == "a"
    lent.book.delete("1")
    lent.author.delete(1)


def test_cascade(lent: Library) -> None:
    lent.book.create(Book(isbn="10", title="another", author_id=1))
    lent.copy.create(Copy(isbn="10", number=1))
    lent.book.delete("1")
    assert [(c.isbn, c.number) for c in lent.copy.find(limit=9)] == [("10", 1)]
    assert lent.copy.find(col(Copy.reader_id) == 1) == []  # index entries went as well


def test_the_revisions_of_set_null_are_as_random_as_others(lent: Library) -> None:
    isbn = lent.copy.find(scan=True)[0].isbn
    reader = lent.reader.create(Reader(name="many"))
    copies = [Copy(isbn=isbn, number=100 + n, reader_id=reader.id) for n in range(40)]
    lent.copy.create_all(copies)
    lent.reader.delete(reader)
    revisions = [lent.copy.get((isbn, copy.number))._revision for copy in copies]  # type: ignore[attr-defined]  # noqa: SLF001
    assert len(set(revisions)) == 40
    for bit in range(63):  # of 40 random ones, none is the same in all but once in 500 milliards
        assert 0 < sum(revision >> bit & 1 for revision in revisions) < 40


def test_set_null_gives_a_new_revision(lent: Library) -> None:
    stale = lent.copy.get(("1", 2))
    untouched = lent.copy.get(("1", 1))
    lent.reader.delete(1)
    assert [c.reader_id for c in lent.copy.find(limit=9)] == [None, None, None]
    with pytest.raises(Conflict):
        lent.copy.save(stale)
    lent.copy.save(untouched)
    assert len(lent.copy.find(col(Copy.reader_id).is_(None))) == 3
    assert lent.copy.find(col(Copy.reader_id) == 1) == []


def test_cascade_goes_down_a_tree(library: Library) -> None:
    paths = ["a", "a/b", "a/b/c", "a/b/c/d", "a/e", "f", "f/a"]
    for path in paths:
        library.folder.create(Folder(path=path, parent=path.rpartition("/")[0] or None))
    library.folder.delete("a")
    assert [f.path for f in library.folder.find(limit=9)] == ["f", "f/a"]


def test_a_record_may_refer_to_itself(library: Library) -> None:
    library.folder.create(Folder(path="self", parent="self"))
    library.folder.delete("self")
    assert library.folder.find(limit=9) == []


def test_a_ring_is_deleted_whole(library: Library) -> None:
    with library.transaction() as tx:
        tx.folder.create(Folder(path="a", parent="c"))
        tx.folder.create(Folder(path="b", parent="a"))
        tx.folder.create(Folder(path="c", parent="b"))
    library.folder.delete("b")
    assert library.folder.find(limit=9) == []


def test_restrict_below_a_cascade_refuses_all(cloud: Cloud) -> None:
    cloud.server.create(Server(id="s", project="p", hostname="h"))
    cloud.volume.create(Volume(server_id="s"))
    with pytest.raises(Restricted) as caught:
        cloud.server.purge("s")
    assert caught.value.by == "Volume.server_id"
    assert cloud.server.get("s").hostname == "h"


@pytest.mark.parametrize("child_first", [True, False])
def test_in_a_transaction_the_order_of_creates_does_not_matter(library: Library, *, child_first: bool) -> None:
    with library.transaction() as tx:
        if child_first:
            tx.folder.create(Folder(path="a/b", parent="a"))
        tx.folder.create(Folder(path="a"))
        if not child_first:
            tx.folder.create(Folder(path="a/b", parent="a"))
    assert library.folder.get("a/b").parent == "a"


@pytest.mark.parametrize("child_first", [True, False])
def test_in_a_transaction_the_order_of_deletes_does_not_matter(lent: Library, *, child_first: bool) -> None:
    with lent.transaction() as tx:
        if child_first:
            tx.book.delete("1")
        tx.author.delete(1)
        if not child_first:
            tx.book.delete("1")
    assert lent.author.find(limit=9) == []
    assert lent.copy.find(limit=9) == []


def test_a_referrer_that_is_pointed_elsewhere_in_the_same_step_restricts_nothing(lent: Library) -> None:
    other = lent.author.create(Author(name="b"))
    with lent.transaction() as tx:
        tx.author.delete(1)
        tx.book.update("1", col(Book.author_id).to(other.id))
    assert lent.book.get("1").author_id == other.id
    with pytest.raises(NotFound):
        lent.author.get(1)


def test_what_newly_points_at_a_record_deleted_in_the_step_is_missing_it(library: Library) -> None:
    library.folder.create(Folder(path="a"))
    with pytest.raises(MissingReference), library.transaction() as tx:
        tx.folder.delete("a")
        tx.folder.create(Folder(path="a/b", parent="a"))
    assert [f.path for f in library.folder.find(limit=9)] == ["a"]


def test_a_soft_deleted_target_is_there(cloud: Cloud) -> None:
    cloud.server.create(Server(id="s", project="p", hostname="h"))
    volume = cloud.volume.create(Volume(server_id="s"))
    cloud.server.delete("s")  # an update: no rule is fired
    assert cloud.volume.get(volume.id).server_id == "s"
    cloud.volume.create(Volume(server_id="s"))


def test_a_soft_deleted_child_restricts(cloud: Cloud) -> None:
    cloud.host.create(Host(name="h"))
    cloud.server.create(Server(id="s", project="p", hostname="x", host="h"))
    cloud.server.delete("s")
    with pytest.raises(Restricted):
        cloud.host.delete("h")
    cloud.server.purge("s")
    cloud.host.delete("h")


def test_delete_where_takes_parents_with_their_children_in_one_step(library: Library) -> None:
    for n in range(5):
        library.folder.create(Folder(path=f"p{n}"))
        library.folder.create(Folder(path=f"p{n}/c", parent=f"p{n}"))
    assert library.folder.delete_where(col(Folder.parent).is_(None)) == 5
    assert library.folder.find(limit=9) == []


def test_each_reference_has_its_own_rule(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", target="b", kept_by="c"))
    graph.node.delete("b")
    assert graph.edge.get(1).target is None
    with pytest.raises(Restricted) as caught:
        graph.node.delete("c")
    assert caught.value.by == "Edge.kept_by"
    graph.node.delete("a")
    assert graph.edge.find(scan=True) == []
    graph.node.delete("c")


def test_two_references_to_one_record(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", target="a"))
    graph.edge.create(Edge(id=2, source="b", target="a"))
    graph.node.delete("a")
    assert [(e.id, e.source, e.target) for e in graph.edge.find(scan=True)] == [(2, "b", None)]


def test_a_record_that_goes_with_its_target_does_not_hold_it_as_well(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", kept_by="a"))
    graph.node.delete("a")
    assert graph.edge.find(scan=True) == []


def test_two_targets_are_deleted_in_one_step(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", target="b"))
    graph.edge.create(Edge(id=2, source="c", target="a"))
    graph.edge.create(Edge(id=3, source="c", target="b"))
    with graph.transaction() as tx:
        tx.node.delete("a")
        tx.node.delete("b")
    assert [(e.id, e.source, e.target) for e in graph.edge.find(scan=True)] == [(2, "c", None), (3, "c", None)]


def test_the_first_missing_reference_in_declared_order_is_named(graph: Graph) -> None:
    for source, named in (("x", "source"), ("a", "kept_by")):
        with pytest.raises(MissingReference) as caught:
            graph.edge.create(Edge(id=1, source=source, target="b", kept_by="z"))
        assert caught.value.field == named


def test_a_missing_reference_comes_before_a_taken_unique(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, label="l"))
    with pytest.raises(MissingReference):
        graph.edge.create(Edge(id=2, label="l", source="none"))


def test_a_cascade_frees_uniques_for_the_same_step(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", label="l"))
    with graph.transaction() as tx:
        tx.edge.create(Edge(id=2, source="b", label="l"))
        tx.node.delete("a")
    assert [(e.id, e.label) for e in graph.edge.find(col(Edge.label) == "l")] == [(2, "l")]


def test_a_record_changed_and_set_to_null_in_one_step(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="b", target="a"))
    with graph.transaction() as tx:
        changed = tx.edge.update(1, col(Edge.label).to("changed"))
        tx.node.delete("a")
    stored = graph.edge.get(1)
    assert (stored.label, stored.target) == ("changed", None)
    with pytest.raises(MissingReference):
        graph.edge.save(changed)  # it still says "a"


def test_a_record_changed_and_cascaded_away_in_one_step(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", label="l"))
    with graph.transaction() as tx:
        tx.edge.update(1, col(Edge.label).to("changed"))
        tx.node.delete("a")
    assert graph.edge.find(scan=True) == []
    graph.edge.create(Edge(id=2, label="l"))
    graph.edge.create(Edge(id=3, label="changed"))


def test_a_record_pointed_at_a_new_one_while_the_old_one_goes(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", target="a", kept_by="a"))
    with graph.transaction() as tx:
        tx.node.create(Node(name="z"))
        edge = tx.edge.get(1)
        edge.source = edge.target = edge.kept_by = "z"
        tx.edge.save(edge)
        tx.node.delete("a")
    stored = graph.edge.get(1)
    assert (stored.source, stored.target, stored.kept_by) == ("z", "z", "z")
    graph.edge.save(edge)


@pytest.mark.parametrize("rule", ["source", "target", "kept_by"])
@pytest.mark.parametrize("there", [True, False], ids=["changed", "made"])
def test_whatever_the_rule_nothing_may_newly_point_at_what_goes(graph: Graph, rule: str, *, there: bool) -> None:
    if there:
        graph.edge.create(Edge(id=1))
    with pytest.raises(MissingReference) as caught, graph.transaction() as tx:
        edge = tx.edge.get(1) if there else Edge(id=1)
        setattr(edge, rule, "a")
        if there:
            tx.edge.save(edge)
        else:
            tx.edge.create(edge)
        tx.node.delete("a")
    assert caught.value.field == rule
    assert graph.node.get("a").name == "a"


def test_a_cascade_goes_through_records_that_the_step_changes(library: Library) -> None:
    for path in ("a", "a/b", "a/b/c", "a/b/c/d", "a/b/e"):
        library.folder.create(Folder(path=path, parent=path.rpartition("/")[0] or None))
    with library.transaction() as tx:
        for path in ("a/b", "a/b/c"):
            tx.folder.save(tx.folder.get(path))
        tx.folder.update("a/b/e", col(Folder.parent).to(None))
        tx.folder.delete("a")
    assert [f.path for f in library.folder.find(scan=True)] == ["a/b/e"]


@pytest.mark.parametrize("rule", ["source", "target", "kept_by"])
def test_moving_from_one_that_goes_to_another_that_goes_is_missing_it(graph: Graph, rule: str) -> None:
    edge = Edge(id=1)
    setattr(edge, rule, "a")
    graph.edge.create(edge)
    with pytest.raises(MissingReference) as caught, graph.transaction() as tx:
        setattr(edge, rule, "b")
        tx.edge.save(edge)
        tx.node.delete("a")
        tx.node.delete("b")
    assert caught.value.field == rule


def test_a_target_deleted_and_made_again_in_one_step_is_still_there(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, source="a", target="a", kept_by="a"))
    with graph.transaction() as tx:
        tx.node.delete("a")
        tx.node.create(Node(name="a"))
    assert graph.edge.get(1).source == "a"


def test_a_changed_target_keeps_its_referrers(graph: Graph) -> None:
    graph.edge.create(Edge(id=1, kept_by="a"))
    graph.node.save(graph.node.get("a"))
    with pytest.raises(Restricted):
        graph.node.delete("a")
    graph.edge.update(1, col(Edge.kept_by).to("b"))
    graph.node.delete("a")
