"""Plans: one question is one release, prices add up to what was asked, and options are kept or refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.privacy_loss import epsilon_of_rho
from queries.errors import PriceError, QueryNotPrivateError
from queries.mechanisms import build
from queries.options import options_of
from queries.plan import WEIGHT_ONE, Axis, MeasureKind, ThresholdKeys, TopKeys
from queries.planner import plan, price
from tests.queries.retailer import POLICY, SCHEMA, Statement, blocks, planned

SPELLINGS = blocks("spellings.sql")
DIFFERENT = blocks("different.sql")
STATED = blocks("stated.sql")
DELTA = POLICY.budget.conversion_delta


def _digests(sql: str) -> tuple[str, ...]:
    return tuple(node.aggregation.digest for node in planned(sql).nodes)


@pytest.mark.parametrize("question", SPELLINGS, ids=lambda question: question.name)
def test_spellings_of_one_question_share_a_release(question: Statement) -> None:
    assert len({_digests(sql) for sql in question.sql.split(";")}) == 1


@pytest.mark.parametrize("pair", DIFFERENT, ids=lambda pair: pair.name)
def test_different_questions_have_different_releases(pair: Statement) -> None:
    one, other = pair.sql.split(";")
    assert set(_digests(one)).isdisjoint(_digests(other))


@pytest.mark.parametrize("question", STATED, ids=lambda question: question.name)
def test_options_in_the_text_and_in_the_request_are_one_question(question: Statement) -> None:
    stated, plain = question.sql.split(";")
    beside = question.options if "both" in question.facts else {}
    one, other = planned(stated, {}, beside), planned(plain, {}, question.options)
    assert [node.aggregation for node in one.nodes] == [node.aggregation for node in other.nodes]
    assert (one.sql, one.columns) == (other.sql, other.columns)


@pytest.mark.parametrize("question", STATED, ids=lambda question: question.name)
def test_what_is_stated_makes_another_question(question: Statement) -> None:
    """So that the test above says something."""
    stated, plain = question.sql.split(";")
    if "HAVING" not in plain:
        assert _digests(stated) != _digests(plain)


def test_there_are_enough_spellings_and_questions() -> None:
    assert sum(len(question.sql.split(";")) for question in SPELLINGS) >= 30
    assert len(DIFFERENT) >= 30


def test_a_question_asked_twice_in_a_statement_has_one_digest() -> None:
    sql = "SELECT (SELECT COUNT(*) FROM lines) AS a, (SELECT COUNT(*) FROM lines AS l WHERE 1 = 1) AS b"
    assert len(set(_digests(sql))) == 1


STATEMENTS = [
    "SELECT COUNT(*) AS n FROM lines",
    "SELECT AVG(amount) AS m FROM lines",
    "SELECT COUNT(*) AS n, SUM(amount) AS s, AVG(discount) AS d, COUNT(DISTINCT household_id) AS u FROM lines",
    "SELECT town, COUNT(*) AS n, AVG(members) AS m FROM customers GROUP BY town",
    "SELECT (SELECT COUNT(*) FROM lines) AS a, (SELECT AVG(amount) FROM lines) AS b",
    (
        "WITH t AS (SELECT town, COUNT(*) AS n FROM customers GROUP BY town) "
        "SELECT town, n, (SELECT COUNT(*) FROM lines) AS all_of FROM t"
    ),
]


@settings(max_examples=40)
@given(st.sampled_from(STATEMENTS), st.integers(1, 10**10))
def test_the_parts_of_a_price_never_exceed_what_was_asked(sql: str, rho_nano: int) -> None:
    try:
        found = planned(sql, rho_nano=rho_nano)
    except PriceError:
        assert rho_nano < 20_000  # where bounds are chosen, each part is divided into thousandths
        return
    except QueryNotPrivateError as error:
        if error.code != "bound-out-of-range":  # noise beyond 64 bits
            raise
        return
    assert found.loss.rho_nano <= rho_nano
    assert rho_nano - found.loss.rho_nano <= 20
    for node in found.nodes:
        assert node.loss == build(node.aggregation).loss == node.aggregation.loss


def test_a_price_too_small_for_its_parts_is_refused() -> None:
    with pytest.raises(PriceError) as refusal:
        planned(STATEMENTS[2], rho_nano=3)
    assert refusal.value.code == "invalid-price"


def test_the_measures_of_a_ratio_share_a_block_and_all_others_stand_alone() -> None:
    node = planned(STATEMENTS[2]).nodes[0]
    assert sorted(len(block.measures) for block in node.aggregation.blocks) == [1, 1, 1, 2]
    joint = next(block for block in node.aggregation.blocks if len(block.measures) == 2)
    assert {measure.kind for measure in joint.measures} == {MeasureKind.SUM, MeasureKind.ROWS}


def test_a_joint_block_has_its_bounds_widened_by_the_root_of_its_width() -> None:
    alone = planned("SELECT SUM(amount) AS s, COUNT(amount) AS n FROM lines").nodes[0].aggregation
    joint = planned("SELECT AVG(amount) AS m FROM lines").nodes[0].aggregation
    bounds = {measure.kind: measure.l2_bound for measure in alone.measures}
    assert len(joint.blocks) == 1
    for measure in joint.measures:
        assert bounds[measure.kind] ** 2 * 2 <= measure.l2_bound**2 < (bounds[measure.kind] * math.sqrt(2) + 1.01) ** 2
    # The noise of each is that of the measure alone at the same share of the price.
    scales = [gaussian.scale / gaussian.sensitivity for gaussian in build(joint).gaussians]
    assert scales[1] == pytest.approx(scales[0], rel=1e-12)
    assert joint.blocks[0].rho_nano == sum(block.rho_nano for block in alone.blocks)


def test_ratios_with_a_common_measure_are_one_block() -> None:
    node = planned("SELECT AVG(amount) AS a, AVG(pieces) AS b FROM lines").nodes[0]
    assert [len(block.measures) for block in node.aggregation.blocks] == [3]


def test_standard_errors_are_in_display_units() -> None:
    node = planned("SELECT SUM(amount) AS s FROM lines").nodes[0]
    (measure,) = node.measures
    assert measure.standard_error is not None
    assert measure.standard_error.low == measure.standard_error.high
    assert measure.standard_error.low == pytest.approx(100_000 / math.sqrt(2 * 0.9))  # a tenth is for what is clipped
    assert node.mechanism.gaussians[0].sensitivity == 100_000 * 100 * WEIGHT_ONE


# prices


def test_a_price_is_taken_from_epsilon_rho_or_the_policy() -> None:
    default = price(SCHEMA, None, None, None)
    assert default == price(SCHEMA, POLICY.query.default_epsilon, None, None)
    assert epsilon_of_rho(Fraction(default, 10**9), DELTA) <= POLICY.query.default_epsilon
    assert epsilon_of_rho(Fraction(default + 1, 10**9), DELTA) > POLICY.query.default_epsilon
    assert price(SCHEMA, None, Fraction(1, 100), None) == 10**7


@pytest.mark.parametrize(
    ("epsilon", "rho", "most", "code"),
    [
        (Fraction(101), None, None, "max-epsilon-exceeded"),
        (None, Fraction(10**6), None, "max-epsilon-exceeded"),
        (Fraction(2), None, Fraction(1), "max-epsilon-exceeded"),
        (None, None, Fraction(1, 10), "max-epsilon-exceeded"),
        (Fraction(0), None, None, "invalid-price"),
        (None, Fraction(0), None, "invalid-price"),
        (None, Fraction(1, 10**10), None, "invalid-price"),
        (None, Fraction(-1), None, "invalid-price"),
    ],
)
def test_a_price_out_of_range_is_refused(
    epsilon: Fraction | None, rho: Fraction | None, most: Fraction | None, code: str
) -> None:
    with pytest.raises(PriceError) as refusal:
        price(SCHEMA, epsilon, rho, most)
    assert refusal.value.code == code


# options

TOWNS = "SELECT town, COUNT(*) AS n FROM customers GROUP BY town"
PIECES = "SELECT pieces, SUM(amount) AS s, COUNT(*) AS n FROM lines GROUP BY pieces"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"colour": 1}, "unknown-option"),
        ({"max_groups_contributed": 0}, "unknown-option"),
        ({"max_groups_contributed": 1.5}, "unknown-option"),
        ({"max_groups_contributed": True}, "unknown-option"),
        ({"max_groups_contributed": 100_001}, "unknown-option"),
        ({"group_selection_strategy": "ALL"}, "unknown-option"),
        ({"delta": "much"}, "unknown-option"),
        ({"delta": True}, "unknown-option"),
        ({"delta": [1]}, "unknown-option"),
        ({"delta": "1e400"}, "unknown-option"),
        ({"delta": "Infinity"}, "unknown-option"),
        ({"l2_bound": {"n": "1e999999999"}}, "unknown-option"),
        ({"l2_bound": {"n": "1e-999999999"}}, "unknown-option"),
        ({"delta": "NaN"}, "unknown-option"),
        ({"l2_bound": 5}, "unknown-option"),
        ({"l2_bound": {"n": 0}}, "unknown-option"),
        ({"l2_bound": {"n": -1}}, "unknown-option"),
        ({"l2_bound": {"x": 1}}, "unknown-alias"),
        ({"contribution_bounds_per_group": {"n": 5}}, "unknown-option"),
        ({"contribution_bounds_per_group": {"n": [1, 2, 3]}}, "unknown-option"),
        ({"contribution_bounds_per_group": [1]}, "unknown-option"),
        ({"contribution_bounds_per_group": {"n": [2, 1]}}, "bound-out-of-range"),
        ({"contribution_bounds_per_group": {"n": [0, 10**12]}}, "bound-out-of-range"),
        ({"contribution_bounds_per_row": {"x": [0, 1]}}, "unknown-alias"),
        ({"contribution_bounds_per_row": {"s": [2, 1]}}, "bound-out-of-range"),
        ({"l2_bound": {"s": 10**12}}, "bound-out-of-range"),
    ],
)
def test_an_option_that_cannot_be_kept_is_refused(given: dict[str, object], code: str) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        planned(PIECES, {}, given)
    assert refusal.value.code == code


@pytest.mark.parametrize("delta", [0, "0", "-1e-9", "0.0001", 1])
def test_a_delta_that_thresholds_may_not_spend_is_refused(delta: object) -> None:
    with pytest.raises(PriceError) as refusal:
        planned(TOWNS, {}, {"delta": delta})
    assert refusal.value.code == "invalid-price"


def test_a_delta_is_rounded_to_whole_attos_and_charged() -> None:
    assert planned(TOWNS, {}, {"delta": "1e-6"}).loss.delta_atto == 10**12
    assert planned(TOWNS).loss.delta_atto == int(POLICY.budget.delta_for_thresholds / 100 * 10**18)
    assert planned(PIECES).loss.delta_atto == 0


def test_thresholds_can_be_asked_for_and_refused() -> None:
    keys = (
        planned(PIECES, {}, {"group_selection_strategy": "THRESHOLD", "max_groups_contributed": 7})
        .nodes[0]
        .aggregation.keys
    )
    assert isinstance(keys, ThresholdKeys)
    assert keys.max_groups == 7
    with pytest.raises(QueryNotPrivateError) as refusal:
        planned(TOWNS, {}, {"group_selection_strategy": "PUBLIC_GROUPS"})
    assert refusal.value.code == "keys-not-public"


def test_bounds_by_group_make_the_norm() -> None:
    options = {"contribution_bounds_per_group": {"s": ["-2.5", 40]}, "max_groups_contributed": 9}
    node = planned(PIECES, {}, options).nodes[0]
    measure = next(m for m in node.aggregation.measures if m.kind is MeasureKind.SUM)
    assert measure.group_bounds == (-250, 4000)
    assert measure.l2_bound == 4000  # one group: the fake axis has one key
    found = plan(PIECES, {}, SCHEMA, 10**9, options_of(options), lambda _: 100).nodes[0]
    measure = next(m for m in found.aggregation.measures if m.kind is MeasureKind.SUM)
    assert measure.l2_bound == 12_000
    assert all(block.max_groups == 9 for block in found.aggregation.blocks)


def test_bounds_by_row_are_kept_outwards() -> None:
    node = planned(PIECES, {}, {"contribution_bounds_per_row": {"s": ["-0.001", "9.999"]}}).nodes[0]
    assert {m.row_bounds for m in node.aggregation.measures if m.kind is MeasureKind.SUM} == {(-1, 1000)}


def test_a_stated_norm_goes_before_the_declared_one() -> None:
    measure = (
        planned("SELECT SUM(amount) AS s FROM lines", {}, {"l2_bound": {"S": "12.345"}})
        .nodes[0]
        .aggregation.measures[0]
    )
    assert measure.l2_bound == 1235


def _size_of(groups: int) -> Callable[[Axis], int]:
    return lambda _: groups


def test_units_in_public_groups_need_no_declared_bound() -> None:
    sql = "SELECT pieces, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY pieces"
    sizes = {1: 1, 4: 2, 26: 6, 100: 10}
    for groups, bound in sizes.items():
        found = plan(sql, {}, SCHEMA, 10**9, options_of({}), _size_of(groups))
        assert found.nodes[0].aggregation.measures[0].l2_bound == bound


def test_a_sum_seen_through_case_and_coalesce_has_its_columns_bound() -> None:
    for value in (
        "amount",
        "CASE WHEN pieces > 1 THEN amount ELSE 0 END",
        "COALESCE(amount, 0)",
        "CASE WHEN paid_by_card THEN amount END",
    ):
        assert planned(f"SELECT SUM({value}) AS s FROM lines").nodes[0].aggregation.measures[0].l2_bound == 10**7
    unknown = planned("SELECT SUM(CASE WHEN pieces > 1 THEN amount ELSE store_id END) AS s FROM lines").nodes[0]
    assert unknown.aggregation.blocks[0].tuning is not None


def test_too_many_groups_are_refused_before_they_are_made() -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        plan(PIECES, {}, SCHEMA, 10**9, options_of({}), lambda _: 2_000_001)
    assert refusal.value.code == "too-many-groups"


def test_too_many_measures_are_refused() -> None:
    many = ", ".join(f"COUNT_IF(pieces > {i}) AS n{i}" for i in range(25))
    with pytest.raises(QueryNotPrivateError) as refusal:
        planned(f"SELECT {many} FROM lines")
    assert refusal.value.code == "too-complex"


def test_planning_is_a_function_of_its_inputs() -> None:
    for sql in STATEMENTS:
        assert planned(sql) == planned(sql)


_TOP = "SELECT product_id, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY product_id ORDER BY n DESC LIMIT {}"


def _top_of(sql: str, options: Mapping[str, object] | None = None, groups: int = 10_000) -> TopKeys | None:
    nano = 10**9
    planned_ = plan(sql, {}, SCHEMA, nano, options_of(options or {}), lambda _: groups)
    keys = planned_.nodes[0].aggregation.keys
    return keys if isinstance(keys, TopKeys) else None


def test_keys_are_chosen_first_where_few_are_wanted_of_many() -> None:
    bound: dict[str, object] = {"l2_bound": {"n": 10}}
    found = _top_of(_TOP.format(100), bound)
    assert found is not None
    assert found.count == 100
    assert _top_of(_TOP.format(120), bound) is None, "noised counts of all keys are as good"
    assert _top_of(_TOP.format(100), bound, groups=100) is None, "all keys are wanted"
    assert _top_of(_TOP.format(100), bound | {"group_selection_strategy": "PUBLIC_GROUPS"}) is None
    assert _top_of(_TOP.format(100), bound | {"max_groups_contributed": 5}) is None


def test_the_counts_of_chosen_keys_are_bounded_by_their_number() -> None:
    (node,) = plan(_TOP.format(9), {}, SCHEMA, 10**9, options_of({}), lambda _: 10_000).nodes
    assert node.groups == 9
    assert node.aggregation.measures[0].l2_bound == 3  # where the choice of a bound starts from
    assert node.loss.rho_nano <= 10**9


@pytest.mark.parametrize(
    "order",
    ["n", "n DESC, product_id", "product_id DESC", "n + 1 DESC", "2"],
)
def test_another_order_asks_for_all_keys(order: str) -> None:
    sql = _TOP.format(5).replace("n DESC", order)
    assert (_top_of(sql) is None) == (order != "n DESC, product_id")
