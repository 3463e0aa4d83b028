"""How fast a budget is used up: what an account had spent at an earlier moment, for forecasts. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from budgets.privacy_loss import PrivacyLoss


@dataclass(frozen=True, slots=True)
class Spending:
    """What the lifetime of an account had spent at a moment, and when (UTC) it was first charged, if it ever was."""

    before: PrivacyLoss
    first_charge: str | None


class Observed(Protocol):
    """The part of a ledger that tells how fast budgets are used up."""

    def spending(self, account_id: str, at: str) -> Spending:
        """Returns what the account's lifetime had spent at that time (UTC, as entries have it)."""
