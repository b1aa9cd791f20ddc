"""The faulty network does to a request what it says, on a plain server and on a real one, and nothing else."""

from __future__ import annotations

import os
import socket
import threading
from importlib import import_module

import pytest

from manystore.testing import provision, servers
from manystore.testing.fault import Stage
from manystore.testing.network import Proxy
from manystore.testing.speech import HTTP2, Mark, Numbered, Turns


class Echo:
    """Answers each line with itself; keeps what it got."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.got = b""
        self.closed = 0  # connections that the other side ended
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.answer, args=(connection,)))
            self.threads[-1].start()

    def answer(self, connection: socket.socket) -> None:
        part = b""
        with connection:
            while data := connection.recv(1 << 16):
                with self.changed:
                    self.got += data
                    self.changed.notify_all()
                *lines, part = (part + data).split(b"\n")
                for line in lines:
                    connection.sendall(line + b"\n")
            with self.changed:
                self.closed += 1
                self.changed.notify_all()

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listening.close()


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def proxy(echo):
    with Proxy("127.0.0.1", echo.port) as made:
        yield made


def connect(proxy):
    connection = socket.create_connection(("127.0.0.1", proxy.port))
    connection.settimeout(30)
    return connection


def say(connection, text):
    """Send a line; give the answer, or b"" when the line is cut."""
    try:
        connection.sendall(text)
        answer = b""
        while not answer.endswith(b"\n") and (data := connection.recv(1 << 16)):
            answer += data
    except ConnectionError:
        return b""
    return answer


def test_without_a_fault_all_passes(proxy):
    with connect(proxy) as one, connect(proxy) as other:
        assert say(one, b"a\n") == b"a\n"
        assert say(other, b"b\n") == b"b\n"
        large = b"x" * 3_000_000 + b"\n"
        assert say(one, large) == large
    assert (proxy.requests, proxy.answers) == (3, 3)


def test_the_end_of_either_side_reaches_the_other(proxy, echo):
    with connect(proxy) as one:
        say(one, b"a\n")
        one.shutdown(socket.SHUT_WR)
        assert one.recv(10) == b""
    assert echo.closed == 1


def test_cut_before(proxy, echo):
    fault = proxy.cut_before()
    with connect(proxy) as one:
        assert say(one, b"a\n") == b""
    fault.wait()
    assert echo.got == b""
    with connect(proxy) as one:
        assert say(one, b"b\n") == b"b\n"


def test_cut_after(proxy, echo):
    fault = proxy.cut_after()
    with connect(proxy) as one:
        assert say(one, b"a\n") == b""
    fault.wait()
    assert echo.got == b"a\n"


def test_the_nth_that_contains_something(proxy, echo):
    fault = proxy.cut_before(at=2, containing=b"x")
    with connect(proxy) as one:
        assert [say(one, line) for line in (b"x1\n", b"a\n", b"x2\n")] == [b"x1\n", b"a\n", b""]
    fault.wait()
    assert echo.got == b"x1\na\n"


def test_two_faults_each_strike_once(proxy, echo):
    first, second = proxy.cut_before(at=1), proxy.cut_after(at=2)
    with connect(proxy) as one:
        assert say(one, b"a\n") == b""
    with connect(proxy) as one:
        assert say(one, b"b\n") == b""
    first.wait()
    second.wait()
    assert echo.got == b"b\n"


def test_hold_delivers_when_the_client_is_gone(proxy, echo):
    fault = proxy.hold()
    with connect(proxy) as one:
        assert say(one, b"a\n") == b""
    fault.wait(Stage.STRUCK)
    assert echo.got == b""
    with connect(proxy) as another:  # others go on meanwhile
        assert say(another, b"b\n") == b"b\n"
    fault.release()
    assert echo.got == b"b\na\n"


def test_hold_brings_a_request_of_many_pieces_whole(proxy, echo):
    fault = proxy.hold()
    large = b"x" * 3_000_000 + b"\n"
    with connect(proxy) as one:
        assert say(one, large) == b""
    fault.release()
    assert echo.got == large


def test_hold_may_leave_the_client_waiting(proxy, echo):
    fault = proxy.hold(stays=True)
    with connect(proxy) as one:
        one.settimeout(0.05)
        with pytest.raises(TimeoutError):
            say(one, b"a\n")
    fault.release()
    assert echo.got == b"a\n"


def test_blackhole_says_nothing_to_either_side(proxy, echo):
    with connect(proxy) as one:
        assert say(one, b"a\n") == b"a\n"
        fault = proxy.blackhole()
        one.settimeout(0.05)
        with pytest.raises(TimeoutError):
            say(one, b"b\n")
        with pytest.raises(TimeoutError):
            say(one, b"c\n")
        fault.wait()
        assert echo.got == b"a\n"


def test_delay(proxy, echo):
    fault = proxy.delay(0.05)
    with connect(proxy) as one:
        one.sendall(b"a\n")
        fault.wait(Stage.STRUCK)
        assert one.recv(10) == b"a\n"
        assert say(one, b"b\n") == b"b\n"
    assert fault.stage is Stage.DONE
    assert echo.got == b"a\nb\n"


def test_down_and_up(proxy):
    with connect(proxy) as one:
        assert say(one, b"a\n") == b"a\n"
        proxy.down()
        assert say(one, b"b\n") == b""
        with connect(proxy) as another:
            assert say(another, b"c\n") == b""
    proxy.up()
    with connect(proxy) as another:
        assert say(another, b"d\n") == b"d\n"


def test_a_server_that_is_gone_is_a_cut_line(proxy, echo):
    proxy.target = ("127.0.0.1", 1)
    with connect(proxy) as one:
        assert say(one, b"a\n") == b""


def test_disarmed_faults_do_not_strike(proxy):
    fault = proxy.cut_before()
    proxy.disarm()
    with connect(proxy) as one:
        assert say(one, b"a\n") == b"a\n"
    assert not fault.has_struck
    with pytest.raises(TimeoutError):
        fault.wait(patience=0)


def test_waiting_for_what_was_seen(proxy):
    with connect(proxy) as one:
        say(one, b"a\n")
        proxy.wait_for(lambda p: p.answers == 1)
        with pytest.raises(TimeoutError):
            proxy.wait_for(lambda p: p.requests > 1, patience=0)


def test_close_ends_what_is_held(echo):
    with Proxy("127.0.0.1", echo.port) as proxy:
        fault = proxy.hold()
        with connect(proxy) as one:
            assert say(one, b"a\n") == b""
            fault.wait(Stage.STRUCK)
    assert fault.stage is Stage.DONE
    assert echo.got == b""


# --- speeches --------------------------------------------------------------------------------------------------------


def frame(kind, content=b"", flags=0):
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + b"\0\0\0\1" + content


def numbered(number, content=b""):
    return (4 + len(content)).to_bytes(4, "big") + number.to_bytes(4, "big", signed=True) + content


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, DATA, HEADERS, RESET, PING = (
    frame(4, b"123456"),
    frame(0, b"body"),
    frame(1, b"h"),
    frame(3, b"1234"),
    frame(6),
)
TRAILERS = frame(1, b"t", flags=5)
STREAMS = [
    (
        HTTP2,
        "sent",
        [PREFACE, SETTINGS, HEADERS, DATA, PING, HEADERS, RESET],
        {3: "r", 6: "r", 7: "w"},
    ),
    (HTTP2, "received", [SETTINGS, HEADERS, DATA, TRAILERS, PING], {4: "a"}),
    (Numbered, "sent", [numbered(0, b"hello"), numbered(-2), numbered(7, b"x"), numbered(-2)], {1: "r", 3: "r"}),
    (Numbered, "received", [numbered(0), numbered(-1, b"notice"), numbered(7, b"x" * 300)], {1: "a", 3: "a"}),
]
SHORT = {"w": Mark.WITHDRAWAL, "r": Mark.REQUEST, "a": Mark.ANSWER}


@pytest.mark.parametrize(("speech", "way", "parts", "marks"), STREAMS)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_marks_are_found_in_pieces_of_any_size(speech, way, parts, marks, size):
    talk, stream = speech(), b"".join(parts)
    found = []
    for start in range(0, len(stream), size):
        found += [(start + p.offset, p.mark) for p in getattr(talk, way)(stream[start : start + size])]
    begins = [sum(map(len, parts[:n])) for n in range(len(parts))]
    assert found == [(begins[n - 1], SHORT[mark]) for n, mark in marks.items()]


def test_turns():
    talk = Turns()
    assert [p.mark for p in talk.sent(b"a")] == [Mark.REQUEST]
    assert talk.sent(b"more") == []
    assert [p.mark for p in talk.received(b"b")] == [Mark.ANSWER]
    assert [p.mark for p in talk.sent(b"c")] == [Mark.REQUEST]


# --- real servers ----------------------------------------------------------------------------------------------------


def redis_port():
    return int(servers.url("redis").rpartition(":")[2])


def resp(*words):
    """Write a command as redis-cli does."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


@pytest.fixture
def number():
    """A key of redis and what counts it up; a direct connection reads it."""
    with socket.create_connection(("127.0.0.1", redis_port())) as direct:
        direct.sendall(resp(b"DEL", KEY))
        direct.recv(100)

        def read():
            direct.sendall(resp(b"GET", KEY))
            return direct.recv(100)

        yield read


KEY = b"number%d" % os.getpid()  # other workers use the same server
ONE, NONE = b"$1\r\n1\r\n", b"$-1\r\n"


@pytest.mark.server
@pytest.mark.parametrize(("kind", "left"), [("cut_before", NONE), ("cut_after", ONE), ("blackhole", NONE)])
def test_redis(number, kind, left):
    with Proxy("127.0.0.1", redis_port()) as proxy, connect(proxy) as one:
        fault = getattr(proxy, kind)(containing=b"INCR")
        one.sendall(resp(b"PING"))
        assert one.recv(100) == b"+PONG\r\n"
        one.sendall(resp(b"INCR", KEY))
        fault.wait()
        assert number() == left


@pytest.mark.server
def test_redis_gets_held_bytes_late(number):
    with Proxy("127.0.0.1", redis_port()) as proxy:
        fault = proxy.hold(containing=b"INCR")
        with connect(proxy) as one:
            assert say(one, resp(b"INCR", KEY)) == b""
        assert number() == NONE
        fault.release()
        assert number() == ONE


@pytest.mark.server
def test_the_way_to_a_url_through_a_faulty_network():
    with provision.through(servers.url("redis")) as (proxy, url):
        assert url == f"redis://127.0.0.1:{proxy.port}"
        with connect(proxy) as one:
            assert say(one, resp(b"PING")) == b"+PONG\r\n"
    with provision.through("etcd://u:p@127.0.0.1:1/d?a=b") as (proxy, url):
        assert url == f"etcd://u:p@127.0.0.1:{proxy.port}/d?a=b"
        assert (proxy.speech, proxy.target) == (HTTP2, ("127.0.0.1", 1))


@pytest.mark.server
@pytest.mark.slow
def test_requests_of_etcd_are_told_from_its_pings():
    # Any grpc call will do; this one names no method that there is, and is answered all the same.
    grpc = import_module("grpc")
    host, _, port = servers.url("etcd").partition("://")[2].rpartition(":")
    with Proxy(host, int(port), HTTP2) as proxy, grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
        call = channel.unary_unary("/none/None", request_serializer=bytes, response_deserializer=bytes)
        for number in (1, 2):
            with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
                call(b"x", timeout=10)
            assert (proxy.requests, proxy.answers) == (number, number)
        after = proxy.cut_after()
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            call(b"x", timeout=10)
        after.wait()


@pytest.mark.server
@pytest.mark.slow
def test_requests_of_zookeeper_are_told_from_its_heartbeats():
    kazoo = import_module("kazoo.client")
    host, _, port = servers.url("zookeeper").partition("://")[2].rpartition(":")
    with Proxy(host, int(port), Numbered) as proxy:
        client = kazoo.KazooClient(f"127.0.0.1:{proxy.port}", timeout=1)  # a heartbeat every third of a second
        client.start()
        try:
            assert proxy.requests == 1  # the session
            client.exists("/")
            assert (proxy.requests, proxy.answers) == (2, 2)
        finally:
            client.stop()
            client.close()
