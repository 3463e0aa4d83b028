"""A parent survives whatever a worker says, and waits no longer than it said."""

import json
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from queries.worker_wire import MOST_BODY_BYTES, MOST_HEADER_BYTES, Ping, Reply, Wire, WireError

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def _soon() -> float:
    return time.monotonic() + 0.2


def _lengths(header: int, body: int) -> bytes:
    return struct.pack(">QQ", header, body)


def test_what_is_sent_arrives(pair: Pair) -> None:
    parent, worker = Wire(pair[0]), Wire(pair[1])
    parent.send_request(Ping(), _soon())
    assert worker.receive_request() == Ping()
    worker.send_reply(Reply(done=True, body=b"\0" * 1000, text="é"))
    assert parent.receive_reply(_soon()) == Reply(done=True, body=b"\0" * 1000, text="é")


@pytest.mark.parametrize(
    "said",
    [
        _lengths(MOST_HEADER_BYTES + 1, 0),
        _lengths(2, MOST_BODY_BYTES + 1),
        _lengths(2**64 - 1, 2**64 - 1),
        _lengths(4, 0) + b"null",
        _lengths(2, 0) + b"{}",
        _lengths(3, 0) + b"\xff\xfe\xfd",
        _lengths(9, 0) + b'{"done":1',
        _lengths(4, 0) + b"nu",
        b"\0",
    ],
)
def test_a_reply_that_is_not_one_is_refused(said: bytes, pair: Pair) -> None:
    pair[1].sendall(said)
    pair[1].shutdown(socket.SHUT_WR)
    with pytest.raises(WireError):
        Wire(pair[0]).receive_reply(_soon())


def test_only_a_plain_yes_is_done(pair: Pair) -> None:
    header = json.dumps({"done": 1, "text": ["x"]}).encode()
    pair[1].sendall(_lengths(len(header), 0) + header)
    assert Wire(pair[0]).receive_reply(_soon()) == Reply(done=False, text="['x']")


def test_a_silent_worker_is_not_waited_for(pair: Pair) -> None:
    started = time.monotonic()
    with pytest.raises(WireError):
        Wire(pair[0]).receive_reply(_soon())
    assert 0.15 < time.monotonic() - started < 2


def test_a_worker_that_does_not_listen_is_not_waited_for(pair: Pair) -> None:
    started = time.monotonic()
    with pytest.raises(WireError):
        Wire(pair[0])._send(b"\0" * (1 << 26), _soon())
    assert time.monotonic() - started < 2


def test_a_worker_sees_that_its_parent_hung_up(pair: Pair) -> None:
    pair[0].close()
    assert Wire(pair[1]).receive_request() is None
