"""Answers as people and programs read them: intervals with both parts, display values, grades, and JSON that keeps."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from queries.answers import answer_columns, answer_rows, half_width
from queries.errors import PostprocessError
from queries.intervals import CONFIDENCE, Source
from queries.reliability import Bands
from queries.rows import Finish, Hidden, Output

HIDDEN = Hidden("_se1", "_lo1", "_hi1", "_d1", frozenset({Source("released_0", 3, "lines")}))
OUTPUTS = (Output("age", "dimension"), Output("n", "estimate", HIDDEN), Output("r", "derived"))
TABLE = pa.table(
    {
        "age": ["old", None],
        "n": [100, -4],
        "r": [0.5, None],
        "_se1": [10.0, 2.0],
        "_lo1": [0.0, -3.0],
        "_hi1": [5.0, 0.0],
        "_d1": [90, 0],
    }
)


def _estimates(values: list[float | None], errors: list[float], **rest: list[float | None]) -> pa.Table:
    """A column n with its errors, nothing clipped unless told."""
    nothing: list[float | None] = [0.0] * len(values)
    return pa.table({"n": values, "_se1": errors, "_lo1": nothing, "_hi1": nothing, "_d1": nothing} | rest)


def _rows(table: pa.Table, **hidden: object) -> list[dict[str, object]]:
    facts: dict[str, object] = {"error": "_se1", "low": "_lo1", "high": "_hi1", "display": "_d1"} | hidden
    return [dict(row) for row in answer_rows((Output("n", "estimate", Hidden(**facts)),), table)]  # type: ignore[arg-type]  # Names of fields.


def test_an_estimate_is_followed_by_what_is_known_of_it() -> None:
    assert answer_columns(OUTPUTS, TABLE) == [
        {"name": "age", "type": "VARCHAR", "role": "dimension"},
        {"name": "n", "type": "BIGINT", "role": "estimate", "confidence": CONFIDENCE},
        {"name": "n_lower", "type": "DOUBLE", "role": "lower", "of": "n"},
        {"name": "n_upper", "type": "DOUBLE", "role": "upper", "of": "n"},
        {"name": "n_standard_error", "type": "DOUBLE", "role": "standard_error", "of": "n"},
        {"name": "n_clipping_lower", "type": "DOUBLE", "role": "clipping_lower", "of": "n"},
        {"name": "n_clipping_upper", "type": "DOUBLE", "role": "clipping_upper", "of": "n"},
        {"name": "n_display", "type": "BIGINT", "role": "display", "of": "n"},
        {"name": "n_reliability", "type": "VARCHAR", "role": "reliability", "of": "n"},
        {"name": "r", "type": "DOUBLE", "role": "derived"},
    ]
    first, second = answer_rows(OUTPUTS, TABLE)
    assert list(first) == [str(column["name"]) for column in answer_columns(OUTPUTS, TABLE)]
    assert (second["age"], second["n"], second["n_standard_error"], second["r"]) == (None, -4, 2.0, None)


def test_an_interval_is_that_of_the_noise_widened_by_what_may_have_been_clipped() -> None:
    first, second = answer_rows(OUTPUTS, TABLE)
    assert first["n_lower"] == pytest.approx(100 - 1.959964 * 10)
    assert first["n_upper"] == pytest.approx(100 + 1.959964 * 10 + 5)
    assert (first["n_clipping_lower"], first["n_clipping_upper"]) == (0.0, 5.0)
    assert second["n_lower"] == pytest.approx(-4 - 1.959964 * 2 - 3)
    assert second["n_upper"] == pytest.approx(-4 + 1.959964 * 2)
    assert (second["n_clipping_lower"], second["n_clipping_upper"]) == (-3.0, 0.0)


def test_a_column_is_marked_as_biased_if_a_measure_in_it_was_shrunk() -> None:
    marked = {str(c["name"]): c.get("biased") for c in answer_columns(OUTPUTS, TABLE, {("released_0", frozenset({3}))})}
    assert {name for name, biased in marked.items() if biased} == {"n_display"}
    others = {("released_0", frozenset({2})), ("released_1", frozenset({3})), ("released_0", frozenset({2, 3}))}
    assert not any(c.get("biased") for c in answer_columns(OUTPUTS, TABLE, others))


def test_hidden_columns_are_not_shown() -> None:
    assert all(not name.startswith("_") for row in answer_rows(OUTPUTS, TABLE) for name in row)


@pytest.mark.parametrize("value", [None, math.inf])
def test_an_interval_of_no_number_is_no_interval(value: float | None) -> None:
    (row,) = _rows(_estimates([value], [1.0]))
    assert (row["n"], row["n_lower"], row["n_upper"], row["n_reliability"]) == (None, None, None, None)


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_an_error_that_is_not_known_leaves_no_interval_and_no_grade(error: float) -> None:
    (row,) = _rows(_estimates([1.0], [error], _hi1=[5.0]))
    assert row["n"] == 1.0
    beside = ("lower", "upper", "standard_error", "clipping_lower", "clipping_upper", "reliability")
    assert [row[f"n_{name}"] for name in beside] == [None] * 6


@pytest.mark.parametrize(
    ("value", "error", "clipped", "grade"),
    [
        (1000.0, 10.0, 0.0, "good"),
        (-1000.0, 10.0, 0.0, "good"),
        (1000.0, 10.0, 200.0, "fair"),
        (1000.0, 100.0, 0.0, "fair"),
        (1000.0, 200.0, 0.0, "poor"),
        (0.0, 1.0, 0.0, "poor"),
        (0.0, 0.0, 0.0, "good"),
    ],
)
def test_a_figure_is_graded_by_its_relative_half_width(value: float, error: float, clipped: float, grade: str) -> None:
    (row,) = _rows(_estimates([value], [error], _hi1=[clipped]))
    assert row["n_reliability"] == grade


def test_the_bands_are_the_policys() -> None:
    output = Output("n", "estimate", HIDDEN)
    (row,) = answer_rows((output,), _estimates([1000.0], [200.0]), Bands(0.5, 0.6))
    assert row["n_reliability"] == "good"


def test_what_is_no_sum_of_cells_is_rounded_to_its_own_error() -> None:
    table = _estimates([3.14159] * 3, [0.04, 123.0, math.nan], _d1=[3.14159, 3141.59, 3.14159])
    assert [row["n_display"] for row in _rows(table, finish=Finish.ROUND)] == [3.14, 3100.0, None]
    assert [row["n_display"] for row in _rows(table)] == [3.14159, 3141.59, 3.14159]


def test_a_mean_is_shown_within_the_limits_of_its_values_after_rounding_too() -> None:
    table = _estimates([4.9], [3.0], _d1=[7.0])
    (row,) = _rows(table, finish=Finish.ROUND, limits=(1.0, 5.0))
    assert row["n_display"] == 5.0


@pytest.mark.parametrize(
    ("values", "shown", "type_"),
    [
        (pa.array([True, None]), [True, None], "BOOLEAN"),
        (pa.array([Decimal("1.50")]), [1.5], "DECIMAL(3,2)"),
        (pa.array([date(2026, 1, 31)]), ["2026-01-31"], "DATE"),
        (pa.array([datetime(2026, 1, 31, 5)]), ["2026-01-31T05:00:00"], "TIMESTAMP"),  # noqa: DTZ001
        (pa.array([math.nan, math.inf, -0.5]), [None, None, -0.5], "DOUBLE"),
        (pa.array([Decimal(2**70)], pa.decimal128(38, 0)), [float(2**70)], "DECIMAL(38,0)"),
        (pa.array(["å"]), ["å"], "VARCHAR"),
    ],
)
def test_every_value_is_one_that_json_can_carry(values: pa.Array, shown: list[object], type_: str) -> None:
    outputs = (Output("x", "derived"),)
    table = pa.table({"x": values})
    rows = answer_rows(outputs, table)
    assert [row["x"] for row in rows] == shown
    assert answer_columns(outputs, table)[0]["type"] == type_
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("170141183460469231731687303715884105727::HUGEINT", 2.0**127),
        ("18446744073709551615::UBIGINT", 2.0**64),
        ("12::UTINYINT", 12),
        ("TIME '12:30:00'", "12:30:00"),
        ("TIMESTAMPTZ '2020-01-31 00:00:00+00'", "2020-01-31T00:00:00+00:00"),
        ("'2020-01-31'::TIMESTAMP_S", "2020-01-31T00:00:00"),
        ("DATE '0001-01-01'", "0001-01-01"),
        ("'550e8400-e29b-41d4-a716-446655440000'::UUID", "550e8400-e29b-41d4-a716-446655440000"),
        ("'{}'::JSON", "{}"),
        ("'a'::ENUM('a', 'b')", "a"),
        ("NULL", None),
        ("'nan'::DOUBLE", None),
        ("'-infinity'::FLOAT", None),
    ],
)
def test_every_simple_type_of_the_engine_has_a_json_value(sql: str, shown: object) -> None:
    table = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table()
    assert answer_columns((Output("x", "derived"),), table)[0]["name"] == "x"
    assert answer_rows((Output("x", "derived"),), table) == [{"x": shown}]
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


@pytest.mark.parametrize(
    "sql",
    [
        *("'x'::BLOB", "'101'::BIT", "INTERVAL 3 MONTH", "TIMESTAMP '2020-01-01' - TIMESTAMP '2019-01-01'", "[1, 2]"),
        *("{'a': 1}", "MAP {1: 2}", "'1'::VARINT", "[[1]]"),
    ],
)
def test_a_type_that_json_has_no_value_for_is_refused_before_any_row(sql: str) -> None:
    table = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table()
    with pytest.raises(PostprocessError, match=r"^x is of a type .* CAST it to VARCHAR"):
        answer_columns((Output("x", "derived"),), table.schema.empty_table())


@pytest.mark.parametrize(
    "sql",
    [
        *("'infinity'::DATE", "'-infinity'::TIMESTAMP", "'infinity'::TIMESTAMPTZ", "DATE '9999-01-01' + 1000"),
        *("'290000-01-01'::TIMESTAMP", "'0044-03-15 (BC)'::DATE"),
    ],
)
def test_a_date_that_json_cannot_show_is_an_error_that_says_so(sql: str) -> None:
    table = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table()
    with pytest.raises(PostprocessError, match="1 to 9999"):
        answer_rows((Output("x", "derived"),), table)


def test_a_bound_beyond_all_numbers_is_none() -> None:
    (row,) = _rows(_estimates([1.7e308], [1e308]))
    assert (row["n"], row["n_upper"]) == (1.7e308, None)


def test_half_the_width_is_that_of_the_normal_distribution() -> None:
    assert half_width(1.0) == pytest.approx(1.959963984540054)
