"""An operation of Nova's interface: its name and arguments of 2011, its rule, and the method that does it.

Knows names only; must not know repositories. interface/ is the table of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from .access import ALL, Reads, Rule, Sees, Who


class Takes(Enum):
    """How the bridge hands on `values`: as a new RECORD, as several RECORDS, or as CHANGES of one."""

    RECORD = "record"
    RECORDS = "records"
    CHANGES = "changes"


class Gives(Enum):
    """What the bridge makes of a result: its ADDRESS; a dict with its SPECS; None when there is none."""

    ADDRESS = "address"
    SPECS = "specs"
    OR_NONE = "or_none"


RECORD, RECORDS, CHANGES = Takes
ADDRESS, SPECS, OR_NONE = Gives


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. function, parameters: of 2011 without the context, with defaults, as in "force=False".

    entity: the repository's name in Nova; method: of that repository. scan: why it may read a collection from end to
    end, where it does.
    """

    function: str
    parameters: tuple[str, ...]
    entity: str
    method: str
    rule: Rule
    takes: Takes | None = None
    gives: Gives | None = None
    scan: str = ""
    name: str = field(default="", repr=False)

    @property
    def title(self) -> str:
        """Give its name in the new interface."""
        return f"{self.entity}.{self.method}"

    @property
    def signature(self) -> str:
        """Give its method as one calls it: objects and changes where 2011 had values."""
        taken = {RECORD: "record", RECORDS: "records", CHANGES: "*changes"}
        last = [] if self.takes is None else [taken[self.takes]]
        return f"{self.method}({', '.join([*self.parameters[: len(self.parameters) - len(last)], *last])})"

    @property
    def names(self) -> tuple[str, ...]:
        """Give the parameters' names."""
        return tuple(parameter.partition("=")[0] for parameter in self.parameters)


def op(
    signature: str,
    who: Who,
    reads: Reads,
    *,
    sees: Sees = ALL,
    project: str | None = None,
    user: str | None = None,
    to: str | None = None,
    function: str = "",
    takes: Takes | None = None,
    gives: Gives | None = None,
    scan: str = "",
) -> Operation:
    """Write one row of the table: "get_all_by_host(host)" and what holds for it; to: the method, if it has a new name.

    function: its whole name of 2011, where that does not begin with the entity's.
    """
    name, _, rest = signature.rstrip(")").partition("(")
    parameters = tuple(part.strip() for part in rest.split(",") if part.strip())
    method = to or name
    if takes is None and (last := parameters[-1:]) and last[0] in ("values", "token", "rule"):
        takes = RECORD if method.startswith("create") else CHANGES
    return Operation(function, parameters, "", method, Rule(who, reads, sees, project, user), takes, gives, scan, name)


def entity(entity: str, *rows: Operation, functions: str = "") -> tuple[Operation, ...]:
    """Give the rows of one entity. functions: what its functions' names began with in 2011, if not with its name."""
    prefix = functions or entity
    return tuple(replace(row, entity=entity, function=row.function or f"{prefix}_{row.name}") for row in rows)
