"""Answers of work that touched private rows leave at fixed times after the request came, so that the time tells little.

The limit of this padding is stated with the promise: response time is outside the proof.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio


@dataclass(slots=True)
class Work:
    """What is known of work on the grid; it counts as having touched private rows until said otherwise."""

    touched_private_rows: bool = True


@asynccontextmanager
async def on_time_grid(grid_ms: int) -> AsyncIterator[Work]:
    """Ends, with an answer or an error, at a multiple of `grid_ms` after it began; a grid of 0 ms is no grid."""
    started = time.monotonic()
    work = Work()
    try:
        yield work
    finally:
        if grid_ms > 0 and work.touched_private_rows:
            await anyio.sleep(max(0.0, next_release(started, time.monotonic(), grid_ms) - time.monotonic()))


def next_release(started: float, now: float, grid_ms: int) -> float:
    """The first time at or after `now` that lies a whole number (at least one) of grid steps after `started`.

    >>> next_release(10.0, 10.03, 100)
    10.1
    """
    steps = max(1, math.ceil((now - started) * 1000 / grid_ms))
    return started + steps * grid_ms / 1000
