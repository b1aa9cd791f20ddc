"""The interface: the 279 operations of Nova's data layer of November 2011, as one table of four areas.

All that says who may do what stands here. The repositories consult it at each call; the bridge for the old functions
(compat.py), the listing (`manystore nova api`) and the tests of access are made from it.
"""

from __future__ import annotations

from .compute import COMPUTE
from .identity import IDENTITY, IDENTITY_ADDED
from .network import NETWORK
from .storage import STORAGE

OPERATIONS = (*COMPUTE, *NETWORK, *STORAGE, *IDENTITY)
ADDED = IDENTITY_ADDED  # what 2011 did elsewhere, or not at all
BY_FUNCTION = {operation.function: operation for operation in OPERATIONS}

__all__ = ["ADDED", "BY_FUNCTION", "OPERATIONS"]
