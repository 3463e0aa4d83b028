"""What a release with chosen bounds tells of one customer is no more than its price: black box, step by step.

A release is drawn many times over two neighbouring markets, and how often an event that was fixed in advance happens
gives a lower bound on ρ (`audit.py`). Each question pays for one step almost alone, so that the bound comes near to the
whole price; and each has a twin in which that step is broken, which the same audit has to see.

Nothing between the rows and the table is left out. Exact figures are computed once a market, and what follows from the
plan alone is remembered: that is what makes thousands of releases possible.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from queries import kernel, mechanisms
from queries.engine import Contributions, Request, Vector
from queries.plan import (
    INTEGER,
    NANO,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Cells,
    Column,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    Tuning,
)
from queries.release import BOUNDS, release
from tests.privacy.audit import Audit, least_power
from tests.privacy.market import Customer, Layout, Market
from tests.privacy.statements import line

RELEASES = 2_000
_LINES = Relation(Scan("lines", private=True, columns=(("ticket", INTEGER),)))
_TICKET = Column(0, "ticket", INTEGER)
_ALMOST_NOTHING = 1_000  # nano-ρ


def _has(ticket: int) -> Customer:
    return Customer((line(ticket=ticket),))


HEAVY = _has(1 << 20)  # above every bound that is ever chosen here


@dataclass(frozen=True)
class Question:
    """A sum, the customers whom HEAVY leaves behind, and an event."""

    block: Block
    others: tuple[Customer, ...]
    happens: Callable[[pa.Table], bool]

    @property
    def aggregation(self) -> Aggregation:
        return Aggregation(_LINES, PublicKeys(), (self.block,), unit_capacity=1_000)


def _of_the_sum(table: pa.Table) -> bool:
    """The sum is at least its told deviation: whatever bound was chosen, HEAVY moves it by √2 of these."""
    return bool(table["m0"][0].as_py() >= table["s0"][0].as_py())


SUM = Question(
    Block((Measure(MeasureKind.SUM, _TICKET, 1_000),), NANO, tuning=Tuning(_ALMOST_NOTHING, _ALMOST_NOTHING)),
    (_has(1),) * 3,
    _of_the_sum,
)

_MIDDLE = 40  # the exponent of a norm of 1,024


def _of_the_bound(table: pa.Table) -> bool:
    """The bound is one that the customers in the middle do not exceed."""
    return bool(json.loads(table.schema.metadata[BOUNDS])[0] >= _MIDDLE)


# For this price of the sum 20 units above a bound are wanted. Between the low and the middle norms 21 are, between the
# middle and the high ones 19: alike in score, until HEAVY makes one better and the other worse.
BOUND = Question(
    Block((Measure(MeasureKind.SUM, _TICKET, 790),), NANO // 200, tuning=Tuning(_ALMOST_NOTHING, NANO // 2)),
    ((_has(16),) * 80 + (_has(1 << 10),) * 2 + (_has(1 << 20),) * 19),
    _of_the_bound,
)

_DEVIATION = 1_024 / np.sqrt(2)  # of the noise of what was lost, with a cap of the bound at ρ = 1


def _of_the_loss(table: pa.Table) -> bool:
    """The estimated loss is at least a deviation, found back from what is told: twice its upper limit."""
    upper = table["c0"][0].as_py() / 2 / WEIGHT_ONE
    return bool(upper >= (1 + 1.645) * _DEVIATION)


LOSS = Question(
    Block((Measure(MeasureKind.SUM, _TICKET, 1, cells=Cells(_MIDDLE)),), NANO // 50, lost_nano=NANO),
    (_has(1_000),) * 40,
    _of_the_loss,
)


@dataclass
class _Remembering:
    """The contributions of one market, each exact answer computed once; and the engine that has no others."""

    data: Contributions
    answers: dict[str, tuple[Vector, ...]] = field(default_factory=dict)

    @property
    def keys(self) -> pa.Table:
        return self.data.keys

    def only(self, groups: Vector) -> None:
        raise NotImplementedError(groups)

    def exact(self, *requests: Request) -> list[tuple[Vector, ...]]:
        for request in requests:
            if repr(request) not in self.answers:
                (self.answers[repr(request)],) = self.data.exact(request)
        return [self.answers[repr(request)] for request in requests]

    @contextmanager
    def contributions(self, aggregation: Aggregation) -> Iterator[Contributions]:
        yield self


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


class _InTurn:
    """A pool without threads."""

    def __init__(self, max_workers: int) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, function: Callable[[Any], Any], pieces: list[Any]) -> Iterator[Any]:
        return map(function, pieces)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions of the plan remembered, and no threads for a single cell: nothing that is drawn is changed."""
    monkeypatch.setattr(mechanisms, "ThreadPoolExecutor", _InTurn)
    for name in ("_opendp_rho", "_measurement", "_choice_rho", "_weight_of"):
        monkeypatch.setattr(mechanisms, name, lru_cache(None)(getattr(mechanisms, name)))
    monkeypatch.setattr(mechanisms.Gaussian, "of", lru_cache(None)(mechanisms.Gaussian.of))


def _happened(market: Market, question: Question, customers: tuple[Customer, ...]) -> int:
    """In how many of the releases over these customers the event happened."""
    market.fill(customers, Layout(tuple(range(len(customers)))))
    aggregation = question.aggregation
    with market.engine.contributions(aggregation) as data:
        engine = _Remembering(data)
        return sum(question.happens(release(aggregation, aggregation.loss, engine)) for _ in range(RELEASES))


def _audited(market: Market, question: Question) -> tuple[float, float]:
    """The lower bound on ρ, and what is charged."""
    full, less = (_happened(market, question, who) for who in ((HEAVY, *question.others), question.others))
    return Audit(full, less, RELEASES).least_rho, question.aggregation.loss.rho_nano / NANO


@pytest.mark.parametrize("question", [SUM, BOUND, LOSS], ids=["sum", "bound", "loss"])
def test_a_release_with_chosen_bounds_tells_no_more_than_its_price(market: Market, question: Question) -> None:
    found, charged = _audited(market, question)
    assert found <= charged
    assert found > charged / 4  # the step was audited at all


def test_half_the_noise_is_seen(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def quiet(gaussian: mechanisms.Gaussian, exact: Vector) -> Vector:
        return np.asarray(mechanisms._measurement(gaussian.scale / 2)(exact), np.int64)

    monkeypatch.setattr(mechanisms.Gaussian, "add_noise", quiet)
    found, charged = _audited(market, SUM)
    assert found > charged


def test_half_the_scale_of_a_choice_is_seen(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def eager(below: int, scale: float, *more: Any) -> int:
        return weight_of(below, scale / 2, *more)

    weight_of = mechanisms._weight_of
    monkeypatch.setattr(mechanisms, "_weight_of", lru_cache(None)(eager))
    found, charged = _audited(market, BOUND)
    assert found > charged


def test_losses_beyond_their_cap_are_seen(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(*arguments: Any) -> None:
        *others, caps, lost = arguments
        lose_units(*others, caps * 2, lost)  # type: ignore[call-arg]

    lose_units = kernel.lose_units
    monkeypatch.setattr(kernel, "lose_units", loose)
    found, charged = _audited(market, LOSS)
    assert found > charged


@pytest.mark.parametrize("least", [2, 1], ids=["half the noise", "twice the cap"])
def test_the_audit_has_the_power_to_see_twice_the_distance(least: int) -> None:
    """At ρ = 1 a customer moves a deviation by 2·√2 then; the event begins at so many deviations."""
    assert least_power(norm.sf(least), norm.sf(least - 2 * np.sqrt(2)), RELEASES) > 1.02
