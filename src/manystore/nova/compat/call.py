"""One function of 2011: from its arguments to the call of a repository's method, and from the result back.

Knows the table of operations and signatures; must not know any one entity.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from manystore import Assignment, Duplicate, ManystoreError, NotFound, col

from .. import exception
from ..access import ANYONE
from ..context import get_admin_context
from ..database import Nova
from ..operation import ADDRESS, CHANGES, OR_NONE, RECORD, RECORDS, SPECS, Operation
from .fitting import KEY, NO_ID, Types, fitting, fitting_id, fitting_several, types_of
from .record import Record, shown

_WRAPS_ALL = frozenset({"instance_type_create", "volume_type_create", "vsa_create", "s3_image_create"})
_IGNORED = "session"  # of the store that there was
_STAMP = "updated_at"
_NUMBERS = frozenset({"int", "float"})
_MISSING = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class _Argument:
    """How an argument is handed on: fitted to these types. by_name: to the parameter of its own name."""

    name: str
    types: Types = frozenset()
    is_values: bool = False
    is_ignored: bool = False
    is_id: bool = False
    by_name: bool = False


class Call:
    """An operation as a function. view: gives the database as a context's caller sees it."""

    def __init__(self, operation: Operation, view: Callable[[Any], Nova]) -> None:
        self._operation = operation
        self._view = view
        self._arguments: list[_Argument] | None = None  # learned at the first call: it imports every repository
        self._parameters: Mapping[str, inspect.Parameter] = {}  # of the method
        self._repository: Any = None  # its class
        self._fields: Mapping[str, Types] = {}  # of its model
        self._keys: frozenset[str] = frozenset()  # those of them that are its key
        self.signature = inspect.Signature([_parameter("context"), *map(_parameter, operation.parameters)])
        self._defaults = tuple(parameter.default for parameter in self.signature.parameters.values())

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Do it, for the caller that the first argument names."""
        context, *values = self._bound(args, options)
        if context is None:
            if self._operation.rule.who is not ANYONE:
                raise exception.Error("a request context is wanted")
            context = get_admin_context()
        repository = getattr(self._view(context), self._operation.entity)
        arguments = self._arguments or self._learned(repository)
        asked: list[Any] = []  # what was looked for, as it was given, where it can be no id
        try:
            return self._result(self._run(repository, zip(arguments, values, strict=True), asked))
        except exception.NotFound as error:
            if asked:
                error.details = {name: asked[0] if of == NO_ID else of for name, of in error.details.items()}
                error.args = (error.message,)
            raise
        except (exception.NovaException, exception.Error):
            raise
        except Duplicate as error:
            if self._operation.function in _WRAPS_ALL:
                raise exception.DBError(error) from error
            raise exception.Duplicate(str(error)) from error
        except ManystoreError as error:
            raise exception.DBError(error) from error

    def _bound(self, args: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[Any, ...]:
        """Give all arguments in their order; the signature tells what is wrong with them, if anything is."""
        values = args + self._defaults[len(args) :]
        if not options and len(args) <= len(self._defaults) and _MISSING not in values[len(args) :]:
            return values
        given = self.signature.bind(*args, **options)
        given.apply_defaults()
        return tuple(given.arguments.values())

    def _learned(self, repository: Any) -> list[_Argument]:
        """Find out what the method takes."""
        kind: Any = repository.__class__
        self._repository = kind
        method = inspect.signature(inspect.unwrap(getattr(kind, self._operation.method)))
        self._parameters = method.parameters
        if hasattr(kind, "model"):
            self._fields = {field.name: types_of(field.type) for field in fields(kind.model)}
            self._keys = frozenset(spec.name for spec in kind.model.__manystore__.key)
        places = iter([p for p in self._parameters.values() if p.kind is not p.KEYWORD_ONLY][1:])
        self._arguments = [self._argument(name, places) for name in self._operation.names]
        return self._arguments

    def _argument(self, name: str, places: Any) -> _Argument:
        if name == _IGNORED:
            return _Argument(name, is_ignored=True)
        if self._operation.takes is not None and name == self._operation.names[-1]:
            return _Argument(name, is_values=True)
        own = self._parameters.get(name)
        by_name = own is not None and own.kind is own.KEYWORD_ONLY
        place: Any = own if by_name else next(places)
        types = types_of(place.annotation)
        if KEY in types:
            types = types_of(self._repository.key_type) | {KEY}
        return _Argument(name, types, is_id=KEY in types or name.endswith("id"), by_name=by_name)

    def _run(self, repository: Any, arguments: Iterable[tuple[_Argument, Any]], asked: list[Any]) -> Any:
        positional: list[Any] = []
        by_name: dict[str, Any] = {}
        for argument, value in arguments:
            if argument.is_ignored:
                continue
            if argument.is_values:
                positional += self._taken(value, by_name)
                continue
            fit = (fitting_id if argument.is_id else self._fitting)(argument.types, value)
            if fit == NO_ID != value:
                asked.append(value)
            if argument.by_name:
                by_name[argument.name] = fit
            else:
                positional.append(fit)
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
        try:
            return self._repository.model(**self._stored(given, by_name))
        except TypeError as error:  # what must be there is not
            raise exception.DBError(error) from error

    def _changes(self, given: dict[str, Any], by_name: dict[str, Any]) -> list[Assignment]:
        """Give changes. A key among the values is the record's own; a stamp of None is made anew."""
        assert self._operation.takes is CHANGES
        stored = self._stored(given, by_name).items()
        changed = {n: v for n, v in stored if n not in self._keys and (v is not None or n != _STAMP)}
        if not changed and "first" in self._parameters:  # which has to be there: the record must, at least
            changed = {_STAMP: datetime.now(UTC)}
        return [col(getattr(self._repository.model, name)).to(value) for name, value in changed.items()]

    def _stored(self, given: dict[str, Any], by_name: dict[str, Any]) -> dict[str, Any]:
        """Give those that are stored; other names were accepted and never stored, and are so still."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name in self._parameters:
                by_name[name] = self._fitting(types_of(self._parameters[name].annotation), value)
            elif name in self._fields:
                found[name] = self._kept(name, fitting(self._fields[name], value))
        return found

    def _kept(self, name: str, value: Any) -> Any:
        """Give a value; None, with a warning, for a text where a number is stored."""
        types = self._fields[name]
        if isinstance(value, str) and types & _NUMBERS and "None" in types and "str" not in types:
            text = f"{self._operation.function}: {name} is a number, {value!r} is none: not stored"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return None
        return value

    def _fitting(self, types: Types, value: Any) -> Any:
        return fitting_several(types, value, self._fields)

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
