"""What is said of clipping holds for every unit that the policy allows, whatever its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.clipping import Clipping, clippings
from queries.options import options_of
from queries.plan import WEIGHT_ONE, Aggregation, MeasureKind
from queries.planned import QueryPlan
from queries.planner import plan
from tests.queries.contribution_oracle import Sums, shares
from tests.queries.retailer import SCHEMA, statements

GROUPS = 4
RHO_NANO = 10**8
PER_STORE = "SELECT store_id, {} FROM lines GROUP BY store_id"


def planned(sql: str, options: Mapping[str, object] | None = None) -> QueryPlan:
    return plan(sql, {}, SCHEMA, RHO_NANO, options_of(options or {}), lambda _: GROUPS)


def told(sql: str, options: Mapping[str, object] | None = None) -> dict[str, Clipping]:
    """By the columns that each measure goes into, and its kind."""
    (node,) = planned(sql, options).nodes
    names = [f"{' '.join(measure.columns)} {measure.kind.value}" for measure in node.measures]
    return dict(zip(names, clippings(node.aggregation, node.groups, SCHEMA, node.tree), strict=True))


def only(sql: str, options: Mapping[str, object] | None = None) -> Clipping:
    (clipping,) = told(sql, options).values()
    return clipping


def is_scaled_down(aggregation: Aggregation, sums: Sums) -> bool:
    return any(share.ideal_weight < WEIGHT_ONE for share in shares(aggregation, sums, None))


ONE_ROW = [
    ("SELECT age, COUNT(*) AS n, SUM(members) AS s, AVG(members) AS m FROM customers GROUP BY age", {}),
    ("SELECT SUM(CASE WHEN age = 'old' THEN -members ELSE 0 END) AS n FROM customers", {"l2_bound": {"n": 4}}),
    (
        "SELECT SUM(COALESCE(ABS(members), 3)) AS n, COUNT(DISTINCT household_id) AS u FROM customers",
        {"l2_bound": {"n": 4}},
    ),
    ("SELECT town, SUM(members) AS n FROM customers GROUP BY town", {"contribution_bounds_per_row": {"n": [-9, 9]}}),
]


@pytest.mark.parametrize(("sql", "options"), ONE_ROW)
@given(st.integers(0, 4), st.integers(1, 4), st.booleans())
def test_what_never_clips_scales_no_unit_of_one_row_down(
    sql: str,
    options: Mapping[str, object],
    group: int,
    members: int,
    negative: bool,  # noqa: FBT001
) -> None:
    assert [clipping.possible for clipping in told(sql, options).values()] == [False] * len(told(sql, options))
    (node,) = planned(sql, options).nodes
    sign = -1 if negative else 1
    measures = [measure for block in node.aggregation.all_blocks for measure in block.measures]
    cells = [sign * members if measure.kind is MeasureKind.SUM else 1 for measure in measures]
    assert not is_scaled_down(node.aggregation, defaultdict(list, {group: cells}))


def test_what_may_clip_a_unit_of_one_row_is_told_with_the_bound() -> None:
    clipping = only("SELECT SUM(members) AS n FROM customers", {"l2_bound": {"n": 3}})
    explanation = "A household that adds more than 3 is scaled down."
    assert clipping == Clipping(possible=True, explanation=explanation, reach=4 / 3, row=4 / 3)
    unknown = only("SELECT SUM(members + LENGTH(town)) AS n FROM customers", {"l2_bound": {"n": 1000}})
    assert unknown.possible


def test_a_count_of_units_in_public_groups_never_clips() -> None:
    clipping = only(PER_STORE.format("COUNT(DISTINCT household_id) AS n"))
    explanation = "Never clips: a household that is in all 4 groups has a norm of 2."
    assert clipping == Clipping(possible=False, explanation=explanation, reach=1.0)
    (node,) = planned(PER_STORE.format("COUNT(DISTINCT household_id) AS n")).nodes
    assert not is_scaled_down(node.aggregation, defaultdict(list, {group: [1] for group in range(GROUPS)}))
    total = only("SELECT COUNT(DISTINCT household_id) AS n FROM lines")
    assert total == Clipping(possible=False, explanation="Never clips: a household counts once.", reach=1.0)


@pytest.mark.parametrize(
    ("sql", "options", "reach", "row"),
    [
        ("SELECT SUM(amount) AS n FROM lines", {"l2_bound": {"n": 50}}, None, 20),
        ("SELECT SUM(amount) AS n FROM lines WHERE amount BETWEEN 0 AND 5", {"l2_bound": {"n": 50}}, None, 0.1),
        ("SELECT COUNT(*) AS n FROM lines", {"l2_bound": {"n": 50}}, None, None),
        ("SELECT COUNT(*) AS n FROM customers", {"l2_bound": {"n": 50}}, 1 / 50, None),
        ("SELECT SUM(LENGTH(note)) AS n FROM lines", {}, None, None),  # to be chosen
        (
            PER_STORE.format("SUM(amount) AS n"),
            {"contribution_bounds_per_group": {"n": [0, 50]}, "max_groups_contributed": 3},
            1,
            1000 / (50 * 3**0.5),
        ),
    ],
)
def test_public_limits_are_told_as_multiples_of_the_bound(
    sql: str, options: Mapping[str, object], reach: float | None, row: float | None
) -> None:
    found = only(sql, options)
    for own, expected in ((found.reach, reach), (found.row, row)):
        assert (own is None) == (expected is None)
        assert own is None or own == pytest.approx(expected, rel=1e-3)


def test_public_limits_of_a_ratio_are_those_of_its_measures_by_themselves() -> None:
    found = told("SELECT AVG(amount) AS n FROM lines", {"l2_bound": {"n": 50}})
    assert sorted(clipping.row or 0 for clipping in found.values()) == pytest.approx([0, 20], rel=1e-3)


@pytest.mark.parametrize("bound", [1, 1.5, 1.99])
def test_a_count_of_units_with_a_lower_bound_clips_those_in_more_groups(bound: float) -> None:
    sql, options = PER_STORE.format("COUNT(DISTINCT household_id) AS n"), {"l2_bound": {"n": bound}}
    clipping = only(sql, options)
    l2_bound = planned(sql, options).nodes[0].aggregation.measures[0].l2_bound
    if l2_bound == 2:  # whole numbers: rounded up
        assert not clipping.possible
        return
    assert clipping.explanation == f"A household in more than {l2_bound**2} groups is scaled down."


def test_thresholded_keys_have_no_public_number_of_groups() -> None:
    clipping = only("SELECT note, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY note")
    assert clipping.explanation == (
        "The bound is chosen so that noise and clipping balance: "
        "some households are scaled down, and at most a quarter."
    )
    stated = {"l2_bound": {"n": 32}}
    clipping = only("SELECT note, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY note", stated)
    assert clipping.explanation == "A household in more than 1,024 groups is scaled down."
    (node,) = planned("SELECT note, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY note", stated).nodes
    # The first cell is that of the selection of keys, whose own groups are limited.
    for groups, scaled in ((1_000, False), (1_025, True)):
        sums = defaultdict(list, {group: [1, 1] for group in range(groups)})
        assert (shares(node.aggregation, sums, None)[1].ideal_weight < WEIGHT_ONE) is scaled


def test_the_limits_of_a_sum_are_where_scaling_may_begin_and_must() -> None:
    sql, options = PER_STORE.format("SUM(amount) AS n"), {"l2_bound": {"n": "2500.00"}}
    assert only(sql, options).explanation == (
        "A household that adds more than 2,500.00 to one group (more than 2 rows of 1,000.00, the largest value) is "
        "scaled down. One that adds at most 2,500.00 in all groups together is not."
    )
    (node,) = planned(sql, options).nodes
    for cells, scaled in (
        ([250_001], True), ([100_000] * 2, False), ([100_000] * 3 + [-50_000], False), ([62_500] * 4, False),
        ([200_000, 200_000], True),
    ):  # fmt: skip
        sums = defaultdict(list, {group: [cell] for group, cell in enumerate(cells)})
        assert is_scaled_down(node.aggregation, sums) is scaled
    total = only("SELECT SUM(amount) AS n FROM lines", options).explanation
    assert (
        total
        == "A household that adds more than 2,500.00 (more than 2 rows of 1,000.00, the largest value) is scaled down."
    )


def test_the_measures_of_a_ratio_are_scaled_down_together() -> None:
    (node,) = planned("SELECT AVG(pieces) AS m FROM lines").nodes
    texts = told("SELECT AVG(pieces) AS m FROM lines")
    assert texts["m rows"].explanation == (
        "A household that adds more than 14,143 is scaled down. One that adds at most 10,000 in all is not, if the "
        "other measures of the ratio are as small against their bounds."
    )
    for cells, scaled in (
        ([10_000, 10_000], False),
        ([14_144, 0], True),
        ([0, 14_144], True),
        ([10_002, 10_002], True),
    ):
        assert is_scaled_down(node.aggregation, defaultdict(list, {0: list(cells)})) is scaled


def test_clamps_of_rows_and_groups_are_told() -> None:
    per_row = only(PER_STORE.format("SUM(amount) AS n"), {"contribution_bounds_per_row": {"n": [0, 10]}})
    assert per_row.explanation.startswith("A row's value is set to 0.00 or 10.00 where it lies outside. A household")
    assert "10,000 rows of 10.00" in per_row.explanation
    wide = only(PER_STORE.format("SUM(amount) AS n"), {"contribution_bounds_per_row": {"n": [-1000, 1000]}})
    assert "row's value" not in wide.explanation
    per_group = {"contribution_bounds_per_group": {"n": [-5, 10]}}
    for most, rest in ((2, " A household in more than 2 groups counts in 2 of them."), (4, ""), (9, "")):
        clipping = only(PER_STORE.format("SUM(amount) AS n"), {**per_group, "max_groups_contributed": most})
        clamped = "What a household adds to one group is set to -5.00 or 10.00 where it lies outside."
        assert (clipping.possible, clipping.explanation) == (True, clamped + rest)


def test_every_accepted_statement_has_a_sentence_for_each_measure() -> None:
    count = 0
    for statement in statements("accepted"):
        found = plan(statement.sql, statement.params, SCHEMA, RHO_NANO, options_of(statement.options), lambda _: GROUPS)
        for node in found.nodes:
            texts = clippings(node.aggregation, node.groups, SCHEMA, node.tree)
            assert len(texts) == len(node.measures)
            assert all(text.explanation.endswith(".") and "  " not in text.explanation for text in texts)
            count += len(texts)
    assert count >= 150
