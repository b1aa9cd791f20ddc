"""What @model makes of a class: slots, one of them hidden, and a standard dataclass otherwise."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from manystore import UNSET, AsMapping, DeclarationError, NotLoaded, field, index, model, ref, related, unique
from manystore.model.model import model_of, owner_of

if TYPE_CHECKING:
    from manystore import Harbour  # type: ignore[attr-defined]


@model(abstract=True)
class Stamps:
    created_at: datetime | None = field(default=None, stamp="created")
    note: str = ""

    def describe(self) -> list[str]:
        return [f"note {self.note}"]


@model(abstract=True)
class Named:
    name: str = field(index=True)

    def describe(self) -> list[str]:
        return [*super().describe(), f"name {self.name}"]  # type: ignore[misc]


@model
class Port:
    id: int = field(key=True, generated=True)
    name: str = field(unique=True)


def loud(method: Any) -> Any:
    @functools.wraps(method)
    def wrapper(self: Any) -> Any:
        return method(self)

    return wrapper


@model(soft_delete=True, indexes=[index("home_id", "-length", name="by_size")], uniques=[unique("name", among="live")])
class Ship(Named, Stamps, AsMapping):
    number: str = field(key=True)
    home_id: int = ref(Port.id)
    home: Port = related(home_id)
    length: float = 0.0
    deleted: bool = False
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def describe(self) -> list[str]:
        return [*super().describe(), f"number {self.number}"]

    @property
    def lines(self) -> list[str]:
        return super().describe()

    @property
    def port_name(self) -> str:
        return self.home.name

    @classmethod
    def parents(cls) -> Any:
        return super().__subclasshook__

    @loud
    def aloud(self) -> list[str]:
        return super().describe()


@model(frozen=True)
class Coin:
    id: int = field(key=True)
    value: int = 1
    port_id: int | None = ref(Port.id, default=None)
    port: Port | None = related(port_id)


@model
class Pier:
    id: int = field(key=True)
    harbour_id: int = ref(to="Harbour.id")
    port_id: int = ref(Port.id)
    harbour: Harbour = related(harbour_id)
    port: Port = related(port_id)


def ship(**values: Any) -> Ship:
    made = Ship(**{"number": "1", "name": "Argo", "home_id": 7} | values)
    made._revision = 41  # type: ignore[attr-defined]
    return made


def revision(record: Any) -> Any:
    return record._revision


def test_it_is_slotted() -> None:
    argo = ship()
    assert not hasattr(argo, "__dict__")
    with pytest.raises(AttributeError):
        argo.headline = "x"  # type: ignore[attr-defined]


def test_it_is_keyword_only() -> None:
    with pytest.raises(TypeError):
        Port("1")  # type: ignore[misc]


def test_a_slot_knows_its_class_and_name() -> None:
    assert owner_of(Ship.created_at) == (Ship, "created_at")
    assert owner_of(Ship.home) == (Ship, "home")
    with pytest.raises(TypeError, match=r"as in Book.title; not str"):
        owner_of("title")


def test_abstract_classes_hold_nothing_themselves() -> None:
    assert not hasattr(Stamps, "created_at")
    assert Stamps.__qualname__ == "Stamps"
    with pytest.raises(DeclarationError):
        model_of(Stamps)


def test_super_survives_in_methods_properties_and_wrapped_functions() -> None:
    argo = ship(note="old")
    assert argo.describe() == ["note old", "name Argo", "number 1"]
    assert argo.lines == ["note old", "name Argo"]
    assert argo.aloud() == ["note old", "name Argo"]
    assert Ship.parents() is not None


@pytest.mark.parametrize(
    "carry",
    [copy.copy, copy.deepcopy, dataclasses.replace, lambda record: pickle.loads(pickle.dumps(record))],
    ids=["copy", "deepcopy", "replace", "pickle"],
)
def test_the_revision_is_carried(carry: Any) -> None:
    argo = ship(extra={"a": [1]})
    carried = carry(argo)
    assert carried == argo
    assert carried is not argo
    assert revision(carried) == 41

    coin = Coin(id=1)
    object.__setattr__(coin, "_revision", 42)
    assert carry(coin) == coin
    assert revision(carry(coin)) == 42


def test_a_new_record_has_no_revision() -> None:
    assert revision(Port(name="Piraeus")) is None


def test_nothing_shows_the_revision() -> None:
    argo, other = ship(), ship()
    other._revision = 43  # type: ignore[attr-defined]
    assert argo == other
    assert "_revision" not in repr(argo)
    assert "_revision" not in dataclasses.asdict(argo)
    assert "home" not in dataclasses.asdict(argo)
    assert [f.name for f in dataclasses.fields(Ship)] == [
        "created_at", "note", "name", "number", "home_id", "length", "deleted", "extra",
    ]  # fmt: skip
    assert "_revision" not in Ship.__match_args__


def test_the_private_name_in_dataclasses_that_this_rests_on() -> None:
    assert Ship.__dataclass_fields__["_revision"]._field_type is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]


def test_frozen() -> None:
    coin = Coin(id=1)
    for name, value in (("value", 2), ("_revision", 3), ("typo", 4), ("port", None)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(coin, name, value)
    assert hash(coin) == hash(Coin(id=1))
    assert dataclasses.replace(coin, value=2).value == 2


def test_a_frozen_model_of_a_frozen_abstract_class() -> None:
    @model(abstract=True, frozen=True)
    class Weighed:
        weight: int = 0

    @model(frozen=True)
    class Stone(Weighed):
        id: int = field(key=True)

    assert Stone(id=1, weight=3).weight == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        Stone(id=1).weight = 4  # type: ignore[misc]


def test_related_slots() -> None:
    argo = ship()
    with pytest.raises(NotLoaded, match=r"^Ship.home is not loaded; ask for it with load=\(Ship.home,\)$"):
        argo.home  # noqa: B018
    with pytest.raises(AttributeError, match="'Ship' object has no attribute 'port'"):
        argo.port  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(NotLoaded, match=r"^Ship.home is not loaded"):
        argo.port_name  # noqa: B018 - a property that reads it
    assert not hasattr(argo, "home")
    argo.home = Port(id=7, name="Piraeus")  # type: ignore[call-arg]
    assert copy.copy(argo).home.name == "Piraeus"
    assert pickle.loads(pickle.dumps(argo)).home == argo.home
    with pytest.raises(NotLoaded):
        dataclasses.replace(argo).home  # noqa: B018


def test_what_was_learnt() -> None:
    info = model_of(Ship)
    assert (info.name, info.collection, info.version) == ("Ship", "ship", 1)
    assert [spec.name for spec in info.key] == ["number"]
    assert info.key is info.key
    assert info.field("length").default == 0.0
    assert info.field("extra").factory() == {}
    assert [spec.name for spec in info.stamped("created")] == ["created_at"]
    assert [(i.fields, i.name) for i in info.indexes] == [(("name",), None), (("home_id", "-length"), "by_size")]
    assert [(u.fields, u.among) for u in info.uniques] == [(("name",), "live")]
    assert [(r.name, r.by) for r in info.related] == [("home", "Ship.home_id")]
    with pytest.raises(KeyError):
        info.field("home")
    generated = model_of(Port).generated
    assert generated is not None
    assert generated.name == "id"


@pytest.mark.parametrize(
    ("name", "collection"),
    [("Book", "book"), ("FixedIp", "fixed_ip"), ("IPPool", "ip_pool"), ("S3Image2", "s3_image2"), ("VM", "vm")],
)
def test_names_of_collections(name: str, collection: str) -> None:
    made = model(type(name, (), {"__annotations__": {"id": int}, "id": field(key=True), "__module__": __name__}))
    assert model_of(made).collection == collection


def test_text_that_is_keyed_gets_a_length() -> None:
    @model(indexes=[index("-listed")], uniques=[unique("claimed")])
    class Text:
        id: str = field(key=True)
        scope: str = field(default="", scope=True)
        to: str = ref(to="Text.id")
        indexed: str = field(default="", index=index(name="ix"))
        single: bytes = field(default=b"", unique=True)
        listed: str = ""
        claimed: str = ""
        short: str = field(default="", index=True, max_length=9)
        free: str = ""

    lengths = {spec.name: spec.type.length for spec in model_of(Text).fields}
    assert lengths.pop("free") is None
    assert lengths.pop("short") == 9
    assert lengths == dict.fromkeys(("id", "scope", "to", "indexed", "single", "listed", "claimed"), 255)


def test_annotations_of_related_slots() -> None:
    info = model_of(Pier)
    assert info.annotation("port") is Port  # though the one beside it names what only type checkers import
    with pytest.raises(DeclarationError, match=r"Pier\.harbour: cannot read its annotation"):
        info.annotation("harbour")
    info.link({"Pier": Pier})
    with pytest.raises(DeclarationError):
        info.annotation("harbour")
    info.link({"Harbour": Ship})
    assert info.annotation("harbour") is Ship


def test_annotations_of_a_function() -> None:
    @model
    class Left:
        id: int = field(key=True)

    @model
    class Right:
        id: int = field(key=True)
        left_id: int = ref(Left.id)
        left: Left | None = related(left_id)

    assert model_of(Right).annotation("left") == Left | None


def test_unset_in_a_new_record() -> None:
    port = Port(name="Piraeus")
    assert port.id is UNSET  # type: ignore[comparison-overlap]
    assert repr(port) == "Port(id=UNSET, name='Piraeus')"
    assert pickle.loads(pickle.dumps(port)).id is UNSET
    assert copy.deepcopy(port).id is UNSET
