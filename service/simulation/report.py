"""The accuracy report of one statement: what its answers would be worth at each price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from pydantic import Field

from budgets.privacy_loss import PrivacyLoss, rho_of_epsilon
from queries.block_charges import LIFETIME
from queries.planned import PlannedMeasure, PlannedNode
from queries.policy import Policy
from service.accounts import plain
from service.quotes import Closed
from service.simulation.draws import Errors
from service.simulation.ground import Ground, Kind
from service.simulation.rehearsal import AtPrice

_ATTO = 10**18


class SimulatedOn(Closed):
    """The rows that the figures are about."""

    kind: Kind = Field(description="`public`: the dataset's own rows, declared public; `synthetic`: rows made up.")
    description: str
    units: int | None = Field(description="Of synthetic rows; of a dataset's own they are not counted.")


class UsedBound(Closed):
    """A contribution bound that the figures are under."""

    columns: list[str]
    kind: str
    l2_bound: str | None = Field(description="Null where each release chooses its own.")
    bound_source: str


class ColumnAccuracy(Closed):
    """What is to be expected of one estimate, over all rows and draws; null where nothing can be told.

    Errors are against the answer without bounds and noise. Relative ones leave out rows whose true value is 0.
    """

    name: str
    rmse: float | None = Field(description="Root-mean-square error, in the column's own units.")
    relative_error_median: float | None
    relative_error_p90: float | None
    coverage: float | None = Field(description="The share of 95% intervals that hold the true value.")
    half_width_within_10_percent: float | None = Field(
        description="The share of rows whose interval reaches at most 10% of the estimate to each side."
    )
    half_width_within_30_percent: float | None
    clipping_share: float | None = Field(
        description="The part of the mean squared error that bounds cause (bias); the rest is noise."
    )


class PriceAccuracy(Closed):
    """The figures at one price."""

    epsilon: str
    rho: str
    delta: str = Field(description="What thresholded keys spend besides.")
    repeats: int | None = Field(
        description="How many such questions the dataset's whole budget buys; null of a question that costs nothing."
    )
    draws: int
    rows: float = Field(description="How many rows an answer has, on average.")
    released_share: float | None = Field(description="The same, as a share of the rows of the true answer.")
    matched_share: float | None = Field(
        description="The share of rows whose true value is known; HAVING can let rows in that should not be there."
    )
    columns: list[ColumnAccuracy]


class Recommendation(Closed):
    """The least epsilon of those tried at which the median relative error of each column is small enough."""

    wanted_relative_error: str
    epsilon: str | None = Field(description="Null where none of those tried will do.")


class Accuracy(Closed):
    """How exact the answers to a statement would be, from simulations. Free; private rows are not read."""

    status: Literal["accuracy"]
    dataset: str
    simulated_on: SimulatedOn
    bounds: list[UsedBound]
    prices: list[PriceAccuracy]
    recommended: Recommendation


def accuracy_of(ground: Ground, found: Sequence[AtPrice], wanted: Fraction) -> Accuracy:
    """The report; `found` has the prices that were tried."""
    prices = [_price(each, ground.policy) for each in sorted(found, key=lambda each: each.epsilon)]
    return Accuracy(
        status="accuracy",
        dataset=ground.policy.dataset,
        simulated_on=simulated_on(ground),
        bounds=[_bound(measure, node) for node in found[0].plan.nodes for measure in node.measures],
        prices=prices,
        recommended=Recommendation(
            wanted_relative_error=plain(wanted),
            epsilon=next((price.epsilon for price in prices if is_within(price, wanted)), None),
        ),
    )


def simulated_on(ground: Ground) -> SimulatedOn:
    """What the report says of its rows."""
    return SimulatedOn(kind=ground.kind, description=ground.description, units=ground.units)


def is_within(price: PriceAccuracy, wanted: Fraction) -> bool:
    """Whether the median relative error of every column is at most this; what is not known does not count."""
    known = [column.relative_error_median for column in price.columns if column.relative_error_median is not None]
    return bool(known) and all(error <= wanted for error in known)


def _price(at: AtPrice, policy: Policy) -> PriceAccuracy:
    loss, draws = at.plan.loss, at.draws
    return PriceAccuracy(
        epsilon=plain(at.epsilon),
        rho=plain(Fraction(loss.rho_nano, 10**9)),
        delta=plain(Fraction(loss.delta_atto, _ATTO)),
        repeats=_repeats(at.plan.charges.get(LIFETIME, loss), policy),
        draws=len(draws.counts),
        rows=draws.mean_rows,
        released_share=draws.mean_rows / at.rows if at.rows else None,
        matched_share=_rounded(draws.matched),
        columns=[_column(name, draws.errors(name)) for name in draws.shown.estimates],
    )


def _column(name: str, errors: Errors) -> ColumnAccuracy:
    within_10, within_30 = errors.narrow
    return ColumnAccuracy(
        name=name,
        rmse=_rounded(errors.rmse),
        relative_error_median=_rounded(errors.relative_median),
        relative_error_p90=_rounded(errors.relative_high),
        coverage=_rounded(errors.coverage),
        half_width_within_10_percent=_rounded(within_10),
        half_width_within_30_percent=_rounded(within_30),
        clipping_share=_rounded(errors.clipping_share),
    )


def _bound(measure: PlannedMeasure, node: PlannedNode) -> UsedBound:
    return UsedBound(
        columns=list(measure.columns),
        kind=measure.kind.value if node.tree is None else "quantile",
        l2_bound=None if measure.l2_bound is None else plain(measure.l2_bound),
        bound_source=measure.source,
    )


def _repeats(loss: PrivacyLoss, policy: Policy) -> int | None:
    budget = policy.budget
    whole = PrivacyLoss.from_exact(rho_of_epsilon(budget.epsilon, budget.conversion_delta), budget.delta_for_thresholds)
    pairs = ((whole.rho_nano, loss.rho_nano), (whole.delta_atto, loss.delta_atto))
    return min((have // needed for have, needed in pairs if needed), default=None)


def _rounded(number: float) -> float | None:
    """Four significant digits: the draws do not tell more."""
    return float(f"{number:.4g}") if math.isfinite(number) else None
