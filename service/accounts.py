"""The budget accounts of a dataset: opened as its policy declares them, and shown in epsilon."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Final

from budgets.ledger import Account, Balance, Ledger
from budgets.privacy_loss import PrivacyLoss, epsilon_of_rho, rho_of_epsilon
from queries.policy import Policy

_NANO: Final = 10**9
_ATTO: Final = 10**18
_SHOWN: Final = Decimal("0.000001")


def person_account_id(dataset: str, person: str) -> str:
    """The account from which a person's queries on a dataset are paid."""
    return f"{dataset}/person/{person}"


def open_accounts(ledger: Ledger, policy: Policy) -> None:
    """Open the dataset's account and one a person; accounts that exist keep the caps that officers gave them."""
    budget = policy.budget
    dataset = Account(policy.dataset, policy.dataset, "dataset", None, None)
    reason = "declared in the policy"
    ledger.open_account(dataset, cap_of(policy, budget.epsilon, budget.delta_for_thresholds), "policy", reason)
    for name, person in policy.persons.items():
        account = Account(person_account_id(policy.dataset, name), policy.dataset, "person", policy.dataset, name)
        share = budget.delta_for_thresholds if person.delta_for_thresholds is None else person.delta_for_thresholds
        ledger.open_account(account, cap_of(policy, person.epsilon, share), "policy", reason)


def cap_of(policy: Policy, epsilon: Fraction, delta_for_thresholds: Fraction) -> PrivacyLoss:
    """The largest cap whose epsilon, at the dataset's conversion delta, is at most `epsilon`."""
    return PrivacyLoss.from_exact(rho_of_epsilon(epsilon, policy.budget.conversion_delta), delta_for_thresholds)


def budget_document(balance: Balance, policy: Policy) -> dict[str, object]:
    """What the API tells of an account; decimals as strings.

    Epsilon does not add up, rho does: `remaining.epsilon` is the largest epsilon of one query that still fits, rounded
    down; `spent.epsilon` bounds all that was released, rounded up.
    """
    account, conversion_delta = balance.account, policy.budget.conversion_delta
    spent = balance.spent + balance.reserved
    return {
        "id": account.id,
        "dataset": account.dataset,
        "kind": account.kind,
        "parent": account.parent,
        "owner": account.owner,
        "conversion_delta": plain(conversion_delta),
        "cap": _loss(balance.cap, conversion_delta, ROUND_CEILING),
        "spent": _loss(spent, conversion_delta, ROUND_CEILING),
        "remaining": _loss(balance.remaining, conversion_delta, ROUND_FLOOR),
        "guarantee": _guarantee(balance, policy),
    }


def plain(number: Fraction) -> str:
    """A fraction of finite decimals as plain text, without an exponent."""
    return format(Decimal(number.numerator) / Decimal(number.denominator), "f")


def plain_units(units: int, decimals: int) -> str:
    """A whole number of units of 10**-decimals as plain text."""
    return plain(Fraction(units, 10**decimals))


def epsilon_text(loss: PrivacyLoss, conversion_delta: Fraction, rounding: str = ROUND_CEILING) -> str:
    """The epsilon of a loss at the conversion delta, to six places, rounded up unless told otherwise."""
    epsilon = epsilon_of_rho(Fraction(loss.rho_nano, _NANO), conversion_delta)
    number = (Decimal(epsilon.numerator) / Decimal(epsilon.denominator)).quantize(_SHOWN, rounding=rounding)
    return format(number.normalize(), "f")


def _loss(loss: PrivacyLoss, conversion_delta: Fraction, rounding: str) -> dict[str, str]:
    return {
        "epsilon": epsilon_text(loss, conversion_delta, rounding),
        "delta": plain(Fraction(loss.delta_atto, _ATTO)),
        "rho": plain(Fraction(loss.rho_nano, _NANO)),
    }


def _guarantee(balance: Balance, policy: Policy) -> str:
    delta = policy.budget.conversion_delta + Fraction(balance.cap.delta_atto, _ATTO)
    epsilon = epsilon_text(balance.cap, policy.budget.conversion_delta)
    whom = "to everybody together" if balance.account.parent is None else f"to {balance.account.owner}"
    return (
        f"All that is released {whom} within this cap is ({epsilon}, {plain(delta)})-differentially private for one "
        f"{policy.unit.name} with all its rows (neighbours: add or remove one)."
    )
