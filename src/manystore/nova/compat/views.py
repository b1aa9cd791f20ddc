"""The database as each caller sees it: made once for all calls of the same user, project and rights.

Knows contexts, Nova's own and others that are read by the same names; must not know operations.
"""

from __future__ import annotations

from typing import Any

from ..context import RequestContext
from ..database import Nova

_KEPT = 100


class Views:
    """The views of a database."""

    def __init__(self, database: Nova) -> None:
        self.database = database
        self._views: dict[tuple[Any, ...], Nova] = {}

    def of(self, context: Any) -> Nova:
        """Give the view of a context's caller."""
        caller = context.user_id, context.project_id, bool(context.is_admin), getattr(context, "read_deleted", False)
        view = self._views.get(caller)
        if view is None:
            user_id, project_id, is_admin, read_deleted = caller
            made = RequestContext(user_id, project_id, is_admin, read_deleted or False)
            if len(self._views) >= _KEPT:
                self._views.clear()
            view = self._views[caller] = self.database.for_context(made)
        return view
