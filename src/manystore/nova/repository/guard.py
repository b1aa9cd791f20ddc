"""NovaRepository: what all of Nova's repositories have. Each call from outside is let in by its rule, or refused.

Knows the table of operations (interface/) and the rules (access.py); must not know any one entity. A call that is let
in goes on in a view that sees what the rule says, on which all repositories are unguarded: an operation's own body
reads and writes freely there, and finds nothing of another project that its rule keeps away.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from typing_extensions import TypeVar, get_original_bases

from manystore import UNSET, Assignment, NotFound, Order, OutOfScope, Predicate, Repository, UsageError, col

from ..access import ALL, CHECKED, Deleted, Rule, authorize, deleted_for, generic, is_own, sees_for
from ..context import RequestContext
from ..exception import NotAuthorized, NovaException
from ..interface import ADDED, OPERATIONS

if TYPE_CHECKING:
    from ..database import Nova

M = TypeVar("M")
K = TypeVar("K", default=int)

_RULES: Mapping[tuple[str, str], Rule] = {(o.entity, o.method): o.rule for o in (*OPERATIONS, *ADDED)}
_MADE_BY = {(o.entity): o.rule.who for o in OPERATIONS if o.method == "create"}
_FREE = frozenset({"explain", "cursor"})  # they read nothing
_MAKING = frozenset({"create", "create_all", "upsert"})
_GUARDED = "_guarded_method"  # where a guarded method keeps what it guards
_STAMP = "updated_at"


class NovaRepository(Repository[M, K]):
    """A repository that knows its caller.

    entity: its name in Nova. missing: what is raised where a record is not there, and the name of its detail. owner:
    the field that says whose a record is; with parent, the entity that this field leads to, whose owner it is.
    refers: other fields that lead to an entity with owners, and that entity: a user may name only its own there.
    is_shared: whether all may name a record of nobody's. loads: what a user may ask for to come along with a record.
    """

    __slots__ = ("_inner",)

    entity: ClassVar[str]
    missing: ClassVar[tuple[type[NovaException], str] | None] = None
    owner: ClassVar[str | None] = None
    parent: ClassVar[str | None] = None
    refers: ClassVar[Sequence[tuple[str, str]]] = ()
    is_shared: ClassVar[bool] = False
    loads: ClassVar[Sequence[object]] = ()
    model: ClassVar[Any]  # these two from the bases, as in NovaRepository[User, str]
    key_type: ClassVar[Any] = int

    database: Nova

    def __init__(self, database: Any, reading: Any) -> None:
        super().__init__(database, reading)
        self._inner: dict[Any, Any] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        base = next(base for base in get_original_bases(cls) if issubclass(get_origin(base) or base, NovaRepository))
        if arguments := list(get_args(base)):
            cls.model, cls.key_type = [*arguments, int][:2]
        for name in dir(cls):
            method = getattr(cls, name)
            if name[0] != "_" and name not in _FREE and inspect.isfunction(method):
                setattr(cls, name, cls._guarded(name, getattr(method, _GUARDED, method)))

    # -- for the operations' bodies --

    @property
    def system(self) -> Nova:
        """Give the whole database, live records, whoever calls; within the same transaction."""
        return self.database.system

    @property
    def context(self) -> RequestContext | None:
        """Give the caller's context; None: the program itself."""
        return self.database.context

    def destroy(self, key: K, /) -> None:
        """Delete the record with this key if it is there."""
        try:
            self.delete(key)
        except NotFound:
            return

    def hold(self, key: K, /) -> M:
        """Give the record with this key, and write it as it is: of two transactions that hold it one begins again.

        For steps that change what belongs to a record: no check at their end would find what others add to it.
        """
        record = self.get(key, load=())
        self.update(key, col(self.model.updated_at).to(record.updated_at))  # type: ignore[attr-defined]
        return record

    def change(self, record: M, /, *changes: Assignment) -> M:
        """Change some fields of a record that was read, soft-deleted or not; raise Conflict if it has changed since."""
        for change in changes:
            if not isinstance(record, change.owner):
                raise UsageError(f"{change.owner.__name__}.{change.field} is no field of {self.model.__name__}")
            setattr(record, change.field, change.value)
        self._check_changes(changes)
        saved = self.save(record)
        if given := [change for change in changes if change.field == _STAMP]:
            return self.update(saved.id, *given)  # type: ignore[attr-defined]  # what is given wins over the stamp
        return saved

    # -- what is seen of other projects, whatever reads it --

    def get(self, key: K, /, *, deleted: Deleted | None = None, load: Sequence[object] = ()) -> M:
        """Give the record with this key; raise what stands for a missing one here."""
        found = super().get(key, deleted=deleted)
        if not self._mine([found]):
            raise NotFound(self.model.__name__, key)
        if load:
            self._load([found], load)
        return found

    def find(
        self,
        *where: Predicate,
        order_by: Order | Sequence[Order] = (),
        limit: int | None = None,
        after: M | str | None = None,
        load: Sequence[object] = (),
        scan: bool = False,
        deleted: Deleted | None = None,
    ) -> list[M]:
        """Give the records that match; see Repository.find."""
        found = super().find(*where, order_by=order_by, limit=limit, after=after, scan=scan, deleted=deleted)
        found = self._mine(found)
        if load:
            self._load(found, load, scan=scan)
        return found

    def create(self, record: M, /) -> M:
        """Store a new record, the caller's if it is nobody's; what it refers to must be the caller's."""
        self._make_own([record])
        return super().create(record)

    def create_all(self, records: Sequence[M], /) -> list[M]:
        """Store new records, the caller's if they are nobody's; what they refer to must be the caller's."""
        self._make_own(records)
        return super().create_all(records)

    def save(self, record: M, /, *, revision: int | None = None) -> M:
        """Store a changed record; it stays the caller's, or becomes nobody's."""
        if self._is_filtered():
            mine = self.database.owner_for(self)
            if not all(is_own(owner, mine, free=True) for owner in self._owners([record])):
                raise NotAuthorized
        return super().save(record, revision=revision)

    def update(self, key: K, first: Assignment, /, *more: Assignment, revision: int | None = None) -> M:
        """Change some fields of the record with this key, if it is the caller's."""
        self._check_key(key)
        self._check_changes((first, *more))
        return super().update(key, first, *more, revision=revision)

    def update_where(
        self, first: Predicate, /, *more: Predicate, changes: Sequence[Assignment], scan: bool = False
    ) -> int:
        """Change some fields of every record that matches; see Repository.update_where."""
        self._check_changes(changes)
        return super().update_where(first, *more, changes=changes, scan=scan)

    def claim(self, *where: Predicate, changes: Sequence[Assignment], scan: bool = False) -> M:
        """Take any one record that matches and change it; see Repository.claim."""
        self._check_changes(changes)
        return super().claim(*where, changes=changes, scan=scan)

    @contextmanager
    def edit(self, key: K, /) -> Generator[M]:
        """Get a record, let the block change its attributes, and save it at the block's end; raise Conflict."""
        record = self.get(key, load=())
        yield record
        self._check_named(record)
        self.save(record)

    def delete(self, target: M | K, /) -> None:
        """Delete a record, if it is the caller's."""
        self._check_key(target)
        super().delete(target)

    def _load(self, records: Sequence[M], slots: Sequence[object], *, scan: bool = False) -> None:
        """Load what belongs to records that the caller may see, whosever it is."""
        getattr(self.system, self.entity).load(records, *slots, scan=scan)

    def _is_filtered(self) -> bool:
        """Tell whether what was read must be looked through for records of others."""
        return self.database.sees is not ALL and self.owner is not None

    def _mine(self, records: list[M]) -> list[M]:
        """Drop other projects' records, or refuse them, as the view says."""
        if not records or not self._is_filtered():
            return records
        mine, free = self.database.owner_for(self), self.parent is None
        owners = self._owners(records)
        own = [record for record, owner in zip(records, owners, strict=True) if is_own(owner, mine, free=free)]
        if len(own) < len(records) and self.database.sees is CHECKED:
            raise NotAuthorized
        return own

    def _owner_of(self, record: M) -> Any:
        return getattr(record, self.owner or "")

    def _owners(self, records: Sequence[M]) -> list[str | None]:
        """Say whose each record is."""
        values = [self._owner_of(record) for record in records]
        if self.parent is None:
            return values
        owners = self._owners_in(self.parent, values)
        return [owners.get(value) for value in values]

    def _owners_in(self, entity: str, keys: Iterable[Any]) -> dict[Any, str | None]:
        """Say whose records of an entity are, by key, of those that there are."""
        wanted = {key for key in keys if key is not None}
        if not wanted:
            return {}
        repository: NovaRepository[Any, Any] = getattr(self.system, entity)
        found = repository.find(col(repository.model.id).in_(sorted(wanted)), deleted="any", scan=True)
        return {record.id: owner for record, owner in zip(found, repository._owners(found), strict=True)}

    def _check_links(self, values: Mapping[str, Any]) -> None:
        """Refuse references to what is not the caller's, or is not there: to tell the two apart would tell too much."""
        links = self.refers if self.parent is None else (*self.refers, (self.owner or "", self.parent))
        for name, entity in links:
            key = values.get(name)
            if key is None:
                continue
            repository: NovaRepository[Any, Any] = getattr(self.system, entity)
            owners, mine = self._owners_in(entity, [key]), self.database.owner_for(repository)
            if key not in owners or not is_own(owners[key], mine, free=repository.is_shared):
                raise NotAuthorized

    def _check_named(self, record: M) -> None:
        if self._is_filtered():
            self._check_links(dict(record))  # type: ignore[call-overload]  # all of Nova's records are mappings

    def _check_changes(self, changes: Sequence[Assignment]) -> None:
        if self._is_filtered():
            self._check_links({change.field: change.value for change in changes})

    def _make_own(self, records: Sequence[M]) -> None:
        if not self._is_filtered():
            return
        mine = self.database.owner_for(self)
        for record in records:
            if self.parent is None and self._owner_of(record) is None:
                setattr(record, self.owner or "", mine)
            if self._owner_of(record) is None or (self.parent is None and self._owner_of(record) != mine):
                raise NotAuthorized
            self._check_named(record)

    def _check_key(self, target: M | K) -> None:
        if self._is_filtered() and (self.parent is not None or self.database.sees is CHECKED):
            self.get(getattr(target, "id", target), load=())  # type: ignore[arg-type]  # a record's key, or the key

    # -- the guard --

    def _let_in(self, rule: Rule, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Check the caller by a rule; give this repository in the view that the rule opens."""
        database = self.database
        context = database.context
        opened = deleted_for(rule.reads, context), sees_for(rule, context)
        if opened[1] is not ALL:
            self._check_wishes(name, args, options)
        inner = self._inner.get(opened)
        if inner is None:
            view = database._opened(self, *opened)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - the door
            inner = self._inner[opened] = getattr(view, self.entity)
        if name == "save" and args:
            inner._check_named(args[0])  # noqa: SLF001 - a repository of this same class
        return inner

    def _check_wishes(self, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """Refuse what a user asks for beside its own records: what they lead to in turn, and keys of its choice."""
        if any(slot not in self.loads for slot in options.get("load", ())):
            raise NotAuthorized
        if name in _MAKING and args:
            records = args[0] if name == "create_all" else args[:1]
            # The next keys, once taken, would be in everybody's way.
            if any(getattr(record, "id", UNSET) is not UNSET for record in records):
                raise NotAuthorized

    @classmethod
    def _guarded(cls, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Let calls of a method in by the rule of its operation; within an operation they go through."""
        is_owned = cls.owner is not None and cls.parent is None
        rule = _RULES.get((cls.entity, name)) or generic(name, is_owned=is_owned, made_by=_MADE_BY.get(cls.entity))
        named = [argument for argument in (rule.project, rule.user) if argument is not None]
        signature = inspect.signature(method) if named else None

        @functools.wraps(method)
        def call(self: NovaRepository[Any, Any], /, *args: Any, **options: Any) -> Any:
            try:
                if self.database.is_open:
                    return method(self, *args, **options)
                arguments: Mapping[str, Any] = {}
                if signature is not None:
                    bound = signature.bind(self, *args, **options)
                    bound.apply_defaults()
                    arguments = bound.arguments
                authorize(rule, self.database.context, arguments)
                return method(self._let_in(rule, name, args, options), *args, **options)
            except OutOfScope:
                raise NotAuthorized from None
            except NotFound as error:
                missing = type(self).missing
                if missing is None or error.model != self.model.__name__:
                    raise
                raise missing[0](None, **{missing[1]: error.key}) from None

        setattr(call, _GUARDED, method)
        return call
