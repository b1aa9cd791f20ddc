"""The members of a cluster: one channel each, calls that go to whichever answers, the login, and forks.

Knows deadlines and failures; must not know keys. A call goes to the member that answered last, and moves on to the next
one when it fails; so no call takes longer than the timeout, however many members are down.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from threading import Condition, Lock
from typing import Any, TypeAlias

import grpc
import msgspec

from ...errors import Closed
from ...store.protocol import Wait
from .etcd_messages import METHODS, Authenticate, Message
from .etcd_translate import has_timed_out, judge
from .outcome import Broken

Metadata: TypeAlias = tuple[tuple[str, str], ...]

_PAUSE = 0.02  # between two rounds through all members; doubles
_LONGEST_PAUSE = 0.5
_LONGEST_BEFORE_FORK = 2.0
_LOGIN = "Authenticate"
_HAS_LEADER = (("hasleader", "true"),)  # a member that sees no leader says so at once, without having done anything


class Settings(msgspec.Struct, frozen=True):
    """What a URL says of its cluster. timeout, connect_timeout: seconds for any answer, and to reach any member."""

    hosts: tuple[str, ...]
    timeout: float
    connect_timeout: float
    user: str | None = None
    password: str | None = None
    credentials: Any = None  # grpc.ChannelCredentials; None without TLS

    def __repr__(self) -> str:
        return f"Settings({', '.join(self.hosts)})"  # neither password nor key


class Member:
    """One endpoint: its channel, and a callable for each verb."""

    def __init__(self, host: str, settings: Settings) -> None:
        connect = max(1, int(settings.connect_timeout * 1000))
        options = [
            ("grpc.enable_retries", 0),  # a commit that is sent twice behind our back gives a false conflict
            ("grpc.use_local_subchannel_pool", 1),  # no connection shared with other channels of the process
            ("grpc.enable_http_proxy", 0),
            ("grpc.min_reconnect_backoff_ms", connect),  # how long one attempt at a connection may take
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        if settings.credentials is None:
            self.channel = grpc.insecure_channel(host, options)
        else:
            self.channel = grpc.secure_channel(host, settings.credentials, options)
        self.calls: dict[str, Any] = {
            verb: self.channel.unary_unary(path, request.SerializeToString, response.FromString)
            for verb, (path, request, response) in METHODS.items()
        }


class Cluster:
    """Calls to whichever member answers. Thread-safe; a forked child makes channels of its own."""

    def __init__(self, settings: Settings, *, wait: Wait) -> None:
        self.timeout = settings.timeout
        self._settings = settings
        self._wait = wait
        self._lock = Lock()
        self._pid = os.getpid()
        self._members: list[Member | None] = [None] * len(settings.hosts)
        self._current = random.randrange(len(settings.hosts))
        self._inherited: list[Any] = []
        self._metadata: Metadata = _HAS_LEADER
        self._is_closed = False

    def ask(self, verb: str, request: Message, *, seconds: float | None = None, once: bool = False) -> Message:
        """Call, again and elsewhere where that may help, for so many seconds at most (else the timeout).

        once: of a commit, which is sent again only when it was surely not carried out; raises Broken when that is open.
        """
        allowed = self.timeout if seconds is None else seconds
        began, waited, tries, is_reached, renewed = time.monotonic(), 0.0, 0, False, False
        left = allowed
        while True:
            place = self._current
            metadata = _HAS_LEADER if verb == _LOGIN else self._metadata
            try:
                return self._call(place, verb, request, self._slice(left, once=once), metadata)
            except grpc.RpcError as error:
                verdict = judge(error)
            if verdict.is_open and once:
                self._move_on(place)
                raise Broken
            # The pauses count as well as the clock: an injected wait may not take any time.
            left = allowed - max(time.monotonic() - began, waited)
            if verdict.renews and self._settings.user is not None and not renewed and verb != _LOGIN:
                renewed = True
                self._login(metadata, left)
                continue
            if not verdict.elsewhere:
                raise verdict.raised(request) from None
            is_reached = is_reached or not verdict.is_refused
            tries += 1
            self._move_on(place)
            pause = self._pause(tries)
            is_hopeless = not is_reached and tries >= len(self._members)
            if left - pause <= (max(0.0, allowed - self._settings.connect_timeout) if is_hopeless else 0.0):
                raise verdict.raised(request) from None
            if pause:
                self._wait(pause)
                waited += pause

    def ask_all(self, verb: str, requests: Sequence[Message]) -> list[Message]:
        """Call with each of several requests, all sent at once."""
        if len(requests) == 1:
            return [self.ask(verb, requests[0])]
        place, metadata = self._current, self._metadata
        seconds = self._slice(self.timeout, once=False)
        answers: list[Message | None] = []
        with FORK:
            member = self._member(place)
            call = member.calls[verb].future
            sent = [_open(call, request, seconds, metadata) for request in requests]
            for future in sent:
                try:
                    answers.append(future.result())
                except (grpc.RpcError, grpc.FutureCancelledError) as error:
                    if isinstance(error, grpc.RpcError) and has_timed_out(error):
                        self._leave(place, member)
                    answers.append(None)
        pairs = zip(requests, answers, strict=True)
        return [self.ask(verb, request) if answer is None else answer for request, answer in pairs]

    def close(self) -> None:
        """Close the channels of this process."""
        with FORK:
            self._is_closed = True
            if self._pid != os.getpid():
                self._forked()
            for member in self._members:
                if member is not None:
                    member.channel.close()
            self._members = [None] * len(self._members)

    def _call(self, place: int, verb: str, request: Message, seconds: float, metadata: Metadata) -> Message:
        with FORK:
            member = self._member(place)
            try:
                return _open(member.calls[verb], request, seconds, metadata)
            except grpc.RpcError as error:
                if has_timed_out(error):
                    self._leave(place, member)
                raise

    def _slice(self, left: float, *, once: bool) -> float:
        """Give the seconds for one try: time must be left for other members, and to find out about a commit."""
        parts = len(self._members) * (2 if once else 1)
        return max(0.01, min(left, self.timeout / parts) if parts > 1 else left)

    def _pause(self, tries: int) -> float:
        rounds, rest = divmod(tries, len(self._members))
        return 0.0 if rest else min(_LONGEST_PAUSE, _PAUSE * 2 ** (rounds - 1))

    def _member(self, place: int) -> Member:
        if self._pid != os.getpid():
            self._forked()
        if (member := self._members[place]) is not None:
            return member
        with self._lock:
            if self._is_closed:
                raise Closed("the store is closed")
            if (member := self._members[place]) is None:
                member = self._members[place] = Member(self._settings.hosts[place], self._settings)
            return member

    def _leave(self, place: int, member: Member) -> None:
        """Have the next call open a new connection: where nothing comes through, TCP does not say so for minutes.

        Calls of other threads that are under way on the old one go on; it is closed when the last of them has ended.
        """
        with self._lock:
            if self._members[place] is member:
                self._members[place] = None

    def _move_on(self, place: int) -> None:
        if self._current == place:  # otherwise another thread has moved on already
            self._current = (place + 1) % len(self._members)

    def _login(self, old: Metadata, seconds: float) -> None:
        """Get a new token, unless another thread has got one meanwhile."""
        with self._lock:
            if self._metadata is not old:
                return
        request = Authenticate(name=self._settings.user, password=self._settings.password or "")
        answer = self.ask(_LOGIN, request, seconds=max(0.01, seconds))
        with self._lock:
            self._metadata = (*_HAS_LEADER, ("token", answer.token))

    def _forked(self) -> None:
        # Closing what the parent opened would shut the parent's connections; so it is kept, and left alone.
        with self._lock:
            if self._pid != os.getpid():
                self._inherited += self._members
                self._members = [None] * len(self._members)
                self._pid = os.getpid()


def _open(call: Callable[..., Any], request: Message, seconds: float, metadata: Metadata) -> Any:
    try:
        return call(request, timeout=seconds, metadata=metadata)
    except ValueError:  # of a channel that another thread has just closed
        raise Closed("the store is closed") from None


class _Fork:
    """Lets no fork happen while a call is under way: gRPC's threads would be missing in the child, which then hangs."""

    def __init__(self) -> None:
        self._calm = Condition()
        self._under_way = 0
        self._is_forking = False

    def __enter__(self) -> None:
        with self._calm:
            while self._is_forking:
                self._calm.wait()
            self._under_way += 1

    def __exit__(self, *_: object) -> None:
        with self._calm:
            self._under_way -= 1
            if not self._under_way:
                self._calm.notify_all()

    def begin(self) -> None:
        """Let no further call begin, and wait for those under way; not for ever, since one of them may be our own."""
        self._calm.acquire()
        self._is_forking = True
        self._calm.wait_for(lambda: not self._under_way, _LONGEST_BEFORE_FORK)

    def end(self) -> None:
        """Let calls begin again."""
        self._is_forking = False
        self._calm.notify_all()
        self._calm.release()

    def begin_child(self) -> None:
        """Forget the calls of threads that the child does not have."""
        self._calm = Condition()
        self._under_way = 0
        self._is_forking = False


FORK = _Fork()
os.register_at_fork(before=FORK.begin, after_in_parent=FORK.end, after_in_child=FORK.begin_child)
