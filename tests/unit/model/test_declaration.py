"""What a model may not declare: each refusal names the class, and the field where one is at fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum, Flag, StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest

from manystore import AsMapping, DeclarationError, field, index, model, ref, related, unique
from manystore.model.model import model_of

if TYPE_CHECKING:
    pass  # type: ignore[import-not-found]


class Mood(StrEnum):
    GLAD = "glad"
    SAD = "sad"


class Mixed(Enum):
    A = 1
    B = "b"


class Bits(Flag):
    A = 1
    B = 2


@model
class Target:
    id: int = field(key=True)


def refused(body: Callable[[], Any], *parts: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        body()
    for part in parts:
        assert part in str(caught.value)


def test_no_key() -> None:
    def body() -> None:
        @model
        class Thing:
            name: str

    refused(body, "Thing: no key; declare one with field(key=True)")


@pytest.mark.parametrize(
    ("annotation", "options", "reason"),
    [
        ("complex", {}, "no field can hold complex"),
        ("tuple[int, ...]", {}, "no field can hold"),
        ("int | str", {}, "no field can hold"),
        ("Elsewhere", {}, "cannot read its annotation: name 'Elsewhere' is not defined"),
        ("Mixed", {}, "must be all str or all int"),
        ("Bits", {}, "a Flag holds several values at once"),
        ("Literal[1, 'a']", {}, "must be all str or all int"),
        ("Literal[True]", {}, "must be all str or all int"),
        ("Literal['a\\0']", {}, "one of its values holds a NUL"),
        (f"Literal[{2**63}]", {}, "one of its values is outside 64 bits"),
        ("int", {"max_length": 3}, "max_length goes with str and bytes"),
        ("str", {"max_length": 0}, "at least 1"),
        ("str", {"digits": 3}, "digits and scale go with Decimal"),
        ("Decimal", {}, "a Decimal declares digits="),
        ("Decimal", {"digits": 19, "scale": 2}, "1 to 18"),
        ("Decimal", {"digits": 2, "scale": 3}, "scale= (0 to digits)"),
        ("Decimal", {"digits": 0, "scale": 0}, "a Decimal declares digits="),
        ("str", {"column": "1st"}, "a stored name is 1 to 63 letters"),
        ("str", {"column": "a" * 64}, "a stored name is 1 to 63 letters"),
        ("str | None", {"key": True}, "a key may be neither optional"),
        ("float", {"key": True}, "a key may be neither optional nor a float"),
        ("dict[str, Any]", {"key": True}, "nor a JSON value"),
        ("dict[str, Any]", {"index": True}, "a JSON value can be neither indexed"),
        ("list[int]", {"unique": True}, "a JSON value can be neither indexed"),
        ("int", {"stamp": "created"}, "a stamp is a `datetime | None`"),
        ("datetime", {"stamp": "updated"}, "a stamp is a `datetime | None`"),
        ("datetime | None", {"stamp": "touched"}, "stamp= takes created, updated, deleted"),
        ("str", {"index": index("other")}, "index() takes no field names inside field()"),
        ("str", {"unique": unique("other")}, "unique() takes no field names inside field()"),
        ("str", {"index": unique()}, "index= and unique= take True"),
        ("int", {"default": "1"}, "its default is refused: str where int is wanted"),
        ("int", {"default": True}, "its default is refused: bool where int is wanted"),
        ("int", {"default": None}, "the default None is refused"),
        ("int", {"default": int}, "its default is refused"),
        ("Mood", {"default": "glad"}, "its default is refused: str where Mood is wanted"),
        ("Literal['a', 'b']", {"default": "c"}, "its default is refused: not one of a, b"),
        ("Decimal", {"default": Decimal("1.005"), "digits": 5, "scale": 2}, "more than 2 digits after the point"),
        ("datetime", {"default": datetime(2011, 1, 1)}, "without a time zone"),  # noqa: DTZ001
        ("str", {"default": "x" * 256, "index": True}, "256 characters; at most 255"),
        ("list[int]", {"default": []}, "mutable default"),
    ],
)
def test_a_field(annotation: str, options: dict[str, Any], reason: str) -> None:
    def body() -> None:
        namespace = {
            "__annotations__": {"id": "int", "it": annotation},
            "__module__": __name__,
            "id": field(key=True),
            "it": field(**options),
        }
        model(type("Thing", (), namespace))

    place = "Thing: " if "mutable" in reason else "Thing.it: "
    refused(body, place, reason)


def test_names_with_an_underscore() -> None:
    def hidden() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            _note: str = ""

    def revision() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            _revision: int = 0

    def slot() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            to: int = ref(Target.id)
            _target: Target = related(to)

    refused(hidden, "Thing._note: a field's name may not begin with an underscore")
    refused(revision, "Thing._revision: a field's name may not begin")
    refused(slot, "Thing._target: ")


def test_methods_of_as_mapping_are_no_fields() -> None:
    def plain() -> None:
        @model
        class Thing(AsMapping):
            id: int = field(key=True)
            values: str = ""

    def slot() -> None:
        @model
        class Thing(AsMapping):
            id: int = field(key=True)
            items: list[Target] = related("Target.thing_id")

    refused(plain, "Thing.values: this name is a method of AsMapping")
    refused(slot, "Thing.items: this name is a method of AsMapping")


def test_generated_keys() -> None:
    def text() -> None:
        @model
        class Thing:
            id: str = field(key=True, generated=True)

    def pair() -> None:
        @model
        class Thing:
            id: int = field(key=True, generated=True)
            part: int = field(key=True)

    refused(text, "Thing.id: a generated key is an int")
    refused(pair, "Thing.id: a generated key stands alone")


def test_references() -> None:
    def required() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            to: int = ref(Target.id, on_delete="set_null")

    def unknown() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            to: int = ref(Target.id, on_delete="ignore")  # type: ignore[call-overload]

    refused(required, 'Thing.to: on_delete="set_null" needs an optional field')
    refused(unknown, "Thing.to: on_delete= takes restrict, cascade, set_null")


def test_related_slots() -> None:
    def of_a_field() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            other: int = 0
            target: Target = related(other)

    def of_half_a_name() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            targets: list[Target] = related("Target")

    def inherited() -> None:
        @model(abstract=True)
        class Lender:
            target: Target = related("Target.thing_id")

    refused(of_a_field, 'Thing.target: related() takes a ref() or field() of this class, or "Model.field"')
    refused(of_half_a_name, "Thing.targets: related() takes a ref() or field()")
    refused(inherited, "Lender.target: related() goes into the models themselves")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"collection": "no spaces"}, "a collection's name is 1 to 63"),
        ({"version": 0}, "a version is 1 or more"),
        ({"soft_delete": True}, "soft_delete=True needs a field `deleted: bool = False`"),
        ({"indexes": [index()]}, "names no field"),
        ({"indexes": [index("name", "-name")]}, "names a field twice"),
        ({"indexes": [index("nme")]}, "the index nme names nme, which is no field"),
        ({"indexes": [index("extra")]}, "Thing.extra: a JSON value can't be in the index extra"),
        ({"indexes": [index("name", scoped=True)]}, "is scoped, but no field is the scope"),
        ({"indexes": [index("name", name="by name")]}, "its name is 1 to 63 letters"),
        ({"indexes": [unique("name")]}, "indexes= takes a list of what index() gives"),
        ({"uniques": [index("name")]}, "uniques= takes a list of what unique() gives"),
        ({"uniques": ["name"]}, "uniques= takes a list of what unique() gives"),
        ({"uniques": [unique("-name")]}, "names -name, which is no field"),
        ({"uniques": [unique("name", among="live")]}, "is among the live, but the model has no soft delete"),
        ({"uniques": [unique("name", among="dead")]}, "among= takes all, live"),
    ],
)
def test_a_model(options: dict[str, Any], reason: str) -> None:
    def body() -> None:
        @model(**options)
        class Thing:
            id: int = field(key=True)
            name: str = ""
            extra: dict[str, Any] = field(default_factory=dict[str, Any])

    refused(body, "Thing", reason)


@pytest.mark.parametrize("default", [True, None])
def test_the_flag_of_a_soft_delete(default: bool | None) -> None:
    def body() -> None:
        @model(soft_delete=True)
        class Thing:
            id: int = field(key=True)
            deleted: bool | None = default

    refused(body, "Thing: soft_delete=True needs a field `deleted: bool = False`")


def test_two_fields_of_one_name_in_the_store() -> None:
    def body() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            name: str = ""
            other: str = field(default="", column="NAME")

    refused(body, "Thing: two fields are stored as name")


def test_two_scopes() -> None:
    def body() -> None:
        @model
        class Thing:
            id: int = field(key=True)
            a: str = field(scope=True)
            b: str = field(scope=True)

    refused(body, "Thing: only one field may be the scope")


def test_inheritance() -> None:
    def of_a_model() -> None:
        @model
        class Thing(Target):
            name: str = ""

    class Loose:
        pass

    def of_a_class_without_slots() -> None:
        @model
        class Thing(Loose):
            id: int = field(key=True)

    refused(of_a_model, "Thing: inherits the model Target")
    refused(of_a_class_without_slots, "Thing: its base Loose needs `__slots__ = ()`")


def test_frozen_and_not() -> None:
    @model(abstract=True)
    class Warm:
        a: int = 0

    @model(abstract=True, frozen=True)
    class Cold:
        a: int = 0

    def thaw() -> None:
        @model
        class Thing(Cold):
            id: int = field(key=True)

    def freeze() -> None:
        @model(frozen=True)
        class Thing(Warm):
            id: int = field(key=True)

    refused(thaw, "Thing: cannot inherit non-frozen dataclass from a frozen one")
    refused(freeze, "Thing: cannot inherit frozen dataclass from a non-frozen one")


def test_a_mutable_default_in_an_abstract_class() -> None:
    def body() -> None:
        @model(abstract=True)
        class Lender:
            extra: dict[str, Any] = {}  # noqa: RUF012

    refused(body, "Lender: mutable default")


def test_what_is_no_model() -> None:
    with pytest.raises(DeclarationError, match=r"^int is no model; decorate it with @model$"):
        model_of(int)


def test_class_variables_are_no_fields() -> None:
    @model
    class Thing:
        LIMIT: ClassVar[int] = 3
        id: int = field(key=True)

    assert [spec.name for spec in model_of(Thing).fields] == ["id"]
    assert Thing.LIMIT == 3


def test_kinds_that_are_taken() -> None:
    @model
    class Thing:
        class Size(StrEnum):
            SMALL = "s"

        id: int = field(key=True)
        mood: Mood = Mood.GLAD
        size: Size = Size.SMALL
        level: Literal[1, 2] | None = None
        price: Decimal = field(default=Decimal("1.50"), digits=4, scale=2)
        anything: Any = field(default_factory=dict)

    kinds = {spec.name: spec.type.kind for spec in model_of(Thing).fields}
    assert kinds == {"id": "int", "mood": "str", "size": "str", "level": "int", "price": "decimal", "anything": "json"}
    assert model_of(Thing).field("level").optional
    assert model_of(Thing).field("mood").type.choices == ("glad", "sad")
