"""The budget accounts of a dataset: opened as its policy declares them, and shown in epsilon.

An account never moves: its id holds its parent's kind and name. Who is put under another team gets another account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import Final

from budgets.errors import UnknownAccountError
from budgets.ledger import UNLIMITED, Account, Ledger
from budgets.meters import BLOCK, LIFETIME, STATIC, WINDOWS, kind_of
from budgets.privacy_loss import PrivacyLoss, epsilon_of_rho, rho_of_epsilon
from queries.policy import Budget, PersonBudget, Policy, SharedBudget

NANO: Final = 10**9
ATTO: Final = 10**18
_SHOWN: Final = Decimal("0.000001")
_MOST_DELTA: Final = Fraction(1, 1000)
_REASON: Final = "declared in the policy"


@dataclass(frozen=True, slots=True)
class _Declared:
    """An account with the limit of each kind of meters that the policy declares of it."""

    account: Account
    limits: Mapping[str, PrivacyLoss]


def person_account_id(dataset: str, person: str) -> str:
    """The account from which a person's queries are paid who is under no shared budget."""
    return f"{dataset}/person/{person}"


def paying_account_id(policy: Policy, person: str, purpose: str | None = None) -> str:
    """The account from which a person's query for a purpose is paid.

    That of the purpose, where it has one; otherwise that of the person's team, or the person's own. Raises
    UnknownAccountError where the policy has the person under shared budgets, but not under that one.
    """
    declared = policy.persons.get(person)
    under = () if declared is None else declared.under
    shared = policy.account_of_purpose(purpose)
    if shared is None:
        shared = next((name for name in under if policy.accounts[name].kind == "team"), None)
        if shared is None and not under:
            return person_account_id(policy.dataset, person)
    if shared is None or shared not in under:
        parent = policy.dataset if shared is None else shared_account_id(policy, shared)
        raise UnknownAccountError(person_account_id(parent, person))
    return person_account_id(shared_account_id(policy, shared), person)


def shared_account_id(policy: Policy, name: str) -> str:
    """The account of a team or a purpose."""
    return f"{policy.dataset}/{policy.accounts[name].kind}/{name}"


def open_accounts(ledger: Ledger, policy: Policy) -> None:
    """Open what the policy declares; accounts that exist keep the caps that officers gave them.

    A window that an account has no limit for yet gets the policy's: that allows less than before.
    """
    for declared in _declared(policy):
        account, windows = declared.account, dict(declared.limits)
        cap = windows.pop(LIFETIME)
        ledger.open_account(account, cap, "policy", _REASON, windows)
        present = {kind_of(balance.meter) for balance in ledger.meters(account.id)}
        for kind, limit in windows.items():
            if kind in WINDOWS and kind not in present:
                ledger.set_cap(account.id, limit, "policy", _REASON, meter=kind)


def cap_of(policy: Policy, epsilon: Fraction, delta_for_thresholds: Fraction) -> PrivacyLoss:
    """The largest cap whose epsilon, at the dataset's conversion delta, is at most `epsilon`."""
    return PrivacyLoss.from_exact(rho_of_epsilon(epsilon, policy.budget.conversion_delta), delta_for_thresholds)


def largest_share(policy: Policy, meter: str) -> Fraction:
    """The most delta that thresholds may take of a kind of meters: beside blocks, a lifetime has one of its own."""
    budget = policy.budget
    if meter != LIFETIME or policy.blocks is None:
        return budget.delta_for_thresholds
    return (_MOST_DELTA if budget.lifetime_delta is None else budget.lifetime_delta) - budget.conversion_delta


def plain(number: Fraction) -> str:
    """A fraction of finite decimals as plain text, without an exponent."""
    return format(Decimal(number.numerator) / Decimal(number.denominator), "f")


def plain_units(units: int, decimals: int) -> str:
    """A whole number of units of 10**-decimals as plain text."""
    return plain(Fraction(units, 10**decimals))


def epsilon_text(loss: PrivacyLoss, conversion_delta: Fraction, rounding: str = ROUND_CEILING) -> str:
    """The epsilon of a loss at the conversion delta, to six places, rounded up unless told otherwise."""
    epsilon = epsilon_of_rho(Fraction(loss.rho_nano, NANO), conversion_delta)
    number = (Decimal(epsilon.numerator) / Decimal(epsilon.denominator)).quantize(_SHOWN, rounding=rounding)
    return format(number.normalize(), "f")


def _declared(policy: Policy) -> Iterator[_Declared]:
    """All accounts that the policy declares, parents first."""
    dataset = policy.dataset
    yield _Declared(Account(dataset, dataset, "dataset", None, None), _limits(policy, policy.budget))
    for name, shared in policy.accounts.items():
        account = Account(shared_account_id(policy, name), dataset, shared.kind, dataset, None)
        yield _Declared(account, _limits(policy, shared))
    for name, person in policy.persons.items():
        for parent in [shared_account_id(policy, account) for account in person.under] or [dataset]:
            account = Account(person_account_id(parent, name), dataset, "person", parent, name)
            yield _Declared(account, _limits(policy, person))


def _limits(policy: Policy, part: Budget | SharedBudget | PersonBudget) -> Mapping[str, PrivacyLoss]:
    """The limit of each kind of meters; a delta that is not declared is that of the whole life, or the dataset's."""
    declared = part.delta_for_thresholds
    share = policy.budget.delta_for_thresholds if declared is None else declared
    limits = _of_life(policy, part, cap_of(policy, part.epsilon, share))
    for kind, limit in part.windows.items():
        own = limit.delta_for_thresholds
        limits[kind] = cap_of(policy, limit.epsilon, share if own is None else own)
    return limits


def _of_life(policy: Policy, part: Budget | SharedBudget | PersonBudget, cap: PrivacyLoss) -> dict[str, PrivacyLoss]:
    """The limits that never start anew: of the lifetime, or where there are blocks of each one of them.

    With blocks the lifetime is counted, and limited where the dataset's budget says so.
    """
    if policy.blocks is None:
        return {LIFETIME: cap}
    lifetime = UNLIMITED
    if isinstance(part, Budget) and part.lifetime_epsilon is not None and part.lifetime_delta is not None:
        lifetime = cap_of(policy, part.lifetime_epsilon, part.lifetime_delta - part.conversion_delta)
    return {LIFETIME: lifetime, BLOCK: cap, STATIC: cap}
