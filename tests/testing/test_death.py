"""Programs die exactly where they are to: what each left on a real server is counted."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from manystore.testing import death, servers
from manystore.testing.network import Proxy

pytestmark = [pytest.mark.server, pytest.mark.slow]

# Three requests, each of which leaves its mark, and a word on how far the program came.
PROGRAM = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as redis:
    for word in ("one", "two", "three"):
        redis.sendall(b"RPUSH marks %s\\r\\n" % word.encode())
        redis.recv(100)
        print(word, flush=True)
"""


@pytest.fixture
def port():
    with servers.Redis(servers.this_run()) as server:
        yield server.port


def ask(port, command):
    with socket.create_connection(("127.0.0.1", port)) as direct:
        direct.sendall(command + b"\r\n")
        return direct.recv(1000).decode().split()


def test_a_program_dies_before_and_after_each_of_its_requests(port):
    seen = []
    with Proxy("127.0.0.1", port) as proxy:
        for found in death.everywhere([sys.executable, "-c", PROGRAM, str(proxy.port)], proxy):
            stored = int(ask(port, b"LLEN marks")[0].lstrip(":"))
            seen.append((found.at, found.after, found.killed, len(found.output.split()), stored))
            ask(port, b"DEL marks")
    assert seen == [
        (1, False, True, 0, 0),
        (1, True, True, 0, 1),
        (2, False, True, 1, 1),
        (2, True, True, 1, 2),
        (3, False, True, 2, 2),
        (3, True, True, 2, 3),
        (4, False, False, 3, 3),
    ]


def test_only_requests_that_contain_something_count(port):
    with Proxy("127.0.0.1", port) as proxy:
        command = [sys.executable, "-c", PROGRAM, str(proxy.port)]
        found = death.run(command, proxy, at=1, after=True, containing=b"two")
    assert (found.killed, found.output.split()) == (True, ["one"])
    assert ask(port, b"LLEN marks") == [":2"]


def test_a_program_that_fails_by_itself_is_no_death(port):
    with Proxy("127.0.0.1", port) as proxy, pytest.raises(subprocess.CalledProcessError):
        death.run([sys.executable, "-c", "raise SystemExit(3)"], proxy, at=1, after=False)
