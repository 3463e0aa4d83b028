"""What a release is charged to, in a dataset with blocks: each month that it reads, and what has no month.

A meter counts the losses of one kind of neighbours (docs/proof.md, Lemma 13): `block:2026-11` of an account's rows of
that month, `static` of its rows in tables without a day, `lifetime` of all its rows. What a release costs is its loss
for one unit, an account in one month; where n of these are added or removed together, ρ counts n² times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from budgets.privacy_loss import PrivacyLoss
from queries.errors import IllegalPlanError
from queries.plan import Relation
from queries.schema import Schema

LIFETIME, STATIC, BLOCK = "lifetime", "static", "block:"
Charges = Mapping[str, PrivacyLoss]  # by the name of the meter


@dataclass(frozen=True, slots=True)
class TouchedBlocks:
    """The months of which a release reads rows, and in how many steps of one unit an account, or its static rows, go.

    Without blocks the account is the unit: no months, one step, and nothing that is called static.
    """

    months: tuple[str, ...] = ()
    account_steps: int = 1
    static_steps: int = 0

    def charges(self, loss: PrivacyLoss) -> Charges:
        """What a release of this loss takes of each meter; raises InvalidPrivacyLossError beyond the largest loss."""
        found = {LIFETIME: of_group(loss, self.account_steps)}
        found |= {f"{BLOCK}{month}": loss for month in self.months}
        return found | ({STATIC: of_group(loss, self.static_steps)} if self.static_steps else {})


NO_BLOCKS = TouchedBlocks()


def touched_blocks(relation: Relation, schema: Schema) -> TouchedBlocks:
    """The blocks that a plan over the relation touches."""
    calendar = schema.policy.calendar
    if calendar is None:
        return NO_BLOCKS
    account_steps, static_steps = relation.steps
    return TouchedBlocks(tuple(map(calendar.name, sorted(relation.months))), account_steps, static_steps)


def of_group(loss: PrivacyLoss, units: int) -> PrivacyLoss:
    """The loss for so many units that are added or removed together (arXiv:1605.02065, Proposition 27).

    >>> of_group(PrivacyLoss(5), 3)
    PrivacyLoss(rho_nano=45, delta_atto=0)
    """
    if units > 1 and loss.delta_atto:
        raise IllegalPlanError("a delta of several units")
    return PrivacyLoss(units * units * loss.rho_nano, loss.delta_atto)


def together(charges: Iterable[Charges]) -> Charges:
    """The charges of several releases, meter by meter."""
    found: dict[str, PrivacyLoss] = {}
    for each in charges:
        for meter, loss in each.items():
            found[meter] = found.get(meter, PrivacyLoss(0)) + loss
    return found
