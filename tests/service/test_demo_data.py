"""The demo dataset: real receipt lines, loaded as the demo's policy says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from queries.errors import LoadError
from queries.policy import load_policy
from queries.vault import SecretKeys, Snapshot, attach_encrypted, load_encryption
from service import demo
from service.demo import demo_policy, ensure_demo


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def keys(data_dir: Path) -> SecretKeys:
    return SecretKeys.open(data_dir / "keys")


@pytest.fixture(scope="module")
def snapshot(data_dir: Path, keys: SecretKeys) -> Snapshot:
    return ensure_demo(data_dir, data_dir / "vault", keys)


@pytest.fixture(scope="module")
def vault(snapshot: Snapshot, keys: SecretKeys) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        load_encryption(connection)
        attach_encrypted(
            connection, snapshot.private_file, "vault", keys.snapshot_key(snapshot.dataset, snapshot.id), ", READ_ONLY"
        )
        connection.execute(f"ATTACH '{snapshot.public_file}' AS public_vault (READ_ONLY)")
        yield connection


def test_the_budget_and_the_limits_of_the_demo() -> None:
    policy = load_policy(demo_policy())
    assert (policy.budget.epsilon, policy.budget.delta) == (Fraction(10), Fraction(1, 10**6))
    assert {name: person.epsilon for name, person in policy.persons.items()} == {"analyst": 8, "dashboard": 8}
    assert (policy.query.default_epsilon, policy.query.max_epsilon) == (Fraction(1, 10), Fraction(2))


def test_all_lines_of_all_households_are_loaded(vault: duckdb.DuckDBPyConnection) -> None:
    totals = vault.execute("SELECT count(*), count(DISTINCT _u), min(_u), max(_u), sum(amount) FROM vault.purchases")
    assert totals.fetchall() == [(1_469_307, 2_469, 0, 2_468, 459_603_958)]
    assert vault.execute("SELECT count(*), count(DISTINCT _u) FROM vault.customers").fetchall() == [(801, 801)]
    assert vault.execute(
        "SELECT count(*) FROM vault.purchases SEMI JOIN public_vault.stores USING (store_id)"
    ).fetchall() == [(1_469_307,)]


def test_no_profile_falls_out_of_its_declared_domain(vault: duckdb.DuckDBPyConnection) -> None:
    missing = vault.execute("""
        SELECT count(*) - count(age), count(*) - count(income), count(*) - count(home_ownership),
               count(*) - count(marital_status), count(*) - count(household_size), count(*) - count(kids_count)
        FROM vault.customers
    """)
    assert missing.fetchall() == [(0, 0, 233, 137, 0, 0)]


def test_sensitive_lines_show_their_department_and_nothing_finer(vault: duckdb.DuckDBPyConnection) -> None:
    policy = load_policy(demo_policy())
    for index, group in enumerate(policy.sensitive):
        shown = vault.execute(
            """
            SELECT count(*), count(product_category), count(product_type), count(brand), max(product_id) < 0
            FROM vault.purchases JOIN public_vault.products USING (product_id) WHERE _sensitive = ?
            """,
            [index],
        ).fetchall()
        assert shown[0][0] > 900
        assert shown[0][1:] == (0, 0, 0, True)
        assert group.parent == "department"


def test_totals_by_department_are_those_of_the_source(vault: duckdb.DuckDBPyConnection) -> None:
    transactions = demo._package_data() / "transactions.parquet"
    products = demo._package_data() / "products.parquet"
    source = f"""
        SELECT department, sum(round(sales_value * 100))::BIGINT
        FROM '{transactions}' JOIN '{products}' USING (product_id)
        GROUP BY ALL ORDER BY ALL
    """
    stored = """
        SELECT department, sum(amount)::BIGINT FROM vault.purchases JOIN public_vault.products USING (product_id)
        GROUP BY ALL ORDER BY ALL
    """
    assert vault.execute(stored).fetchall() == vault.execute(source).fetchall()


def test_the_second_start_keeps_the_snapshot_and_is_quick(data_dir: Path, keys: SecretKeys, snapshot: Snapshot) -> None:
    start = time.perf_counter()
    assert ensure_demo(data_dir, data_dir / "vault", keys) == snapshot
    assert time.perf_counter() - start < 0.5
    assert sorted(path.name for path in data_dir.iterdir()) == ["exclusions.db", "keys", "vault"]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.demo.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(LoadError, match=r"kvitto\[demo\]"):
        demo.write_demo_tables(tmp_path)
