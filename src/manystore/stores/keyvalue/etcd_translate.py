"""The translator: every status of gRPC and every refusal of etcd becomes one of ours, here and nowhere else.

Knows codes and texts; must not know requests or members. Beside the error it says what may be done next: ask another
member, log in anew, or first find out whether a commit was carried out.
"""

from __future__ import annotations

import grpc
import msgspec

from ...errors import Corrupted, ManystoreError, StoreError, TooLarge, Unavailable, URLError
from .etcd_messages import Message


class Compacted(StoreError):
    """The revision to read at is no longer kept."""


class LeaseLost(StoreError):
    """The lease of a put has run out; nothing was written."""


class Full(Unavailable):
    """The server's space is used up. A commit may have been the one that used it up."""


class Verdict(msgspec.Struct, frozen=True):
    """What is to be made of a failed call. elsewhere: a moment later, or at another member, it may go well.

    is_open: if it was a commit, it may have been carried out, or may still be. renews: with a new token it may go well.
    is_refused: no server was reached.
    """

    error: type[ManystoreError]
    text: str
    elsewhere: bool = False
    is_open: bool = False
    renews: bool = False
    is_refused: bool = False

    def raised(self, request: Message) -> ManystoreError:
        """Give the error to raise."""
        if self.error is not TooLarge:
            return self.error(self.text)
        sizes = [len(request.compare), len(request.success), len(request.failure)]
        size = request.ByteSize() if self.text == "bytes" else max(sizes)
        return TooLarge(self.text, size, size - 1)


_LOST = "etcd did not answer"
_TIMED_OUT = "etcd did not answer in time"
_LOGIN = "etcd: the cluster wants a user and a password that it knows"

BY_TEXT = {
    "failed to connect to all addresses": Verdict(
        Unavailable, "etcd cannot be reached", elsewhere=True, is_refused=True
    ),
    "errors resolving": Verdict(Unavailable, "etcd cannot be reached", elsewhere=True, is_refused=True),
    "DNS resolution failed": Verdict(Unavailable, "etcd cannot be reached", elsewhere=True, is_refused=True),
    "etcdserver: no leader": Verdict(Unavailable, "etcd: the cluster has no leader", elsewhere=True),
    "etcdserver: not leader": Verdict(Unavailable, "etcd: the cluster has no leader", elsewhere=True),
    "etcdserver: leader changed": Verdict(Unavailable, "etcd: the leader changed", elsewhere=True, is_open=True),
    "etcdserver: server stopped": Verdict(Unavailable, "etcd: the member stopped", elsewhere=True, is_open=True),
    "etcdserver: request timed out": Verdict(Unavailable, _TIMED_OUT, elsewhere=True, is_open=True),
    "etcdserver: unhealthy cluster": Verdict(
        Unavailable, "etcd: the cluster is not healthy", elsewhere=True, is_open=True
    ),
    "etcdserver: too many requests": Verdict(Unavailable, "etcd: the member is busy", elsewhere=True),
    "etcdserver: not capable": Verdict(Unavailable, "etcd: the member is not ready", elsewhere=True),
    "etcdserver: rpc not supported for learner": Verdict(Unavailable, "etcd: the member only learns", elsewhere=True),
    "etcdserver: corrupt cluster": Verdict(Corrupted, "etcd: the members hold different data", is_open=True),
    "etcdserver: mvcc: database space exceeded": Verdict(Full, "etcd: its space is used up (--quota-backend-bytes)"),
    "etcdserver: mvcc: required revision has been compacted": Verdict(Compacted, "etcd: the revision was compacted"),
    "etcdserver: mvcc: required revision is a future revision": Verdict(
        Unavailable, "etcd: the member is behind", elsewhere=True
    ),
    "etcdserver: requested lease not found": Verdict(LeaseLost, "etcd: a lease ran out"),
    "etcdserver: request is too large": Verdict(TooLarge, "bytes"),
    "grpc: received message larger than max": Verdict(TooLarge, "bytes"),
    "etcdserver: too many operations in txn request": Verdict(TooLarge, "operations"),
    "etcdserver: user name is empty": Verdict(URLError, _LOGIN, renews=True),
    "etcdserver: invalid auth token": Verdict(URLError, _LOGIN, renews=True),
    "etcdserver: revision of auth store is old": Verdict(Unavailable, _LOST, renews=True, elsewhere=True),
    "auth: revision in header is old": Verdict(Unavailable, _LOST, renews=True, elsewhere=True),
    "etcdserver: authentication failed": Verdict(URLError, "etcd: the user or the password is wrong"),
    "etcdserver: permission denied": Verdict(StoreError, "etcd: the user may not use all of the database's prefix"),
}
"""How the details of a refusal begin -> verdict."""

BY_CODE = {
    grpc.StatusCode.CANCELLED: Verdict(Unavailable, _LOST, elsewhere=True, is_open=True),
    grpc.StatusCode.UNKNOWN: Verdict(StoreError, "etcd failed", elsewhere=True, is_open=True),
    grpc.StatusCode.INVALID_ARGUMENT: Verdict(StoreError, "etcd refuses the call as wrong"),
    grpc.StatusCode.DEADLINE_EXCEEDED: Verdict(Unavailable, _TIMED_OUT, elsewhere=True, is_open=True),
    grpc.StatusCode.NOT_FOUND: Verdict(StoreError, "etcd does not find what the call needs"),
    grpc.StatusCode.ALREADY_EXISTS: Verdict(StoreError, "etcd has already what the call makes"),
    grpc.StatusCode.PERMISSION_DENIED: Verdict(StoreError, "etcd does not permit the call"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: Verdict(Unavailable, "etcd is overloaded", elsewhere=True, is_open=True),
    grpc.StatusCode.FAILED_PRECONDITION: Verdict(StoreError, "etcd is not set up for the call"),
    grpc.StatusCode.ABORTED: Verdict(Unavailable, _LOST, elsewhere=True, is_open=True),
    grpc.StatusCode.OUT_OF_RANGE: Verdict(StoreError, "etcd refuses the call's range"),
    grpc.StatusCode.UNIMPLEMENTED: Verdict(StoreError, "the server does not speak etcd's API of version 3"),
    grpc.StatusCode.INTERNAL: Verdict(StoreError, "etcd failed", elsewhere=True, is_open=True),
    grpc.StatusCode.UNAVAILABLE: Verdict(Unavailable, _LOST, elsewhere=True, is_open=True),
    grpc.StatusCode.DATA_LOSS: Verdict(Corrupted, "etcd lost data", is_open=True),
    grpc.StatusCode.UNAUTHENTICATED: Verdict(URLError, _LOGIN, renews=True),
}
"""For what no text decides. A commit is taken as open wherever that cannot be excluded."""

_OTHER = Verdict(StoreError, "etcd failed", is_open=True)


def has_timed_out(error: grpc.RpcError) -> bool:
    """Say whether a call ended since no answer came in its time."""
    return isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def judge(error: grpc.RpcError) -> Verdict:
    """Give the verdict on a failed call."""
    code = error.code() if isinstance(error, grpc.Call) else None
    details = (error.details() if isinstance(error, grpc.Call) else None) or ""
    for text, verdict in BY_TEXT.items():
        if details.startswith(text):
            return verdict
    return BY_CODE.get(code, _OTHER) if code is not None else _OTHER
