"""A bounded memory of what was worked out before: for pure functions of public facts only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """The most recently used results, at most `most` of them and only those that it `keeps`; safe for threads.

    >>> squares = Remembered[int, int](most=2)
    >>> squares.get(3, lambda: 9), squares.get(3, lambda: 0)
    (9, 9)
    """

    def __init__(self, most: int, keeps: Callable[[V], bool] = lambda _: True) -> None:
        self._most = most
        self._keeps = keeps
        self._lock = Lock()
        self._known: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """What is known under the key, or else the result of `make`; if that raises, nothing is remembered."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        value = make()
        if not self._keeps(value):
            return value
        with self._lock:
            self._known[key] = value
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return value
