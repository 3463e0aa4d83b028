"""Estimates through SELECTs over results: their intervals cover what the exact figures would say, or there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from queries.answers import answer_rows
from queries.plan import WEIGHT_ONE, MeasureKind
from queries.planned import PlannedNode, QueryPlan
from queries.postprocess import statement_tables
from tests.queries.retailer import planned

DRAWS = 150
GROUPS = 6
COUNTS = "SELECT pieces, COUNT(*) AS n, SUM(discount) AS s FROM lines GROUP BY pieces"
BY_MONTH = "SELECT MONTH(day) - 1 AS pieces, COUNT(*) AS c FROM lines GROUP BY 1"
LEVELS = "SELECT pieces, COUNT(*) AS n FROM lines GROUP BY ROLLUP (pieces)"


@dataclass(frozen=True)
class World:
    """True cells of each release in display units, with the errors that their noise has and what was clipped."""

    generator: np.random.Generator
    sizes: Mapping[MeasureKind, tuple[float, float]]  # from a cell of 1 unit of size and its error

    def stored(self, node: PlannedNode, *, noise: float, clipped: float = 0.0) -> pa.Table:
        """The stored table of a release; the same cells each time, with fresh noise."""
        groups = GROUPS if node.key_numbers else 1
        columns: dict[str, pa.Array] = {f"k{p}": pa.array(range(groups)) for p in range(len(node.key_numbers))}
        for place, measure in enumerate(node.measures):
            size, error = self.sizes[measure.kind]
            unit = WEIGHT_ONE * 10**measure.scale
            exact = size * (1 + np.arange(groups) / 2)
            lost = np.floor(clipped * exact * unit)
            drawn = exact * unit - lost + noise * error * unit * self.generator.normal(size=groups)
            columns[f"m{place}"] = pa.array(np.round(drawn).astype(np.int64))
            columns[f"s{place}"] = pa.array(np.full(groups, error * unit))
            columns[f"c{place}"] = pa.array(lost)
        return pa.table(columns)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        yield opened


@pytest.fixture
def world() -> World:
    sizes = {MeasureKind.ROWS: (900.0, 12.0), MeasureKind.SUM: (5_000.0, 100.0), MeasureKind.UNITS: (80.0, 3.0)}
    return World(np.random.default_rng(20_261_123), sizes)


def _rows(
    connection: duckdb.DuckDBPyConnection, plan: QueryPlan, world: World, **how: float
) -> list[dict[str, object]]:
    stored: dict[str, pa.Table] = {}
    by_digest: dict[str, pa.Table] = {}
    for node in plan.nodes:
        stored[node.name] = by_digest.setdefault(node.aggregation.digest, world.stored(node, **how))
    for name, table in statement_tables(plan.nodes, stored).items():
        connection.register(name, table)
    return [dict(row) for row in answer_rows(plan.columns, connection.execute(plan.sql).to_arrow_table())]


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


EXACT = {
    "a column that is passed on": f"SELECT n AS x FROM ({COUNTS}) AS t",
    "a column that is computed with": f"SELECT pieces, 2 * n - 10 AS x FROM ({COUNTS}) AS t",
    "a mean of two columns": f"SELECT s / n AS x FROM ({COUNTS}) AS t",
    "a total of groups": f"SELECT SUM(n) AS x FROM ({COUNTS}) AS t",
    "a mean of groups": f"SELECT AVG(n) AS x FROM ({COUNTS}) AS t",
    "some of the groups": f"SELECT SUM(n) FILTER (WHERE pieces > 2) AS x FROM ({COUNTS}) AS t",
    "groups of groups": f"SELECT pieces % 2 AS odd, SUM(s) / SUM(n) AS x FROM ({COUNTS}) AS t GROUP BY odd",
    "totals of totals": (
        f"SELECT SUM(y) AS x FROM (SELECT pieces % 3 AS k, SUM(n) AS y FROM ({COUNTS}) AS t GROUP BY 1) AS u"
    ),
    "a share of a window": f"SELECT 100.0 * n / SUM(n) OVER () AS x FROM ({COUNTS}) AS t",
    "a share of a part": f"SELECT n / SUM(n) OVER (PARTITION BY pieces % 2) AS x FROM ({COUNTS}) t WHERE pieces < 5",
    "a difference from the mean": f"SELECT n - AVG(n) OVER () AS x FROM ({COUNTS}) AS t",
    "a running total": f"SELECT SUM(n) OVER (ORDER BY pieces) AS x FROM ({COUNTS}) AS t",
    "growth": f"SELECT n / LAG(n) OVER (ORDER BY pieces) - 1 AS x FROM ({COUNTS}) AS t QUALIFY x IS NOT NULL",
    "a share of another total": "SELECT pieces, COUNT(*) / (SELECT COUNT(*) FROM lines) AS x FROM lines GROUP BY 1",
    "a ratio of two releases": f"SELECT n / c AS x FROM ({COUNTS}) AS t JOIN ({BY_MONTH}) AS u USING (pieces)",
    "subtotals": "SELECT pieces, SUM(discount) AS x FROM lines GROUP BY ROLLUP (pieces)",
}
WIDER = {
    "an index": f"SELECT n / FIRST_VALUE(n) OVER (ORDER BY pieces) AS x FROM ({COUNTS}) AS t",
    "a sum where rows may stand twice": f"SELECT SUM(n) AS x FROM ({COUNTS}) AS t, (SELECT 1 AS one) AS u",
    "a share that is summed": (
        f"SELECT SUM(p) AS x FROM (SELECT pieces, n / SUM(n) OVER () AS p FROM ({COUNTS}) AS t) AS u WHERE pieces < 3"
    ),
    "a sum of what was put together": (
        f"SELECT SUM(n) AS x FROM (SELECT n FROM ({COUNTS}) AS t UNION ALL SELECT n FROM ({COUNTS}) AS t) AS u"
    ),
    "a sum of subtotals": f"SELECT SUM(n) AS x FROM ({LEVELS}) AS t",
    "levels put together": (
        f"SELECT pieces, n AS x FROM ({COUNTS}) AS t UNION ALL SELECT NULL, COUNT(*) FROM lines "
        f"UNION ALL SELECT 7, AVG(discount) FROM lines"
    ),
    "one release twice": "SELECT COUNT(*) - (SELECT COUNT(*) FROM lines) / 2 AS x FROM lines",
    "rounded": f"SELECT ROUND(n, -1) AS x FROM ({COUNTS}) AS t",
    "without a sign": f"SELECT ABS(n - 900) AS x FROM ({COUNTS}) AS t",
}


@pytest.mark.parametrize("sql", [*EXACT.values(), *WIDER.values()], ids=[*EXACT, *WIDER])
def test_intervals_cover_what_the_exact_figures_say(
    sql: str, connection: duckdb.DuckDBPyConnection, world: World
) -> None:
    plan = planned(sql)
    assert {column.name: column.role for column in plan.columns}["x"] == "estimate"
    truth = [_number(row["x"]) for row in _rows(connection, plan, world, noise=0.0)]
    answers = [row for _ in range(DRAWS) for row in _rows(connection, plan, world, noise=1.0)]
    covered = [
        _number(row["x_lower"]) <= exact <= _number(row["x_upper"])
        for row, exact in zip(answers, truth * DRAWS, strict=True)
    ]
    low = 0.95 - 4 * np.sqrt(0.95 * 0.05 / DRAWS)  # rows of one answer may share their noise
    assert np.mean(covered) >= low
    if sql in EXACT.values():
        drawn = np.array([_number(row["x"]) for row in answers]).reshape(DRAWS, -1)
        told = np.array([_number(row["x_standard_error"]) for row in answers]).reshape(DRAWS, -1).mean(0)
        assert told == pytest.approx(drawn.std(0), rel=4 / np.sqrt(2 * DRAWS))


@pytest.mark.parametrize("sql", [*EXACT.values(), *WIDER.values()], ids=[*EXACT, *WIDER])
def test_intervals_cover_what_was_clipped(sql: str, connection: duckdb.DuckDBPyConnection, world: World) -> None:
    plan = planned(sql)
    exact = [_number(row["x"]) for row in _rows(connection, plan, world, noise=0.0)]
    for row, truth in zip(_rows(connection, plan, world, noise=0.0, clipped=0.03), exact, strict=True):
        low, high = _number(row["x_clipping_lower"]), _number(row["x_clipping_upper"])
        assert low <= 1e-9
        assert high >= -1e-9
        assert _number(row["x"]) + low <= truth + 1e-6 * abs(truth) + 1e-9
        assert truth <= _number(row["x"]) + high + 1e-6 * abs(truth) + 1e-9


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT SUM(n) AS x FROM ({COUNTS}) AS t WHERE n > 100",
        f"SELECT SUM(n) AS x FROM ({COUNTS} HAVING COUNT(*) > 100) AS t",
        f"SELECT SUM(n) AS x FROM ({COUNTS} ORDER BY n DESC LIMIT 3) AS t",
        f"SELECT SUM(n) AS x FROM (({COUNTS}) ORDER BY n DESC LIMIT 3) AS t",
        f"SELECT SUM(n) FILTER (WHERE n > 100) AS x FROM ({COUNTS}) AS t",
        f"SELECT n / SUM(n) OVER () AS x FROM ({COUNTS}) AS t WHERE s > 0",
        f"SELECT n / SUM(n) OVER (PARTITION BY n > 0) AS x FROM ({COUNTS}) AS t",
        f"SELECT SUM(n) OVER (ORDER BY n) AS x FROM ({COUNTS}) AS t",
        f"SELECT SUM(n) AS x FROM ({COUNTS}) AS t GROUP BY n > 5",
        f"SELECT SUM(n) AS x, n > 5 AS big FROM ({COUNTS}) AS t GROUP BY 2",
        f"SELECT SUM(n) AS x FROM (SELECT * FROM ({COUNTS}) AS t QUALIFY ROW_NUMBER() OVER (ORDER BY n) < 3) AS u",
        f"SELECT SUM(n) AS x FROM (SELECT * FROM ({COUNTS}) AS t ORDER BY n LIMIT 3) AS u",
        f"SELECT SUM(n) AS x FROM (SELECT n FROM ({COUNTS}) AS t UNION SELECT 1) AS u",
        f"SELECT SUM(DISTINCT n) AS x FROM ({COUNTS}) AS t",
        f"SELECT DISTINCT n AS x FROM ({COUNTS}) AS t",
        f"SELECT MAX(n) AS x FROM ({COUNTS}) AS t",
        f"SELECT COUNT(n) + SUM(n) * RANK() OVER (ORDER BY SUM(n)) AS x FROM ({COUNTS}) AS t GROUP BY pieces",
        f"SELECT LAG(n, 1, 0) OVER (ORDER BY pieces) AS x FROM ({COUNTS}) AS t",
        f"SELECT CASE WHEN n > 5 THEN n END AS x FROM ({COUNTS}) AS t",
        f"SELECT n + y AS x FROM (SELECT n, n % 2 AS y FROM ({COUNTS}) AS t) AS u",
        f"SELECT n / (SELECT MAX(n) FROM ({COUNTS}) AS u) AS x FROM ({COUNTS}) AS t",
    ],
)
def test_what_is_chosen_by_noised_values_or_not_followed_has_no_interval(sql: str) -> None:
    assert {column.name: column.role for column in planned(sql).columns}["x"] == "derived"


def test_rows_that_public_values_choose_are_summed_up_with_an_interval() -> None:
    for where in ("WHERE pieces > 2", "WHERE pieces IN (SELECT store_id FROM stores)"):
        plan = planned(f"SELECT SUM(n) AS x FROM ({COUNTS}) AS t {where}")
        assert [column.role for column in plan.columns] == ["estimate"]


def test_a_total_over_rows_of_which_one_has_no_interval_has_none(
    connection: duckdb.DuckDBPyConnection, world: World
) -> None:
    plan = planned(f"SELECT SUM(m) AS x FROM (SELECT pieces, s / n AS m FROM ({COUNTS}) AS t) AS u")
    few = World(world.generator, {**world.sizes, MeasureKind.ROWS: (20.0, 12.0)})  # the first is 20 ± 24
    (row,) = _rows(connection, plan, few, noise=0.0)
    assert row["x"] is not None
    assert (row["x_lower"], row["x_standard_error"], row["x_reliability"]) == (None, None, None)


def test_a_share_of_all_has_no_error_where_there_is_one_group(
    connection: duckdb.DuckDBPyConnection, world: World
) -> None:
    plan = planned("SELECT n / SUM(n) OVER () AS x FROM (SELECT COUNT(*) AS n FROM lines) AS t")
    (row,) = _rows(connection, plan, world, noise=1.0)
    assert (row["x"], row["x_standard_error"]) == (1.0, pytest.approx(0, abs=1e-9))


def test_display_values_add_up_through_all_levels(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    noisy = World(world.generator, {MeasureKind.ROWS: (8.0, 12.0), MeasureKind.SUM: (50.0, 100.0)})
    levels = planned(f"SELECT pieces, n, SUM(n) OVER () AS all, n / SUM(n) OVER () AS p FROM ({COUNTS}) AS t")
    rollup = planned("SELECT pieces, COUNT(*) AS n, SUM(discount) AS s FROM lines GROUP BY ROLLUP (pieces)")
    for _ in range(20):
        rows = _rows(connection, levels, noisy, noise=1.0)
        cells = [_number(row["n_display"]) for row in rows]
        assert min(cells) >= 0
        assert {row["all_display"] for row in rows} == {sum(cells)}
        if sum(cells):
            assert sum(_number(row["p_display"]) for row in rows) == pytest.approx(1)
            assert all(0 <= _number(row["p_display"]) <= 1 for row in rows)
        rows = _rows(connection, rollup, noisy, noise=1.0)
        for name in ("n", "s"):
            (total,) = (row[f"{name}_display"] for row in rows if row["pieces"] is None)
            assert total == pytest.approx(sum(_number(row[f"{name}_display"]) for row in rows) - _number(total))


def test_a_part_is_shown_as_no_more_than_the_whole_and_a_mean_within_the_values(
    connection: duckdb.DuckDBPyConnection, world: World
) -> None:
    noisy = World(world.generator, {MeasureKind.ROWS: (40.0, 12.0), MeasureKind.SUM: (750.0, 100.0)})
    parts = "100 * COUNT_IF(pieces > 1) / COUNT(*) AS p, COUNT_IF(pieces > 1) / COUNT_IF(pieces > 2) AS q"
    plan = planned(f"SELECT {parts}, AVG(pieces) AS m, AVG(pieces) * 10 AS ten FROM lines GROUP BY pieces")
    rows = [row for _ in range(20) for row in _rows(connection, plan, noisy, noise=1.0)]
    shown = {
        name: [_number(row[f"{name}_display"]) for row in rows if row["p_upper"] and row["q_upper"]] for name in "pq"
    }
    assert max(_number(row["p"]) for row in rows) > 110
    assert 0 <= min(shown["p"]) <= max(shown["p"]) <= 100
    assert max(shown["q"]) > 1  # of two parts, either may be the larger
    means = [(_number(row["m_display"]), _number(row["ten_display"])) for row in rows if row["m_upper"] is not None]
    assert max(_number(row["m"]) for row in rows if row["m"] is not None) > 20
    assert all(-5 <= mean <= 20 for mean, _ in means)
    assert max(mean for mean, _ in means) == 20
    assert max(ten for _, ten in means) <= 200 + 50  # rounded to its own error afterwards


ENDS = "DP_INTERVAL_LOW(x) AS low, DP_INTERVAL_HIGH(x) AS high"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT AVG(discount) AS x, {ENDS.replace('HIGH(x', 'HIGH(AVG(discount), 0.95')} FROM lines GROUP BY pieces",
        f"SELECT pieces, VARIANCE(discount) AS x, {ENDS} FROM lines GROUP BY pieces HAVING DP_INTERVAL_HIGH(x) > -1e9",
        f"SELECT n / SUM(n) OVER () AS x, {ENDS} FROM ({COUNTS}) AS t WHERE pieces > 1",
        f"SELECT s / n AS x, {ENDS} FROM ({COUNTS}) t WHERE DP_INTERVAL_HIGH(n) > -1e9 ORDER BY DP_INTERVAL_LOW(x)",
        f"SELECT SUM(s) / SUM(n) AS x, {ENDS} FROM ({COUNTS}) AS t",
    ],
)
def test_the_ends_that_are_asked_for_hold_both_parts_to_the_digit(
    sql: str, connection: duckdb.DuckDBPyConnection, world: World
) -> None:
    rows = _rows(connection, planned(sql), world, noise=1.0, clipped=0.03)
    assert [(row["low"], row["high"]) for row in rows] == [(row["x_lower"], row["x_upper"]) for row in rows]
    assert any(isinstance(row["low"], float) and row["x_clipping_upper"] for row in rows)


@pytest.mark.parametrize("spread", ["VARIANCE", "VAR_POP", "STDDEV", "STDDEV_POP"])
@pytest.mark.parametrize("deviation", [3.0, 20.0])
@pytest.mark.parametrize(("rows", "mean"), [(400, 0.0), (400, 30.0), (5_000, 30.0), (60, 1.0)])
def test_intervals_of_spreads_cover(
    spread: str, deviation: float, rows: int, mean: float, connection: duckdb.DuckDBPyConnection
) -> None:
    plan = planned(f"SELECT {spread}(discount) AS x FROM lines")
    (node,) = plan.nodes
    generator, draws = np.random.default_rng(11), 4_000
    exact = {0: rows * mean, 1: float(rows), 2: rows * (mean**2 + deviation**2)}
    errors = {0: 40.0, 1: 8.0, 2: 40.0 * max(deviation, mean)}
    columns: dict[str, pa.Array] = {}
    for place, measure in enumerate(node.measures):
        unit = WEIGHT_ONE * 10**measure.scale
        drawn = exact[measure.number] + errors[measure.number] * generator.normal(size=draws)
        columns[f"m{place}"] = pa.array(np.round(drawn * unit).astype(np.int64))
        columns[f"s{place}"] = pa.array(np.full(draws, errors[measure.number] * unit))
    for name, table in statement_tables((node,), {node.name: pa.table(columns)}).items():
        connection.register(name, table)
    found = answer_rows(plan.columns, connection.execute(plan.sql).to_arrow_table())
    variance = deviation**2 * (rows / (rows - 1) if spread in ("VARIANCE", "STDDEV") else 1)
    truth = variance if spread.startswith("VAR") else variance**0.5
    known = [row for row in found if row["x_lower"] is not None]
    covered = sum(_number(row["x_lower"]) <= truth <= _number(row["x_upper"]) for row in known)
    assert covered >= stats.binom.ppf(1e-4, len(known), 0.94) >= 0.9 * len(known)
    assert all(_number(row["x_display"]) >= 0 for row in known)
