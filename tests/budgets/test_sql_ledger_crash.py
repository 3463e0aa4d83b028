"""Killed at any moment of a query, the ledger opens again and has lost no charge and no answer that was seen."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from budgets import audit
from budgets.ledger import Recovery
from budgets.privacy_loss import ZERO
from tests.budgets.ledger_child import MOMENTS
from tests.budgets.ledger_samples import (
    ADA,
    DATASET,
    LEASE_SECONDS,
    Clock,
    anchored_in,
    answer,
    claim_of,
    open_accounts,
    open_ledger,
    outcome_of,
)

ROOT = Path(__file__).resolve().parents[2]


def expected_state(step: str, moment: str) -> tuple[str | None, Recovery]:
    """What recovery makes of the query: a step counts from its commit on."""
    done = {"reserve": 0, "begin": 1, "settle": 2}[step] + (moment != "before the commit")
    return [
        (None, Recovery(0, 0)),
        ("voided", Recovery(1, 0)),
        ("failed", Recovery(0, 1)),
        ("settled", Recovery(0, 0)),
    ][done]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", ["reserve", "begin", "settle"])
def test_a_kill_loses_no_charge_and_no_answer(tmp_path: Path, step: str, moment: str) -> None:
    ledger = open_ledger(tmp_path)
    open_accounts(ledger)
    earlier = answer(ledger, "earlier", 100)
    ledger.close()

    child = subprocess.run(
        [sys.executable, "-m", "tests.budgets.ledger_child", str(tmp_path), step, moment],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    anchored = anchored_in(tmp_path)

    clock = Clock(datetime.now(UTC))
    clock.forward(2 * LEASE_SECONDS)
    again = open_ledger(tmp_path, clock)
    assert again.head().seq >= anchored.seq
    state, recovery = expected_state(step, moment)
    assert again.recover() == recovery
    record = again.query("q_killed")
    assert (record.state if record else None) == state

    # What was begun is spent for good, on every account; what was not, is free again.
    spent = 400 if state in ("failed", "settled") else 100
    for account in (ADA, DATASET):
        balance = again.balance(account.id)
        assert (balance.spent.rho_nano, balance.reserved) == (spent, ZERO)
        assert (balance.spent + balance.reserved).fits_within(balance.cap)

    # An answer that was seen is replayed byte for byte; without one the key is free, or holds the constant error.
    replayed = again.replay("ada", "key-killed", "d" * 64)
    if child.stdout:
        assert state == "settled"
    if state == "settled":
        assert replayed == outcome_of("killed")
    elif state == "failed":
        assert replayed is not None
        assert replayed.status == 503
    else:
        assert replayed is None
        again.reserve(claim_of("retry", 300, key="key-killed"))
    assert again.replay("ada", "key-earlier", "d" * 64) == earlier
    assert audit.verify(again, anchor=tmp_path / "anchor.json").problems == ()
    again.close()
