"""Are the stores alike? Compares their public names, signatures and properties with the waists, and with each other.

A store that lacks a name, has one more, or takes other arguments is told of in one line. Looks at classes and objects
only; what they do is the suite's business.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeAlias

from manystore import Database
from manystore.store import protocol
from manystore.store.registry import known

Shape: TypeAlias = dict[str, str]
"""Public name -> what it is: a signature without types, "property" or "value"."""

# By name: nobody imports a store, and this one is the waist that all stores of the family stand behind.
_KEY_VALUE = "manystore.stores.keyvalue.protocol"


def shape(thing: object) -> Shape:
    """Give the public names of a class or an object, with what each is."""
    return {name: _described(thing, name) for name in dir(thing) if not name.startswith("_")}


def _described(thing: object, name: str) -> str:
    if isinstance(inspect.getattr_static(thing, name), property):
        return "property"
    member = getattr(thing, name)
    if not callable(member):
        return "value"
    signature = inspect.signature(member)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def waist(described: type[Any]) -> Shape:
    """Give what a protocol asks for; its attributes stand in its annotations alone."""
    attributes = {name: "value" for name in inspect.get_annotations(described) if not name.startswith("_")}
    return {**attributes, **shape(described)}


def differences(name: str, have: Shape, wanted: Shape) -> Iterator[str]:
    """Say, one line each, how a shape differs from what is wanted."""
    for missing in sorted(wanted.keys() - have.keys()):
        yield f"{name}: {missing} is missing"
    for extra in sorted(have.keys() - wanted.keys()):
        yield f"{name}: {extra} is only here"
    for both in sorted(have.keys() & wanted.keys()):
        if have[both] != wanted[both]:
            yield f"{name}: {both} is {have[both]}, not {wanted[both]}"


def stores(classes: Mapping[str, type[Any]] | None = None) -> list[str]:
    """Load every store that is installed and give how they differ from the waists; classes: look at these instead."""
    found: list[str] = []
    for scheme, store in (classes or {scheme: point.load() for scheme, point in known().items()}).items():
        further = waist(protocol.Offline) if store.capabilities.fixed_columns else {}
        found += differences(f"{scheme}: {store.__name__}", shape(store), waist(protocol.Store) | further)
        for inner in key_values(store):
            wanted = waist(import_module(_KEY_VALUE).KeyValue)
            found += differences(f"{scheme}: {inner.__name__}", shape(inner), wanted)
    return found


def key_values(store: type[Any]) -> list[type[Any]]:
    """Give the classes behind the inner waist that the module of a store has: those that scan and commit."""
    members = vars(sys.modules[store.__module__]).values()
    classes = {each for each in members if isinstance(each, type) and {"scan", "commit"} & set(vars(each))}
    return sorted(classes - {import_module(_KEY_VALUE).KeyValue}, key=lambda each: each.__name__)


def databases(opened: Mapping[str, Database]) -> list[str]:
    """Give how databases that are open on several stores differ from the first, in themselves and in repositories."""
    found: list[str] = []
    (_, reference), *others = opened.items()
    names = repositories(reference)
    for store, database in others:
        found += differences(f"{store}: {type(database).__name__}", _itself(database), _itself(reference))
        for name in sorted(names | repositories(database)):
            if name not in repositories(database) or name not in names:
                found.append(f"{store}: {name} is not on every store")
            else:
                label = f"{store}: {type(database).__name__}.{name}"
                found += differences(label, shape(getattr(database, name)), shape(getattr(reference, name)))
    return found


def _itself(database: Database) -> Shape:
    """Give the shape without repositories: those that were asked for once are attributes from then on."""
    return {name: what for name, what in shape(database).items() if name not in repositories(database)}


def repositories(database: Database) -> set[str]:
    """Give the names of a database's repositories."""
    classes = type(database).__mro__
    classes = classes[: classes.index(Database)]
    return {name for each in classes for name in inspect.get_annotations(each) if not name.startswith("_")}
