"""A process of several callers whose work shares one commit, and that is killed at a named step of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from budgets.anchor import Anchor
from budgets.commits import Commits
from budgets.errors import InvalidTransitionError
from budgets.sql_ledger import SqlLedger
from budgets.writer import Writer
from tests.budgets.ledger_samples import Clock

CALLERS: Final = 8


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _in_the_middle(_: SqlLedger) -> None:
    move, calls = Writer.move, [0]

    def counting(*arguments: Any, **named: Any) -> None:
        calls[0] += 1
        if calls[0] > CALLERS // 2:
            die()
        move(*arguments, **named)

    _replace(Writer, "move", counting)


def _after_the_anchor(_: SqlLedger) -> None:
    advance = Anchor.advance

    def last(*arguments: Any) -> None:
        advance(*arguments)
        die()

    _replace(Anchor, "advance", last)


def _replace(owner: type, name: str, value: object) -> None:
    setattr(owner, name, value)


# What each step does to the process, in the order of the steps, and whether the batch is durable then.
MOMENTS: Final[dict[str, tuple[Callable[[SqlLedger], object], bool]]] = {
    "in the middle of the batch": (_in_the_middle, False),
    "before the commit": (lambda ledger: sa.event.listen(ledger._engine, "commit", die), False),
    "after the commit, before the anchor": (lambda _: _replace(Commits, "advance_anchor", die), True),
    "after the anchor, before the answers": (_after_the_anchor, True),
    "never": (lambda _: None, True),
}


@contextmanager
def held(ledger: SqlLedger) -> Iterator[None]:
    """Whoever comes meanwhile waits: a transaction is under way, which leaves nothing."""
    begun, over = threading.Event(), threading.Event()

    def nothing(_: Writer) -> None:
        begun.set()
        over.wait()
        raise InvalidTransitionError("It was only to hold others up.")

    def hold() -> None:
        with suppress(InvalidTransitionError):
            ledger._commits.run(nothing)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def begin_together(url: str, anchor: str, moment: str, tell: Connection) -> None:
    """Begins the queries that are reserved, all in one commit, and tells of each call that returned."""
    ledger = SqlLedger(url, anchor=Path(anchor), clock=Clock())
    telling = threading.Lock()

    def begin(number: int) -> None:
        ledger.begin(f"q_{number}")
        with telling:
            tell.send_bytes(str(number).encode())

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(CALLERS)]
    with held(ledger):
        for thread in threads:
            thread.start()
        while ledger._commits.waiting < CALLERS:
            time.sleep(0.001)
        MOMENTS[moment][0](ledger)
    for thread in threads:
        thread.join()
    ledger.close()
