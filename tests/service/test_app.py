"""The app closes what nobody finished, at its start and from time to time, and ends what it opened."""

from __future__ import annotations

import io
import json
import time

from budgets.ledger import Claim
from budgets.privacy_loss import PrivacyLoss
from service.app import open_ledger
from service.settings import Settings
from tests.service.harness import Harness, open_harness


def _abandon(harness: Harness, query_id: str, *, begun: bool) -> None:
    loss = PrivacyLoss(1_000)
    account, facts = "shop/person/analyst", {"dataset": "shop", "sql": "SELECT 1"}
    claim = Claim(account, loss, "analyst", f"key of {query_id}", "0" * 64, query_id, facts, 0)
    reservation = harness.ledger.reserve(claim)
    if begun:
        harness.ledger.begin(reservation.id)


def _state(harness: Harness, query_id: str) -> str:
    record = harness.ledger.query(query_id)
    assert record is not None
    return record.state


def test_what_was_never_finished_is_closed_at_the_start(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings, logs) as first:
        _abandon(first, "q_reserved", begun=False)
        _abandon(first, "q_begun", begun=True)
    with open_harness(settings, logs) as second:
        assert _state(second, "q_reserved") == "voided"
        assert _state(second, "q_begun") == "failed"
        assert second.ledger.balance("shop").spent == PrivacyLoss(1_000)
        stored = second.send("GET", "/v1/queries/q_begun/result.json")
        second.problem(stored, "release-failed")
        assert json.loads(stored.content)["id"] == "q_begun"
        second.problem(second.send("GET", "/v1/queries/q_reserved/result.json"), "not-found")
    assert '"event": "recovered"' in logs.getvalue()


def test_what_is_abandoned_later_is_closed_while_serving(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings.model_copy(update={"recovery_seconds": 0.05}), logs) as harness:
        _abandon(harness, "q_begun", begun=True)
        deadline = time.monotonic() + 10
        while _state(harness, "q_begun") != "failed":
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_accounts_that_officers_changed_keep_their_caps_over_a_restart(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings, logs) as first:
        body = {"epsilon": "3", "reason": "the study is over"}
        assert first.send("PATCH", "/v1/budgets/shop/person/analyst", "officer", json=body).status_code == 200
    with open_harness(settings, logs) as second:
        shown = second.send("GET", "/v1/budgets/shop/person/analyst", "officer").json()
        assert shown["cap"]["epsilon"] == "3"


def test_stopping_closes_the_answering(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings, logs) as harness:
        assert not harness.answering.is_closed
    assert harness.answering.is_closed


def test_the_ledger_file_is_private(settings: Settings) -> None:
    open_ledger(settings).close()
    assert (settings.data_dir / "ledger.db").stat().st_mode & 0o077 == 0
