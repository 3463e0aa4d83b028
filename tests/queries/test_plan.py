"""What must not run cannot be put together."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queries.errors import IllegalPlanError, PlanTooLargeError
from queries.function_names import Function
from queries.plan import (
    BOOLEAN,
    DATE,
    DOUBLE,
    EXPRESSION_LIMIT,
    GROUPS_LIMIT,
    INTEGER,
    MEASURES_LIMIT,
    SOURCES_LIMIT,
    TRUE,
    UNIT_GROUPS_LIMIT,
    VALUE_LIMIT,
    VARCHAR,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Call,
    Column,
    Dated,
    Derived,
    Expression,
    Fold,
    Folding,
    Grouped,
    Join,
    Key,
    Kind,
    Literal,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    TableAxis,
    ThresholdKeys,
    Type,
    Union,
    ValuesAxis,
    Window,
    Windowed,
)
from tests.queries.expressions import TYPES, expressions

CENTS = Type(Kind.DECIMAL, 2)
LINES = Scan("lines", private=True, columns=(("n", INTEGER), ("amount", CENTS), ("x", DOUBLE), ("b", BOOLEAN)))
PRODUCTS = Scan("products", private=False, columns=(("id", INTEGER), ("name", VARCHAR)))
MONTHLY = Dated("visits", private=True, columns=LINES.columns, months=12, first=2, last=4)
ROWS = Measure(MeasureKind.ROWS, None, 1)
N, AMOUNT, X, B = (Column(0, name, type_) for name, type_ in LINES.columns)
V = Column(0, "v", INTEGER)
PRIVATE, PUBLIC = Relation(LINES), Relation(PRODUCTS)


def _aggregation(
    *measures: Measure, relation: Relation = PRIVATE, rho_nano: int = 10**9, units: int = 100
) -> Aggregation:
    return Aggregation(relation, PublicKeys(), (Block(measures or (ROWS,), rho_nano),), units)


UNSAFE = {
    "a column that names the unit": lambda: Column(0, "_u", INTEGER),
    "a left join that keeps public rows": lambda: Relation(PRODUCTS, (Join(LINES, left=True),)),
    "a left join that keeps public rows of a join": lambda: Relation(
        PRODUCTS, (Join(PRODUCTS), Join(LINES, left=True))
    ),
    "a left join of a private subquery to public rows": lambda: Relation(
        PRODUCTS, (Join(Derived(PRIVATE, (N,)), left=True),)
    ),
    "a left join that keeps rows without a month": lambda: Relation(LINES, (Join(MONTHLY, left=True),)),
    "a left join that keeps rows without a month of a join": lambda: Relation(
        PRODUCTS, (Join(LINES), Join(Derived(Relation(MONTHLY), (N,)), left=True), Join(MONTHLY))
    ),
    "months of two kinds": lambda: Relation(MONTHLY, (Join(replace(MONTHLY, months=6)),)),
    "a union with rows without a month": lambda: Union((Derived(PRIVATE, (N,)), Derived(Relation(MONTHLY), (N,)))),
    "months that are public": lambda: replace(MONTHLY, private=False),
    "one month": lambda: Dated("visits", private=True, columns=LINES.columns, months=1, first=0, last=0),
    "months the wrong way round": lambda: replace(MONTHLY, first=5),
    "a month beyond the last": lambda: replace(MONTHLY, last=12),
    "a month before the first": lambda: replace(MONTHLY, first=-1),
    "thresholds of several months": lambda: Aggregation(
        Relation(MONTHLY), ThresholdKeys((N,), 1, 1, 1), (Block((ROWS,), 10**9),), 100
    ),
    "thresholds of rows that change without static ones": lambda: Aggregation(
        Relation(replace(MONTHLY, last=2), (Join(LINES, left=True),)),
        ThresholdKeys((N,), 1, 1, 1),
        (Block((ROWS,), 10**9),),
        100,
    ),
    "a condition on a source that comes later": lambda: Relation(
        LINES, (Join(PRODUCTS, (Call(Function.EQUAL, (N, Column(2, "id", INTEGER)), BOOLEAN),)), Join(PRODUCTS))
    ),
    "a column of no source": lambda: Relation(LINES, (), (Column(1, "b", BOOLEAN),)),
    "a column that the source does not have": lambda: Relation(LINES, (), (Column(0, "c", BOOLEAN),)),
    "a column of another type": lambda: Relation(LINES, (), (Column(0, "n", BOOLEAN),)),
    "a derived column that is not there": lambda: Derived(PRIVATE, (Column(0, "c0", INTEGER),)),
    "an axis over private rows": lambda: TableAxis(PRIVATE, (N,)),
    "an axis over a join with private rows": lambda: TableAxis(
        Relation(PRODUCTS, (Join(LINES),)), (Column(0, "id", INTEGER),)
    ),
    "an axis of another column": lambda: TableAxis(PUBLIC, (N,)),
    "an empty list of values": lambda: ValuesAxis((), V),
    "a list of values over a column": lambda: ValuesAxis((Literal(1, INTEGER),), N),
    "a condition of an axis over a column": lambda: ValuesAxis((Literal(1, INTEGER),), V, (B,)),
    "a series over a column": lambda: SeriesAxis(0, 1, N),
    "a series that is empty": lambda: SeriesAxis(1, 0, V),
    "a series that is too long": lambda: SeriesAxis(0, GROUPS_LIMIT, V),
    "a key of another width than its axis": lambda: Key((N, N), SeriesAxis(0, 1, V)),
    "a sum of doubles": lambda: Measure(MeasureKind.SUM, X, 1),
    "a sum of texts": lambda: Measure(MeasureKind.SUM, Literal("a", VARCHAR), 1),
    "a sum of nothing": lambda: Measure(MeasureKind.SUM, None, 1),
    "a sum in another scale": lambda: Measure(MeasureKind.SUM, AMOUNT, 1, scale=0),
    "a count of what is no condition": lambda: Measure(MeasureKind.ROWS, N, 1),
    "units by what is no condition": lambda: Measure(MeasureKind.UNITS, X, 1),
    "a bound of zero": lambda: Measure(MeasureKind.ROWS, None, 0),
    "a bound below zero": lambda: Measure(MeasureKind.ROWS, None, -1),
    "a scale below zero": lambda: Measure(MeasureKind.ROWS, None, 1, scale=-1),
    "row bounds beyond the limit": lambda: Measure(MeasureKind.SUM, N, 1, row_bounds=(0, VALUE_LIMIT + 1)),
    "row bounds the wrong way round": lambda: Measure(MeasureKind.SUM, N, 1, row_bounds=(1, 0)),
    "group bounds beyond the limit": lambda: Measure(MeasureKind.SUM, N, 1, group_bounds=(0, 2**46 + 1)),
    "group bounds the wrong way round": lambda: Measure(MeasureKind.SUM, N, 1, group_bounds=(1, 0)),
    "a block without measures": lambda: Block((), 1),
    "a block without a price": lambda: Block((ROWS,), 0),
    "a block with a negative price": lambda: Block((ROWS,), -1),
    "a block of no groups": lambda: Block((ROWS,), 1, 0),
    "a threshold without keys": lambda: ThresholdKeys((), 1, 1, 1),
    "a threshold without delta": lambda: ThresholdKeys((N,), 1, 1, 0),
    "a threshold of no groups": lambda: ThresholdKeys((N,), 0, 1, 1),
    "a threshold of too many groups": lambda: ThresholdKeys((N,), UNIT_GROUPS_LIMIT + 1, 1, 1),
    "a threshold without a price": lambda: Aggregation(PRIVATE, ThresholdKeys((N,), 1, 0, 1), (Block((ROWS,), 1),), 1),
    "an aggregation of public rows": lambda: _aggregation(relation=PUBLIC),
    "an aggregation without measures": lambda: Aggregation(PRIVATE, PublicKeys(), (), 1),
    "an aggregation for no units": lambda: _aggregation(units=0),
    "too many measures": lambda: _aggregation(*[ROWS] * (MEASURES_LIMIT + 1)),
    "a measure of another relation": lambda: _aggregation(Measure(MeasureKind.ROWS, Column(1, "b", BOOLEAN), 1)),
    "a key of another relation": lambda: Aggregation(
        PRIVATE, PublicKeys((Key((Column(0, "day", DATE),), SeriesAxis(0, 1, V)),)), (Block((ROWS,), 1),), 1
    ),
    "sums beyond 64 bits": lambda: _aggregation(replace(ROWS, l2_bound=2**40), units=2**8),
    "noise beyond 64 bits": lambda: _aggregation(replace(ROWS, l2_bound=2**38), units=1, rho_nano=1),
    "a scale beyond nine": lambda: Type(Kind.DECIMAL, 10),
    "a scale of an integer": lambda: Type(Kind.INTEGER, 1),
    "an expression that is too large": lambda: _doubled(Function.ADD, 40),
    "an expression that is emitted too often": lambda: _doubled(Function.LEAST, 13, both=False),
    "an expression that is too deep": lambda: _doubled(Function.ADD, 101, both=False),
    "a join of too many tables": lambda: Relation(LINES, (Join(LINES),) * SOURCES_LIMIT),
    "a join of too many tables inside": lambda: Relation(
        LINES, tuple(Join(Derived(Relation(LINES, (Join(LINES),) * 15), (N,))) for _ in range(2))
    ),
}


def _doubled(function: Function, times: int, *, both: bool = True) -> Expression:
    tree: Expression = N
    for _ in range(times):
        tree = Call(function, (tree, tree if both else N), INTEGER)
    return tree


@pytest.mark.parametrize("build", UNSAFE.values(), ids=UNSAFE)
def test_what_is_unsafe_cannot_be_constructed(build: object) -> None:
    if not callable(build):
        raise TypeError(build)
    with pytest.raises(IllegalPlanError):
        build()


def test_the_limits_on_size_have_an_error_of_their_own() -> None:
    with pytest.raises(PlanTooLargeError):
        _doubled(Function.ADD, 40)
    wide = Call(Function.COALESCE, (N,) * (EXPRESSION_LIMIT - 1), INTEGER)
    assert wide.size == EXPRESSION_LIMIT


def test_sums_and_noise_just_inside_64_bits_are_allowed() -> None:
    largest = (1 << 63) // WEIGHT_ONE // 100 - 2**34
    assert _aggregation(replace(ROWS, l2_bound=largest), rho_nano=10**15).unit_capacity == 100


def test_a_left_join_of_private_rows_to_private_rows_is_allowed() -> None:
    assert Relation(PRODUCTS, (Join(LINES), Join(LINES, left=True))).private
    assert not PUBLIC.private


def test_nodes_cannot_be_changed() -> None:
    for node, name in ((N, "name"), (PRIVATE, "where"), (ROWS, "l2_bound"), (_aggregation(), "unit_capacity")):
        with pytest.raises(FrozenInstanceError):
            setattr(node, name, None)


def test_the_price_is_the_sum_over_blocks_and_the_selection() -> None:
    keys = ThresholdKeys((N,), 3, 7, 11)
    aggregation = Aggregation(PRIVATE, keys, (Block((ROWS,), 2), Block((ROWS, ROWS), 5)), 10)
    assert (aggregation.loss.rho_nano, aggregation.loss.delta_atto) == (14, 11)
    assert aggregation.all_blocks[0].measures[0].kind is MeasureKind.UNITS
    assert aggregation.all_blocks[0].measures[0].l2_bound == 1
    assert aggregation.all_blocks[0].max_groups == 3


def test_the_digest_does_not_depend_on_the_price() -> None:
    one = Aggregation(PRIVATE, ThresholdKeys((N,), 3, 7, 11), (Block((ROWS,), 2),), 10)
    other = Aggregation(PRIVATE, ThresholdKeys((N,), 3, 8, 12), (Block((ROWS,), 9),), 10)
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "other",
    [
        _aggregation(replace(ROWS, l2_bound=2)),
        _aggregation(replace(ROWS, kind=MeasureKind.UNITS)),
        _aggregation(replace(ROWS, value=B)),
        _aggregation(replace(ROWS, group_bounds=(0, 1))),
        _aggregation(ROWS, ROWS),
        _aggregation(relation=Relation(LINES, (), (B,))),
        _aggregation(relation=Relation(LINES, (), (TRUE,))),
        _aggregation(units=101),
        Aggregation(PRIVATE, PublicKeys(), (Block((ROWS,), 10**9, 5),), 100),
        Aggregation(PRIVATE, ThresholdKeys((N,), 3, 7, 11), (Block((ROWS,), 10**9),), 100),
        Aggregation(PRIVATE, PublicKeys((Key((N,), SeriesAxis(0, 5, V)),)), (Block((ROWS,), 10**9),), 100),
        Aggregation(PRIVATE, PublicKeys((Key((N,), SeriesAxis(0, 6, V)),)), (Block((ROWS,), 10**9),), 100),
    ],
    ids=repr,
)
def test_another_question_has_another_digest(other: Aggregation) -> None:
    assert other.digest != _aggregation().digest


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(TYPES).flatmap(expressions))
def test_an_expression_survives_the_way_to_a_worker(tree: Expression) -> None:
    copy = pickle.loads(pickle.dumps(tree))
    assert (copy, repr(copy)) == (tree, repr(tree))
    if isinstance(tree, Call):
        assert (copy.size, copy.depth) == (tree.size, tree.depth)
        assert "size" not in repr(tree)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fold(Folding.SUM, X),
        lambda: Fold(Folding.SUM),
        lambda: Fold(Folding.MIN),
        lambda: Fold(Folding.ROW_NUMBER, N),
        lambda: Fold(Folding.COUNT, None, N),
        lambda: Grouped(PRIVATE, (V,)),
        lambda: Grouped(PRIVATE, (), (Fold(Folding.SUM, Column(0, "missing", INTEGER)),)),
        lambda: Grouped(PRIVATE, (), (Fold(Folding.RANK),)),
        lambda: Grouped(PRIVATE, (), (Fold(Folding.LAG, N),)),
        lambda: Grouped(PUBLIC, ()),
        lambda: Windowed(PUBLIC, (), (Window(Fold(Folding.RANK)),)),
        lambda: Windowed(PRIVATE, (V,), ()),
        lambda: Windowed(PRIVATE, (), (Window(Fold(Folding.RANK), (V,)),)),
        lambda: Windowed(PRIVATE, (), (Window(Fold(Folding.RANK), (), ((V, True),)),)),
        lambda: Window(Fold(Folding.COUNT_DISTINCT, N)),
        lambda: Window(Fold(Folding.LAG, N, B)),
        lambda: Window(Fold(Folding.LAG, N), offset=-1),
        lambda: Window(Fold(Folding.SUM, N), rows=(-1, 0)),
        lambda: Union(()),
        lambda: Union((Derived(PRIVATE, (N,)), Derived(PUBLIC, (Column(0, "id", INTEGER),)))),
        lambda: Union((Derived(PRIVATE, (N,)), Derived(PRIVATE, (AMOUNT,)))),
    ],
)
def test_several_rows_become_one_within_a_unit_only_and_exactly(make: Callable[[], object]) -> None:
    with pytest.raises(IllegalPlanError):
        make()


def test_columns_of_a_subquery_are_its_values_and_then_its_folds() -> None:
    grouped = Grouped(PRIVATE, (AMOUNT,), (Fold(Folding.SUM, AMOUNT), Fold(Folding.COUNT), Fold(Folding.MAX, X)))
    assert grouped.columns == (("c0", CENTS), ("f0", CENTS), ("f1", INTEGER), ("f2", DOUBLE))
    windowed = Windowed(PRIVATE, (N,), (Window(Fold(Folding.LAG, AMOUNT)), Window(Fold(Folding.RANK))))
    assert windowed.columns == (("c0", INTEGER), ("f0", CENTS), ("f1", INTEGER))
    assert grouped.private
    assert windowed.private
    assert Union((Derived(PRIVATE, (N,)), Derived(PRIVATE, (N,)))).scans == (LINES, LINES)


MONTHS = Relation(MONTHLY)
KEPT = Relation(MONTHLY, (Join(LINES, left=True),))


@pytest.mark.parametrize(
    ("relation", "months", "steps"),
    [
        (PRIVATE, (), (1, 1)),
        (MONTHS, (2, 3, 4), (3, 0)),
        (Relation(MONTHLY, (Join(PRODUCTS),)), (2, 3, 4), (3, 0)),
        (Relation(MONTHLY, (Join(LINES),)), (2, 3, 4), (3, 3)),
        (Relation(LINES, (Join(MONTHLY),)), (2, 3, 4), (3, 3)),
        (KEPT, (2, 3, 4), (3, 6)),
        (Relation(MONTHLY, (Join(LINES, left=True), Join(LINES))), (2, 3, 4), (3, 3)),
        (Relation(MONTHLY, (Join(replace(MONTHLY, first=7, last=7), left=True),)), (2, 3, 4, 7), (4, 0)),
        (Relation(Derived(KEPT, (N,))), (2, 3, 4), (3, 6)),
        (Relation(MONTHLY, (Join(Derived(Relation(MONTHLY, (Join(LINES),)), (N,)), left=True),)), (2, 3, 4), (3, 6)),
        (Relation(MONTHLY, (Join(Derived(Relation(MONTHLY, (Join(LINES),)), (N,))),)), (2, 3, 4), (3, 3)),
        (Relation(Union((Derived(MONTHS, (N,)), Derived(Relation(MONTHLY, (Join(LINES),)), (N,))))), (2, 3, 4), (3, 6)),
        (Relation(Union((Derived(Relation(MONTHLY, (Join(LINES),)), (N,)),))), (2, 3, 4), (3, 3)),
        (Relation(Derived(PRIVATE, (N,)), (Join(LINES, left=True),)), (), (1, 1)),
    ],
)
def test_steps_are_the_units_that_an_account_and_its_static_rows_take_along(
    relation: Relation, months: tuple[int, ...], steps: tuple[int, int]
) -> None:
    assert sorted(relation.months) == list(months)
    assert relation.steps == steps


def test_a_threshold_of_one_month_can_be_constructed() -> None:
    relation = Relation(replace(MONTHLY, last=2), (Join(LINES),))
    assert Aggregation(relation, ThresholdKeys((N,), 1, 1, 1), (Block((ROWS,), 10**9),), 100).loss.delta_atto == 1
