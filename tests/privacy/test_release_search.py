"""What the proof (docs/proof.md) takes from the release besides its mechanisms: prices, bounds, and what follows noise.

Faults that no statistic would show in a lifetime are seen here: a price that is not paid, noise for other bounds than
those that hold, or an exact figure that decides what is asked next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from queries import release as releasing
from queries.engine import Contributions, LostOf, NormsOf, Request, SumsOf, Vector
from queries.mechanisms import BoundChoice
from queries.plan import (
    BOUND_ONE,
    INTEGER,
    NANO,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Column,
    Key,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    Tuning,
)
from queries.release import release
from tests.privacy.market import Customer, Layout, Market
from tests.privacy.statements import line
from tests.queries.accumulation import summing, sums_of
from tests.queries.test_kernel import _held, _one

_LINES = Relation(Scan("lines", private=True, columns=(("hour", INTEGER), ("ticket", INTEGER))))
_HOUR = Key((Column(0, "hour", INTEGER),), SeriesAxis(0, 2, Column(0, "v", INTEGER)))
_PAIR = (Measure(MeasureKind.SUM, Column(0, "ticket", INTEGER), 100), Measure(MeasureKind.ROWS, None, 3))
LOCATE, CHOOSE, ROUGH, SUMS, LOST = 5 * 10**9, 5 * 10**7, 7 * 10**7, 9 * 10**8, 22 * 10**6
SEARCHED = Aggregation(
    _LINES,
    PublicKeys((_HOUR,)),
    (Block(_PAIR, SUMS, tuning=Tuning(LOCATE, CHOOSE, ROUGH), lost_nano=LOST),),
    unit_capacity=1_000,
)
_SIX = Key((Column(0, "hour", INTEGER),), SeriesAxis(0, 5, Column(0, "v", INTEGER)))
PARTED = Aggregation(  # each three groups are parts of one, and two of them all of it
    _LINES,
    PublicKeys((_SIX,)),
    (Block(_PAIR, SUMS, tuning=Tuning(LOCATE, CHOOSE, ROUGH, within=3, heads=2), lost_nano=LOST),),
    unit_capacity=1_000,
)
SEARCHES = pytest.mark.parametrize("searched", [SEARCHED, PARTED], ids=["groups", "parts of groups"])


def _at(hour: int, ticket: int) -> tuple[object, ...]:
    product, day, _, *others = line(ticket=ticket)
    return (product, day, hour, *others)


FEW = (Customer((_at(1, 5),)),)
MANY = (*FEW, *(Customer(tuple(_at(n % 3, 10**n) for n in range(m))) for m in range(1, 12)))


@dataclass
class _Watched:
    """An engine whose requests are written down, and what the mechanisms were used for."""

    market: Market
    asked: list[Request] = field(default_factory=list)
    used: list[tuple[str, int]] = field(default_factory=list)
    sensitivities: list[Vector] = field(default_factory=list)
    priors: list[tuple[int, list[float], int]] = field(default_factory=list)
    data: Contributions | None = None

    @property
    def keys(self) -> pa.Table:
        return self._held.keys

    @property
    def _held(self) -> Contributions:
        if self.data is None:
            raise ValueError("closed")
        return self.data

    def only(self, groups: Vector) -> None:
        self._held.only(groups)

    def exact(self, *requests: Request) -> list[tuple[Vector, ...]]:
        self.asked += requests
        return self._held.exact(*requests)

    @contextmanager
    def contributions(self, aggregation: Aggregation) -> Iterator[Contributions]:
        with self.market.engine.contributions(aggregation) as self.data:
            yield self


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


def _watched(
    market: Market, customers: Sequence[Customer], searched: Aggregation, monkeypatch: pytest.MonkeyPatch
) -> tuple[_Watched, Any]:
    """A release whose mechanisms say the same whatever they are given, and what was asked and used for it."""
    market.fill(customers, Layout(tuple(range(len(customers)))))
    engine = _Watched(market)

    def add_noise(exact: Vector, sensitivities: Vector, rho_nano: int) -> tuple[Vector, NDArray[np.float64]]:
        engine.used.append(("noise", rho_nano))
        engine.sensitivities.append(sensitivities)
        said = 10**9 * (1 + np.arange(len(exact)))
        return said, sensitivities / np.sqrt(2 * rho_nano / NANO)

    def among(choice: BoundChoice, _: Vector, wanted: int, log_prior: NDArray[np.float64], quarters: int = 1) -> int:
        engine.used.append(("choice", choice.rho_nano))
        engine.priors.append((wanted, log_prior.tolist(), quarters))
        return 60

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "add_noise", add_noise)
        patch.setattr(BoundChoice, "among", among)
        return engine, release(searched, searched.loss, engine)


@SEARCHES
def test_each_step_of_a_search_uses_the_price_that_is_paid_for_it(
    market: Market, searched: Aggregation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums of a block have one weight a unit, so one price pays for the noise of all its measures."""
    engine, _ = _watched(market, MANY, searched, monkeypatch)
    search = [("noise", LOCATE), ("choice", CHOOSE), ("noise", ROUGH), ("choice", CHOOSE)]
    assert engine.used == [
        *search,
        *search,
        ("noise", SUMS),
        ("noise", SUMS),
        ("noise", LOST // 2),
        ("noise", LOST // 2),
    ]
    paid = 2 * sum(price for _, price in search) + SUMS + LOST
    assert searched.loss.rho_nano == paid


@SEARCHES
def test_noise_is_for_the_bounds_that_hold(
    market: Market, searched: Aggregation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensitivity of a cell is WEIGHT_ONE times the bound that its sum was asked with; of a loss, times the cap."""
    engine, _ = _watched(market, MANY, searched, monkeypatch)
    rough = np.array([0, 1, 3, 4] if searched is PARTED else [0, 1, 2])
    wanted: list[Vector] = []
    for request in engine.asked:
        if isinstance(request, SumsOf):
            asked = [bounds * (WEIGHT_ONE // BOUND_ONE) for bounds in request.bounds or ()]
            wanted += asked if request.place is None else [bounds[rough] for bounds in asked]
        elif isinstance(request, LostOf):
            wanted += [np.array([cap * WEIGHT_ONE]) for cap in request.caps]
        elif request.bounds is None:
            wanted.append(np.full(28, WEIGHT_ONE))  # counts of units: in one of 28 bins each
    assert len(wanted) == len(engine.sensitivities)
    for own, used in zip(wanted, engine.sensitivities, strict=True):
        assert own.tolist() == used.tolist()


@SEARCHES
def test_what_follows_the_noise_is_a_function_of_the_noise(
    market: Market, searched: Aggregation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all mechanisms say the same, the same is asked and released, whoever the customers are."""
    (few, one), (many, other) = (_watched(market, who, searched, monkeypatch) for who in (FEW, MANY))
    assert repr(few.asked) == repr(many.asked)
    assert few.priors == many.priors
    assert {type(request) for request in few.asked} == {NormsOf, SumsOf, LostOf}
    assert one.equals(other, check_metadata=True)


@given(
    units=st.integers(1, 10**9),
    rho_nano=st.integers(10**4, 10**10),
    width=st.integers(1, 24),
    steps=st.integers(0, 40),
)
def test_no_bound_that_can_be_chosen_leads_out_of_64_bits(units: int, rho_nano: int, width: int, steps: int) -> None:
    measures = (Measure(MeasureKind.ROWS, None, 1),) * width
    block = Block(measures, rho_nano, tuning=Tuning(1, 1))
    aggregation = Aggregation(_LINES, PublicKeys(), (block,), unit_capacity=units)
    exponent = releasing._most_exponent(aggregation, rho_nano, steps)
    largest = np.sqrt(width) * 2 ** ((exponent + steps) / 4) + 1 / BOUND_ONE
    noise = largest / np.sqrt(2 * rho_nano / NANO)
    assert WEIGHT_ONE * (largest * units + 2**7 * noise) < 2**63


def test_many_small_cells_beside_a_large_one_keep_the_bound() -> None:
    """Each is less than a step of the squared norm: together they are more than the room for rounding."""
    large, small, bound = 1 << 30, 724, 491_520_016  # where the weight would be 30,000 but for the small ones
    groups = 300_000
    weighted, exact = _summed([large, *[small] * groups], bound)
    assert weighted[0] % large == 0
    assert sum(cell * cell for cell in weighted) <= (WEIGHT_ONE * bound) ** 2
    assert exact > bound**2
    assert weighted[0] // large == 29_999


def _summed(values: list[int], bound: int) -> tuple[list[int], int]:
    """The weighted cells of one unit, and its squared norm before."""
    case = _one(MeasureKind.SUM, bound)
    accumulator = summing(case.aggregation, case.columns, len(values), None)
    accumulator.add(_held([(0, group, (value, 0)) for group, value in enumerate(values)], case.columns), 0, 1)
    accumulator.close()
    return [int(cell) for cell in sums_of(accumulator)[0]], sum(value * value for value in values)


@pytest.mark.parametrize("bound", [1, 300, 90 * BOUND_ONE, 4_000 * BOUND_ONE])
def test_a_chosen_bound_holds_whatever_bound_the_choice_started_from(market: Market, bound: int) -> None:
    """A unit within the bound that the plan starts from, here 100, is still scaled down to the one that was chosen."""
    market.fill(FEW, Layout((0,)))
    block = Block(_PAIR[:1], SUMS, tuning=Tuning(LOCATE, CHOOSE))
    aggregation = Aggregation(_LINES, PublicKeys((_HOUR,)), (block,), unit_capacity=1_000)
    with market.engine.contributions(aggregation) as data:
        ((sums,),) = data.exact(SumsOf(0, (np.full(3, bound),)))
    assert sums.sum() * BOUND_ONE <= WEIGHT_ONE * bound
    assert sums.sum() * BOUND_ONE >= min(WEIGHT_ONE * bound, 5 * WEIGHT_ONE * BOUND_ONE) * (1 - 1e-8) - 5 * BOUND_ONE
