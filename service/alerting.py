"""Tells alerts: a line in the log for each, and a signed POST where an address is set; beside all answers.

How far the ledger was read, and what is not delivered yet, stands in `<data>/alerts.json`. One process of a data
directory tells, whichever has the lock; should it end, another goes on. A receiver may get an alert twice, where a
delivery was not confirmed, and knows it by its id.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import httpx
import structlog

from budgets.errors import BudgetError
from budgets.ledger import Ledger
from service.alerts import Alert, Levels, alerts_of
from service.settings import Settings

_PAGE: Final = 500
_MOST_PENDING: Final = 1_000
_MOST_PAUSE_SECONDS: Final = 300.0
_TIMEOUT_SECONDS: Final = 10.0
_log = structlog.stdlib.get_logger("kvitto")


class Alerting:
    """Follows one ledger; `run` goes on until it is cancelled."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._file = settings.data_dir / "alerts.json"
        self._secret = settings.alert_secret()

    async def run(self) -> None:
        """Reads new entries from time to time and tells of them; nothing that fails here reaches an answer."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            while True:
                try:
                    with _lock(self._file.with_suffix(".lock")) as is_mine:
                        if is_mine:
                            await self._tell_forever(client)
                except (BudgetError, OSError, ValueError, KeyError) as error:
                    _log.warning("alerts-failed", error=type(error).__name__)
                await anyio.sleep(self._settings.alert_seconds)

    async def _tell_forever(self, client: httpx.AsyncClient) -> None:
        """Reads and delivers, with longer and longer pauses where nobody takes what is sent."""
        failures, next_try = 0, 0.0
        while True:
            pending = await anyio.to_thread.run_sync(self._read_on)
            if pending and time.monotonic() >= next_try:
                failures = await self._deliver(client, pending, failures)
                next_try = time.monotonic() + _pause_seconds(failures, self._settings.alert_seconds)
            await anyio.sleep(self._settings.alert_seconds)

    def _read_on(self) -> list[dict[str, Any]]:
        """What is to be delivered, once the entries since the last time have been read."""
        state = self._state()
        levels, pending, seq = Levels(state["levels"]), list(state["pending"]), int(state["seq"])
        while entries := self._ledger.entries(after_seq=seq, limit=_PAGE):
            for entry in entries:
                for alert in alerts_of(entry, self._settings.alert_percents, levels):
                    if entry.seq > state["silent_until"]:
                        self._tell(alert, pending)
            seq = entries[-1].seq
        if seq != state["seq"]:
            told = pending[-_MOST_PENDING:]
            self._write({**state, "seq": seq, "levels": levels.reached, "pending": told})
        return pending

    def _tell(self, alert: Alert, pending: list[dict[str, Any]]) -> None:
        _log.warning("alert", **{"alert_kind" if name == "kind" else name: v for name, v in alert.document.items()})
        if self._settings.alert_url:
            pending.append(alert.document)

    async def _deliver(self, client: httpx.AsyncClient, pending: list[dict[str, Any]], failures: int) -> int:
        """Sends what is pending, in order, up to the first that is not taken; returns how often that failed so far."""
        for document in pending:
            if not await self._post(client, document):
                return failures + 1
            with anyio.CancelScope(shield=True):  # what was taken is noted, also while the service stops
                await anyio.to_thread.run_sync(self._note_delivered, document)
            failures = 0
        return 0

    def _note_delivered(self, document: Mapping[str, Any]) -> None:
        state = self._state()
        self._write({**state, "pending": [each for each in state["pending"] if each != document]})

    async def _post(self, client: httpx.AsyncClient, document: Mapping[str, Any]) -> bool:
        body = json.dumps(document, separators=(",", ":")).encode()
        headers = signed_headers(self._secret, str(int(time.time())), body, str(document["id"]))
        try:
            response = await client.post(self._settings.alert_url, content=body, headers=headers)
        except httpx.HTTPError as error:
            _log.warning("alert-not-delivered", id=document["id"], error=type(error).__name__)
            return False
        if not response.is_success:
            _log.warning("alert-not-delivered", id=document["id"], status=response.status_code)
        return response.is_success

    def _state(self) -> dict[str, Any]:
        """What was noted last; a ledger from before there were alerts is read without telling."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            found = {"seq": 0, "silent_until": self._ledger.head().seq, "levels": {}, "pending": []}
            self._write(found)
        return found

    def _write(self, state: Mapping[str, Any]) -> None:
        draft = self._file.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)


def signed_headers(secret: bytes, timestamp: str, body: bytes, alert_id: str) -> dict[str, str]:
    """The headers of a delivery: HMAC-SHA256 over the timestamp, a dot and the body."""
    digest = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "Kvitto-Alert-Id": alert_id,
        "Kvitto-Timestamp": timestamp,
        "Kvitto-Signature": f"v1={digest}",
    }


def _pause_seconds(failures: int, least: float) -> float:
    """Twice as long after each failure, up to five minutes."""
    return 0.0 if not failures else float(min(least * 2 ** min(failures, 20), _MOST_PAUSE_SECONDS))


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Says whether this process is the one that tells, and holds the lock as long as it does."""
    with path.open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
