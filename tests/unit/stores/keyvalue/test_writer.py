"""Writes: what is refused first, what goes along, and that entries, claims and references always fit the records."""

from __future__ import annotations

import json
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manystore import errors, field, index, model, ref, unique
from manystore.query.column import col
from manystore.query.plan import CATALOG as READ_CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.store.protocol import Step
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import CATALOG
from manystore.stores.keyvalue.shape import Keeper


@model
class Author:
    id: int = field(key=True)
    name: str | None = field(default=None)


@model(indexes=[index("title", "-pages")], uniques=[unique("isbn"), unique("title", "pages")])
class Book:
    id: int = field(key=True)
    author: int | None = ref(Author.id, default=None)
    editor: int | None = ref(Author.id, default=None, on_delete="set_null")
    sequel_of: int | None = ref(to="Book.id", default=None, on_delete="cascade")
    isbn: str | None = field(default=None)
    title: str = field(default="")
    pages: int | None = field(default=None)
    blob: bytes | None = field(default=None, index=True)


@model
class Note:
    id: int = field(key=True)
    book: int = ref(Book.id, on_delete="cascade")
    author: int | None = ref(Author.id, default=None, on_delete="restrict")


@model(soft_delete=True, uniques=[unique("name", among="live"), unique("mail")])
class User:
    id: int = field(key=True)
    deleted: bool = field(default=False)
    name: str = field(default="")
    mail: str | None = field(default=None)


MODELS = (Author, Book, Note, User)


@pytest.fixture
def here(place: Any) -> Any:
    return place(*MODELS)


def one(here: Any, cls: type[Any], key: Any) -> Any:
    return next(iter(here.find(cls, col(cls.id) == key)), None)


def check_whole(here: Any) -> None:
    """Everything that is stored beside the records is what the records say, no more and no less."""
    keeper, spaces = Keeper(here.catalog), here.kv._spaces
    wanted: dict[str, dict[str, bytes]] = {}
    for collection in here.schema.collections:
        upkeep = keeper.upkeep(collection.name)
        for name, data in spaces.get(upkeep.space, {}).items():
            raw = json.loads(data)
            assert list(raw)[:3] == ["_revision", "_previous", "_version"]
            texts = upkeep.texts(upkeep.watched(raw), name)
            for space, entry, _ in upkeep.entries(texts):
                wanted.setdefault(space, {})[entry] = b""
            for claim in upkeep.claims:
                if (held := claim.name(texts)) is not None:
                    assert held not in wanted.setdefault(claim.space, {})
                    wanted[claim.space][held] = name.encode()
            for pointer in upkeep.pointers:
                if (target := texts[pointer.place]) != "!":
                    wanted.setdefault(pointer.space, {})[target + pointer.tail + name] = b""
                    assert target in spaces[pointer.targets]
    stored = {space: dict(held) for space, held in spaces.items() if space[0] in "iub" and held}
    assert stored == {space: held for space, held in wanted.items() if held}


# --- one change ---


def test_record_is_readable_json(here):
    here.insert(Author(id=1, name="Jane"))
    data = here.kv._spaces["r:author"]["a1"]
    assert data[14:30].decode() == f"{one(here, Author, 1)._revision:016x}"
    assert data.startswith(b'{"_revision":"')
    assert data.endswith(b'","_previous":null,"_version":1,"id":1,"name":"Jane"}')


def test_insert_of_a_taken_key(here):
    here.insert(Author(id=1))
    with pytest.raises(errors.Duplicate) as caught:
        here.insert(Author(id=1))
    assert caught.value.fields == ("id",)


def test_one_key_twice_in_one_step(here):
    with pytest.raises(errors.Duplicate):
        here.insert(Author(id=1), Author(id=1))
    assert here.find(Author) == []


def test_replace_keeps_what_it_replaced(here):
    here.insert(Author(id=1))
    author = one(here, Author, 1)
    author.name = "Ann"
    here.write(here.replaced(author))
    raw = json.loads(here.kv._spaces["r:author"]["a1"])
    assert raw["_previous"] == f"{author._revision:016x}"
    with pytest.raises(errors.Conflict):
        here.write(here.replaced(author))


def test_replace_and_patch_keep_fields_that_the_program_does_not_know(here):
    here.insert(Author(id=1))
    held = here.kv._spaces["r:author"]
    held["a1"] = held["a1"][:-1] + b',"later":[1]}'
    here.write(here.replaced(one(here, Author, 1)))
    here.write(here.patched(Author, 1, sets=[("name", "x")]))
    assert held["a1"].endswith(b'"name":"x","later":[1]}')


def test_replace_of_a_missing_record(here):
    with pytest.raises(errors.Conflict):
        here.write(here.replaced(Author(id=1), 5))


def test_missing_patch_and_delete(here):
    with pytest.raises(errors.NotFound):
        here.write(here.patched(Author, 1, sets=[("name", "x")]))
    with pytest.raises(errors.NotFound):
        here.write(here.deleted(Author, 1, expected=5))


def test_unexpected_revision(here):
    here.insert(Author(id=1))
    with pytest.raises(errors.Conflict):
        here.write(here.patched(Author, 1, sets=[("name", "x")], expected=5))
    with pytest.raises(errors.Conflict):
        here.write(here.deleted(Author, 1, expected=5))
    with pytest.raises(errors.Conflict):
        here.write(here.checked(Author(id=1), 5))
    here.write(here.checked(one(here, Author, 1)))


def test_require_hides_a_record(here):
    here.insert(Book(id=1, title="t", blob=b"\xff"))
    here.write(here.patched(Book, 1, sets=[("pages", 1)], require=(("title", "t"), ("blob", b"\xff"), ("isbn", None))))
    for change in (
        here.patched(Book, 1, sets=[("pages", 1)], require=(("title", "other"),)),
        here.deleted(Book, 1, require=(("title", "other"),), expected=3),
        here.replaced(Book(id=1), 3, require=(("blob", b""),)),
    ):
        with pytest.raises(errors.NotFound):
            here.write(change)


def test_steps_and_their_bounds(here):
    here.insert(Book(id=1))
    made = here.write(here.patched(Book, 1, steps=(Step("pages", 5, 0, 9),), codec=here.codecs[Book]))
    assert made[0].pages == 5
    for step in (Step("pages", 5, 0, 9), Step("pages", -6, 0, 9), Step("pages", 2**63 - 1)):
        with pytest.raises(errors.OutOfBounds):
            here.write(here.patched(Book, 1, steps=(step,)))
    assert one(here, Book, 1).pages == 5
    check_whole(here)


def test_an_entry_that_is_too_long(place):
    @model(indexes=[index("text")])
    class Long:
        id: int = field(key=True)
        text: str = field(default="", max_length=3000)

    here = place(Long)
    here.insert(Long(id=1))
    with pytest.raises(errors.ValueRefused):
        here.write(here.patched(Long, 1, sets=[("text", "x" * 2700)]))
    assert one(here, Long, 1).text == ""  # of an Insert or Replace, api checks it for every store


# --- uniques ---


def test_taken_unique_and_none(here):
    here.insert(Book(id=1, isbn="x", title="a"), Book(id=2, title="b", pages=None), Book(id=3, title="b", pages=None))
    with pytest.raises(errors.Duplicate) as caught:
        here.insert(Book(id=4, isbn="x"))
    assert caught.value.fields == ("isbn",)
    check_whole(here)


def test_uniques_in_declared_order(here):
    here.insert(Book(id=1, isbn="x", title="t", pages=1))
    with pytest.raises(errors.Duplicate) as caught:
        here.insert(Book(id=2, isbn="x", title="t", pages=1))
    assert caught.value.fields == ("isbn",)


def test_a_delete_frees_a_value_for_an_insert_of_the_step(here):
    here.insert(Book(id=1, isbn="x"))
    here.write(here.inserted(Book(id=2, isbn="x")), here.deleted(Book, 1))
    assert [book.id for book in here.find(Book)] == [2]
    check_whole(here)


def test_an_earlier_update_frees_a_value_and_a_later_one_does_not(here):
    here.insert(Book(id=1, isbn="x"), Book(id=2, isbn="y"))
    here.write(here.patched(Book, 1, sets=[("isbn", "z")]), here.patched(Book, 2, sets=[("isbn", "x")]))
    check_whole(here)
    with pytest.raises(errors.Duplicate):
        here.write(here.patched(Book, 1, sets=[("isbn", "x")]), here.patched(Book, 2, sets=[("isbn", "q")]))
    with pytest.raises(errors.Duplicate):  # a swap
        here.write(here.patched(Book, 1, sets=[("isbn", "x")]), here.patched(Book, 2, sets=[("isbn", "z")]))
    with pytest.raises(errors.Duplicate):
        here.insert(Book(id=3, isbn="n"), Book(id=4, isbn="n"))


def test_a_value_held_by_a_record_that_the_step_leaves_as_it_is(here):
    here.insert(Book(id=1, isbn="x"), Book(id=2, isbn="y"))
    with pytest.raises(errors.Duplicate):
        here.write(here.replaced(one(here, Book, 1)), here.patched(Book, 2, sets=[("isbn", "x")]))


def test_live_unique(here):
    here.insert(User(id=1, name="n", mail="m"))
    here.write(here.patched(User, 1, sets=[("deleted", True)]))
    here.insert(User(id=2, name="n"))
    check_whole(here)
    with pytest.raises(errors.Duplicate) as caught:
        here.write(here.patched(User, 1, sets=[("deleted", False)]))
    assert caught.value.fields == ("name",)
    with pytest.raises(errors.Duplicate):
        here.insert(User(id=3, name="o", mail="m"))


# --- references ---


def test_missing_reference(here):
    with pytest.raises(errors.MissingReference) as caught:
        here.insert(Book(id=1, author=7))
    assert (caught.value.model, caught.value.field, caught.value.target) == ("Book", "author", "Author")
    here.insert(Book(id=1, author=7), Author(id=7))
    with pytest.raises(errors.MissingReference):
        here.write(here.patched(Book, 1, sets=[("author", 8)]))
    check_whole(here)


def test_a_record_may_refer_to_itself(here):
    here.insert(Book(id=1, sequel_of=1))
    here.write(here.deleted(Book, 1))
    check_whole(here)


def test_restrict(here):
    here.insert(Author(id=1), Book(id=1, author=1))
    with pytest.raises(errors.Restricted) as caught:
        here.write(here.deleted(Author, 1))
    assert caught.value.by == "Book.author"
    here.write(here.deleted(Author, 1), here.deleted(Book, 1))
    check_whole(here)


def test_restrict_looks_at_the_end_of_the_step(here):
    here.insert(Author(id=1), Author(id=2), Book(id=1, author=1))
    here.write(here.deleted(Author, 1), here.patched(Book, 1, sets=[("author", 2)]))
    with pytest.raises(errors.MissingReference):
        here.write(
            here.deleted(Author, 2), here.patched(Book, 1, sets=[("author", None)]), here.inserted(Book(id=2, author=2))
        )
    here.insert(Book(id=5), Note(id=1, book=5, author=2))
    with pytest.raises(errors.Restricted):
        here.write(here.deleted(Author, 2), here.patched(Book, 1, sets=[("author", None)]))
    # The note that restricts goes with its book.
    here.write(here.deleted(Author, 2), here.patched(Book, 1, sets=[("author", None)]), here.deleted(Book, 5))
    assert here.find(Note) == []
    check_whole(here)


def test_set_null_makes_a_revision(here):
    here.insert(Author(id=1), Book(id=1, editor=1, isbn="x"))
    before = one(here, Book, 1)
    here.write(here.deleted(Author, 1))
    after = one(here, Book, 1)
    assert after.editor is None
    assert after._revision != before._revision
    assert json.loads(here.kv._spaces["r:book"]["a1"])["_previous"] == f"{before._revision:016x}"
    check_whole(here)


def test_set_null_on_a_record_that_the_step_changes(here):
    here.insert(Author(id=1), Book(id=1, editor=1))
    here.write(here.patched(Book, 1, sets=[("title", "new")]), here.deleted(Author, 1))
    assert (one(here, Book, 1).title, one(here, Book, 1).editor) == ("new", None)
    check_whole(here)


def test_cascade_is_recursive_and_frees_uniques(here):
    here.insert(Book(id=1, isbn="a"), Book(id=2, sequel_of=1, isbn="b"), Book(id=3, sequel_of=2), Note(id=1, book=3))
    here.write(here.deleted(Book, 1), here.inserted(Book(id=9, isbn="b")))
    assert [book.id for book in here.find(Book)] == [9]
    assert here.find(Note) == []
    check_whole(here)


def test_cascade_takes_a_record_that_the_step_changes(here):
    here.insert(Book(id=1), Book(id=2, sequel_of=1))
    made = here.write(here.patched(Book, 2, sets=[("title", "x")], codec=here.codecs[Book]), here.deleted(Book, 1))
    assert made == [None, None]
    assert here.find(Book) == []
    check_whole(here)


# --- what is refused first ---


def test_precedence(here):
    here.insert(Author(id=1), Author(id=2), Book(id=1, isbn="x", author=1))
    missing = here.patched(Author, 9, sets=[("name", "x")])
    stale = here.deleted(Author, 2, expected=3)
    taken = here.inserted(Author(id=1))
    dangling = here.inserted(Book(id=2, author=99))
    double = here.inserted(Book(id=3, isbn="x"))
    restricted = here.deleted(Author, 1)
    checked = here.checked(Author(id=1), 3)
    order = [
        (checked, errors.Conflict),
        (stale, errors.Conflict),
        (missing, errors.NotFound),
        (taken, errors.Duplicate),
    ]
    order += [(restricted, errors.Restricted), (dangling, errors.MissingReference), (double, errors.Duplicate)]
    for place, (_, error) in enumerate(order):
        left = [change for change, _ in order[place:]]
        if restricted in left and taken in left:
            left.remove(restricted)  # no record is named twice
        with pytest.raises(error):
            here.write(*reversed(left))
    check_whole(here)


# --- epochs and races ---


def test_another_epoch_is_refused_before_and_in_the_commit(here):
    here.insert(Author(id=1))
    changed = here.catalog.changed()
    here.kv.commit([], [(*CATALOG, changed.encode())], [], epoch=None)
    with pytest.raises(errors.EpochChanged):
        here.insert(Author(id=2))
    with pytest.raises(errors.EpochChanged):
        here.write(here.patched(Author, 1, sets=[("name", "x")]))
    here.epoch = "f" * 16
    with pytest.raises(errors.EpochChanged):
        here.insert(Author(id=2))
    here.epoch = changed.epoch
    here.insert(Author(id=2))


def test_the_first_catalog_stays(here):
    here.store.alter(CreateDatabase(Catalog.first(here.schema)))
    assert here.store.read(READ_CATALOG, (), epoch="").rows[0].epoch == here.epoch


def test_an_index_that_is_building_is_kept_up_and_an_absent_one_not(here):
    changed = here.catalog.changed(indexes={"book.by_title_pages": "building", "book.by_blob": "absent"})
    here.kv.commit([], [(*CATALOG, changed.encode())], [], epoch=None)
    here.epoch = changed.epoch
    here.insert(Book(id=1, title="t"))
    assert len(here.names("i:book.by_title_pages")) == 1
    assert here.names("i:book.by_blob") == []


class Interrupted(Memory):
    """A memory in which something happens between the reads of a write and its commit."""

    def __init__(self) -> None:
        super().__init__()
        self.before_commit: list[Any] = []
        self.before_get: list[Any] = []

    def get(self, keys: Any, /) -> Any:
        if self.before_get:
            self.before_get.pop(0)()
        return super().get(keys)

    def commit(self, checks: Any, puts: Any, deletes: Any, /, *, epoch: Any) -> Any:
        if self.before_commit:
            self.before_commit.pop(0)()
        return super().commit(checks, puts, deletes, epoch=epoch)


@pytest.fixture
def raced(place: Any) -> Any:
    return place(*MODELS, kv=Interrupted())


def test_a_patch_without_expectation_is_tried_again(raced):
    raced.insert(Book(id=1))
    bump = raced.patched(Book, 1, steps=(Step("pages", 10),))
    raced.kv.before_commit = [lambda: raced.write(bump), lambda: None]
    raced.write(raced.patched(Book, 1, steps=(Step("pages", 1),)))
    assert one(raced, Book, 1).pages == 11
    check_whole(raced)


def test_a_refusal_is_judged_on_one_moment(raced):
    raced.insert(Book(id=1, title="t", pages=5))

    def bump() -> None:
        raced.kv.before_commit, raced.kv.before_get = [], []
        raced.write(raced.patched(Book, 1, steps=(Step("pages", 1),)))

    def then() -> None:
        # The thorough try reads the record, then the claim that it wants: meanwhile the record itself has got it.
        bump()
        raced.kv.before_get = [lambda: None, bump]

    raced.kv.before_commit = [then]
    raced.write(raced.patched(Book, 1, steps=(Step("pages", 1),)))
    assert one(raced, Book, 1).pages == 8
    check_whole(raced)


def test_a_race_that_is_lost_is_a_conflict(raced):
    raced.insert(Author(id=1))
    author = one(raced, Author, 1)
    raced.kv.before_commit = [lambda: raced.write(raced.patched(Author, 1, sets=[("name", "x")]))]
    with pytest.raises(errors.Conflict):
        raced.write(raced.replaced(author))


def test_deleted_and_made_again_is_not_the_same(raced):
    raced.insert(Author(id=1))
    author = one(raced, Author, 1)

    def make_again() -> None:
        raced.write(raced.deleted(Author, 1))
        raced.insert(Author(id=1))

    raced.kv.before_commit = [make_again]
    with pytest.raises(errors.Conflict):
        raced.write(raced.replaced(author))


def test_a_referrer_that_comes_between_restricts(raced):
    raced.insert(Author(id=1))
    raced.kv.before_commit = [lambda: raced.insert(Book(id=1, author=1))]
    with pytest.raises(errors.Restricted):
        raced.write(raced.deleted(Author, 1))
    raced.kv.before_commit = [lambda: None, lambda: raced.insert(Book(id=2, editor=1))]
    raced.write(raced.deleted(Author, 1), raced.deleted(Book, 1))
    assert one(raced, Book, 2).editor is None
    check_whole(raced)


def test_a_target_that_goes_between_is_missing(raced):
    raced.insert(Author(id=1))
    raced.kv.before_commit = [lambda: raced.write(raced.deleted(Author, 1))]
    with pytest.raises(errors.MissingReference):
        raced.insert(Book(id=1, author=1))


def test_who_is_never_first_gives_up(raced):
    raced.insert(Book(id=1))

    def interrupt() -> None:
        left, raced.kv.before_commit = raced.kv.before_commit, []
        raced.write(raced.patched(Book, 1, steps=(Step("pages", 1),)))
        raced.kv.before_commit = left

    raced.kv.before_commit = [interrupt] * 200
    with pytest.raises(errors.Unavailable):
        raced.write(raced.patched(Book, 1, steps=(Step("pages", 1000),)))
    assert one(raced, Book, 1).pages == 100


def in_threads(*jobs: Any) -> list[BaseException]:
    failures: list[BaseException] = []

    def guarded(job: Any) -> None:
        try:
            job()
        except BaseException as failure:  # noqa: BLE001 - given back to the test
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_threads_lose_no_step(here):
    here.insert(Book(id=1, pages=0))

    def add() -> None:
        for _ in range(200):
            here.write(here.patched(Book, 1, steps=(Step("pages", 1),)))

    assert in_threads(add, add, add) == []
    assert one(here, Book, 1).pages == 600
    check_whole(here)


def test_threads_race_for_a_unique(here):
    def insert(thread: int) -> Any:
        def run() -> None:
            for number in range(100):
                try:
                    here.insert(Book(id=thread * 1000 + number, isbn=str(number)))
                except errors.Duplicate:
                    continue

        return run

    assert in_threads(*[insert(thread) for thread in range(1, 5)]) == []
    assert sorted(int(book.isbn) for book in here.find(Book)) == list(range(100))
    check_whole(here)


def test_threads_delete_against_create_of_a_referrer(here):
    def create() -> None:
        for number in range(100):
            try:
                here.insert(Book(id=number, author=number))
            except errors.MissingReference:
                continue

    def delete() -> None:
        for number in range(100):
            try:
                here.write(here.deleted(Author, number))
            except errors.Restricted:
                continue

    here.insert(*[Author(id=number) for number in range(100)])
    assert in_threads(create, delete) == []
    assert len(here.find(Author)) == len(here.find(Book))
    check_whole(here)


# --- any changes ---


@st.composite
def steps(draw: st.DrawFn) -> list[Any]:
    def some(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    def book(key: int) -> Book:
        return Book(
            id=key,
            author=some(None, None, 1, 2, 3),
            editor=some(None, 1, 2),
            sequel_of=some(None, None, 1, 2),
            isbn=some(None, "x", "y"),
            title=some("t", "u"),
            pages=some(None, 1),
            blob=some(None, b"", b"\xff"),
        )

    made: list[Any] = []
    for key in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True)):
        record = some(book, book, lambda k: Author(id=k), lambda k: Note(id=k, book=some(1, 2), author=some(None, 1)))(
            key
        )
        made.append((some("insert", "insert", "replace", "delete"), record))
    return made


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps(), max_size=12))
def test_everything_fits_after_any_steps(place, history):
    here = place(*MODELS)
    for step in history:
        changes = []
        for verb, record in step:
            stored = one(here, type(record), record.id)
            if verb == "insert" and stored is None:
                changes.append(here.inserted(record))
            elif verb == "delete":
                changes.append(here.deleted(type(record), record.id))
            else:
                changes.append(here.replaced(record, stored._revision if stored else 1))
        before = {space: dict(held) for space, held in here.kv._spaces.items()}
        try:
            here.write(*changes)
        except (errors.WriteRefused, errors.NotFound):
            assert before == {space: dict(held) for space, held in here.kv._spaces.items()}
        check_whole(here)


def test_hopeful_and_thorough_tries_agree(place):
    """A hopeful try may leave anything to the commit, so its outcome must be that of a try that reads everything."""

    class Thorough(Memory):
        def commit(self, checks: Any, puts: Any, deletes: Any, /, *, epoch: Any) -> Any:
            self.commits = getattr(self, "commits", 0) + 1
            return 0 if self.commits % 2 and epoch else super().commit(checks, puts, deletes, epoch=epoch)

    here = place(*MODELS, kv=Thorough())
    here.kv.commits = 0
    here.insert(Author(id=1), Book(id=1, author=1, isbn="x"))
    assert here.kv.commits == 2
    here.kv.commits = 0
    with pytest.raises(errors.Restricted):
        here.write(here.deleted(Author, 1))
    assert msgspec.json.decode(here.kv._spaces["r:author"]["a1"])["id"] == 1
    check_whole(here)
