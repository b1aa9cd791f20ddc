"""The lines over 41 fields that somebody would write out by hand, written out by a loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from manystore.model.model import model_of
from manystore.nova.model.instance import Instance

from ..workload import FIELDS

_TYPES = {f.name: str(f.type) for f in dataclasses.fields(Instance)}  # type: ignore[arg-type]
TIMES = tuple(name for name in FIELDS if "datetime" in _TYPES[name])
FLAGS = tuple(name for name in FIELDS if _TYPES[name].startswith("bool"))
NUMBERS = tuple(name for name in FIELDS if _TYPES[name].startswith(("bool", "int")))
INDEXES = tuple(index.fields for index in model_of(Instance).indexes)
CLAIMED = "uuid"
WATCHED = (*dict.fromkeys(name for fields in INDEXES for name in fields), CLAIMED)


def text_of(value: datetime) -> str:
    """Write a time as 27 characters."""
    text: str = msgspec.to_builtins(value)
    return text if len(text) == 27 else value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _compile(lines: Sequence[str], **names: Any) -> Callable[..., Any]:
    exec("\n".join(lines), names)
    made: Callable[..., Any] = names["made"]
    return made


def row_loader(
    parse: Callable[[str], datetime] | None = datetime.fromisoformat, *, has_flags: bool = False
) -> Callable[[Sequence[Any]], Instance]:
    """Make load(row): the fields in order, then the revision. parse: None for a driver that gives times by itself."""
    lines = ["def made(row):", "    o = new(cls)"]
    lines.append(f"    {', '.join(f'o.{name}' for name in FIELDS)}, o._revision = row")
    if parse is not None:
        lines += [f"    if o.{name} is not None: o.{name} = parse(o.{name})" for name in TIMES]
    if not has_flags:
        lines += [f"    if o.{name} is not None: o.{name} = bool(o.{name})" for name in FLAGS]
    lines.append("    return o")
    return _compile(lines, new=Instance.__new__, cls=Instance, parse=parse)


def row_dumper(
    fields: Sequence[str], text: Callable[[datetime], str] | None = text_of
) -> Callable[[Instance], tuple[Any, ...]]:
    """Make dump(record): the fields in order. text: None for a driver that takes times as they are."""
    lines = ["def made(o):"]
    lines += [f"    {name} = o.{name}" for name in fields]
    if text is not None:
        lines += [f"    if {name} is not None: {name} = text({name})" for name in fields if name in TIMES]
    lines.append(f"    return ({', '.join(fields)},)")
    return _compile(lines, text=text)


def _twin(*, forbid_unknown_fields: bool = False) -> type[msgspec.Struct]:
    # A Struct beats a dict, and beats the dataclass itself, both ways.
    members: list[tuple[str, Any]] = [("r", str), ("p", str | None), ("n", int)]
    members += [(name, datetime | None if name in TIMES else Any) for name in FIELDS]
    rename = {"r": "_revision", "p": "_previous", "n": "_version"}
    return msgspec.defstruct("Twin", members, rename=rename, forbid_unknown_fields=forbid_unknown_fields)


def json_decoder() -> Callable[[bytes], Instance]:
    """Make decode(json)."""
    lines = ["def made(data):", "    t = decode(data)", "    o = new(cls)"]
    lines += [f"    o.{name} = t.{name}" for name in FIELDS]
    lines += ["    o._revision = int(t.r, 16)", "    return o"]
    return _compile(lines, decode=msgspec.json.Decoder(_twin()).decode, new=Instance.__new__, cls=Instance)


def json_encoder() -> Callable[[Instance, str, str | None], bytes]:
    """Make encode(record, revision, previous)."""
    values = ", ".join(f"o.{name}" for name in FIELDS)
    lines = ["def made(o, revision, previous):", f"    return encode(twin(revision, previous, 1, {values}))"]
    return _compile(lines, encode=msgspec.json.Encoder().encode, twin=_twin())


def watcher() -> tuple[Callable[[bytes], Any], Callable[[Any], tuple[Any, ...]]]:
    """Make look(json), which refuses fields that are not the program's, and shown(of it or a record).

    What a save does not know it must not lose, so that all of the stored record is looked at; no benchmark has such.
    """
    look = msgspec.json.Decoder(_twin(forbid_unknown_fields=True)).decode
    return look, attrgetter(*WATCHED)


def entry_namer(encoders: Mapping[str, Callable[[Any], str]]) -> Callable[[Sequence[Any], str], list[str]]:
    """Make names(shown, key): a record's entries, one an index; encoders by "text", "time" and "number"."""
    lines = ["def made(shown, key):", f"    {', '.join(WATCHED)}, = shown"]
    for name in WATCHED:
        if any(name in fields for fields in INDEXES):
            kind = "time" if name in TIMES else "number" if name in NUMBERS else "text"
            lines.append(f"    {name} = {kind}({name})")
    entries = ["f'" + "".join(f"{{{name}}}" for name in fields) + " {key}'" for fields in INDEXES]
    lines.append(f"    return [{', '.join(entries)}]")
    return _compile(lines, **encoders)
