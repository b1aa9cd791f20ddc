"""One function of 2011: from its arguments to the call of a repository's method, and from the result back.

Knows the table of operations and signatures; must not know any one entity.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from manystore import Assignment, Duplicate, ManystoreError, NotFound, col

from .. import exception
from ..access import ANYONE
from ..context import RequestContext
from ..database import Nova
from ..operation import ADDRESS, CHANGES, OR_NONE, RECORD, RECORDS, SPECS, Operation
from .record import Record, aware, shown

_WRAPS_ALL = frozenset({"instance_type_create", "volume_type_create", "vsa_create", "s3_image_create"})
_IGNORED = "session"  # of the store that there was


class Call:
    """An operation as a function. database: gives the open database."""

    def __init__(self, operation: Operation, database: Callable[[], Nova]) -> None:
        self._operation = operation
        self._database = database
        self._method: inspect.Signature | None = None  # learned at the first call: it imports every repository
        self._repository: Any = None  # its class
        self._fields: Mapping[str, frozenset[str]] = {}  # field -> the types it takes
        self.signature = inspect.Signature([_parameter("context"), *map(_parameter, operation.parameters)])

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Do it, for the caller that the first argument names."""
        given = self.signature.bind(*args, **options)
        given.apply_defaults()
        context, *values = given.arguments.values()
        repository = getattr(self._view(context), self._operation.entity)
        self._learn(repository)
        try:
            return self._result(self._run(repository, dict(zip(self._operation.names, values, strict=True))))
        except (exception.NovaException, exception.Error):
            raise
        except Duplicate as error:
            if self._operation.function in _WRAPS_ALL:
                raise exception.DBError(error) from error
            raise exception.Duplicate(str(error)) from error
        except ManystoreError as error:
            raise exception.DBError(error) from error

    def _view(self, context: Any) -> Nova:
        if context is None:
            if self._operation.rule.who is not ANYONE:
                raise exception.Error("a request context is wanted")
            context = RequestContext()
        if not isinstance(context, RequestContext):
            context = RequestContext(
                context.user_id, context.project_id, bool(context.is_admin), getattr(context, "read_deleted", False)
            )
        return self._database().for_context(context)

    def _learn(self, repository: Any) -> None:
        if self._method is None:
            self._repository = type(repository)
            if self._operation.takes is not None:
                self._fields = {field.name: _types(field.type) for field in fields(self._repository.model)}
            self._method = inspect.signature(inspect.unwrap(getattr(self._repository, self._operation.method)))

    def _run(self, repository: Any, arguments: Mapping[str, Any]) -> Any:
        assert self._method is not None
        wanted = self._method.parameters
        positional: list[Any] = []
        by_name: dict[str, Any] = {}
        for name, value in arguments.items():
            if name == _IGNORED:
                continue
            if self._operation.takes is not None and name == self._operation.names[-1]:
                positional += self._taken(value, by_name)
            elif name in wanted and wanted[name].kind is inspect.Parameter.KEYWORD_ONLY:
                by_name[name] = self._fitting(name, value)
            else:
                place = list(wanted)[len(positional) + 1]
                positional.append(self._fitting(place, value))
        try:
            return getattr(repository, self._operation.method)(*positional, **by_name)
        except NotFound:
            if self._operation.gives is OR_NONE:
                return None
            raise

    def _taken(self, values: Any, by_name: dict[str, Any]) -> Iterable[Any]:
        """Turn `values` into a record, records or changes; what the method takes by name goes to by_name."""
        if self._operation.takes is RECORDS:
            return [[self._record(dict(one), {}) for one in values]]
        given = dict(values)
        return [self._record(given, by_name)] if self._operation.takes is RECORD else self._changes(given, by_name)

    def _record(self, given: dict[str, Any], by_name: dict[str, Any]) -> Any:
        return self._repository.model(**self._stored(given, by_name))

    def _changes(self, given: dict[str, Any], by_name: dict[str, Any]) -> list[Assignment]:
        assert self._operation.takes is CHANGES
        return [col(getattr(self._repository.model, n)).to(v) for n, v in self._stored(given, by_name).items()]

    def _stored(self, given: dict[str, Any], by_name: dict[str, Any]) -> dict[str, Any]:
        """Give those that are stored; other names were accepted and never stored, and are so still."""
        assert self._method is not None
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name in self._method.parameters:
                by_name[name] = value
            elif name in self._fields:
                found[name] = _fitting(self._fields[name], value)
        return found

    def _fitting(self, name: str, value: Any) -> Any:
        assert self._method is not None
        types = _types(self._method.parameters[name].annotation)
        return _fitting(_types(self._repository.key_type) if "K" in types else types, value)

    def _result(self, result: Any) -> Any:
        gives = self._operation.gives
        if gives is ADDRESS:
            return result.address
        if gives is SPECS:
            return _with_specs(result)
        return shown(result)


def _parameter(text: str) -> inspect.Parameter:
    name, equals, default = text.partition("=")
    value = ast.literal_eval(default) if equals else inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value)


def _with_specs(result: Any) -> Any:
    """Make dicts of types, their extra specs among the columns."""
    kind: Any = result.__class__
    if kind is list:
        return [_with_specs(one) for one in result]
    if kind is dict:
        return {name: _with_specs(one) for name, one in result.items()}
    return {**dict(Record(result)), "extra_specs": dict(result.specs)}


def _types(annotation: Any) -> frozenset[str]:
    """Give the words of an annotation, as in "int | None"."""
    return frozenset(re.findall(r"\w+", annotation if isinstance(annotation, str) else annotation.__name__))


def _fitting(types: frozenset[str], value: Any) -> Any:
    """Turn a number written as text into one, and the other way round, as the database of the time did."""
    if isinstance(value, str) and "int" in types and "str" not in types and value.lstrip("-").isdigit():
        return int(value)
    if isinstance(value, int) and "str" in types and "int" not in types:
        return str(value)
    if type(value) is int and "bool" in types and "int" not in types:
        return bool(value)
    return aware(value)
