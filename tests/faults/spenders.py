"""Processes that use one ledger at once: some spend, one is an officer who lowers the cap step by step."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

from budgets.errors import BudgetExhaustedError
from budgets.ledger import Account, Outcome
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, BEN, DATASET, OFFICER, claim_of

PRICE: Final = 13
_PEOPLE: Final = {"ada": ADA, "ben": BEN}


def spend(url: str, anchor: str, owner: str, requests: int, together: Barrier, told: Queue[Any]) -> None:
    """Makes the requests, and tells of each how it ended."""
    ledger = SqlLedger(url, anchor=Path(anchor))
    together.wait(60)
    told.put((owner, [_ask(ledger, f"{owner}{number}", number, _PEOPLE[owner]) for number in range(requests)]))
    ledger.close()


def _ask(ledger: SqlLedger, name: str, number: int, account: Account) -> str:
    try:
        ledger.reserve(claim_of(name, PRICE, 0, account))
    except BudgetExhaustedError:
        return "refused"
    if number % 7 == 0:
        ledger.void(f"q_{name}", "busy")
        return "voided"
    ledger.begin(f"q_{name}")
    if number % 5 == 0:
        ledger.fail(f"q_{name}", Outcome(f"q_{name}", 503, b"failed", "text/plain"))
        return "failed"
    ledger.settle(f"q_{name}", Outcome(f"q_{name}", 201, name.encode(), "text/plain"), ())
    return "settled"


def lower(url: str, anchor: str, caps: Sequence[int], together: Barrier) -> None:
    """Lowers the dataset's cap to each of these in turn, evenly until nine tenths of the last are spent."""
    ledger = SqlLedger(url, anchor=Path(anchor))
    together.wait(60)
    for number, cap in enumerate(caps, 1):
        while ledger.balance(DATASET.id).spent.rho_nano < caps[-1] * 0.9 * number / len(caps):
            time.sleep(0.05)
        ledger.set_cap(DATASET.id, PrivacyLoss(cap), OFFICER, "less")
    ledger.close()


def all_at_once(url: str, anchor: Path, requests: int, caps: Sequence[int]) -> dict[str, list[str]]:
    """How the requests of each person ended, whose processes ran beside the officer's."""
    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(3), context.Queue()
    people = [
        context.Process(target=spend, args=(url, str(anchor), owner, requests, together, told)) for owner in _PEOPLE
    ]
    officer = context.Process(target=lower, args=(url, str(anchor), caps, together))
    for process in (*people, officer):
        process.start()
    ends = dict(told.get(timeout=3600) for _ in people)
    for process in (*people, officer):
        process.join(120)
        assert process.exitcode == 0
    return ends


def spent_by(ends: dict[str, list[str]]) -> int:
    """What was spent by the requests that were told of."""
    count = sum((Counter(each) for each in ends.values()), Counter[str]())
    return PRICE * (count["settled"] + count["failed"])
