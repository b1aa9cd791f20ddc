"""What a store says of itself: facts that the planner reads and the suite proves. Fewer than twenty."""

from __future__ import annotations

import msgspec


class Capabilities(msgspec.Struct, frozen=True):
    """Facts of one store."""

    native_filter: bool
    """The store itself runs residual conditions and sorts; otherwise both run here, on what the access gave."""
    native_aggregate: bool
    """The store itself counts, groups and adds up."""
    persistent: bool
    """The data outlive the last connection."""
    shared: bool
    """Several processes may use one database at the same time."""
    fixed_columns: bool = False
    """All records of a collection have the same columns, which must be made before any record holds one."""
    index_trips: int = 1
    """How often a find by an index waits for the store: 1 where entries and records come together, 2 elsewhere."""
    joined_steps: int = 1
    """How many steps of the portable limit it takes as one when records are created in bulk: more where that costs less
    than one after the other. Decides how long a create takes, never what it answers."""
