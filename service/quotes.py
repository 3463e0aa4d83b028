"""Quotes: what a question would cost, how exact its answer would be, and why, before anything is spent.

A quote is made of the plan, the policy and the ledger. No private row is read for it, and nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from budgets.ledger import UNLIMITED, Balance, StoredRelease
from budgets.privacy_loss import PrivacyLoss
from queries.answers import half_width
from queries.clipping import clippings
from queries.expected import ExpectedError, Span, Unknown
from queries.intervals import CONFIDENCE
from queries.key_sources import key_sources
from queries.plan import WEIGHT_ONE
from queries.planned import PlannedNode, QueryPlan
from queries.schema import Schema
from queries.targets import Target, largest_error
from queries.vault import Snapshot
from service.accounts import epsilon_text, plain
from service.responses import Cost, Loss, Notice

_CHOICES = (Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4))
_LEAST_CHOICE_NANO = 1_000  # below, a price can no longer be divided evenly
Reason = Literal["depends-on-data", "differs-by-group", "not-computed", "bound-not-chosen"]


_REASONS: dict[Unknown, Reason] = {
    Unknown.DATA: "depends-on-data",
    Unknown.GROUP: "differs-by-group",
    Unknown.BOUND: "bound-not-chosen",
}


class Closed(BaseModel):
    """The base of what a quote is made of: nothing but what is named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class QuotedTarget(Closed):
    """The accuracy that was asked for, and what the price gives at that confidence: at most `error`."""

    error: str
    confidence: str
    column: str | None
    interval_half_width: float | None


class QuotedColumn(Closed):
    """A column of the answer. Errors are in its own units; relative to what, only the answer tells."""

    name: str
    type: str
    role: Literal["dimension", "estimate", "derived", "lower", "upper"]
    confidence: float | None = Field(description="Of the interval; null where there is none.")
    standard_error: float | None = Field(
        description="Of the noise, in every row; of the finest groups beside subtotals."
    )
    interval_half_width: float | None
    largest_interval_half_width: float | None = Field(description="The same, but that of the row with most noise.")
    unknown: Reason | None = Field(description="Why an estimate's error is not known beforehand.")


class QuotedKeys(Closed):
    """Grouping columns and the public fact, or the threshold, that their values come from."""

    columns: list[str] = Field(description="What the answer calls them; empty where it does not show them.")
    source: str


class QuotedClipping(Closed):
    """Whether a contribution bound can change anybody's contribution, and when: from public metadata alone."""

    possible: bool
    explanation: str


class QuotedMeasure(Closed):
    """One noised number a group: its bound, where that comes from, and its noise, in the column's own units."""

    kind: str
    columns: list[str]
    l2_bound: str | None = Field(description="The smallest of a group; null where it is still to be chosen.")
    bound_source: str
    standard_error: float | None = Field(description="The smallest of a group.")
    largest_standard_error: float | None = None
    interval_half_width: float | None
    clipping: QuotedClipping
    node_standard_error: float | None = Field(
        default=None, description="Of a quantile: the noise of one node of its tree, in rows as they are weighted."
    )


class QuotedRelease(Closed):
    """One release as it would be bought. A stored one may be more exact: the columns tell."""

    digest: str
    stored: bool
    keys: Literal["public", "threshold", "top"]
    key_sources: list[QuotedKeys]
    groups: int | None = Field(description="How many groups come back; null where a threshold decides.")
    max_groups_contributed: int | None = Field(default=None, description="In how many keys a unit is counted.")
    threshold: float | None = Field(
        default=None, description="The noised number of units that a key must pass; a unit with m keys counts 1/√m."
    )
    nodes_per_group: int | None = Field(default=None, description="Of the tree that quantiles are read from.")
    mechanism: str
    rho: str
    delta: str
    months: list[str] | None = Field(
        default=None, description="That are read, of a dataset with blocks: each pays rho."
    )
    measures: list[QuotedMeasure]


class PriceChoice(Closed):
    """Another price, and the half width of the 95% interval of each column at that price."""

    epsilon: str
    rho: str
    interval_half_widths: dict[str, float]


class StoredAnswer(Closed):
    """Which queries bought what is stored of the answer already; if it is complete, the answer is free."""

    complete: bool
    queries: list[str]


class Quote(Closed):
    """What a question would cost, how exact its answer would be, and why. Free; private rows are not read."""

    status: Literal["quote"]
    dataset: str
    snapshot: str
    cost: Cost = Field(description="What would be charged now: nothing for what is stored already.")
    charges: dict[str, Loss] | None = Field(
        default=None,
        description="Of a dataset with blocks, what each meter would be charged: each month that is read (`block:…`), "
        "`static` rows, and a unit with all its months (`lifetime`), which is the cost.",
    )
    target: QuotedTarget | None
    affordable: bool = Field(description="Whether all accounts that would pay have enough left.")
    remaining: Loss = Field(description="What is left on the asker's own account.")
    repeats: int | None = Field(description="How many such questions that buys; null where they cost nothing.")
    stored: StoredAnswer
    columns: list[QuotedColumn]
    releases: list[QuotedRelease]
    notices: list[Notice] = Field(description="Bounds that do not fit, or of which nothing tells whether they do.")
    prices: list[PriceChoice] = Field(description="Half, the same, twice and four times the rho, up to the limit.")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a quote is about: a planned question, what is stored of it, and who would pay.

    `described` are the answer's columns, `documents` the releases as a receipt shows them, `path` the meters of the
    asker's account (its lifetime first) and of those above it, each with what it would pay, `limit_nano` the largest
    price of one query, and `notices` what there is to say of bounds.
    """

    snapshot: Snapshot
    schema: Schema
    plan: QueryPlan
    stored: Mapping[str, StoredRelease]
    cost: Mapping[str, object]
    charges: Mapping[str, Mapping[str, object]] | None
    described: Iterable[Mapping[str, Any]]
    documents: Iterable[Mapping[str, Any]]
    path: tuple[tuple[Balance, PrivacyLoss], ...]
    limit_nano: int
    target: Target | None
    notices: list[Notice]


def quote_of(offer: Offer) -> Quote:
    """The quote, made of public facts and the ledger's figures alone."""
    affordable = all(taken.fits_within(balance.remaining) for balance, taken in offer.path)
    queries = sorted({release.query_id for release in offer.stored.values()})
    return Quote(
        status="quote",
        dataset=offer.snapshot.dataset,
        snapshot=offer.snapshot.id,
        cost=Cost.model_validate(offer.cost),
        charges=None
        if offer.charges is None
        else {name: Loss.model_validate(loss) for name, loss in offer.charges.items()},
        target=None if offer.target is None else _target(offer.target, offer.plan),
        affordable=affordable,
        remaining=_loss(_left(offer), offer),
        repeats=_repeats(offer) if affordable else 0,
        stored=StoredAnswer(complete=all(node.name in offer.stored for node in offer.plan.nodes), queries=queries),
        columns=_columns(offer),
        releases=[
            _release(node, document, offer) for node, document in zip(offer.plan.nodes, offer.documents, strict=True)
        ],
        notices=offer.notices,
        prices=_prices(offer),
    )


def _target(target: Target, plan: QueryPlan) -> QuotedTarget:
    error = largest_error(plan, target) if plan.nodes else 0.0
    return QuotedTarget(
        error=plain(target.error),
        confidence=plain(target.confidence),
        column=target.column,
        interval_half_width=_rounded(target.deviations * error),
    )


def _loss(left: PrivacyLoss, offer: Offer) -> Loss:
    delta = offer.snapshot.policy.budget.conversion_delta
    return Loss(
        epsilon=epsilon_text(left, delta, ROUND_FLOOR),
        delta=plain(Fraction(left.delta_atto, 10**18)),
        rho=plain(Fraction(left.rho_nano, 10**9)),
    )


def _own(offer: Offer) -> list[tuple[Balance, PrivacyLoss]]:
    account = offer.path[0][0].account
    return [(balance, taken) for balance, taken in offer.path if balance.account == account]


def _left(offer: Offer) -> PrivacyLoss:
    """What is left of the asker's own account: of its lifetime, or of the first meter where that has no limit."""
    limited = [balance.remaining for balance, _ in _own(offer) if balance.cap != UNLIMITED]
    return limited[0] if limited else UNLIMITED


def _repeats(offer: Offer) -> int | None:
    """How often the price fits into the asker's own account: into its lifetime, its blocks and its present windows."""
    own = [(balance.remaining, taken) for balance, taken in _own(offer)]
    pairs = [(left.rho_nano, taken.rho_nano) for left, taken in own]
    pairs += [(left.delta_atto, taken.delta_atto) for left, taken in own]
    return min((have // needed for have, needed in pairs if needed), default=None)


def _columns(offer: Offer) -> list[QuotedColumn]:
    expected = {each.column: each for each in offer.plan.errors}
    return [_column(column, expected.get(column["name"]), offer) for column in offer.described if "of" not in column]


def _column(described: Mapping[str, Any], expected: ExpectedError | None, offer: Offer) -> QuotedColumn:
    low = high = math.nan
    if expected is not None and isinstance(expected.error, Span):
        scale = _exactness(expected.release, offer)
        low, high = expected.error.low * scale, expected.error.high * scale
    return QuotedColumn(
        name=described["name"],
        type=described["type"],
        role=described["role"],
        confidence=None if expected is None else CONFIDENCE,
        standard_error=_rounded(low),
        interval_half_width=_rounded(half_width(low)),
        largest_interval_half_width=_rounded(half_width(high)),
        unknown=None if expected is None or math.isfinite(low) else _reason(expected),
    )


def _exactness(release: str | None, offer: Offer) -> float:
    """How much smaller the noise of the stored release is than that of the one that would be bought."""
    for node in offer.plan.nodes:
        if node.name == release and node.name in offer.stored:
            return math.sqrt(node.loss.rho_nano / offer.stored[node.name].rho_nano)
    return 1.0


def _reason(expected: ExpectedError) -> Reason:
    return _REASONS.get(expected.error, "not-computed") if isinstance(expected.error, Unknown) else "not-computed"


def _release(node: PlannedNode, document: Mapping[str, Any], offer: Offer) -> QuotedRelease:
    clipped = clippings(node.aggregation, node.groups, offer.schema, node.tree)
    measures = [
        {
            **shown,
            "bound_source": measure.source,
            "clipping": {"possible": clipping.possible, "explanation": clipping.explanation},
        }
        for shown, measure, clipping in zip(document["measures"], node.measures, clipped, strict=True)
    ]
    threshold = node.mechanism.threshold
    return QuotedRelease.model_validate(
        {
            **document,
            "measures": measures,
            "key_sources": _keys(node, offer),
            "threshold": None if threshold is None else _rounded(threshold.value / WEIGHT_ONE),
        }
    )


def _keys(node: PlannedNode, offer: Offer) -> list[QuotedKeys]:
    shown = [key for key in offer.plan.keys if key.release == node.table]
    return [
        QuotedKeys(columns=[key.column for key in shown if key.number in found.numbers], source=found.source)
        for found in key_sources(node, offer.schema)
    ]


def _prices(offer: Offer) -> list[PriceChoice]:
    """Errors fall with 1/√ρ, so that one plan tells them at every price."""
    own = offer.plan.loss.rho_nano
    wanted = {min(math.ceil(own * times), offer.limit_nano) for times in _CHOICES} if own else set()
    return [_choice(rho_nano, own, offer) for rho_nano in sorted(wanted) if rho_nano >= min(own, _LEAST_CHOICE_NANO)]


def _choice(rho_nano: int, own: int, offer: Offer) -> PriceChoice:
    widths = {
        expected.column: _rounded(half_width(expected.error.low * math.sqrt(own / rho_nano)))
        for expected in offer.plan.errors
        if isinstance(expected.error, Span)
    }
    return PriceChoice(
        epsilon=epsilon_text(PrivacyLoss(rho_nano), offer.snapshot.policy.budget.conversion_delta, ROUND_CEILING),
        rho=plain(Fraction(rho_nano, 10**9)),
        interval_half_widths={column: width for column, width in widths.items() if width is not None},
    )


def _rounded(number: float) -> float | None:
    """The number in twelve significant digits, as answers show it; None for what is unknown or beyond all numbers."""
    return float(f"{number:.12g}") if math.isfinite(number) else None
