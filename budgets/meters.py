"""Meters: what an account counts its losses by, and the time windows among them.

An account has one meter for its whole life, `lifetime`, which never starts anew. Beside it may stand sub-limits: a
meter for each calendar window of a kind (`month:2026-11`), which limits how fast the lifetime is used up, and one for
each block of data (`block:2026-11`, `static`), where the privacy unit is a customer's data of one block.

The limit of all meters of a kind is the cap of the meter that is called like the kind itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

LIFETIME: Final = "lifetime"
STATIC: Final = "static"
BLOCK: Final = "block"
_WINDOWS: Final[Mapping[str, str]] = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
WINDOWS: Final = tuple(_WINDOWS)
KINDS: Final = (LIFETIME, BLOCK, STATIC, *WINDOWS)


def kind_of(meter: str) -> str:
    """The kind of a meter, whose limit is its own.

    >>> kind_of("month:2026-11"), kind_of("lifetime")
    ('month', 'lifetime')
    """
    return meter.partition(":")[0]


def window_at(kind: str, at: str) -> str:
    """The meter of the window that holds an entry's time (UTC).

    >>> window_at("week", "2026-11-24T00:10:00.000000Z")
    'week:2026-W48'
    """
    return _window(kind, at[:10])


@lru_cache(maxsize=256)
def _window(kind: str, day: str) -> str:
    return f"{kind}:{date.fromisoformat(day).strftime(_WINDOWS[kind])}"
