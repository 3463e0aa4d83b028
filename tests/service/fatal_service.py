"""A service that is killed at a chosen step of its first query: `fatal_service.py DIRECTORY STEP`.

It is put together like the real one, from the real parts; only its ledger and its way to the worker die where they are
told to. It prints its URL.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from budgets.ledger import Claim, Outcome, Reservation, StoredRelease
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from queries.plan import Aggregation
from queries.worker_process import WorkerProcess
from queries.worker_wire import Release
from service.app import create_app, open_ledger
from service.server import serve
from service.settings import Settings

STEPS = ("before reserve", "after reserve", "after begin", "during release", "before settle", "after settle")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class FatalLedger:
    """The real ledger, but for one step. Leases are short, so that the next start recovers at once."""

    def __init__(self, ledger: SqlLedger, step: str) -> None:
        self._ledger = ledger
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def reserve(self, claim: Claim) -> Reservation:
        self._die_at("before reserve")
        found = self._ledger.reserve(replace(claim, lease_seconds=1))
        self._die_at("after reserve")
        return found

    def begin(self, reservation_id: str) -> None:
        self._ledger.begin(reservation_id)
        self._die_at("after begin")

    def settle(self, reservation_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...]) -> None:
        self._die_at("before settle")
        self._ledger.settle(reservation_id, outcome, releases)
        self._die_at("after settle")

    def _die_at(self, step: str) -> None:
        if step == self._step:
            die()


def die_during_release() -> None:
    """Send the worker its work, and die while it is at it."""

    def release(self: WorkerProcess, aggregation: Aggregation, charged: PrivacyLoss) -> bytes:
        self._wire.send_request(Release(aggregation, charged), time.monotonic() + 10)
        die()
        return b""

    WorkerProcess.release = release  # type: ignore[method-assign]  # this process is made to die


def main(directory: str, step: str) -> None:
    settings = Settings(data_dir=Path(directory), port=0, response_grid_ms=0, log_level="error")
    if step == "during release":
        die_during_release()
    ledger = FatalLedger(open_ledger(settings), step)
    started: Callable[[str], None] = lambda url: print(url, flush=True)  # noqa: E731, T201  # what the test waits for
    serve(create_app(settings, ledger=ledger), settings, started)


if __name__ == "__main__":
    main(*sys.argv[1:])
