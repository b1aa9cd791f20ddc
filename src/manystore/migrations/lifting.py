"""Lifting: a program's codec for records of both shapes, its ways from what is stored to an object generated.

Knows fittings, lenses and codecs; must not know stores. A record without a complement, which is nearly every one, goes
straight from its JSON or its row through the lenses into the program's own codec; the others go by Fitting.lifted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..errors import Corrupted
from ..generated import function
from .fitting import Fitting
from .record_form import EXTRAS

_SHORT, _LONG = 48, 62  # where `,"_version"` stands in a record: behind no revision before its own, and behind one


class LiftingCodec:
    """A codec (store/protocol.py) of objects of the head, from what is kept. own: of the program, for the head."""

    def __init__(self, fitting: Fitting, own: Any) -> None:
        dumps = dict(zip((f.name for f in fitting.head.fields), own.dumps, strict=True))
        self.dumps = tuple(dumps.get(fitting.words.get(f.name, "")) for f in fitting.kept.fields)
        # A store with fixed columns gives rows, any other JSON.
        self.load: Callable[[Sequence[Any]], Any] = _row_loader(fitting, own) if fitting.fixed else own.load
        self.decode: Callable[[bytes], Any] = own.decode if fitting.fixed else _decoder(fitting, own)


class _Source:
    """The source of a function that makes the row of a head's object of the columns of an older record.

    value: column -> how its value is written. is_row: values are in the store's form rather than primitives.
    """

    def __init__(self, fitting: Fitting, value: Callable[[str], str], *, is_row: bool) -> None:
        self.names: dict[str, Any] = {}
        self.lines: list[str] = []
        self._fitting = fitting
        self._value = value
        self._is_row = is_row
        self._made: dict[str, str] = {}
        for number, lens in enumerate(fitting.derived):
            self._call(number, lens)

    def _call(self, number: int, lens: Any) -> None:
        self.names[f"u{number}"] = lens.up
        given = [self._primitive(column) for column in lens.base]
        results = [f"h{number}_{place}" for place in range(len(lens.head))]
        self.lines.append(f"    {', '.join(results)}, = u{number}(({', '.join(given)},))")
        self._made.update(zip(lens.head, results, strict=True))

    def _primitive(self, column: str) -> str:
        if not self._is_row:
            return self._value(column)
        form, text = self._fitting.kept_form, self._value(column)
        return self._turned(form.take_of(column), text, f"t{form.columns.index(column)}")

    def _turned(self, turn: Any, text: str, name: str) -> str:
        if turn is None:
            return text
        self.names[name] = turn
        return f"(None if {text} is None else {name}({text}))"

    def body(self, stored: str, rest: str) -> list[str]:
        """Write what makes the row, with the rest behind it, and loads it.

        Where that fails, what is stored goes the slow way, which knows which function it is, and of what record.
        """
        return [
            "    try:",
            *(f"    {line}" for line in self.lines),
            f"        made = ({self._row()}{rest})",
            "    except Exception: made = None",
            f"    return whole({stored}) if made is None else load(made)",
        ]

    def _row(self) -> str:
        """Write the values of the head's fields in order, in the form that the store gives them in."""
        parts = list[str]()
        for place, field in enumerate(self._fitting.head.fields):
            made = self._made.get(field.column)
            straight = made is None
            text = self._value(self._fitting.straight[field.column]) if made is None else made
            turn = None if straight and self._is_row else self._fitting.head_form.give_of(field.column)
            parts.append(self._turned(turn, text, f"g{place}"))
        return "".join(f"{part}, " for part in parts)


def _decoder(fitting: Fitting, own: Any) -> Callable[[bytes], Any]:
    """Make decode(data) of a stored JSON record."""
    columns = fitting.older_columns
    rename = {f"f{place}": column for place, column in enumerate(columns)} | {"r": "_revision", "x": EXTRAS.column}
    members: list[Any] = [("r", str), ("x", Any, None)]
    members += [(f"f{place}", Any, fitting.absent.get(column)) for place, column in enumerate(columns)]
    twin = msgspec.defstruct("Twin", members, rename=rename, gc=False)
    places = {column: f"t.f{place}" for place, column in enumerate(columns)}
    source = _Source(fitting, places.__getitem__, is_row=False)

    def whole(data: bytes) -> Any:
        stored = fitting.of_json(data)
        return fitting.made(own, fitting.lifted(stored), stored.revision)

    def unreadable(reason: Exception) -> None:
        raise Corrupted(f"{fitting.head.model}: a stored record cannot be read: {reason}") from None

    names = source.names | {"read": msgspec.json.Decoder(twin).decode, "load": own.load, "whole": whole}
    names |= {"Unreadable": msgspec.MsgspecError, "unreadable": unreadable}
    body = ["def made(data):"]
    if fitting.is_plain:
        names |= {"own": own.decode, "mark": f',"_version":{fitting.head.version},'.encode()}
        body.append(f"    if data.startswith(mark, {_LONG}) or data.startswith(mark, {_SHORT}): return own(data)")
    body += ["    try: t = read(data)", "    except Unreadable as reason: unreadable(reason)"]
    body.append("    if t.x is not None: return whole(data)")
    body += source.body("data", f"int(t.r, 16), {fitting.head.version}")
    return function("lifting", "\n".join(body), names)


def _row_loader(fitting: Fitting, own: Any) -> Callable[[Sequence[Any]], Any]:
    """Make load(row) of a row of the kept collection: its fields, revision, version."""
    places = {column: place for place, column in enumerate(fitting.kept_form.columns)}
    source = _Source(fitting, lambda column: f"row[{places[column]}]", is_row=True)

    def whole(row: Sequence[Any]) -> Any:
        stored = fitting.of_row(row)
        return fitting.made(own, fitting.lifted(stored), stored.revision)

    names = source.names | {"load": own.load, "whole": whole}
    body = ["def made(row):"]
    if fitting.is_raised:
        kept = [fitting.kept.field(f.name).column for f in fitting.head.fields]
        row = "".join(f"row[{places[column]}], " for column in kept)
        body.append(f"    if row[-1] == {fitting.head.version}: return load(({row}row[-2], row[-1]))")
    if EXTRAS.column in places:
        body.append(f"    if row[{places[EXTRAS.column]}] is not None: return whole(row)")
    body += source.body("row", f"row[-2], {fitting.head.version}")
    return function("lifting", "\n".join(body), names)
