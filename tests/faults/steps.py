"""A sequence of calls that uses all of the ledger, and the process that makes them and tells of each that returned.

The process is forked from one that has everything imported already, and waits before its first step: whoever watches
it attaches and lets it go on.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from budgets.errors import LedgerUnavailableError
from budgets.ledger import Outcome
from budgets.privacy_loss import PrivacyLoss
from budgets.proposals import APPROVED, Proposal, cap_change, unfreezing
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_model import LedgerModel, result_of
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    DATASET,
    DATASET_CAP,
    OFFICER,
    PERSON_CAP,
    SECOND_OFFICER,
    Clock,
    claim_of,
    outcome_of,
    release_of,
)

SECONDS_A_STEP: Final = 5
_CAP: Final = PrivacyLoss(900, 900)
_BODY: Final = b"x" * 20_000  # several pages of a database


def _propose(name: str, change: dict[str, object]) -> Callable[[Any], object]:
    return lambda target: target.propose(Proposal(name, "shop", change, OFFICER, "", "", ((APPROVED, OFFICER),)))


def answer_of(name: str) -> Outcome:
    return outcome_of(name, name.encode() + _BODY)


STEPS: Final[tuple[Callable[[Any], object], ...]] = (
    lambda target: target.open_account(DATASET, DATASET_CAP, OFFICER, "why"),
    lambda target: target.open_account(ADA, PERSON_CAP, OFFICER, "why"),
    lambda target: target.open_account(BEN, PERSON_CAP, OFFICER, "why"),
    lambda target: target.set_cap(ADA.id, PERSON_CAP, OFFICER, "why", meter="month"),
    lambda target: target.reserve(claim_of("a", 100)),
    lambda target: target.begin("q_a"),
    lambda target: target.settle("q_a", answer_of("a"), (release_of("a", 100),)),
    lambda target: target.reserve(claim_of("b", 50, 3, BEN)),
    lambda target: target.begin("q_b"),
    lambda target: target.fail("q_b", outcome_of("b")),
    lambda target: target.reserve(claim_of("c", 70)),
    lambda target: target.void("q_c", "busy"),
    lambda target: target.reserve(claim_of("again", 100, key="key-a")),
    lambda target: target.record_reuse(claim_of("d", 0), answer_of("d")),
    lambda target: target.set_cap(ADA.id, PrivacyLoss(300, 300), OFFICER, "less"),
    lambda target: target.reserve(claim_of("dear", 250)),
    _propose("p_cap", cap_change(ADA.id, "lifetime", _CAP)),
    lambda target: target.decide("p_cap", APPROVED, SECOND_OFFICER, "agreed"),
    lambda target: target.freeze("shop", OFFICER, "stop"),
    lambda target: target.reserve(claim_of("frozen", 1)),
    _propose("p_thaw", unfreezing("shop")),
    lambda target: target.decide("p_thaw", APPROVED, SECOND_OFFICER, "agreed"),
    lambda target: target.reserve(claim_of("e", 250)),
    lambda target: target.begin("q_e"),
    lambda target: target.settle("q_e", answer_of("e"), (release_of("e", 250),)),
    lambda target: target.recover(),
    lambda target: target.reserve(claim_of("f", 30)),
    lambda target: target.begin("q_f"),
    lambda target: target.reserve(claim_of("g", 20, account=BEN)),
)


def expected_results() -> list[str]:
    """How the steps end where nothing goes wrong."""
    ends = ["ok"] * len(STEPS)
    ends[12], ends[15], ends[19] = "RequestInProgressError", "BudgetExhaustedError", "FrozenError"
    return ends


def model() -> LedgerModel:
    """The model of a ledger before the first step."""
    return LedgerModel(Clock())


def at_step(target: LedgerModel, number: int) -> LedgerModel:
    """The same, at the time of a step."""
    target.clock = Clock()
    target.clock.forward(number * SECONDS_A_STEP)
    return target


def open_at(url: str, anchor: Path, step: int) -> SqlLedger:
    clock = Clock()
    clock.forward(step * SECONDS_A_STEP)
    return SqlLedger(url, anchor=anchor, clock=clock)


@dataclass(frozen=True, slots=True)
class Child:
    """A process that makes the steps; it waits to be let go."""

    process: BaseProcess
    told: Connection

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def go(self) -> None:
        self.told.send_bytes(b"go")

    def results(self) -> list[str]:
        """How each call ended that returned before the process did."""
        return list(self.messages())

    def messages(self) -> Iterator[str]:
        with self.told:
            try:
                while True:
                    yield self.told.recv_bytes().decode()
            except (EOFError, ConnectionResetError):
                self.process.join(60)


@contextmanager
def child(url: str, anchor: Path, settings: dict[str, str] | None = None) -> Iterator[Child]:
    """A child that stands still before its first step; `settings` are SQLite's, in place of the durable ones.

    With the setting `mark` the child writes each result to the file of this name, too.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.steps"])
    told, tell = context.Pipe()
    process = context.Process(target=_run, args=(url, str(anchor), tell, json.dumps(settings or {})))
    process.start()
    tell.close()
    started = Child(process, told)
    try:
        assert told.recv_bytes() == b"ready"
        yield started
    finally:
        if process.is_alive():
            process.kill()
        process.join(60)
        told.close()


def _run(url: str, anchor: str, tell: Connection, settings: str) -> None:
    given = json.loads(settings)
    mark = given.pop("mark", None)
    _weaken(given)
    tell.send_bytes(b"ready")
    tell.recv_bytes()
    clock = Clock()
    try:
        ledger = SqlLedger(url, anchor=Path(anchor), clock=clock)
    except LedgerUnavailableError:
        return
    tell.send_bytes(b"open")
    for step in STEPS:
        result = result_of(lambda step=step: step(ledger)).encode()  # type: ignore[misc]
        if mark is not None:
            _note(mark, result)
        tell.send_bytes(result)
        clock.forward(SECONDS_A_STEP)
    ledger.close()
    tell.send_bytes(b"closed")


def _note(mark: str, result: bytes) -> None:
    """Writes what was told to a file, so that a log of calls on files has it in its place among them."""
    file = os.open(mark, os.O_WRONLY | os.O_CREAT)
    os.write(file, result)
    os.close(file)


def _weaken(settings: dict[str, str]) -> None:
    """Lets SQLite run with settings that the ledger refuses: for controls only."""
    from budgets import sqlite  # noqa: PLC0415

    numbers = {"NORMAL": 1, "OFF": 0}
    for name, value in settings.items():
        vars(sqlite)["_SETTINGS"] = {**sqlite._SETTINGS, name: (value, numbers[value])}
