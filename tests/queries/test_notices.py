"""Bounds that somebody guessed wrong are noticed, those that fit are not, and what nobody knows is said."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pytest

from queries.evidence import Earlier, Knowledge, Stored, Told, earlier_releases
from queries.notices import Code, Notice, notices_after, notices_before
from queries.options import options_of, without_bounds
from queries.planned import PlannedNode
from queries.planner import plan
from queries.release import release
from queries.reliability import FAIR
from queries.tuning import SHARED_OUT
from tests.queries.retailer import SCHEMA, Retailer

EXACT, CHEAP = 10**12, 10**8  # nano-ρ: noise of a thousandth of a bound, and of about two bounds
TOTAL = "SELECT SUM(amount) AS s FROM lines"
DEPARTMENTS = "SELECT department, SUM(pieces) AS s FROM lines JOIN products USING (product_id) GROUP BY department"
PIECES = "SELECT pieces, SUM(amount) AS s FROM lines GROUP BY pieces"  # groups enough for bounds that differ
MEAN = "SELECT AVG(amount) AS s FROM lines"
UNITS = "SELECT department, COUNT(DISTINCT household_id) AS s FROM lines JOIN products USING (product_id) GROUP BY ALL"
BOUND = Mapping[str, object]


def planned(retailer: Retailer, sql: str, options: BOUND | None = None, rho_nano: int = EXACT) -> PlannedNode:
    size_of = retailer.engine.domain_size
    (node,) = plan(sql, {}, SCHEMA, rho_nano, options_of(options or {}), size_of).nodes
    return node


def free(retailer: Retailer, sql: str, rho_nano: int = EXACT) -> PlannedNode:
    """The node with all bounds chosen from the data."""
    options = without_bounds(options_of({}))
    (node,) = plan(sql, {}, SCHEMA, rho_nano, options, retailer.engine.domain_size).nodes
    return node


def bought(retailer: Retailer, node: PlannedNode, query: str = "q_1") -> Stored:
    return Stored(release(node.aggregation, node.loss, retailer.engine), node.loss.rho_nano, query)


def known_of(retailer: Retailer, sql: str, node: PlannedNode, **earlier: Stored) -> Knowledge:
    """What is known where a release with chosen bounds, or one under the node's own, is stored."""
    plain = free(retailer, sql)
    digests = {"chosen": plain.aggregation.digest, "own": node.aggregation.digest}
    stored = {digests[name]: release for name, release in earlier.items()}
    return earlier_releases([node], {plain.name: plain}, stored.get)


def l2(bound: float) -> BOUND:
    return {"l2_bound": {"s": str(round(bound, 2))}}


def codes(notices: tuple[Notice, ...]) -> list[Code]:
    return [notice.found.code for notice in notices]


def chosen_bound(retailer: Retailer, sql: str) -> tuple[float, Stored]:
    """A bound that the data chose, and the release in which they did."""
    node = free(retailer, sql)
    stored = bought(retailer, node)
    bound = Told(node.aggregation, 0, stored).one_bound
    assert bound is not None
    return bound, stored


def largest_norm(retailer: Retailer, sql: str) -> float:
    """What no household is above, by the rows themselves."""
    own = f"{sql}, household_id" if "GROUP BY" in sql else f"{sql} GROUP BY household_id"
    own = own.replace("SELECT", "SELECT household_id,", 1)
    norms = f"SELECT SQRT(SUM(s * s)) AS norm FROM ({own}) AS t GROUP BY household_id"
    (row,) = retailer.plain.execute(f"SELECT MAX(norm) FROM ({norms}) AS n").fetchall()
    return float(row[0])


@pytest.mark.parametrize("sql", [TOTAL, DEPARTMENTS, PIECES])
@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.1, [Code.TOO_LOW]), (0.5, []), (1, []), (2, []), (10, [Code.TOO_HIGH])],
)
def test_a_bound_is_compared_with_that_of_an_earlier_release(
    retailer: Retailer, sql: str, factor: float, expected: list[Code]
) -> None:
    right, chosen = chosen_bound(retailer, sql)
    node = planned(retailer, sql, l2(right * factor))
    before = notices_before(node, known_of(retailer, sql, node, chosen=chosen), SCHEMA)
    assert codes(before) == expected
    for notice in before:
        assert notice.found.factor == pytest.approx(notice.l2_bound / right)
        assert notice.found.expected == pytest.approx(right)
        assert notice.found.query == "q_1"


def test_the_policys_bound_is_compared_too_and_the_option_named_that_leaves_it_out(retailer: Retailer) -> None:
    node = planned(retailer, MEAN)
    chosen = bought(retailer, free(retailer, MEAN))
    found = notices_before(node, known_of(retailer, MEAN, node, chosen=chosen), SCHEMA)
    assert codes(found) == [Code.TOO_HIGH, Code.TOO_HIGH]
    assert {notice.measure.kind.value for notice in found} == {"sum", "rows"}
    for notice in found:
        assert notice.automatic == "s"
        assert 'With "auto" in its place it is chosen from the data, at 15% of its price.' in notice.text
    instead = planned(retailer, MEAN, {"l2_bound": {"s": "auto"}})
    assert instead.aggregation.digest == free(retailer, MEAN).aggregation.digest
    assert notices_before(instead, {}, SCHEMA) == ()


def test_what_the_caller_states_only_the_caller_takes_back(retailer: Retailer) -> None:
    node = planned(retailer, TOTAL, l2(3))
    chosen = bought(retailer, free(retailer, TOTAL))
    (found,) = notices_before(node, known_of(retailer, TOTAL, node, chosen=chosen), SCHEMA)
    assert (found.automatic, found.l2_bound, found.choice_share is None) == (None, 3, False)


def test_at_another_price_another_bound_may_be_the_best(retailer: Retailer) -> None:
    right, chosen = chosen_bound(retailer, TOTAL)
    own = [
        notices_before(node, known_of(retailer, TOTAL, node, chosen=chosen), SCHEMA)
        for rho in (EXACT, EXACT // 1_000_000)  # at the latter by a factor of up to 4 · 10^(6/4)
        for node in [planned(retailer, TOTAL, l2(right * 10), rho)]
    ]
    assert [codes(found) for found in own] == [[Code.TOO_HIGH], []]


def test_a_choice_that_the_data_did_not_decide_says_nothing(retailer: Retailer) -> None:
    node, drowned = planned(retailer, TOTAL, l2(3), CHEAP), bought(retailer, free(retailer, TOTAL, CHEAP // 1_000))
    (found,) = notices_before(node, known_of(retailer, TOTAL, node, chosen=drowned), SCHEMA)
    assert found.found.code == Code.BELOW_ROW


def earlier_of(node: PlannedNode, own: Stored | None, chosen: Stored | None) -> Knowledge:
    def told(stored: Stored | None) -> Told | None:
        return None if stored is None else Told(node.aggregation, 0, stored)

    return {(node.name, 0): Earlier(told(own), told(chosen))}


def table(*, noise: float, allowed: float = 0.0, bounds: bytes = b"[null]") -> Stored:
    """A release of one figure of 1 with such noise, of which as much as `allowed` may have been taken."""
    columns = {"m0": [1.0], "s0": [noise], "c0": [SHARED_OUT * allowed]}
    return Stored(pa.table(columns).replace_schema_metadata({b"bounds": bounds}), EXACT, "q_2")


def test_a_choice_that_itself_clips_is_no_reason_to_call_a_bound_too_high(retailer: Retailer) -> None:
    node = planned(retailer, TOTAL, l2(1_000))
    for allowed, expected in ((0.0, [Code.TOO_HIGH]), (0.9, [])):
        chosen = table(noise=0.01, allowed=allowed, bounds=b"[40]")
        assert codes(notices_before(node, earlier_of(node, None, chosen), SCHEMA)) == expected


@pytest.mark.parametrize(
    ("own", "after", "before"),
    [
        (table(noise=0.01), [], []),
        (table(noise=0.9 * FAIR / 1.96), [], []),
        (table(noise=1.1 * FAIR / 1.96), [Code.UNCHECKED], [Code.UNCHECKED]),
        (table(noise=0.5), [Code.MAY_BE_HIGH], [Code.MAY_BE_HIGH]),
        (table(noise=2), [Code.MAY_BE_HIGH], [Code.MAY_BE_HIGH]),
        (table(noise=0.1, allowed=float("inf")), [Code.MAY_BE_LOW], [Code.MAY_BE_LOW]),
        (table(noise=0.01, allowed=float("inf")), [Code.TOO_LOW], [Code.TOO_LOW]),
        (table(noise=0.01, allowed=0.5), [Code.TOO_LOW], [Code.TOO_LOW]),
        (table(noise=0.01, allowed=0.1), [], []),
    ],
)
def test_a_release_shows_what_its_own_bound_does(
    retailer: Retailer, own: Stored, after: list[Code], before: list[Code]
) -> None:
    node = planned(retailer, TOTAL, l2(300))
    assert codes(notices_after(node, earlier_of(node, None, None), SCHEMA, own)) == after
    found = notices_before(node, earlier_of(node, own, None), SCHEMA)
    assert codes(found) == before
    assert all(notice.found.query == "q_2" for notice in found)


def test_at_a_higher_price_noise_is_expected_to_be_less(retailer: Retailer) -> None:
    for rho, expected in ((EXACT, [Code.MAY_BE_HIGH]), (EXACT * 16, [])):
        node = planned(retailer, TOTAL, l2(300), rho)
        assert codes(notices_before(node, earlier_of(node, table(noise=0.4), None), SCHEMA)) == expected


@pytest.mark.parametrize("sql", [TOTAL, DEPARTMENTS, PIECES])
def test_a_real_release_under_a_bound_that_is_ten_times_too_low_shows_it(retailer: Retailer, sql: str) -> None:
    right = largest_norm(retailer, sql)
    for factor, expected in ((0.1, [Code.TOO_LOW]), (1, [])):
        node = planned(retailer, sql, l2(right * factor))
        known = known_of(retailer, sql, node)
        found = notices_after(node, known, SCHEMA, bought(retailer, node))
        assert codes(found) == expected
        assert all((notice.found.clipped_share or 0) > 0.3 for notice in found)


@pytest.mark.parametrize("sql", [TOTAL, DEPARTMENTS])
def test_a_real_release_that_noise_drowns_makes_one_ask_for_the_bound(retailer: Retailer, sql: str) -> None:
    node = planned(retailer, sql, l2(100_000), CHEAP)
    (found,) = notices_after(node, known_of(retailer, sql, node), SCHEMA, bought(retailer, node))
    assert found.found.code == Code.MAY_BE_HIGH
    assert found.found.noise_share is not None
    assert found.found.noise_share > 1 / 3


@pytest.mark.parametrize(
    ("sql", "options", "share"),
    [
        ("SELECT COUNT(*) AS s FROM lines", {}, "15%"),
        ("SELECT day, COUNT(*) AS s FROM lines GROUP BY day", {}, "20%"),
        ("SELECT COUNT(*) AS s FROM lines", l2(300), "15%"),
    ],
)
def test_what_nobody_knows_is_said_with_the_price_of_knowing_it(
    retailer: Retailer, sql: str, options: BOUND, share: str
) -> None:
    node = planned(retailer, sql, options)
    (found,) = notices_before(node, known_of(retailer, sql, node), SCHEMA)
    assert found.found.code == Code.UNCHECKED
    assert found.text.startswith("Nothing that was released tells whether the bound of s, ")
    assert found.text.endswith(f"chosen from the data, at {share} of its price.")


def test_a_bound_that_one_row_may_be_above_is_told(retailer: Retailer) -> None:
    for bound, expected in ((300, [Code.BELOW_ROW]), (1_500, [Code.UNCHECKED])):  # a row has at most 1,000
        node = planned(retailer, TOTAL, l2(bound))
        assert codes(notices_before(node, known_of(retailer, TOTAL, node), SCHEMA)) == expected
    (found,) = notices_before(planned(retailer, TOTAL, l2(300)), {}, SCHEMA)
    told = "One row may have 1,000: the bound of s, 300 (stated), is lower."
    assert found.text == f"{told} Whether many have as much, nothing that was released tells."


@pytest.mark.parametrize(
    ("sql", "bound", "expected"),
    [
        (UNITS, 50, 2),
        ("SELECT COUNT(*) AS s FROM customers", 50, 1),
        ("SELECT SUM(members) AS s FROM customers", 50, 4),
    ],
)
def test_a_bound_that_nobody_can_come_near_is_too_high_by_public_limits(
    retailer: Retailer, sql: str, bound: float, expected: float
) -> None:
    node = planned(retailer, sql, l2(bound))
    (found,) = notices_before(node, {}, SCHEMA)
    assert found.found.code == Code.TOO_HIGH
    assert found.found.factor == pytest.approx(bound / expected)
    assert codes(notices_after(node, {(node.name, 0): Earlier()}, SCHEMA, table(noise=0.01))) == [Code.TOO_HIGH]
    for fits in (expected, 2 * expected):
        assert notices_before(planned(retailer, sql, l2(fits)), {}, SCHEMA) == ()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(LENGTH(note)) AS s FROM lines",  # chosen from the data
        "SELECT MEDIAN(pieces) AS s FROM lines",
        "SELECT COUNT(*) AS s FROM customers",  # one row a household
        UNITS,
    ],
)
def test_nothing_is_said_of_bounds_that_nobody_guessed(retailer: Retailer, sql: str) -> None:
    node = planned(retailer, sql)
    assert notices_before(node, known_of(retailer, sql, node), SCHEMA) == ()


def test_no_release_tells_what_a_bound_of_different_values_takes(retailer: Retailer) -> None:
    sql = "SELECT COUNT(DISTINCT product_id) AS s FROM lines"
    node = planned(retailer, sql, l2(5))
    own = bought(retailer, node)
    for known in (known_of(retailer, sql, node), known_of(retailer, sql, node, own=own)):
        (found,) = notices_before(node, known, SCHEMA)
        assert (found.found.code, found.choice_share, found.automatic) == (Code.UNCHECKED, None, None)
