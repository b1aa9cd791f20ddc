"""NovaRepository: what all of Nova's repositories have. Each call from outside is let in by its rule, or refused.

Knows the table of operations (interface/) and the rules (access.py); must not know any one entity. A call that is let
in goes on in a view that sees what the rule says, on which all repositories are unguarded: an operation's own body
reads and writes freely there, and finds nothing of another project that its rule keeps away.
"""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from typing_extensions import TypeVar, get_original_bases

from manystore import Assignment, NotFound, Order, OutOfScope, Predicate, Repository, UsageError, col

from ..access import ALL, CHECKED, GENERIC, GENERIC_OWN, Deleted, Rule, authorize, deleted_for, is_own, sees_for
from ..context import RequestContext
from ..exception import NotAuthorized, NovaException
from ..interface import ADDED, OPERATIONS

if TYPE_CHECKING:
    from ..database import Nova

M = TypeVar("M")
K = TypeVar("K", default=int)

_RULES: Mapping[tuple[str, str], Rule] = {(o.entity, o.method): o.rule for o in (*OPERATIONS, *ADDED)}
_FREE = frozenset({"explain", "cursor"})  # they read nothing
_STAMP = "updated_at"
_NEVER_OWN = frozenset({"load"})  # it trusts the records that it is given


class NovaRepository(Repository[M, K]):
    """A repository that knows its caller.

    entity: its name in Nova. missing: what is raised where a record is not there, and the name of its detail. owner:
    the field that says whose a record is; with parent, the entity that this field leads to, whose owner it is.
    """

    __slots__ = ("_inner",)

    entity: ClassVar[str]
    missing: ClassVar[tuple[type[NovaException], str] | None] = None
    owner: ClassVar[str | None] = None
    parent: ClassVar[str | None] = None
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
                setattr(cls, name, cls._guarded(name, inspect.unwrap(method)))

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
        """Store a new record, the caller's if it is nobody's; its parent must be the caller's."""
        self._make_own([record])
        return super().create(record)

    def create_all(self, records: Sequence[M], /) -> list[M]:
        """Store new records, the caller's if they are nobody's; their parents must be the caller's."""
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
        return super().update(key, first, *more, revision=revision)

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

    def _owners(self, records: Sequence[M]) -> list[str | None]:
        """Say whose each record is."""
        values = [getattr(record, self.owner or "") for record in records]
        if self.parent is None:
            return values
        repository: NovaRepository[Any, Any] = getattr(self.system, self.parent)
        wanted = {value for value in values if value is not None}
        owners: dict[Any, str | None] = defaultdict(lambda: None)
        if wanted:
            parents = repository.find(col(repository.model.id).in_(sorted(wanted)), deleted="any", scan=True)
            owners |= {parent.id: owner for parent, owner in zip(parents, repository._owners(parents), strict=True)}
        return [owners[value] for value in values]

    def _make_own(self, records: Sequence[M]) -> None:
        if not self._is_filtered():
            return
        mine = self.database.owner_for(self)
        if self.parent is None:
            for record in records:
                if getattr(record, self.owner or "") is None:
                    setattr(record, self.owner or "", mine)
        elif any(not is_own(owner, mine, free=False) for owner in self._owners(records)):
            raise NotAuthorized

    def _check_key(self, target: M | K) -> None:
        if self._is_filtered() and (self.parent is not None or self.database.sees is CHECKED):
            self.get(getattr(target, "id", target), load=())  # type: ignore[arg-type]  # a record's key, or the key

    # -- the guard --

    def _let_in(self, rule: Rule, arguments: Mapping[str, Any]) -> Any:
        """Check the caller by a rule; give this repository in the view that the rule opens."""
        context = self.database.context
        authorize(rule, context, arguments)
        opened = deleted_for(rule.reads, context), sees_for(rule, context)
        inner = self._inner.get(opened)
        if inner is None:
            inner = self._inner[opened] = getattr(self.database.opened(self, *opened), self.entity)
        return inner

    @classmethod
    def _guarded(cls, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Let calls of a method in by the rule of its operation; within an operation they go through."""
        is_owned = cls.owner is not None and cls.parent is None and name not in _NEVER_OWN
        rule = _RULES.get((cls.entity, name)) or (GENERIC_OWN if is_owned else GENERIC)
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
                return method(self._let_in(rule, arguments), *args, **options)
            except OutOfScope:
                raise NotAuthorized from None
            except NotFound as error:
                missing = type(self).missing
                if missing is None or error.model != self.model.__name__:
                    raise
                raise missing[0](None, **{missing[1]: error.key}) from None

        return call
