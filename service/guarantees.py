"""What holds of all that is released, by the caps in force: of a whole unit, and with blocks of a month of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from budgets.ledger import UNLIMITED, Balance
from budgets.meters import BLOCK, LIFETIME, STATIC
from budgets.privacy_loss import PrivacyLoss
from queries.policy import Policy
from service.accounts import ATTO, epsilon_text, plain

_METERS: Final = (
    "epsilon and delta hold for one {unit} with all its rows of all months, and are null where nothing limits them. "
    "What one {unit} loses by its rows of one month alone is counted by the meter block:YYYY-MM, and by its rows "
    "without a day by static; what holds for these is in block and static."
)


@dataclass(frozen=True, slots=True)
class Promise:
    """An epsilon and the whole delta that goes with it, both rounded up."""

    epsilon: str
    delta: str

    @classmethod
    def of(cls, cap: PrivacyLoss, policy: Policy) -> Promise:
        """What a cap promises: its rho as epsilon at the conversion delta, and that delta with the cap's own."""
        conversion_delta = policy.budget.conversion_delta
        delta = plain(conversion_delta + Fraction(cap.delta_atto, ATTO))
        return cls(epsilon_text(cap, conversion_delta), delta)

    @property
    def document(self) -> dict[str, str]:
        return {"epsilon": self.epsilon, "delta": self.delta}


@dataclass(frozen=True, slots=True)
class Promises:
    """What an account's caps promise: to whole units, if something limits that, and with blocks to parts of them."""

    whole: Promise | None
    block: Promise | None = None
    static: Promise | None = None


def promises(meters: Sequence[Balance], policy: Policy) -> Promises:
    """What holds by the meters of an account."""
    caps = {balance.meter: balance.cap for balance in meters if balance.cap != UNLIMITED}
    whole, block, static = (Promise.of(caps[m], policy) if m in caps else None for m in (LIFETIME, BLOCK, STATIC))
    return Promises(whole, block, static)


def guarantee_document(meters: Sequence[Balance], policy: Policy) -> dict[str, object]:
    """The guarantee as answers and receipts state it, by the meters of the dataset's account."""
    held = promises(meters, policy)
    nothing: dict[str, str | None] = {"epsilon": None, "delta": None}
    whole: dict[str, object] = {
        "unit": policy.unit.name,
        "neighbours": "add-or-remove-one",
        **(nothing if held.whole is None else held.whole.document),
    }
    if policy.blocks is None:
        return whole
    parts = {name: part.document for name, part in ((BLOCK, held.block), (STATIC, held.static)) if part is not None}
    return {**whole, **parts, "meters": _METERS.format(unit=policy.unit.name)}


def guarantee_words(meters: Sequence[Balance], policy: Policy) -> str | None:
    """The guarantee of an account in a sentence or two; None where nothing limits it."""
    account, held = meters[0].account, promises(meters, policy)
    whom = "to everybody together" if account.parent is None else f"to {account.owner or 'all under this account'}"
    part = " from this account" if account.parent not in (None, account.dataset) else ""
    unit = policy.unit.name
    kinds = (
        (held.whole, f"one {unit} with all its rows"),
        (held.block, f"one {unit} with its rows of one calendar month"),
        (held.static, f"one {unit} with its rows without a day"),
    )
    whose = [f"({held.epsilon}, {held.delta})-differentially private for {whose}" for held, whose in kinds if held]
    if not whose:
        return None
    return f"All that is released {whom}{part} within this cap is {', '.join(whose)} (neighbours: add or remove one)."
