"""A clock that jumps changes no rule: time in the entries never goes back, no window opens again, leases end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from budgets import audit
from budgets.errors import BudgetExhaustedError
from budgets.ledger import Recovery
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, LEASE_SECONDS, OFFICER, Clock, claim_of, open_accounts, url_of
from tests.budgets.postgres_server import PostgresServer

DAY: Final = 24 * 3600
YEAR: Final = 365 * DAY


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[SqlLedger]:
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    url = server.new_database() if isinstance(server, PostgresServer) else url_of(tmp_path)
    ledger = SqlLedger(url, anchor=tmp_path / "anchor.json", clock=clock)
    open_accounts(ledger)
    yield ledger
    times = [entry.at for entry in ledger.entries(after_seq=0, limit=1000)]
    assert times == sorted(times)
    assert audit.verify(ledger, anchor=tmp_path / "anchor.json").problems == ()
    ledger.close()


@pytest.mark.parametrize("window", ["day", "week", "month", "year"])
def test_a_window_that_is_used_up_opens_again_only_when_time_has_come_further_than_ever(
    ledger: SqlLedger, clock: Clock, window: str
) -> None:
    ledger.set_cap(ADA.id, PrivacyLoss(100), OFFICER, "slowly", meter=window)
    ledger.reserve(claim_of("first", 100))
    clock.forward(YEAR)
    ledger.reserve(claim_of("second", 100))
    for number, jump in enumerate((-YEAR, 3600, -10 * YEAR, YEAR, 0)):
        clock.forward(jump)
        with pytest.raises(BudgetExhaustedError) as raised:
            ledger.reserve(claim_of(f"again-{number}", 100))
        assert raised.value.meter.startswith(window)


def test_caps_hold_whatever_the_clock_does(ledger: SqlLedger, clock: Clock) -> None:
    """A day's limit of 100: as many hundreds are reserved as days were reached, and none twice."""
    ledger.set_cap(ADA.id, PrivacyLoss(100), OFFICER, "slowly", meter="day")
    chance = random.Random(20261124)
    furthest, days, admitted = clock.now, {clock.now.date()}, 0
    for number in range(40):
        clock.forward(chance.choice([-3 * DAY, -DAY, -3600, 0, 3600, DAY, 4 * DAY]))
        furthest = max(furthest, clock.now)
        try:
            ledger.reserve(claim_of(str(number), 100))
        except BudgetExhaustedError:
            continue
        admitted += 1
        days.add(furthest.date())
    assert 1 < admitted <= min(len(days), 8)


def test_a_lease_ends_by_the_clock_of_who_recovers_and_only_once(ledger: SqlLedger, clock: Clock) -> None:
    ledger.reserve(claim_of("a", 10))
    ledger.reserve(claim_of("b", 10))
    ledger.begin("q_b")
    clock.forward(-DAY)
    assert ledger.recover() == Recovery(0, 0)
    clock.forward(DAY + LEASE_SECONDS)
    assert ledger.recover() == Recovery(1, 1)
    clock.forward(-10 * YEAR)
    assert ledger.recover() == Recovery(0, 0)
    assert ledger.balance(ADA.id).spent == PrivacyLoss(10)


def test_a_lease_that_began_by_a_clock_far_ahead_keeps_its_claim_counted(ledger: SqlLedger, clock: Clock) -> None:
    clock.forward(YEAR)
    ledger.reserve(claim_of("a", 800))
    clock.forward(-YEAR)
    assert ledger.recover() == Recovery(0, 0)
    with pytest.raises(BudgetExhaustedError):
        ledger.reserve(claim_of("b", 1))
    ledger.void("q_a", "an officer ends it")
    ledger.reserve(claim_of("c", 1))
