"""SQLite's errors: what its result codes become.

Knows sqlite3's exceptions; must not know plans, changes or connections.
"""

from __future__ import annotations

import sqlite3

from ...errors import Closed, Corrupted, ManystoreError, OutcomeUnknown, StoreError, Unavailable

_BUSY, _LOCKED, _NOMEM, READONLY, _INTERRUPT = 5, 6, 7, 8, 9
_IOERR, _CORRUPT, _FULL, _CANTOPEN, _PROTOCOL, _SCHEMA, _TOOBIG = 10, 11, 13, 14, 15, 17, 18
_PERM, _AUTH, NOTADB, _NOLFS = 3, 23, 26, 22

_UNAVAILABLE = {
    _BUSY: "the database file is locked by another writer; waited for as long as the URL's timeout says",
    _LOCKED: "a table is locked by another connection",
    _NOMEM: "the database is out of memory",
    READONLY: "the database file cannot be written to",
    _INTERRUPT: "the call was interrupted",
    _FULL: "the disk is full",
    _CANTOPEN: "the database file cannot be opened",
    _PROTOCOL: "the database file's lock is contended",
    _SCHEMA: "the tables changed while the call ran",
    _PERM: "the database file may not be used",
    _AUTH: "the database refuses the call",
    _NOLFS: "the file system does not take a file this large",
}


def translate(error: Exception, *, writing: bool = False) -> ManystoreError:
    """Give the error to raise. writing: a commit may have been under way, so that its outcome is open."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in _UNAVAILABLE:
        return Unavailable(_UNAVAILABLE[primary])
    if primary == _IOERR:
        if writing:
            return OutcomeUnknown("the disk failed while the step was being written")
        return Unavailable("the disk failed while the database file was read")
    if primary in (_CORRUPT, NOTADB):
        return Corrupted("the database file is damaged")
    if primary == _TOOBIG or isinstance(error, sqlite3.DataError):
        return StoreError("a value or a statement is larger than the database takes")
    if isinstance(error, sqlite3.IntegrityError):
        return Corrupted("a constraint of the database refuses what the catalog allows")
    return _by_class(error)


def _by_class(error: Exception) -> ManystoreError:
    if isinstance(error, OverflowError):
        return StoreError("an int outside 64 bits reached the database")
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return Closed("the database is closed")
    if isinstance(error, sqlite3.OperationalError) and "unable to open" in str(error):
        return Unavailable(_UNAVAILABLE[_CANTOPEN])
    if isinstance(error, sqlite3.OperationalError) and str(error).startswith("no such"):
        return Corrupted("the tables are not those that the catalog names")
    return StoreError(f"the database refuses the call ({type(error).__name__})")
