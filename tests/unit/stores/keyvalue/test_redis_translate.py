"""Every class of redis-py, and every error that a Redis server begins with a word of its own, becomes one of ours."""

from __future__ import annotations

import inspect

import pytest
from redis import exceptions
from redis._parsers.base import BaseParser

from manystore import errors
from manystore.stores.keyvalue.redis_translate import ANSWERS, DRIVER_ERRORS, translate

CLASSES = [
    cls
    for _, cls in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(cls, Exception) and cls.__module__ == exceptions.__name__
]
# Raised by parts of the driver that a store does not use: its lock over threads, and policies of its cluster client.
ELSEWHERE = {"ChildDeadlockedError", "IncorrectPolicyType"}
ANSWERED = [
    ("ASK 7 127.0.0.1:7001", errors.Unavailable),
    ("BUSY Redis is busy running a script.", errors.Unavailable),
    ("CLUSTERDOWN The cluster is down", errors.Unavailable),
    ("ERR unknown command 'NOSUCH', with args beginning with: 'OOMPH'", errors.StoreError),
    ("ERR Error running script (call to f_1): @user_script:5: -OOM command not allowed", errors.Unavailable),
    ("ERR Error running script (call to f_1): @user_script:5: WRONGTYPE Operation against", errors.Corrupted),
    ("EXECABORT Transaction discarded because of previous errors.", errors.Unavailable),
    ("LOADING Redis is loading the dataset in memory", errors.Unavailable),
    ("MASTERDOWN Link with MASTER is down", errors.Unavailable),
    ("MISCONF Redis is configured to save RDB snapshots", errors.Unavailable),
    ("MOVED 7 127.0.0.1:7001", errors.Unavailable),
    ("NOAUTH Authentication required.", errors.Unavailable),
    ("NOPERM this user has no permissions to run the 'get' command", errors.Unavailable),
    ("NOREPLICAS Not enough good replicas to write.", errors.Unavailable),
    ("NOSCRIPT No matching script.", errors.Unavailable),
    ("OOM command not allowed when used memory > 'maxmemory'.", errors.Unavailable),
    ("READONLY You can't write against a read only replica.", errors.Unavailable),
    ("TRYAGAIN Multiple keys request during rehashing of slot", errors.Unavailable),
    ("UNKILLABLE Sorry the script already executed write commands", errors.Unavailable),
    ("WRONGPASS invalid username-password pair or user is disabled.", errors.Unavailable),
    (
        "WRONGTYPE Operation against a key holding the wrong kind of value script: 1, on @user_script:6.",
        errors.Corrupted,
    ),
    ("CROSSSLOT Keys in request don't hash to the same slot", errors.StoreError),
]


def made(cls: type[Exception]) -> Exception:
    return cls("7 127.0.0.1:7001") if issubclass(cls, exceptions.AskError) else cls("text")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_of_the_driver(cls):
    assert isinstance(translate(made(cls)), errors.StoreError)
    assert issubclass(cls, DRIVER_ERRORS) or cls.__name__ in ELSEWHERE


@pytest.mark.parametrize(("text", "ours"), ANSWERED, ids=[text.split()[0] for text, _ in ANSWERED])
def test_every_word_of_the_server(text, ours):
    error = BaseParser.parse_error(text)
    assert isinstance(error, ANSWERS), "taken for a broken connection"
    assert type(translate(error)) is ours


def test_every_word_that_the_driver_knows_is_among_them():
    tested = {text.split()[0] for text, _ in ANSWERED}
    assert tested.issuperset(word for word, cls in BaseParser.EXCEPTION_CLASSES.items() if inspect.isclass(cls))


@pytest.mark.parametrize("cls", [exceptions.ConnectionError, exceptions.TimeoutError, exceptions.InvalidResponse])
def test_what_breaks_a_connection_is_no_answer(cls):
    """While a commit is under way these leave its outcome open."""
    assert not issubclass(cls, ANSWERS)
    assert issubclass(cls, DRIVER_ERRORS)


@pytest.mark.parametrize("error", [OSError("x"), TimeoutError("x"), UnicodeError("x"), ConnectionResetError("x")])
def test_what_the_machine_raises(error):
    assert isinstance(error, DRIVER_ERRORS)
    assert isinstance(translate(error), errors.Unavailable)


def test_no_text_of_the_driver_gets_through():
    for cls in CLASSES:
        if not issubclass(cls, exceptions.AskError):
            assert "sesame" not in str(translate(cls("sesame")))
