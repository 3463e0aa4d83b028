"""Token buckets in memory: how fast one key may send requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_BUCKETS_MAX: Final = 10_000


class RateLimit:
    """One bucket of `burst` tokens a key, refilled with `per_second`; used from the event loop's thread only."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> float:
        """0.0 when a token was taken, else the seconds until there is one."""
        now = self._clock()
        tokens, at = self._buckets.pop(key_id, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._per_second
        self._buckets[key_id] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > _BUCKETS_MAX:  # The bucket unused longest is full again, or nearly so.
            del self._buckets[next(iter(self._buckets))]
        return wait
