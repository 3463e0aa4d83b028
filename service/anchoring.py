"""Signed tree heads sent elsewhere: what is kept there shows later that this ledger was set back or rewritten.

It happens in the background, some time after the entries, and never keeps an answer waiting. One head covers all
entries before it, so none is lost when the other side was away for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread
import httpx
import structlog

from budgets.errors import BudgetError
from budgets.evidence.chain import Chain, Readable, entry_at, sealed_head
from budgets.evidence.sealed import Signer
from service.metrics import Metrics

_TIMEOUT_SECONDS: Final = 10.0
_LONGEST_WAIT_SECONDS: Final = 300.0
_LAG_SECONDS: Final = 300.0
_OK: Final = range(200, 300)
_log = structlog.stdlib.get_logger("kvitto")


@dataclass(frozen=True, slots=True)
class Lag:
    """How many entries no head that was taken covers, and for how long there have been such."""

    entries: int
    seconds: float


class Anchoring:
    """Sends heads to one address, a new one at most every `every_seconds`; later and later while it is refused."""

    def __init__(
        self,
        url: str,
        every_seconds: float,
        ledger: Readable,
        chain: Chain,
        signer: Signer,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._every_seconds = every_seconds
        self._ledger = ledger
        self._chain = chain
        self._signer = signer
        self._metrics = metrics
        self._clock = clock
        self._taken = 0
        self._behind_since: float | None = None
        self._failures = 0

    async def run(self) -> None:
        """Send heads until it is cancelled."""
        # A redirect could lead anywhere, and a proxy of the environment sees what is sent: neither is followed.
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            while True:
                await self.send_once(client)
                await anyio.sleep(self.wait_seconds)

    async def send_once(self, client: httpx.AsyncClient) -> None:
        """Send the newest head if there are entries that no head which was taken covers."""
        try:
            size, head = await anyio.to_thread.run_sync(self._newest)
        except BudgetError:
            _log.warning("anchor-ledger-unavailable")
            return
        if size <= self._taken:
            return
        if self._behind_since is None:
            self._behind_since = self._clock()
        if await self._post(client, head):
            self._taken, self._failures, self._behind_since = size, 0, None
            self._metrics.count_anchor("taken")
        else:
            self._failures += 1
            self._metrics.count_anchor("failed")
        self._note(size)

    @property
    def wait_seconds(self) -> float:
        """The time until the next attempt: doubled with each that failed."""
        return min(
            self._every_seconds * (1 << min(self._failures, 16)), max(_LONGEST_WAIT_SECONDS, self._every_seconds)
        )

    def lag(self) -> Lag:
        """How far behind the other side is; reads the ledger's head."""
        size = self._chain.tree().size
        seconds = 0.0 if self._behind_since is None else self._clock() - self._behind_since
        return Lag(max(size - self._taken, 0), seconds)

    def _newest(self) -> tuple[int, str]:
        tree = self._chain.tree()
        newest = entry_at(self._ledger, tree.size)
        if newest is None:
            raise BudgetError
        return newest.seq, sealed_head(tree, newest, self._signer)

    async def _post(self, client: httpx.AsyncClient, head: str) -> bool:
        try:
            async with client.stream(
                "POST", self._url, content=f"{head}\n", headers={"Content-Type": "application/json"}
            ) as answer:
                return answer.status_code in _OK  # what else it says is not read
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return False

    def _note(self, size: int) -> None:
        behind = size - self._taken
        self._metrics.set_anchor_lag(behind)
        since = self._behind_since
        if behind and since is not None and self._clock() - since >= _LAG_SECONDS:
            _log.warning("anchor-lags", entries=behind, seconds=round(self._clock() - since))
