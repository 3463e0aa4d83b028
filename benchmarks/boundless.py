"""Accounts without a limit that matters, for ledgers on which the same is bought again and again."""

from __future__ import annotations

from budgets.ledger import Account, Ledger
from budgets.privacy_loss import PrivacyLoss
from service.accounts import person_account_id

_BOUNDLESS = PrivacyLoss(2**61, 2**61)


def open_boundless(ledger: Ledger, dataset: str, person: str) -> None:
    """Open the dataset's account and one person's, before a service would open them with the policy's caps."""
    whole = Account(dataset, dataset, "dataset", None, None)
    own = Account(person_account_id(dataset, person), dataset, "person", dataset, person)
    for account in (whole, own):
        ledger.open_account(account, _BOUNDLESS, "benchmark", "the same is bought again and again")
