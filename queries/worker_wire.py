"""What parent and worker say to each other over a socket pair.

Requests are pickled: they come from the parent, whom the worker trusts. Replies never are: a JSON header and raw
bytes, of limited size, because the parent does not trust a worker that has read private rows. Lengths are 8 bytes,
big-endian.
"""

from __future__ import annotations

import json
import pickle
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from budgets.privacy_loss import PrivacyLoss
from queries.plan import Aggregation, Axis

MOST_HEADER_BYTES = 1 << 16
MOST_BODY_BYTES = 1 << 30
_LENGTHS = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class Setup:
    """The first request: what to open. With a private file the worker is of the role `vault`, else `public`.

    With a private file that is a `simulation` its rows are made up, or declared public: exact sums may leave it.
    """

    public_file: Path
    private_file: Path | None
    vault_key: str | None = field(repr=False)
    twin: tuple[str, ...]  # statements that make the private tables, empty
    threads: int
    memory_bytes: int  # of the engine
    address_space_bytes: int  # of the process
    statement_seconds: float  # for what an analyst runs on public and released tables
    simulation: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered with the protections that hold, as JSON."""


@dataclass(frozen=True, slots=True)
class Release:
    """Answered with the noised table, as an Arrow stream."""

    aggregation: Aggregation
    charged: PrivacyLoss


@dataclass(frozen=True, slots=True)
class Exact:
    """Answered with the table of the aggregation without bounds and noise, by a worker of a simulation alone."""

    aggregation: Aggregation


@dataclass(frozen=True, slots=True)
class DomainSize:
    """Answered with the number of keys on the axis, as text."""

    axis: Axis


@dataclass(frozen=True, slots=True)
class Prepare:
    """Answered with nothing: the statements of the aggregation run on empty tables."""

    aggregation: Aggregation


@dataclass(frozen=True, slots=True)
class Postprocess:
    """Answered with the rows of `sql` over released tables (Arrow streams) and public ones, as an Arrow stream."""

    sql: str
    tables: Mapping[str, bytes]
    row_limit: int


Request = Setup | Ping | Release | Exact | DomainSize | Prepare | Postprocess


@dataclass(frozen=True, slots=True)
class Reply:
    """`done` with a body, or not done; then `text` may say why, if no private row was within reach."""

    done: bool
    body: bytes = b""
    text: str = ""


class WireError(Exception):
    """The other side hung up, was too slow, or spoke out of turn. The connection is of no more use."""


class Wire:
    """One end of the socket pair; with a deadline (on the monotonic clock) nothing takes longer than that."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def send_request(self, request: Request, deadline: float) -> None:
        body = pickle.dumps(request)
        self._send(struct.pack(">Q", len(body)) + body, deadline)

    def receive_request(self) -> Request | None:
        """The next request, or None when the parent has hung up."""
        try:
            (size,) = struct.unpack(">Q", self._receive(8, None))
        except WireError:
            return None
        request: Request = pickle.loads(self._receive(size, None))  # noqa: S301  # from the parent, see above
        return request

    def send_reply(self, reply: Reply) -> None:
        header = json.dumps({"done": reply.done, "text": reply.text}).encode()
        self._send(_LENGTHS.pack(len(header), len(reply.body)) + header, None)
        self._send(reply.body, None)

    def receive_reply(self, deadline: float) -> Reply:
        """The reply, or WireError."""
        header_size, body_size = _LENGTHS.unpack(self._receive(_LENGTHS.size, deadline))
        if header_size > MOST_HEADER_BYTES or body_size > MOST_BODY_BYTES:
            raise WireError("a reply that is too long")
        try:
            header = json.loads(self._receive(header_size, deadline))
            done, text = header["done"] is True, str(header["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise WireError("a reply that is not one") from error
        return Reply(done, bytes(self._receive(body_size, deadline)), text)

    def _send(self, data: bytes, deadline: float | None) -> None:
        try:
            self._limit(deadline)
            self._channel.sendall(data)  # its time-out is for all of the data
        except OSError as error:
            raise WireError("the other side does not listen") from error

    def _receive(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        try:
            while view:
                self._limit(deadline)
                count = self._channel.recv_into(view)
                if not count:
                    raise WireError("the other side hung up")
                view = view[count:]
        except OSError as error:
            raise WireError("the other side is silent") from error
        return data

    def _limit(self, deadline: float | None) -> None:
        if deadline is None:
            self._channel.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise WireError("the deadline has passed")
        self._channel.settimeout(left)
