"""Which alerts an entry makes: each threshold once, and nothing that is private."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from budgets.ledger import Ledger
from budgets.privacy_loss import PrivacyLoss
from budgets.proposals import APPROVED, Proposal, unfreezing
from service.alerts import Alert, Levels, alerts_of
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    OFFICER,
    SECOND_OFFICER,
    Clock,
    answer,
    claim_of,
    open_accounts,
    open_ledger,
    raise_cap,
)

PERCENTS = (50, 80, 95, 100)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    opened = open_ledger(tmp_path, clock)
    open_accounts(opened)
    return opened


def all_alerts(ledger: Ledger) -> list[Alert]:
    levels = Levels()
    return [alert for entry in ledger.entries(after_seq=0, limit=1_000) for alert in alerts_of(entry, PERCENTS, levels)]


def budgets(ledger: Ledger) -> list[tuple[str, str, int]]:
    told = [alert.facts for alert in all_alerts(ledger) if alert.kind == "budget"]
    return [(facts["account"], facts["meter"], facts["percent"]) for facts in told]


def test_each_threshold_of_each_meter_is_told_once(ledger: Ledger) -> None:
    """Caps: 800 for each of two persons, 1,000 for both together."""
    answer(ledger, "a", 399)
    assert budgets(ledger) == []
    answer(ledger, "b", 1)
    assert budgets(ledger) == [(ADA.id, "lifetime", 50)]
    answer(ledger, "c", 399)
    answer(ledger, "d", 1)
    answer(ledger, "e", 200, account=BEN)
    told = budgets(ledger)
    assert [percent for account, _, percent in told if account == ADA.id] == [50, 95, 100]
    assert [percent for account, _, percent in told if account == "shop"] == [50, 80, 100]


def test_what_is_only_reserved_is_not_told(ledger: Ledger) -> None:
    ledger.reserve(claim_of("a", 800))
    assert budgets(ledger) == []


def test_a_lower_cap_reaches_thresholds_and_a_higher_one_makes_room_for_them_again(ledger: Ledger) -> None:
    answer(ledger, "a", 100)
    ledger.set_cap(ADA.id, PrivacyLoss(110, 800), OFFICER, "less")
    raise_cap(ledger, ADA, PrivacyLoss(800, 800))
    answer(ledger, "b", 300)
    assert budgets(ledger) == [(ADA.id, "lifetime", 80), (ADA.id, "lifetime", 50)]


def test_each_window_is_told_anew(ledger: Ledger, clock: Clock) -> None:
    ledger.set_cap(ADA.id, PrivacyLoss(100, 800), OFFICER, "slowly", meter="day")
    for name in "ab":
        answer(ledger, name, 90)
        clock.forward(86_400)
    days = [each for each in budgets(ledger) if each[1].startswith("day")]
    assert days == [(ADA.id, "day:2026-11-23", 80), (ADA.id, "day:2026-11-24", 80)]
    levels = Levels()
    for entry in ledger.entries(after_seq=0, limit=1_000):
        list(alerts_of(entry, PERCENTS, levels))
    assert [name for name in levels.reached if "day:" in name] == [f"{ADA.id} day:2026-11-24"]


def test_a_window_that_is_over_is_told_no_more(ledger: Ledger, clock: Clock) -> None:
    """Which it would be again and again, as what was reserved in it begins and ends."""
    ledger.set_cap(ADA.id, PrivacyLoss(100, 800), OFFICER, "slowly", meter="day")
    answer(ledger, "a", 60)
    ledger.reserve(claim_of("b", 30))
    clock.forward(86_400)
    answer(ledger, "c", 60)
    ledger.begin("q_b")
    days = [each for each in budgets(ledger) if each[1].startswith("day")]
    assert days == [(ADA.id, "day:2026-11-23", 50), (ADA.id, "day:2026-11-24", 50)]


def test_freezes_and_proposals_are_told_with_who_and_not_why(ledger: Ledger) -> None:
    ledger.freeze("shop", OFFICER, "secret reason")
    change = unfreezing("shop")
    ledger.propose(Proposal("p", "shop", change, OFFICER, "secret reason", decisions=((APPROVED, OFFICER),)))
    ledger.decide("p", APPROVED, SECOND_OFFICER, "secret reason")
    told = [alert.document for alert in all_alerts(ledger)]
    assert [each["kind"] for each in told] == ["frozen", "proposed", "decided", "unfrozen"]
    assert [each["actor"] for each in told] == [OFFICER, OFFICER, SECOND_OFFICER, SECOND_OFFICER]
    assert (told[1]["proposal"], told[1]["change"], told[2]["decision"]) == ("p", "unfreeze", "approved")
    assert "secret" not in json.dumps(told)


def test_an_alert_has_the_same_id_whoever_tells_it(ledger: Ledger) -> None:
    answer(ledger, "a", 700)
    ids = [alert.id for alert in all_alerts(ledger)]
    assert ids == [alert.id for alert in all_alerts(ledger)]
    assert len(set(ids)) == len(ids) == 2


def test_no_alert_holds_sql_or_the_asker(ledger: Ledger) -> None:
    answer(ledger, "a", 800)
    told = json.dumps([alert.document for alert in all_alerts(ledger)])
    assert "SELECT" not in told
    assert "actor" not in told
