"""Where records, entries, claims and references live: the spaces, and the names in them (docs/format.md).

Knows stored names only (of a collection, `Collection.stored`), never a program's class. entries.py makes the names of
a record, access.py those of a plan.
"""

from __future__ import annotations

from ...schema.encoding import END
from ...schema.schema import Collection, Index, Unique

GAP = " "  # between an entry's values and its key: below every character of a form


def records_space(collection: str) -> str:
    """Give the space of a collection's records; names are keys."""
    return f"r:{collection}"


def entries_space(collection: str, index: Index) -> str:
    """Give the space of an index; names are the values, a space, the key."""
    return f"i:{collection}.{index.name}{_generation(index)}"


def claims_space(collection: str, unique: Unique) -> str:
    """Give the space of a unique; names are the values, the value is the owner's key."""
    return f"u:{collection}.{unique.name}{_generation(unique)}"


def references_space(target: str) -> str:
    """Give the space of the references to a collection; names: target's key, space, `<collection>.<column> <key>`."""
    return f"b:{target}"


def reference_tail(collection: str, column: str) -> str:
    """Give what stands between the target's key and the referrer's key in the name of a reference."""
    return f"{GAP}{collection}.{column}{GAP}"


def after_all(start: str) -> str:
    """Give the upper bound of all names that begin so."""
    return start + END


def just_after(name: str) -> str:
    """Give the lowest bound above a name."""
    return name + "\0"


def owner_of(name: str) -> str:
    """Give the key at the end of a name; of a record's name, all of it."""
    return name[name.rfind(GAP) + 1 :]


def column_of(collection: Collection, field: str) -> str:
    """Give the stored name of a field."""
    return collection.field(field).column


def _generation(part: Index | Unique) -> str:
    return "" if part.generation == 1 else f"@{part.generation}"
