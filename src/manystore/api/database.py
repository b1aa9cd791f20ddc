"""Database: all repositories over one store, chosen by a URL. Subclass it and annotate the repositories.

class Library(Database):
    author: Repository[Author, int]
    book: BookRepository
"""

from __future__ import annotations

import inspect
import random
import sys
import time
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from ..errors import Conflict, DeclarationError, ManystoreError, NotFound, UsageError
from ..model.model import model_of
from ..store.registry import open_store
from ..store.url import StoreURL, parse_url
from .call import Call
from .engine import Engine, Limits, utc_now
from .reading import Deleted, Reading, check_deleted
from .repository import Repository
from .standing import read_history
from .transaction import Block, Transaction

if typing.TYPE_CHECKING:
    from ..migrations.history import History

R = TypeVar("R")
_LONGEST_WAIT = 0.5


class Database:
    """An open database, a scoped view of one, or a transaction on one: the same repositories on each.

    Thread-safe; a transaction belongs to the thread that began it. Make it with connect(), close it or use `with`.
    """

    migrations: ClassVar[str | Path | None] = None
    """The folder of the history, beside the file of the class unless the path is whole. It is read when the database
    is made, and while a migration runs."""
    _repositories: ClassVar[dict[str, tuple[type[Any], type[Any]]]] = {}
    _namespace: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A class made inside a function leaves its neighbours in that function's frame, not in its module.
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
        cls._namespace = dict(frame.f_locals) if frame.f_locals is not frame.f_globals else {}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tx: Transaction | None = None
        self._scope: Any = None
        self._peeking = False
        self._deleted: Deleted = "no"

    def _view(self, **changes: Any) -> Self:
        """Give another view of the same database. What a subclass keeps on itself goes along; repositories do not."""
        view = object.__new__(type(self))
        own, repositories = view.__dict__, self._repositories
        own.update([item for item in self.__dict__.items() if item[0] not in repositories], **changes)
        return view

    @classmethod
    def connect(
        cls,
        url: str,
        /,
        *,
        clock: Callable[[], datetime] = utc_now,
        wait: Callable[[float], None] = time.sleep,  # noqa: TID251 - the default; every pause goes through it
        on_call: Callable[[Call], None] | None = None,
        prefix: str = "",
    ) -> Self:
        """Open the database at a URL; make it when the store is empty.

        clock makes the stamps; wait is what every pause goes through (seconds); on_call is told of each call of the
        store; prefix keeps several databases apart in one server. Raises URLError, MissingDriver, NotADatabase,
        SchemaMismatch, ProgramTooOld or Unavailable.
        """
        repositories = cls._find_repositories()
        parsed = parse_url(url, prefix)
        limits = _limits(parsed)
        models = [model for _, model in repositories.values()]
        if len(set(models)) < len(models):
            raise DeclarationError(f"{cls.__name__}: two repositories for one model")
        store = open_store(parsed, wait=wait)
        try:
            engine = Engine(
                store, models, clock=clock, wait=wait, on_call=on_call, limits=limits, history=lambda: history_of(cls)
            )
            return cls(engine)
        except BaseException:
            store.close()
            raise

    @classmethod
    def _history(cls) -> History | None:
        """Read the migrations; None where the class names no folder."""
        owner = next(c for c in cls.__mro__ if "migrations" in c.__dict__)
        return read_history(cls.migrations, getattr(sys.modules.get(owner.__module__), "__file__", None))

    @classmethod
    def _find_repositories(cls) -> dict[str, tuple[type[Any], type[Any]]]:
        """Give name -> (repository class, model) of the class's annotations; raise DeclarationError."""
        if "_repositories" in cls.__dict__ and cls is not Database:
            return cls._repositories
        found: dict[str, tuple[type[Any], type[Any]]] = {}
        for name, annotation in _hints(cls, cls._namespace).items():
            origin = typing.get_origin(annotation) or annotation
            if not (isinstance(origin, type) and issubclass(origin, Repository)) or name.startswith("_"):
                continue
            if name in dir(Database):
                raise DeclarationError(f"{cls.__name__}.{name}: this name is a method of Database")
            model = _model_of_repository(annotation)
            if model is None:
                raise DeclarationError(f"{cls.__name__}.{name}: write Repository[Model, key], or a subclass of it")
            model_of(model)
            found[name] = (origin, model)
        if not found:
            raise DeclarationError(f"{cls.__name__}: no repositories; annotate them, as in book: Repository[Book, str]")
        cls._repositories = found
        return found

    if not typing.TYPE_CHECKING:  # a checker that saw it would take any misspelt repository

        def __getattr__(self, name: str) -> Any:
            return self._repository(name)

    def _repository(self, name: str) -> Any:
        # Made when first asked for: a transaction touches few repositories of many.
        declared = self._repositories.get(name)
        if declared is None:
            raise AttributeError(f"{type(self).__name__} has no repository {name}", name=name, obj=self)
        cls, model = declared
        mapper = self._engine.mapper(model)
        reading = Reading(self._engine, mapper, self._tx, self._scope, peeking=self._peeking, deleted=self._deleted)
        made = cls(self, reading)
        self.__dict__[name] = made
        return made

    def transaction(self, *, idempotency_key: str | None = None) -> AbstractContextManager[Self, None]:
        """Give the same repositories for one atomic step: reads are remembered, writes wait until the end.

        Raises Conflict when a record that was read or changed here was changed elsewhere meanwhile. idempotency_key: a
        text that is remembered with the commit; when it was committed before, AlreadyCommitted is raised at once.
        """
        if self._tx is not None:
            raise UsageError("a transaction is open already; they do not nest")
        self._engine.check_open()
        tx = Transaction(self._engine, idempotency_key)
        return Block(tx, self._view(_tx=tx, _peeking=False))

    def retrying(self, fn: Callable[[Self], R], /, *, deadline: float = 30.0, idempotency_key: str | None = None) -> R:
        """Run fn in a transaction, again after each Conflict, with growing random pauses, for deadline seconds at most.

        An error that fn raises over records that have changed meanwhile counts as a Conflict. Never run again after
        OutcomeUnknown. fn must have no effect but on the transaction that it is given.
        """
        began, waited, tries = time.monotonic(), 0.0, 0
        while True:
            try:
                return self._attempt(fn, idempotency_key)
            except Conflict:
                pause = random.uniform(0, min(_LONGEST_WAIT, 0.002 * 2**tries))
                waited += pause
                tries += 1
                # The pauses count as well as the clock: an injected wait may not take any time.
                if max(time.monotonic() - began, waited) >= deadline:
                    raise
                self._engine.wait(pause)

    def atomic(self, fn: Callable[[Self], R], /) -> R:
        """Run fn as part of the transaction that this view belongs to, or else in one of its own, as retrying does.

        For operations that take several steps and may be called within a transaction as well as alone.
        """
        return fn(self) if self._tx is not None else self.retrying(fn)

    def _attempt(self, fn: Callable[[Self], R], idempotency_key: str | None) -> R:
        with self.transaction(idempotency_key=idempotency_key) as view:
            try:
                return fn(view)
            except (Conflict, UsageError):
                raise
            except Exception as error:
                try:
                    view._recheck()  # noqa: SLF001 - a view of this same class
                except Conflict as stale:
                    raise stale from error
                except ManystoreError:
                    raise error from None
                raise

    def _recheck(self) -> None:
        if self._tx is not None:
            self._tx.recheck()

    @property
    def peek(self) -> Self:
        """Give the same repositories for reads that the commit does not check."""
        if self._tx is None:
            raise UsageError("peek goes with a transaction")
        return self._view(_peeking=True)

    def scoped(self, value: object, /) -> Self:
        """Give a view that sees and writes only the records of one scope: those whose scope field equals value."""
        if self._scope is not None:
            raise UsageError("this view is scoped already; scope the database itself")
        if value is None:
            raise UsageError("a scope is a value, not None")
        view = self._view(_scope=value)
        for name, (_, model) in self._repositories.items():
            if model_of(model).scope is not None:
                view._repository(name)  # noqa: SLF001 - the value is checked against each scope field now, not at the first read
        return view

    def seeing(self, deleted: Deleted, /) -> Self:
        """Give a view whose reads take "only" the soft-deleted, "any" or "no" such records, unless told otherwise.

        Models that are not soft-deleted are read as ever. Changes go to live records as ever.
        """
        check_deleted(deleted)
        return self._view(_deleted=deleted)

    def forget(self, idempotency_key: str, /) -> None:
        """Drop an idempotency key that is no longer needed; raise NotFound."""
        try:
            self._engine.forget(idempotency_key)
        except NotFound:
            raise NotFound("idempotency keys", idempotency_key) from None

    def close(self) -> None:
        """Close the store. Views and transactions of this database end with it; any later call raises Closed."""
        self._engine.close()

    def __enter__(self) -> Self:
        self._engine.check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def models_of(database: type[Database]) -> tuple[type[Any], ...]:
    """Give the models of a Database's repositories, without opening it; raise DeclarationError."""
    repositories = database._find_repositories()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return tuple(model for _, model in repositories.values())


def history_of(database: type[Database]) -> History | None:
    """Read the migrations of a Database; None where it names no folder."""
    return database._history()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _hints(cls: type[Database], namespace: dict[str, Any]) -> dict[str, Any]:
    """Resolve the annotations of a Database; namespace: the names of the function that it was made in, if any."""
    own = {name: note for base in reversed(cls.__mro__) for name, note in inspect.get_annotations(base).items()}
    wanted = {name: note for name, note in own.items() if not name.startswith("_")}
    try:
        return {name: note for name, note in typing.get_type_hints(cls, localns=namespace).items() if name in wanted}
    except NameError as missing:
        raise DeclarationError(f"{cls.__name__}: cannot read its annotations: {missing}") from None


def _model_of_repository(annotation: Any) -> type[Any] | None:
    """Find the model in Repository[Book, str], or in the bases of a subclass."""
    arguments = typing.get_args(annotation)
    if arguments and isinstance(arguments[0], type):
        return arguments[0]
    origin = typing.get_origin(annotation) or annotation
    for base in getattr(origin, "__orig_bases__", ()):
        found = _model_of_repository(base)
        if found is not None:
            return found
    return None


def _limits(url: StoreURL) -> Limits:
    named = "max_operations" in url.options or "max_bytes" in url.options
    return Limits(url.limit("max_operations"), url.limit("max_bytes"), url.limit("max_examined"), is_named=named)
