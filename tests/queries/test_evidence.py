"""What stored releases tell of a bound: where they are looked for, and what noise and allowances say."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest

from queries.evidence import Earlier, Stored, Told, earlier_releases, is_guess
from queries.options import options_of, without_bounds
from queries.plan import Aggregation
from queries.planned import PlannedNode
from queries.planner import plan
from queries.release import BOUNDS
from queries.tuning import BEYOND_LOSS, SHARED_OUT
from tests.queries.retailer import SCHEMA

NANO = 10**9
BOTH = "SELECT SUM(pieces) AS s, COUNT(*) AS n FROM lines"
ONE = "SELECT SUM(pieces) AS s FROM lines"
GROUPS = 100


def nodes(sql: str, options: Mapping[str, object] | None = None, groups: int = 4) -> list[PlannedNode]:
    return list(plan(sql, {}, SCHEMA, NANO, options_of(options or {}), lambda _: groups).nodes)


def free_nodes(sql: str, options: Mapping[str, object] | None = None, groups: int = 4) -> dict[str, PlannedNode]:
    free = without_bounds(options_of(options or {}))
    return {node.name: node for node in plan(sql, {}, SCHEMA, NANO, free, lambda _: groups).nodes}


def aggregation(sql: str, options: Mapping[str, object]) -> Aggregation:
    (node,) = nodes(sql, options)
    return node.aggregation


def found(sql: str, asked: Aggregation | None, options: Mapping[str, object] | None = None) -> dict[str, Earlier]:
    """What is known of each column where only this question was asked before."""
    table = pa.table({f"m{place}": [1] for place in range(9)})
    stored = {} if asked is None else {asked.digest: Stored(table, NANO, "q_1")}
    given = nodes(sql, options)
    known = earlier_releases(given, free_nodes(sql, options), stored.get)
    return {
        node.measures[place].columns[0]: known[node.name, place]
        for node in given
        for place in range(len(node.measures))
    }


def place_of(told: Told | None, kind: str) -> bool:
    return told is not None and told.aggregation.measures[told.place].kind.value == kind


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (aggregation(BOTH, {"l2_bound": "auto"}), {"s", "n"}),
        (aggregation(BOTH, {"l2_bound": {"s": "auto"}}), {"s"}),
        (aggregation(BOTH, {"l2_bound": {"n": "auto"}}), {"n"}),
        (aggregation(ONE, {"l2_bound": "auto"}), {"s"}),
        (aggregation(BOTH, {"l2_bound": {"s": "auto", "n": 7}}), set()),
        (aggregation(f"{ONE} WHERE pieces > 1", {"l2_bound": "auto"}), set()),
        (None, set()),
    ],
)
def test_a_chosen_bound_is_found_in_the_statement_beside_bounds_as_they_are_and_by_itself(
    asked: Aggregation | None, chosen: set[str]
) -> None:
    known = found(BOTH, asked)
    assert {column for column, earlier in known.items() if earlier.chosen is not None} == chosen
    kinds = {"s": "sum", "n": "rows"}
    assert all(place_of(known[column].chosen, kinds[column]) for column in chosen)
    assert all(earlier.own is None for earlier in known.values())


@pytest.mark.parametrize(
    ("asked", "own"),
    [
        (aggregation(BOTH, {}), {"s", "n"}),
        (aggregation(ONE, {}), {"s"}),
        (aggregation(ONE, {"l2_bound": {"s": 3}}), set()),
    ],
)
def test_a_release_under_the_bound_itself_is_found_in_the_statement_and_by_itself(
    asked: Aggregation, own: set[str]
) -> None:
    known = found(BOTH, asked)
    assert {column for column, earlier in known.items() if earlier.own is not None} == own
    assert all(place_of(known[column].own, {"s": "sum", "n": "rows"}[column]) for column in own)


@pytest.mark.parametrize(
    "options",
    [
        {"l2_bound": {"s": 3, "n": 4}},
        {"max_groups_contributed": 3, "contribution_bounds_per_group": {"s": [0, 5], "n": [0, 5]}},
    ],
)
def test_what_was_chosen_is_found_whichever_way_a_bound_is_stated(options: Mapping[str, object]) -> None:
    known = found(BOTH, aggregation(BOTH, {"l2_bound": "auto"}), options)
    assert all(earlier.chosen is not None for earlier in known.values())


@pytest.mark.parametrize(
    ("sql", "groups", "share"),
    [(ONE, 1, 0.15), ("SELECT AVG(pieces) AS s FROM lines", 1, 0.15), (f"{ONE} GROUP BY day", 120, 0.2)],
)
def test_the_share_of_a_choice_is_that_of_the_plan_without_bounds(sql: str, groups: int, share: float) -> None:
    given = nodes(sql, groups=groups)
    known = earlier_releases(given, free_nodes(sql, groups=groups), lambda _: None)
    assert [float(earlier.choice_share or 0) for earlier in known.values()] == [share] * len(given[0].measures)


@pytest.mark.parametrize(
    ("sql", "guesses"),
    [
        (ONE, True),
        ("SELECT SUM(LENGTH(note)) AS s FROM lines", False),  # chosen
        ("SELECT MEDIAN(pieces) AS s FROM lines", False),
        ("SELECT COUNT(DISTINCT product_id) AS s FROM lines", True),
    ],
)
def test_a_guess_is_a_bound_that_somebody_gave(sql: str, guesses: bool) -> None:  # noqa: FBT001
    (node,) = nodes(sql)
    assert is_guess(node, 0) is guesses


def told(
    sums: Sequence[float],
    *,
    noise: float | Sequence[float] = 1.0,
    allowed: float = 0.0,
    exponent: int | None = None,
    steps: Sequence[int] | None = None,
) -> Told:
    """A release of the sum of amounts with these figures, of which a part `allowed` may have been lost besides."""
    (node,) = nodes("SELECT SUM(amount) AS s FROM lines", {"l2_bound": "auto"} if exponent is not None else {})
    own = np.asarray(sums, np.float64)
    columns = {
        "m0": own,
        "s0": np.broadcast_to(np.asarray(noise, np.float64), own.shape),
        "c0": np.full(len(own), math.inf),
    }
    if math.isfinite(allowed):
        columns["c0"] = SHARED_OUT * allowed * own
    if steps is not None:
        columns["e0"] = np.asarray(steps, np.uint8)
    table = pa.table(columns).replace_schema_metadata({BOUNDS: json.dumps([exponent]).encode()})
    return Told(node.aggregation, 0, Stored(table, NANO, "q_1"))


def test_noise_is_set_against_figures_without_noise() -> None:
    assert told([30.0]).noise_share == pytest.approx(1 / math.sqrt(30**2 - 1))
    assert told([30.0] * GROUPS).noise_share == pytest.approx(1 / math.sqrt(30**2 - 1))
    assert told([1.0]).noise_share == told([1.1] * GROUPS).noise_share == math.inf


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (told([11.0]), True),
        (told([9.0]), False),
        (told([2.0] * GROUPS), True),
        (told([1.0] * GROUPS), False),
        (told([1.05] * 100_000), True),
        (told([1.02] * 100_000), False),  # 64 deviations in all, a fifth of one a group
    ],
)
def test_figures_stand_out_in_all_and_a_group(release: Told, expected: bool) -> None:  # noqa: FBT001
    assert release.stands_out is expected


def test_what_was_clipped_at_the_least_is_the_lower_end_of_the_estimate() -> None:
    """The estimate's deviation is √(ρ/ρ') = 3 times that of the sums, whose norm is 100 here, and is told besides."""
    beyond = BEYOND_LOSS * 3 / 100
    assert told([100.0], allowed=0.5 + beyond / SHARED_OUT).least_clipped == pytest.approx(0.5 - 1.645 * 3 / 100)
    assert told([100.0], allowed=math.inf).least_clipped == pytest.approx(1 - beyond - 1.645 * 3 / 100)
    assert told([100.0], allowed=0.05).least_clipped == 0
    assert told([0.0], allowed=math.inf).least_clipped == 0


@pytest.mark.parametrize(
    ("release", "less_noise", "expected"),
    [
        (told([100.0], allowed=0.5), 1, True),
        (told([100.0], allowed=0.15), 1, False),  # of a twentieth at the least
        (told([20.0], allowed=math.inf), 1, True),
        (told([10.0], allowed=math.inf), 1, False),  # which may be noise
        (told([2.0] * GROUPS, allowed=0.9), 1, False),  # less than noise adds
        (told([2.0] * GROUPS, allowed=0.9), 10, True),  # but not at a higher price
    ],
)
def test_a_bound_clips_too_much_where_it_surely_takes_more_than_noise_adds(
    release: Told,
    less_noise: float,
    expected: bool,  # noqa: FBT001
) -> None:
    assert release.is_clipped(less_noise) is expected


def test_one_bound_stands_for_many_where_units_are_like_all_together() -> None:
    """In the column's units: amounts have two places, and exponents are quarters of octaves."""
    assert told([100.0], exponent=40).one_bound == pytest.approx(2**10 / 100)
    assert told([100.0, 1.0], exponent=40, steps=[4, 4]).one_bound == pytest.approx(2**11 / 100)
    assert told([100.0, 1e-9], exponent=40, steps=[8, 0]).one_bound == pytest.approx(2**12 / 100)
    assert told([3.0, 4.0], exponent=0, steps=[0, 4]).one_bound == pytest.approx(5 / math.hypot(3, 2) / 100)
    assert told([100.0]).one_bound is None
    assert told([0.0], exponent=40).one_bound is None


def test_a_release_without_groups_tells_nothing() -> None:
    assert not told([]).is_usable
    assert not told([1.0], noise=0.0).is_usable
    assert told([1.0]).is_usable


def test_a_measure_of_a_ratio_has_its_bound_as_it_was_stated() -> None:
    (node,) = nodes("SELECT AVG(amount) AS m FROM lines", {"l2_bound": {"m": "12.34"}})
    assert sorted(Told.bound_of(node.aggregation, place) for place in range(2)) == pytest.approx(
        [12.34, 10_000], rel=1e-3
    )
