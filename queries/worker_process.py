"""One worker as its parent sees it: a child process that answers in time or is killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from select import POLLIN, poll

from budgets.privacy_loss import PrivacyLoss
from queries.errors import EngineUnavailableError, IllegalPlanError, PostprocessError, ReleaseFailedError
from queries.plan import Aggregation, Axis
from queries.worker_wire import (
    DomainSize,
    Exact,
    Ping,
    Postprocess,
    Prepare,
    Release,
    Reply,
    Request,
    Setup,
    Wire,
    WireError,
)

_REPLY_SECONDS = 10.0  # for what needs no work: the request that sets up, a ping
_FAREWELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a worker may take before it is killed."""

    start_seconds: float = 120.0
    release_seconds: float = 30.0
    public_seconds: float = 10.0


class WorkerProcess:
    """A child of this process; one thread at a time may use it.

    Call the constructor in a thread that lives long: the child dies with the thread that made it.
    """

    def __init__(self, setup: Setup, deadlines: Deadlines, cache_directory: Path) -> None:
        ours, theirs = socket.socketpair()
        self._deadlines = deadlines
        self._wire, self._channel = Wire(ours), ours
        self._must_be_ready_at = time.monotonic() + deadlines.start_seconds
        self._ready = False
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-I", "-m", "queries.worker", str(theirs.fileno()), str(os.getpid())],
                env=_environment(cache_directory),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if setup.private_file is None else subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the parent: it lets releases end
            )
        try:
            self._wire.send_request(setup, time.monotonic() + _REPLY_SECONDS)
        except WireError:
            self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ready(self) -> bool:
        return self._ready

    def wait_ready(self, seconds: float) -> bool:
        """Whether the worker has opened its files, after waiting so long; EngineUnavailableError if it never will."""
        if self._ready:
            return True
        if not self.alive:
            raise EngineUnavailableError("A worker did not start.")
        readable = poll()
        readable.register(self._channel, POLLIN)
        if not readable.poll(max(0.0, seconds) * 1000) and time.monotonic() < self._must_be_ready_at:
            return False
        self._ready = self._ask(None, _REPLY_SECONDS).done
        return True

    def ping(self) -> bytes:
        """The protections that hold in the child, as JSON."""
        return self._ask(Ping(), _REPLY_SECONDS).body

    def release(self, aggregation: Aggregation, charged: PrivacyLoss) -> bytes:
        """The noised table as an Arrow stream. Whatever goes wrong is a ReleaseFailedError: rows may have been read."""
        try:
            reply = self._ask(Release(aggregation, charged), self._deadlines.release_seconds)
        except EngineUnavailableError:
            raise ReleaseFailedError from None
        if not reply.done:
            self.kill()  # short of memory, it would fail for the next callers too, and they would be charged
            raise ReleaseFailedError
        return reply.body

    def exact(self, aggregation: Aggregation) -> bytes:
        """The table without bounds and noise, as an Arrow stream, of a worker for simulations; else refused."""
        return self._planned(Exact(aggregation), self._deadlines.release_seconds)

    def domain_size(self, axis: Axis) -> int:
        """The number of keys on an axis of public tables."""
        return int(self._planned(DomainSize(axis)))

    def prepare(self, aggregation: Aggregation) -> None:
        """Run the aggregation's SQL on empty tables; raises IllegalPlanError where a release would fail."""
        self._planned(Prepare(aggregation))

    def postprocess(self, sql: str, tables: dict[str, bytes], row_limit: int) -> bytes:
        """The rows of one SELECT over released and public tables, as an Arrow stream; raises PostprocessError."""
        reply = self._ask(Postprocess(sql, tables, row_limit), self._deadlines.public_seconds)
        if not reply.done:
            raise PostprocessError(reply.text)
        return reply.body

    def kill(self) -> None:
        """End the process at once, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def close(self) -> None:
        """Hang up: an idle worker then ends by itself, and one that does not is killed."""
        self._channel.close()
        try:
            self._process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _planned(self, request: Request, seconds: float | None = None) -> bytes:
        reply = self._ask(request, seconds or self._deadlines.public_seconds)
        if not reply.done:
            raise IllegalPlanError(reply.text)
        return reply.body

    def _ask(self, request: Request | None, seconds: float) -> Reply:
        """The reply, in time; otherwise EngineUnavailableError.

        Whatever ends the exchange early ends the process: the next caller must not read an answer that is not its own.
        """
        deadline, reply = time.monotonic() + seconds, None
        try:
            if request is not None:
                self._wire.send_request(request, deadline)
            reply = self._wire.receive_reply(deadline)
            return reply
        except WireError as error:
            raise EngineUnavailableError("The worker did not answer in time.") from error
        finally:
            if reply is None:
                self.kill()


def _environment(cache_directory: Path) -> dict[str, str]:
    """All that a worker sees of its surroundings."""
    return {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NUMBA_CACHE_DIR": str(cache_directory.absolute()),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",  # each arena reserves address space, which is limited
    }
