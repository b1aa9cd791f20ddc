"""Sheets: many stored records column by column, read in the older shape of a collection and written in the kept one.

Knows the record's form (docs/format.md); must not know how values are lifted. Structs of the stored names read and
write JSON in half the time that dicts take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import NODEFAULT

from ...schema.operation import Columns
from .entries import Upkeep
from .protocol import Key
from .shape import EXTRAS, HEAD, encoded, twin

_MUST = (NODEFAULT,) * len(HEAD)


class Sheet(msgspec.Struct, frozen=True, gc=False):
    """Records of the older shape without a complement. data: as they are stored; tokens, previous: their revisions."""

    keys: list[Key]
    data: list[bytes]
    tokens: Sequence[str]
    previous: Sequence[str | None]
    columns: Columns


class Twins:
    """Makes sheets of stored records, and stored records of sheets."""

    def __init__(self, older: Upkeep, kept: Upkeep) -> None:
        self._version = kept.version
        self._columns, self._kept_columns = older.collection.columns, kept.collection.columns
        _, self._read = twin((*HEAD, EXTRAS, *self._columns), *_MUST, None, *map(older.absent.get, self._columns))
        first = len(HEAD) + 1
        places = (0, 1, *range(first, first + len(self._columns)))  # all but the version and the complement
        self._taken: Callable[[Any], tuple[Any, ...]] = attrgetter(*[f"f{place}" for place in places])
        self._made, _ = twin((*HEAD, *self._kept_columns), *_MUST, *[NODEFAULT] * len(self._kept_columns))

    @staticmethod
    def fit(older: Upkeep) -> bool:
        """Tell whether a twin can have what the records have, and what stands for what they lack."""
        is_plain = not any(isinstance(value, (list, dict)) for value in older.absent.values())
        return is_plain and EXTRAS not in older.collection.columns

    def read(self, records: Mapping[Key, bytes]) -> tuple[Sheet, dict[Key, bytes]]:
        """Read the records that are of the older shape, and nothing else; give the others as they are."""
        keys, found, twins, rest = list[Key](), list[bytes](), list[Any](), dict[Key, bytes]()
        read, version = self._read, self._version  # f2 and f3: the version and the complement
        for key, data in records.items():
            try:
                made = read(data)
            except msgspec.MsgspecError:  # a member that neither shape has; or no JSON, and whoever is next refuses it
                rest[key] = data
                continue
            if made.f3 is not None or made.f2 == version:
                rest[key] = data
                continue
            keys.append(key)
            found.append(data)
            twins.append(made)
        tokens, previous, *columns = zip(*map(self._taken, twins), strict=True) if twins else ((), ())
        return Sheet(keys, found, tokens, previous, dict(zip(self._columns, columns, strict=False))), rest

    def written(self, sheet: Sheet, new: Columns) -> list[bytes]:
        """Write the records of a sheet with the columns of the kept shape."""
        columns = [new[column] for column in self._kept_columns]
        return list(map(encoded, map(self._made, sheet.tokens, sheet.previous, repeat(self._version), *columns)))
