"""The stores that are killed, cut off and traced: all that outlive a process."""

from __future__ import annotations

import pytest

from manystore.testing import servers

KINDS = [pytest.param(kind, marks=pytest.mark.server, id=kind) for kind in servers.KINDS]
