"""The synthetic retailer: the same rows for the same seed, with the shapes that it promises."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from queries.errors import LoadError
from queries.policy import load_policy
from queries.vault import SecretKeys, load_snapshot
from service.synth import synthetic_policy, write_synthetic

LINES = 40_000


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_synthetic(tmp_path_factory.mktemp("retailer"), LINES, None, 7)


def ask(query: str, **tables: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        for name, path in tables.items():
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
        return connection.execute(query).fetchall()


def digest(path: Path) -> object:
    return ask("SELECT count(*), bit_xor(hash(t)), sum(hash(t) % 1000000) FROM t", t=path)


def test_the_same_seed_writes_the_same_rows_and_another_seed_others(retailer: dict[str, Path], tmp_path: Path) -> None:
    again, other = write_synthetic(tmp_path / "a", LINES, None, 7), write_synthetic(tmp_path / "b", LINES, None, 8)
    for name, path in retailer.items():
        assert digest(again[name]) == digest(path)
        assert digest(other[name]) != digest(path)


def test_there_are_exactly_as_many_lines_as_asked_for(retailer: dict[str, Path], tmp_path: Path) -> None:
    assert ask("SELECT count(*) FROM purchases", **retailer) == [(LINES,)]
    for lines, customers in ((1, None), (17, 5), (3, 900)):
        written = write_synthetic(tmp_path / f"{lines}", lines, customers, 1)
        assert ask("SELECT count(*) FROM purchases", **written) == [(lines,)]


def test_every_line_refers_to_a_product_and_a_profile_to_a_customer(retailer: dict[str, Path]) -> None:
    assert ask("SELECT count(*) FROM purchases ANTI JOIN products USING (product_id)", **retailer) == [(0,)]
    assert ask("SELECT count(*), count(DISTINCT product_id) FROM products", **retailer) == [(30_000, 30_000)]
    shapes = "SELECT count(DISTINCT product_category), count(DISTINCT department) FROM products"
    assert ask(shapes, **retailer) == [(300, 25)]
    [(profiles, units)] = ask("SELECT count(*), count(DISTINCT household_id) FROM customers", **retailer)
    assert profiles == units
    assert 120 < int(str(profiles)) < 200


def test_customers_are_heavy_tailed(retailer: dict[str, Path]) -> None:
    sizes = "SELECT household_id, count(*) AS lines FROM purchases GROUP BY ALL"
    [(middle, top)] = ask(f"SELECT median(lines), quantile_cont(lines, 0.99) FROM ({sizes})", **retailer)
    assert 35 < float(str(middle)) < 75
    assert float(str(top)) > 6 * float(str(middle))


def test_products_follow_zipfs_law(retailer: dict[str, Path]) -> None:
    ranked = ask("SELECT product_id, count(*) AS n FROM purchases GROUP BY ALL ORDER BY n DESC LIMIT 100", **retailer)
    counts = [int(str(count)) for _, count in ranked]
    assert ranked[0][0] == 1
    assert 5 < counts[0] / counts[9] < 20
    assert len(ask("SELECT DISTINCT product_id FROM purchases", **retailer)) > 3_000


def test_days_have_seasons_and_fill_the_year(retailer: dict[str, Path]) -> None:
    months = [
        int(str(n)) for _, n in ask("SELECT month(day), count(*) FROM purchases GROUP BY 1 ORDER BY 1", **retailer)
    ]
    assert len(months) == 12
    assert max(months) == months[11] > 1.2 * months[0]
    span = "SELECT min(day)::VARCHAR, max(day)::VARCHAR, min(week), max(week), min(hour), max(hour) FROM purchases"
    assert ask(span, **retailer) == [("2025-01-01", "2025-12-31", 1, 53, 8, 21)]


def test_one_line_in_a_hundred_is_a_return_with_a_negative_amount(retailer: dict[str, Path]) -> None:
    [(returns, odd)] = ask(
        "SELECT count(*) FILTER (amount < 0), count(*) FILTER ((amount < 0) <> (quantity < 0)) FROM purchases",
        **retailer,
    )
    assert 300 < int(str(returns)) < 500
    assert odd == 0


def test_a_basket_has_one_customer_store_and_hour(retailer: dict[str, Path]) -> None:
    query = """
        SELECT count(*) FROM (SELECT basket_id FROM purchases GROUP BY basket_id
        HAVING count(DISTINCT (household_id, store_id, day, hour)) > 1)
    """
    assert ask(query, **retailer) == [(0,)]


def test_the_retailer_loads_under_its_own_policy_without_losing_a_value(
    retailer: dict[str, Path], tmp_path: Path
) -> None:
    text = (retailer["purchases"].parent / "policy.yaml").read_text(encoding="utf-8")
    policy = load_policy(text)
    snapshot = load_snapshot(
        tmp_path / "vault",
        text,
        {name: str(path) for name, path in retailer.items()},
        SecretKeys.open(tmp_path / "keys"),
    )
    assert snapshot.dataset == "synthetic"
    for name, column in policy.tables["purchases"].columns.items():
        if column.range is not None:
            low, high = column.range
            outside = f"SELECT count(*) FROM purchases WHERE {name} NOT BETWEEN '{low}' AND '{high}'"
            assert ask(outside, **retailer) == [(0,)]


@pytest.mark.parametrize("customers", [1, 600, 10_000, 50_000_000])
def test_the_policy_has_room_for_twice_the_customers(customers: int) -> None:
    assert load_policy(synthetic_policy(customers)).max_units >= 2 * customers


def test_a_size_that_the_policy_does_not_cover_is_refused(tmp_path: Path) -> None:
    for lines, customers in ((0, None), (-5, None), (10, 50_000_001), (10, -1)):
        with pytest.raises(LoadError, match="at least one line"):
            write_synthetic(tmp_path, lines, customers, 1)
