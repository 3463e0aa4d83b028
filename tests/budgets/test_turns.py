"""Callers share a turn: each item is served once, in order, by one caller at a time, whatever happens to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from budgets.turns import Turns

PATIENCE = 30


class Served:
    """Notes what is served together; the first batch waits for `go`."""

    def __init__(self, most: int = 64) -> None:
        self.batches: list[list[str]] = []
        self.ended: dict[str, str] = {}
        self.go = threading.Event()
        self.fails_with: type[Exception] | None = None
        self._one = threading.Lock()
        self.turns = Turns(self._serve, most)
        self._threads: list[threading.Thread] = []

    def _serve(self, items: Sequence[str]) -> None:
        assert self._one.acquire(blocking=False), "two callers serve at a time"
        self.batches.append(list(items))
        try:
            assert self.go.wait(PATIENCE)
            if self.fails_with is not None and items != ["first"]:
                raise self.fails_with
        finally:
            self._one.release()

    def come(self, *names: str) -> None:
        """Lets callers come one after the other, behind one that is being served."""
        for name in names:
            thread = threading.Thread(target=self._take, args=(name,), name=name)
            self._threads.append(thread)
            before = (self.turns.waiting, len(self.batches))
            thread.start()
            until = time.monotonic() + PATIENCE
            while (self.turns.waiting, len(self.batches)) == before and name not in self.ended:
                assert time.monotonic() < until
                time.sleep(0.001)

    def _take(self, name: str) -> None:
        try:
            self.turns.take(name)
            self.ended[name] = "served"
        except (LookupError, KeyboardInterrupt) as error:
            self.ended[name] = type(error).__name__

    def finish(self) -> None:
        self.go.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} waits for ever"


def test_who_waits_is_served_together_and_in_order() -> None:
    served = Served()
    served.come("first", "a", "b", "c")
    served.finish()
    assert served.batches == [["first"], ["a", "b", "c"]]
    assert set(served.ended.values()) == {"served"}


def test_a_batch_has_so_many_at_the_most() -> None:
    served = Served(most=2)
    served.come("first", "a", "b", "c", "d", "e")
    served.finish()
    assert served.batches == [["first"], ["a", "b"], ["c", "d"], ["e"]]


def test_what_serving_raises_is_raised_to_who_served_and_the_turn_goes_on() -> None:
    served = Served(most=2)
    served.fails_with = LookupError
    served.come("first", "a", "b", "c")
    served.finish()
    assert served.ended == {"first": "served", "a": "LookupError", "b": "served", "c": "LookupError"}
    served.come("later")
    assert served.batches[-1] == ["later"]


@pytest.mark.parametrize("moment", ["before it is awake", "after it was given the turn"])
@pytest.mark.parametrize("gone", ["a", "b"])
def test_nobody_waits_for_a_caller_that_was_interrupted(
    moment: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            me = threading.current_thread().name == gone and timeout is None
            if me and moment == "before it is awake":
                raise KeyboardInterrupt
            found = super().wait(timeout)
            if me:
                raise KeyboardInterrupt
            return found

    monkeypatch.setattr("budgets.turns.threading.Event", Interrupted)
    served = Served(most=1)
    served.come("first", "a", "b", "c")
    served.finish()
    assert served.ended.pop(gone) == "KeyboardInterrupt"
    assert set(served.ended.values()) == {"served"}
    assert [gone] not in served.batches
    served.come("later")
    served.finish()
    assert served.ended["later"] == "served"


def test_an_interrupted_caller_that_was_taken_up_is_served_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            found = super().wait(timeout)
            if threading.current_thread().name == "b" and timeout is None:
                raise KeyboardInterrupt
            return found

    monkeypatch.setattr("budgets.turns.threading.Event", Interrupted)
    served = Served()
    served.come("first", "a", "b", "c")
    served.finish()
    assert served.batches == [["first"], ["a", "b", "c"]]
    assert served.ended == {"first": "served", "a": "served", "b": "KeyboardInterrupt", "c": "served"}


def test_of_many_that_come_again_and_again_each_is_served_once_each_time() -> None:
    served = Served(most=8)
    served.go.set()

    def come_often(name: str) -> None:
        for number in range(100):
            served.turns.take(f"{name}-{number}")

    threads = [threading.Thread(target=come_often, args=(str(number),)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    items = [item for batch in served.batches for item in batch]
    assert sorted(items) == sorted(f"{caller}-{number}" for caller in range(20) for number in range(100))
    assert served.turns.waiting == 0
