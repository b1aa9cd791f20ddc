"""Schemas of models: their parts, references across files, the stored form, fingerprints and differences."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from manystore import DeclarationError, field, index, model, ref, related, unique
from manystore.model.model import model_of
from manystore.schema.schema import Collection, Field, Index, Reference, Schema, Unique
from manystore.schema.system import COUNTERS, SYSTEM


class State(StrEnum):
    NEW = "new"
    OLD = "old"


@model
class Author:
    id: int = field(key=True, generated=True)
    name: str = field(unique=True, max_length=80)


@model(
    soft_delete=True,
    version=2,
    collection="books",
    indexes=[index("state", "-pages"), index("title", scoped=True)],
    uniques=[unique("title", among="live", scoped=True), unique("shop", "isbn")],
)
class Book:
    isbn: str = field(key=True, column="number")
    shop: str = field(scope=True)
    title: str = field(index=index(name="titles"))
    author_id: int | None = ref(Author.id, on_delete="set_null", default=None)
    state: State = State.NEW
    pages: int = 0
    price: Decimal = field(default=Decimal(0), digits=8, scale=2)
    deleted: bool = False


def schema() -> Schema:
    return Schema.of([Book, Author], SYSTEM)


def refused(*models: type[Any]) -> str:
    with pytest.raises(DeclarationError) as caught:
        Schema.of(models)
    return str(caught.value)


def test_collections_are_sorted_with_those_of_the_system() -> None:
    made = schema()
    assert [c.name for c in made.collections] == ["_committed", "_counters", "_programs", "author", "books"]
    assert "books" in made
    assert "book" not in made
    assert made.collection("_counters") is COUNTERS
    with pytest.raises(KeyError):
        made.collection("book")


def test_the_parts_of_a_collection() -> None:
    book = schema().collection("books")
    assert (book.model, book.key, book.version, book.live, book.scope) == ("Book", ("isbn",), 2, "deleted", "shop")
    assert not book.generated
    assert schema().collection("author").generated
    assert book.field("isbn") == Field("isbn", "number", "str", length=255)
    assert book.field("state") == Field("state", "state", "str", length=255, choices=("new", "old"))
    assert book.field("price") == Field("price", "price", "decimal", digits=8, scale=2)
    assert book.field("author_id") == Field("author_id", "author_id", "int", optional=True)
    assert book.indexes == (
        Index("titles", ("title",), (False,)),
        Index("by_state_pages", ("state", "pages"), (False, True)),
        Index("by_shop_title", ("shop", "title"), (False, False)),
    )
    assert book.uniques == (
        Unique("unique_shop_title", ("shop", "title"), "live"),
        Unique("unique_shop_isbn", ("shop", "isbn")),
    )
    assert book.references == (Reference("author_id", "author", "set_null"),)
    assert book.positions["shop"] == 1
    assert book.columns[0] == "number"
    assert book.key_positions == (0,)
    with pytest.raises(KeyError):
        book.field("number")


def test_referrers() -> None:
    made = schema()
    book = made.collection("books")
    assert made.referrers("author") == ((book, book.references[0]),)
    assert made.referrers("books") == ()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, ModuleType]]:
    """Two files that name each other: one imports the other for type checkers only."""
    texts = {
        "orders_of_files": """
            from __future__ import annotations
            from typing import TYPE_CHECKING
            from manystore import field, model, ref, related
            if TYPE_CHECKING:
                from customers_of_files import Customer

            @model
            class Order:
                id: int = field(key=True)
                customer_id: int = ref(to="Customer.id")
                parent_id: int | None = ref(lambda: Order.id, default=None)
                later_id: int | None = ref(lambda: Later.id, default=None)
                customer: Customer = related(customer_id)
                parent: Order | None = related(parent_id)

            @model
            class Later:
                id: int = field(key=True)
        """,
        "customers_of_files": """
            from __future__ import annotations
            from typing import TYPE_CHECKING
            from manystore import field, model, related
            if TYPE_CHECKING:
                from orders_of_files import Order

            @model
            class Customer:
                id: int = field(key=True)
                orders: list[Order] = related("Order.customer_id")
        """,
    }
    found: dict[str, ModuleType] = {}
    for name, text in texts.items():
        path = tmp_path / f"{name}.py"
        path.write_text("\n".join(line[12:] for line in text.splitlines()))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = found[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[name])
    yield found
    for name in texts:
        del sys.modules[name]


def test_references_across_files_by_name_and_by_lambda(files: dict[str, ModuleType]) -> None:
    order, later = files["orders_of_files"].Order, files["orders_of_files"].Later
    customer = files["customers_of_files"].Customer
    made = Schema.of([order, later, customer])
    targets = {r.field: r.target for r in made.collection("order").references}
    assert targets == {"customer_id": "customer", "parent_id": "order", "later_id": "later"}
    # The related slots too, though neither file has the other's class at run time.
    assert model_of(order).annotation("customer") is customer
    assert model_of(order).annotation("parent") == order | None
    assert model_of(customer).annotation("orders") == list[order]  # type: ignore[valid-type]


def test_references_that_lead_nowhere() -> None:
    @model
    class ByName:
        id: int = field(key=True)
        to: int = ref(to="Nothing.id")

    @model
    class ByClass:
        id: int = field(key=True)
        to: int = ref(Author.id)

    @model
    class Misspelt:
        id: int = field(key=True)
        to: int = ref(lambda: Author.idd)  # type: ignore[attr-defined]

    @model
    class Unbound:
        id: int = field(key=True)
        to: int = ref(lambda: Nowhere.id)  # type: ignore[name-defined]  # noqa: F821

    @model
    class NoSlot:
        id: int = field(key=True)
        to: int = ref(lambda: 3)

    @model
    class NoKey:
        id: int = field(key=True)
        to: str = ref(Author.name)

    @model
    class OtherKind:
        id: int = field(key=True)
        to: str = ref(to="Author.id")

    assert refused(ByName) == "ByName.to: refers to Nothing.id, which is no model of this database"
    assert refused(ByClass) == "ByClass.to: refers to Author, which is no model of this database"
    assert "Misspelt.to: " in refused(Misspelt, Author)
    assert "has no attribute 'idd'" in refused(Misspelt, Author)
    assert refused(Unbound) == "Unbound.to: name 'Nowhere' is not defined"
    assert refused(NoSlot).startswith("NoSlot.to: a field of a model is wanted")
    assert refused(NoKey, Author) == "NoKey.to: refers to Author.name, which is not its whole key"
    assert refused(OtherKind, Author) == "OtherKind.to: holds str, but Author.id is int"


def test_a_reference_to_half_a_key() -> None:
    @model
    class Pair:
        a: int = field(key=True)
        b: int = field(key=True)

    @model
    class Referrer:
        id: int = field(key=True)
        to: int = ref(Pair.a)

    assert refused(Pair, Referrer) == "Referrer.to: refers to Pair.a, which is not its whole key"


def test_a_reference_of_another_scale() -> None:
    @model
    class Price:
        id: Decimal = field(key=True, digits=6, scale=2)

    @model
    class Referrer:
        id: int = field(key=True)
        to: Decimal = ref(Price.id, digits=6, scale=3)  # type: ignore[call-overload]

    assert refused(Price, Referrer) == "Referrer.to: holds decimal of scale 3, but Price.id is decimal of scale 2"


def test_related_slots_that_are_by_no_reference() -> None:
    @model
    class Reader:
        id: int = field(key=True)
        books: list[Book] = related("Book.pages")

    @model
    class Visitor:
        id: int = field(key=True)
        books: list[Book] = related("Loan.book")  # its model may be of another database

    assert refused(Reader, Book, Author) == "Reader.books: Book.pages is no ref()"
    assert "visitor" in Schema.of([Visitor])


def test_names_that_clash() -> None:
    @model(collection="author")
    class Other:
        id: int = field(key=True)

    @model(indexes=[index("a", "b"), index("a", "-b")])
    class Twice:
        id: int = field(key=True)
        a: int = 0
        b: int = 0

    @model(collection="Author")
    class Capital:
        id: int = field(key=True)

    assert refused(Author, Other) == "two models are stored in the collection author"
    assert refused(Author, Capital) == "two models are stored in the collection author"  # on some stores, at least
    assert refused(Twice) == "Twice: two indexes or uniques are called by_a_b; give one a name="


def test_the_stored_form_comes_back() -> None:
    made = schema()
    stored = msgspec.json.decode(msgspec.json.encode(made.to_primitive()))
    again = Schema.from_primitive(stored)
    assert again == made
    assert again.fingerprint == made.fingerprint
    assert stored["books"]["fields"][0] == {
        "name": "isbn", "column": "number", "kind": "str", "optional": False,
        "length": 255, "digits": None, "scale": None, "choices": None,
    }  # fmt: skip
    assert "name" not in stored["books"]


def test_the_fingerprint_is_the_same_for_the_same_models() -> None:
    assert schema().fingerprint == Schema.of([Author, Book], reversed(SYSTEM)).fingerprint
    assert len(schema().fingerprint) == 16


def changed(**parts: Any) -> Schema:
    """The schema with some parts of the collection of books changed."""
    made = schema()
    book = msgspec.structs.replace(made.collection("books"), **parts)
    return Schema(tuple(book if c.name == "books" else c for c in made.collections))


BOOK = schema().collection("books")


def other_field(name: str, **parts: Any) -> dict[str, Any]:
    replaced = (msgspec.structs.replace(f, **parts) if f.name == name else f for f in BOOK.fields)
    return {"fields": tuple(replaced)}


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"version": 3}, "books: version is 2, there 3"),
    ({"key": ("shop", "isbn")}, "books: key is isbn, there shop, isbn"),
    ({"live": None}, "books: live is deleted, there None"),
    ({"scope": None}, "books: scope is shop, there None"),
    ({"generated": True}, "books: generated is False, there True"),
    ({"fields": BOOK.fields[:-1]}, "books: fields differ (deleted)"),
    ({"fields": (*BOOK.fields, Field("more", "more", "int"))}, "books: fields differ (more)"),
    ({"fields": BOOK.fields[::-1]}, "books: fields differ (in their order)"),
    (other_field("pages", column="sheets"), "books: fields differ (pages)"),
    (other_field("pages", kind="float"), "books: fields differ (pages)"),
    (other_field("pages", optional=True), "books: fields differ (pages)"),
    (other_field("title", length=80), "books: fields differ (title)"),
    (other_field("price", digits=9), "books: fields differ (price)"),
    (other_field("price", scale=3), "books: fields differ (price)"),
    (other_field("state", choices=("new",)), "books: fields differ (state)"),
    ({"indexes": BOOK.indexes[1:]}, "books: indexes differ (titles)"),
    ({"indexes": (Index("titles", ("title",), (True,)), *BOOK.indexes[1:])}, "books: indexes differ (titles)"),
    ({"uniques": ()}, "books: uniques differ (unique_shop_title, unique_shop_isbn)"),
    ({"references": (Reference("author_id", "author", "cascade"),)}, "books: references differ (author_id)"),
]


@pytest.mark.parametrize(("parts", "sentence"), CHANGES, ids=[sentence for _, sentence in CHANGES])
def test_each_part_counts(parts: dict[str, Any], sentence: str) -> None:
    other = changed(**parts)
    assert other.fingerprint != schema().fingerprint
    assert schema().differences(other) == (sentence,)


def test_whole_collections_that_differ() -> None:
    smaller = Schema.of([Author])
    assert smaller.differences(schema()) == (
        "_committed is unknown here", "_counters is unknown here", "_programs is unknown here", "books is unknown here",
    )  # fmt: skip
    assert schema().differences(Schema.of([Author], SYSTEM)) == ("books is missing there",)
    assert schema().differences(schema()) == ()


def test_collections_compare_by_what_they_hold() -> None:
    one, two = (Collection("a", "A", (Field("id", "id", "int"),), ("id",)) for _ in range(2))
    assert one == two
    assert one.field("id")  # what is worked out on the way does not count
    assert one == two
    assert hash(one) == hash(two)
