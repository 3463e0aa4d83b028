"""Callers who come while others are served wait, and the first of them serves all: they share what serving costs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class _Caller(Generic[T]):
    """Who waits, with what; awake once it is served, or is the first and has to serve."""

    __slots__ = ("awake", "item", "served")

    def __init__(self, item: T) -> None:
        self.item: Final = item
        self.awake: Final = threading.Event()
        self.served = False


class Turns(Generic[T]):
    """Serves items in the order in which they come, as many at once as wait (`most` at the most), batch after batch.

    One caller at a time serves: it is the first of those who wait, hands the turn to the next of them when it is done,
    and only then goes on. No caller serves a batch that it is not part of, so nobody is kept from going on for ever.
    """

    def __init__(self, serve: Callable[[Sequence[T]], None], most: int) -> None:
        self._serve = serve
        self._most = most
        self._queue: deque[_Caller[T]] = deque()  # while somebody serves, its first is that one until it has taken up
        self._mutex = threading.Lock()
        self._taken = False

    @property
    def waiting(self) -> int:
        """How many callers are not taken up yet."""
        return len(self._queue)

    def take(self, item: T) -> None:
        """Returns when the item was served, by this caller or by another; raises what `serve` raises to its caller."""
        caller = _Caller(item)
        if not self._leads(caller):
            self._wait(caller)
        if caller.served:
            return
        batch = self._batch()
        try:
            self._serve([each.item for each in batch])
        finally:
            self._pass_on()
            for each in batch:
                each.served = True
                each.awake.set()

    def _leads(self, caller: _Caller[T]) -> bool:
        """Queues the caller; says whether nobody serves, so that this one does."""
        with self._mutex:
            self._queue.append(caller)
            leads, self._taken = not self._taken, True
            return leads

    def _wait(self, caller: _Caller[T]) -> None:
        interrupted = True
        try:
            caller.awake.wait()
            interrupted = False
        finally:
            if interrupted:
                self._leave(caller)

    def _leave(self, caller: _Caller[T]) -> None:
        """Nobody may wait for one that is gone: it leaves the queue, and passes on the turn that it was given."""
        with self._mutex:
            taken_up = caller not in self._queue
            if not taken_up:
                self._queue.remove(caller)
        if caller.awake.is_set() and not taken_up:
            self._pass_on()

    def _batch(self) -> list[_Caller[T]]:
        with self._mutex:
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._most))]

    def _pass_on(self) -> None:
        with self._mutex:
            self._taken = bool(self._queue)
            if self._taken:
                self._queue[0].awake.set()
