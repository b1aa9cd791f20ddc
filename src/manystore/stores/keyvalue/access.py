"""From a plan's access and its operands to names: which keys, claims and spans to read.

Knows plans and the layout; must not know a key-value store nor read anything. What it makes is kept with the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from ...query.plan import Claimed, Lookup, Plan, Test
from ...query.plan import Range as Stretch
from ...schema.encoding import END, NONE, complemented, descending, encoder, prefix_form
from .layout import GAP, after_all, claims_space, entries_space, just_after, records_space
from .protocol import Key, Span

Values: TypeAlias = tuple[Any, ...]
Text: TypeAlias = Callable[[Values], str]
Options: TypeAlias = Callable[[Values], list[str]]
PairText: TypeAlias = Callable[[Values, Values], str]  # of the operands and a cursor
Bounds: TypeAlias = Callable[[Values], tuple[str, str]]


def bound(plan: Plan, field: str, *, is_descending: bool = False) -> Callable[[Any], str]:
    """Make the function that writes a field's Python value (or None) as ordered text."""
    dump = plan.codec.dumps[plan.collection.positions[field]]
    encode = encoder(plan.collection.field(field).kind)
    if is_descending:
        encode = descending(encode)
    if dump is None:
        return encode
    return lambda value: encode(None if value is None else dump(value))


def _one(plan: Plan, test: Test, *, is_descending: bool = False) -> Text:
    text = bound(plan, test.field, is_descending=is_descending)
    if test.op == "null":
        constant = text(None)
        return lambda _: constant
    param = test.param
    return lambda values: text(values[param])


def _options(plan: Plan, test: Test, *, is_descending: bool = False) -> Options:
    if test.op != "in":
        one = _one(plan, test, is_descending=is_descending)
        return lambda values: [one(values)]
    text, param = bound(plan, test.field, is_descending=is_descending), test.param
    return lambda values: sorted({text(value) for value in values[param]})


def names_of(plan: Plan, access: Lookup) -> Options:
    """Make names(values) of the records that a lookup reads, each once."""
    if len(access.tests) == 1:
        return _options(plan, access.tests[0])
    # The tests come in the order of the key; only a test that stands alone may be an `in`.
    parts = [_one(plan, test) for test in access.tests]
    return lambda values: ["".join([part(values) for part in parts])]


def name_of(plan: Plan, access: Lookup) -> Text | None:
    """Make name(values) of the one record that a lookup reads; None when it may read several."""
    if any(test.op == "in" for test in access.tests):
        return None
    parts = [_one(plan, test) for test in access.tests]
    return parts[0] if len(parts) == 1 else lambda values: "".join([part(values) for part in parts])


def claim_of(plan: Plan, access: Claimed) -> Callable[[Values], Key]:
    """Make key(values) of the claim that an access by a unique reads."""
    space = claims_space(plan.collection.stored, access.unique)
    parts = [_one(plan, test) for test in access.tests]
    return lambda values: (space, "".join([part(values) for part in parts]))


class Walk:
    """The spans of one stretch of an index, or of the key's order."""

    def __init__(self, plan: Plan, stretch: Stretch) -> None:
        index, collection = stretch.index, plan.collection
        self.reverse = stretch.reverse
        self.is_by_key = index is None
        self.space = records_space(collection.stored) if index is None else entries_space(collection.stored, index)
        fields = collection.key if index is None else index.fields
        flags = (False,) * len(fields) if index is None else index.descending
        head = len(stretch.equal)
        self._options = [_options(plan, test, is_descending=flags[place]) for place, test in enumerate(stretch.equal)]
        self._whole = index is None and head == len(fields)
        self._bounds = self._bounds_of(plan, stretch, is_descending=head < len(fields) and flags[head])
        is_single = all(test.op != "in" for test in stretch.equal)
        self._fixed = self._fixed_of(plan, stretch) if is_single else []
        self._steps = self._steps_of(plan, stretch, fields, flags) if is_single else []

    @staticmethod
    def _bounds_of(plan: Plan, stretch: Stretch, *, is_descending: bool) -> Bounds | None:
        if stretch.prefix is not None:
            param = stretch.prefix.param

            def prefixed(values: Values) -> tuple[str, str]:
                form = prefix_form(values[param], is_descending=is_descending)
                return form, form + END

            return prefixed
        if stretch.lower is None and stretch.upper is None:
            return None
        lower = None if stretch.lower is None else _one(plan, stretch.lower, is_descending=is_descending)
        upper = None if stretch.upper is None else _one(plan, stretch.upper, is_descending=is_descending)
        # A name that begins with a form holds its value, so the end of that form lies behind all such names.
        skip_lower = stretch.lower is not None and stretch.lower.op == "gt"
        skip_upper = stretch.upper is not None and stretch.upper.op == "lt"
        if is_descending:
            none = complemented(NONE)
            lower, upper, skip_lower, skip_upper = upper, lower, skip_upper, skip_lower
            ends = ("", none)
        else:
            ends = (NONE + END, END)

        def bounded(values: Values) -> tuple[str, str]:
            low = ends[0] if lower is None else lower(values) + (END if skip_lower else "")
            high = ends[1] if upper is None else upper(values) + ("" if skip_upper else END)
            return low, high

        return bounded

    def _fixed_of(self, plan: Plan, stretch: Stretch) -> list[tuple[int, Text, Text, bool]]:
        """List the terms of the order that this walk fixes: place, text of the walk, text of a cursor, direction."""
        fixed = {test.field: test for test in stretch.equal}
        return [
            (place, _one(plan, fixed[term.field]), _taken(plan, term.field, place), term.descending)
            for place, term in enumerate(plan.order)
            if term.field in fixed
        ]

    def _steps_of(
        self, plan: Plan, stretch: Stretch, fields: Sequence[str], flags: Sequence[bool]
    ) -> list[tuple[int, PairText]]:
        """List what a name consists of, with places in the order: -1 where it is the same in all of this walk."""
        places = {term.field: place for place, term in enumerate(plan.order)}
        fixed = {test.field: test for test in stretch.equal}
        parts = list(zip(fields, flags, strict=True))
        steps = [_step(plan, name, fixed.get(name), places.get(name), is_descending=flag) for name, flag in parts]
        if not self.is_by_key:
            steps.append((-1, lambda _, __: GAP))
            steps += [_step(plan, name, fixed.get(name), places[name]) for name in plan.collection.key]
        return steps

    def spans(self, values: Values) -> list[Span]:
        """Give the spans to read, one for each combination of `in` values, in order."""
        heads = [""]
        for options in self._options:
            heads = [head + text for head in heads for text in options(values)]
        if self._bounds is None:
            if self._whole:
                return [Span(self.space, head, just_after(head)) for head in heads]
            return [Span(self.space, head, after_all(head)) for head in heads]
        low, high = self._bounds(values)
        return [Span(self.space, head + low, head + high) for head in heads] if low < high else []

    def cut(self, span: Span, values: Values, after: Values) -> Span:
        """Cut a span to what comes after a cursor, of a plan that needs no sorting."""
        until, is_all_after = len(after), False
        for place, mine, theirs, is_descending in self._fixed:
            here, there = mine(values), theirs(after)
            if here != there:
                # The cursor lies outside: records that share its terms up to here come all after it, or all before.
                until, is_all_after = place, (here > there) != is_descending
                break
        name = ""
        for place, text in self._steps:
            if place > until:
                break
            name += text(values, after)
        if self.reverse:
            return Span(span.space, span.low, min(span.high, after_all(name) if is_all_after else name))
        if until == len(after):
            return Span(span.space, max(span.low, just_after(name)), span.high)
        return Span(span.space, max(span.low, name if is_all_after else after_all(name)), span.high)


def _taken(plan: Plan, field: str, place: int) -> Text:
    text, at = bound(plan, field), itemgetter(place)
    return lambda after: text(at(after))


def _step(
    plan: Plan, field: str, test: Test | None, place: int | None, *, is_descending: bool = False
) -> tuple[int, PairText]:
    text = bound(plan, field, is_descending=is_descending)
    if test is not None:
        one = _one(plan, test, is_descending=is_descending)
        return -1, lambda values, _: one(values)
    if place is None:
        return len(plan.order) + 1, lambda _, __: ""
    at = itemgetter(place)
    return place, lambda _, after: text(at(after))
