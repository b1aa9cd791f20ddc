"""Nova's roots of errors, and those that any operation may raise."""

from __future__ import annotations

from typing import ClassVar

import manystore
from manystore import ManystoreError


class NovaException(ManystoreError):
    """Root of Nova's newer errors. template: the text, filled with the keywords given, which are kept in `details`.

    A message given wins. Where the keywords do not fit, the template is the text as it stands. message: the text.
    """

    template: ClassVar[str] = "an unknown exception occurred"

    def __init__(self, message: str | None = None, **details: object) -> None:
        self._given, self.details = message, details
        Exception.__init__(self, str(self))

    @property
    def message(self) -> str:
        """Give the text."""
        return str(self)

    def __str__(self) -> str:
        if self._given is not None:
            return self._given
        try:
            return self.template.format_map(self.details)
        except KeyError:
            return self.template

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self._given, self.details)


def _again(cls: type[NovaException], message: str | None, details: dict[str, object]) -> NovaException:
    """Make an error anew that travelled between processes."""
    return cls(message, **details)


class Error(ManystoreError):
    """Root of Nova's older errors: a plain text."""


class ApiError(Error):
    """A failure with a text for the user of the API."""


class DBError(Error):
    """Something failed inside the store; only the bridge for the old functions raises it (compat)."""

    def __init__(self, inner_exception: Exception) -> None:
        super().__init__(str(inner_exception))
        self.inner_exception = inner_exception

    def __reduce__(self) -> tuple[object, ...]:
        return DBError, (self.inner_exception,)


class NotFound(NovaException, manystore.NotFound):
    """What was asked for is not there. A NotFound of manystore's as well, with the key where one was asked for."""

    template = "what was asked for is not there"

    def __init__(self, message: str | None = None, **details: object) -> None:
        super().__init__(message, **details)
        self.model, self.key = "", next(iter(details.values()), None)


class Invalid(NovaException):
    """What was given cannot be accepted."""

    template = "unacceptable parameters"


class Duplicate(NovaException):
    """There is one of that unique value already."""

    template = "there is one already"


class NotAuthorized(NovaException):
    """The caller has no right to it: it is another project's or user's, or there is no such caller."""

    template = "not authorized"


class AdminRequired(NotAuthorized):
    """Only an administrator may do it."""

    template = "user does not have admin privileges"


class HostNotFound(NotFound):
    """No such host."""

    template = "host {host} could not be found"


class QuotaNotFound(NotFound):
    """No such quota."""

    template = "quota could not be found"


class QuotaError(ApiError):
    """The project would pass one of its limits."""


class TraceError(NovaException):
    """A trace, or one row of it, cannot be replayed."""

    template = "{place}: {reason}"


class ReplayRefused(NovaException):
    """This replay cannot go on with this store."""

    template = "{reason}"
