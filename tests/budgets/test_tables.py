"""What is looked up costs the same however long the ledger is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from budgets.ledger import UNLIMITED
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, DATASET, OFFICER, answer, url_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    ledger = SqlLedger(url_of(tmp_path))
    for account in (DATASET, ADA):
        ledger.open_account(account, UNLIMITED, OFFICER, "why", {"month": UNLIMITED})
    yield ledger
    ledger.close()


def work_of(ledger: SqlLedger, call: Callable[[], object]) -> int:
    """How many tens of instructions of its machine SQLite needs for the call."""
    done = count()

    def watch(driver: sqlite3.Connection, *_: object) -> None:
        driver.set_progress_handler(lambda: next(done) and None, 10)

    sa.event.listen(ledger._engine, "checkout", watch)
    call()
    sa.event.remove(ledger._engine, "checkout", watch)
    return next(done)


def test_a_charge_and_a_look_at_balances_are_as_much_work_in_a_long_ledger_as_in_a_short_one(ledger: SqlLedger) -> None:
    names = map(str, count())
    looks: dict[str, Callable[[], object]] = {
        "answer": lambda: answer(ledger, next(names)),
        "accounts": ledger.accounts,
        "meters": lambda: ledger.meters(ADA.id),
    }

    def work() -> dict[str, int]:
        for _ in range(10):
            answer(ledger, next(names))
        return {name: work_of(ledger, look) for name, look in looks.items()}

    short = work()
    for _ in range(200):
        answer(ledger, next(names))
    long = work()
    assert all(long[name] <= 1.2 * short[name] for name in looks), (short, long)
