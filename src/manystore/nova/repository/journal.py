"""The replay's journals."""

from __future__ import annotations

from ..model.journal import Journal
from .guard import NovaRepository


class JournalRepository(NovaRepository[Journal]):
    """Journals."""

    entity = "journal"
