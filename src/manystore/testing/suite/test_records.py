"""Whole records: create, get, save, delete; generated, natural and composite keys; copies of objects."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import timedelta

import pytest

from manystore import UNSET, Conflict, Duplicate, NotFound, UsageError, ValueRefused
from manystore.testing.models import Author, Book, Cloud, Copy, Folder, Library, Quota, Reader, State
from manystore.testing.provision import Clock, Place


def _author(library: Library) -> Author:
    return library.author.create(Author(name="Ada"))


def test_created_record_is_read_back_equal(library: Library) -> None:
    author = _author(library)
    book = library.book.create(Book(isbn="1", title="Notes", author_id=author.id, pages=65, state=State.PRINTED))
    read = library.book.get("1")
    assert read == book
    assert read is not book
    assert read.title == "Notes"
    assert read.state is State.PRINTED
    assert read.extra == {}


def test_create_gives_the_same_object_with_its_key(library: Library) -> None:
    author = Author(name="Ada")
    assert author.id is UNSET  # type: ignore[comparison-overlap]
    assert library.author.create(author) is author
    assert author.id == 1
    assert _second(library).id == 2


def _second(library: Library) -> Author:
    return library.author.create(Author(name="Bob"))


def test_generated_keys_of_two_programs_differ(place: Place) -> None:
    one, two = place.connect(Library), place.connect(Library)
    made = [db.reader.create(Reader(name="r")).id for db in (one, two, one, two, one, two)]
    assert len(set(made)) == len(made)
    assert {reader.id for reader in one.reader.find(order_by=(), limit=10)} == set(made)


def test_generated_key_may_be_given_and_is_not_given_again(library: Library) -> None:
    library.author.create(dataclasses.replace(Author(name="imported"), id=2))
    made = [library.author.create(Author(name=name)).id for name in ("a", "b", "c")]
    assert 2 not in made
    assert len({2, *made}) == 4
    assert library.author.get(2).name == "imported"


def test_each_model_counts_by_itself(library: Library) -> None:
    assert _author(library).id == 1
    assert library.reader.create(Reader(name="r")).id == 1


def test_zero_and_negative_are_keys(library: Library) -> None:
    for key in (0, -5, 2**63 - 1, -(2**63)):
        library.reader.create(dataclasses.replace(Reader(name=str(key)), id=key))
    assert [reader.id for reader in library.reader.find(limit=9)] == [-(2**63), -5, 0, 2**63 - 1]
    assert library.reader.get(0).name == "0"


def test_taken_key_is_a_duplicate(library: Library) -> None:
    author = _author(library)
    library.book.create(Book(isbn="1", title="first", author_id=author.id))
    with pytest.raises(Duplicate) as caught:
        library.book.create(Book(isbn="1", title="second", author_id=author.id))
    assert (caught.value.model, caught.value.fields) == ("Book", ("isbn",))
    assert library.book.get("1").title == "first"


def test_refused_create_leaves_the_object_as_it_was(library: Library) -> None:
    _author(library)
    again = Author(name="Ada")
    with pytest.raises(Duplicate):
        library.author.create(again)
    assert again.id is UNSET  # type: ignore[comparison-overlap]
    again.name = "Grace"
    library.author.create(again)
    assert library.author.get(again.id).name == "Grace"


def test_composite_key(library: Library) -> None:
    author = _author(library)
    library.book.create(Book(isbn="1", title="t", author_id=author.id))
    for number in (3, 1, 2):
        library.copy.create(Copy(isbn="1", number=number, shelf=f"s{number}"))
    assert library.copy.get(("1", 2)).shelf == "s2"
    with pytest.raises(NotFound) as caught:
        library.copy.get(("1", 4))
    assert caught.value.key == ("1", 4)
    with pytest.raises(Duplicate) as taken:
        library.copy.create(Copy(isbn="1", number=3))
    assert taken.value.fields == ("isbn", "number")
    library.copy.delete(("1", 2))
    assert [c.number for c in library.copy.find(limit=9)] == [1, 3]


def test_parts_of_a_composite_key_do_not_run_together(cloud: Cloud) -> None:
    keys = [
        ("a", "bc"),
        ("ab", "c"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("a,b", "c"),
        ("a\u0001", "c"),
        ("", "abc"),
        ("abc", ""),
    ]
    for place, (project, resource) in enumerate(keys):
        cloud.quota.create(Quota(project=project, resource=resource, used=place))
    assert [cloud.quota.get(key).used for key in keys] == list(range(len(keys)))
    assert [(q.project, q.resource) for q in cloud.quota.find(limit=20)] == sorted(keys)


def test_key_of_the_wrong_shape_is_refused(library: Library) -> None:
    with pytest.raises(ValueRefused):
        library.copy.get("1")  # type: ignore[arg-type]
    with pytest.raises(ValueRefused):
        library.copy.get(("1", "2"))  # type: ignore[arg-type]
    with pytest.raises(ValueRefused):
        library.author.get(True)
    with pytest.raises(ValueRefused):
        library.book.get("9" * 41)


def test_missing_record(library: Library) -> None:
    with pytest.raises(NotFound) as caught:
        library.book.get("none")
    assert (caught.value.model, caught.value.key) == ("Book", "none")
    assert isinstance(caught.value, LookupError)


def test_save_writes_what_was_changed(library: Library) -> None:
    author = _author(library)
    author.first = "Augusta"
    assert library.author.save(author) is author
    author.last = "King"
    library.author.save(author)  # the revision went along
    read = library.author.get(author.id)
    assert (read.first, read.last) == ("Augusta", "King")


def test_stale_save_is_a_conflict_and_writes_nothing(library: Library) -> None:
    author = _author(library)
    mine, theirs = library.author.get(author.id), library.author.get(author.id)
    theirs.first = "theirs"
    library.author.save(theirs)
    mine.first = "mine"
    with pytest.raises(Conflict) as caught:
        library.author.save(mine)
    assert (caught.value.model, caught.value.key) == ("Author", author.id)
    assert library.author.get(author.id).first == "theirs"
    with pytest.raises(Conflict):  # and it stays stale
        library.author.save(mine)


def test_save_of_the_same_values_makes_a_new_revision(library: Library) -> None:
    author = _author(library)
    stale = library.author.get(author.id)
    library.author.save(author)
    with pytest.raises(Conflict):
        library.author.save(stale)


def test_save_of_a_deleted_record_is_a_conflict(library: Library) -> None:
    author = _author(library)
    library.author.delete(author.id)
    with pytest.raises(Conflict):
        library.author.save(author)
    with pytest.raises(NotFound):
        library.author.get(author.id)


def test_deleted_and_made_again_is_not_taken_for_the_old_one(library: Library) -> None:
    old = library.folder.create(Folder(path="a"))
    library.folder.delete("a")
    new = library.folder.create(Folder(path="a"))
    assert new == old
    with pytest.raises(Conflict):
        library.folder.save(old)
    with pytest.raises(Conflict):
        library.folder.delete(old)
    library.folder.save(new)


def test_save_of_a_record_that_was_never_stored_is_refused(library: Library) -> None:
    with pytest.raises(UsageError):
        library.author.save(dataclasses.replace(Author(name="x"), id=1))


@pytest.mark.parametrize(
    "carry", [copy.copy, copy.deepcopy, dataclasses.replace, lambda record: pickle.loads(pickle.dumps(record))]
)
def test_copies_carry_the_revision(library: Library, carry: object) -> None:
    author = _author(library)
    copied: Author = carry(library.author.get(author.id))  # type: ignore[operator]
    copied.first = "copied"
    library.author.save(copied)
    assert library.author.get(author.id).first == "copied"
    with pytest.raises(Conflict):
        library.author.save(author)


def test_a_read_record_is_nobody_elses(library: Library) -> None:
    author = _author(library)
    one, two = library.author.get(author.id), library.author.get(author.id)
    one.first = "changed"
    assert two.first is None
    library.book.create(Book(isbn="1", title="t", author_id=author.id, extra={"a": [1]}))
    library.book.get("1").extra["a"].append(2)
    assert library.book.get("1").extra == {"a": [1]}


def test_a_stored_record_does_not_change_with_its_object(library: Library) -> None:
    author = _author(library)
    extra = {"a": [1]}
    library.book.create(Book(isbn="1", title="t", author_id=author.id, extra=extra))
    extra["a"].append(2)
    assert library.book.get("1").extra == {"a": [1]}


def test_delete_by_key_and_by_record(library: Library) -> None:
    ada, bob = _author(library), _second(library)
    library.author.delete(ada.id)
    library.author.delete(bob)
    assert library.author.find(limit=9) == []
    with pytest.raises(NotFound):
        library.author.delete(ada.id)
    with pytest.raises(NotFound):
        library.author.delete(bob)


def test_delete_of_a_stale_record_is_a_conflict(library: Library) -> None:
    author = _author(library)
    stale = library.author.get(author.id)
    library.author.save(author)
    with pytest.raises(Conflict):
        library.author.delete(stale)
    assert library.author.get(author.id) == author


def test_another_models_record_is_refused(library: Library) -> None:
    with pytest.raises(UsageError):
        library.author.create(Reader(name="r"))  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        library.author.save(Reader(name="r"))  # type: ignore[arg-type]


def test_stamps_come_from_the_clock(library: Library, clock: Clock) -> None:
    author = _author(library)
    before = clock.now
    book = library.book.create(Book(isbn="1", title="t", author_id=author.id))
    assert book.created_at is not None
    assert before < book.created_at <= clock.now
    made = book.created_at
    clock.now += timedelta(hours=1)
    book.pages = 3
    library.book.save(book)
    read = library.book.get("1")
    assert read.created_at == made
    assert read.updated_at is not None
    assert read.updated_at > made + timedelta(minutes=59)


def test_a_given_creation_stamp_stays(library: Library, clock: Clock) -> None:
    author, given = _author(library), clock.now - timedelta(days=365)
    library.book.create(Book(isbn="1", title="t", author_id=author.id, created_at=given))
    assert library.book.get("1").created_at == given


def test_mapping_habits(library: Library) -> None:
    author = _author(library)
    library.book.create(Book(isbn="1", title="t", author_id=author.id))
    book = library.book.get("1")
    assert book["title"] == "t"
    assert dict(book)["isbn"] == "1"
    book["title"] = "u"
    library.book.save(book)
    assert library.book.get("1").title == "u"
