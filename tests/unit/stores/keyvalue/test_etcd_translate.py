"""Every status of gRPC and every text of etcd that we know becomes one of ours, and says what may be done next."""

from __future__ import annotations

import grpc
import pytest

from manystore.errors import ManystoreError, TooLarge
from manystore.stores.keyvalue.etcd_messages import Range, Txn
from manystore.stores.keyvalue.etcd_translate import BY_CODE, BY_TEXT, Verdict, judge

SURELY_NOT_DONE = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
}


class Failure(grpc.RpcError, grpc.Call):
    """A failed call, as gRPC raises it."""

    def __init__(self, code, details):
        self._code, self._details = code, details

    def code(self):
        return self._code

    def details(self):
        return self._details

    def initial_metadata(self):
        return None

    def trailing_metadata(self):
        return None

    def is_active(self):
        return False

    def time_remaining(self):
        return None

    def cancel(self):
        return False

    def add_callback(self, callback):
        return False


def test_every_code_but_ok_has_a_verdict():
    assert set(BY_CODE) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


@pytest.mark.parametrize("code", BY_CODE, ids=lambda code: code.name)
def test_codes(code):
    verdict = judge(Failure(code, "something /a/secret/key"))
    assert verdict is BY_CODE[code]
    error = verdict.raised(Txn())
    assert isinstance(error, ManystoreError)
    assert "secret" not in str(error)
    # What may have been carried out must never be taken as not carried out.
    assert verdict.is_open == (code not in SURELY_NOT_DONE)


@pytest.mark.parametrize("text", BY_TEXT)
def test_texts(text):
    verdict = judge(Failure(grpc.StatusCode.UNKNOWN, f"{text}, and more"))
    assert verdict is BY_TEXT[text]
    assert isinstance(verdict.raised(Txn()), ManystoreError)
    assert not verdict.is_refused or not verdict.is_open


def test_no_text_hides_another():
    assert [t for t in BY_TEXT if any(t != other and t.startswith(other) for other in BY_TEXT)] == []


def test_an_error_without_a_status():
    assert judge(grpc.RpcError()).is_open


def test_sizes():
    request = Txn(success=[{"request_range": Range(key=b"a")}] * 3)
    for what, size in (("operations", 3), ("bytes", request.ByteSize())):
        error = Verdict(TooLarge, what).raised(request)
        assert isinstance(error, TooLarge)
        assert (error.what, error.size) == (what, size)
