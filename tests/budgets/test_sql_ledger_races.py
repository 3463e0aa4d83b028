"""However many threads and processes spend at once, no cap is exceeded and every answer is charged once."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from budgets import audit
from budgets.errors import BudgetExhaustedError, InvalidTransitionError, RequestInProgressError
from budgets.ledger import Outcome
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    DATASET,
    LEASE_SECONDS,
    Clock,
    claim_of,
    open_accounts,
    open_ledger,
    outcome_of,
)

THREADS = 200


def test_of_200_threads_that_want_six_tenths_of_the_rest_one_wins(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    open_accounts(ledger)
    together = Barrier(THREADS)

    def reserve(number: int) -> str:
        together.wait()
        try:
            ledger.reserve(claim_of(str(number), 480))
        except BudgetExhaustedError:
            return "refused"
        return "admitted"

    with ThreadPoolExecutor(THREADS) as pool:
        results = Counter(pool.map(reserve, range(THREADS)))
    assert results == {"admitted": 1, "refused": THREADS - 1}
    assert ledger.balance(ADA.id).reserved == PrivacyLoss(480)
    assert audit.verify(ledger).problems == ()
    ledger.close()


def test_of_many_threads_with_one_idempotency_key_one_is_charged(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    open_accounts(ledger)
    together = Barrier(20)

    def ask(number: int) -> str:
        together.wait()
        try:
            ledger.reserve(claim_of(str(number), 10, key="the same"))
        except RequestInProgressError:
            return "in progress"
        return "admitted"

    with ThreadPoolExecutor(20) as pool:
        assert Counter(pool.map(ask, range(20))) == {"admitted": 1, "in progress": 19}
    assert ledger.balance(DATASET.id).reserved == PrivacyLoss(10)
    ledger.close()


@pytest.mark.parametrize("state", ["reserved", "begun"])
def test_of_all_that_end_a_reservation_at_once_one_succeeds(tmp_path: Path, state: str) -> None:
    clock = Clock()
    ledger = open_ledger(tmp_path, clock)
    open_accounts(ledger)
    for name in "abcdefgh":
        ledger.reserve(claim_of(name, 10))
        if state == "begun":
            ledger.begin(f"q_{name}")
    clock.forward(LEASE_SECONDS)

    def end(call: tuple[str, str]) -> tuple[str, bool]:
        step, name = call
        steps: dict[str, Callable[[], object]] = {
            "begin": lambda: ledger.begin(f"q_{name}"),
            "void": lambda: ledger.void(f"q_{name}", ""),
            "settle": lambda: ledger.settle(f"q_{name}", outcome_of(name), ()),
            "fail": lambda: ledger.fail(f"q_{name}", outcome_of(name)),
            "recover": ledger.recover,
        }
        try:
            steps[step]()
        except InvalidTransitionError:
            return name, False
        return name, step != "recover"

    ends = ("begin", "void") if state == "reserved" else ("settle", "fail", "settle")
    calls = [(step, name) for name in "abcdefgh" for step in ends]
    with ThreadPoolExecutor(8) as pool:
        won = Counter(name for name, success in pool.map(end, [*calls, ("recover", "")]) if success)
    assert max(won.values(), default=1) == 1
    assert audit.verify(ledger).problems == ()
    ledger.close()


def spend_all(directory: str, owner: str, together: Barrier) -> None:
    """A process that spends as much as it gets, one nano-rho at a time."""
    ledger = SqlLedger(f"sqlite:///{directory}/ledger.sqlite", anchor=Path(directory) / "anchor.json")
    account = {"ada": ADA, "ben": BEN}[owner]
    together.wait(30)
    for number in range(1000):
        name = f"{owner}{number}"
        try:
            ledger.reserve(claim_of(name, 13, 0, account))
        except BudgetExhaustedError:
            break
        ledger.begin(f"q_{name}")
        ledger.settle(f"q_{name}", Outcome(f"q_{name}", 201, name.encode(), "text/plain"), ())
    ledger.close()


def test_two_processes_on_one_file_do_not_overspend(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    open_accounts(ledger)
    _run_two(tmp_path)
    # 76 * 13 = 988 of 1,000: not one less, not one more.
    assert ledger.balance(DATASET.id).spent == PrivacyLoss(76 * 13)
    assert ledger.balance(ADA.id).spent + ledger.balance(BEN.id).spent == PrivacyLoss(76 * 13)
    assert audit.verify(ledger, anchor=tmp_path / "anchor.json").problems == ()
    ledger.close()
    open_ledger(tmp_path).close()


def create(directory: str, _: str, together: Barrier) -> None:
    together.wait(30)
    open_accounts(ledger := open_ledger(Path(directory)))
    ledger.close()


def test_two_processes_may_create_one_ledger(tmp_path: Path) -> None:
    _run_two(tmp_path, create)
    ledger = open_ledger(tmp_path)
    assert [entry.kind for entry in ledger.entries(after_seq=0, limit=9)] == ["account-opened"] * 3
    ledger.close()


def _run_two(directory: Path, target: Callable[[str, str, Barrier], None] = spend_all) -> None:
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    children = [context.Process(target=target, args=(str(directory), owner, together)) for owner in ("ada", "ben")]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
