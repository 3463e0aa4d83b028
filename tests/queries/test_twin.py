"""Twins have the columns and types of the vault's tables, in order, and no rows."""

from pathlib import Path

import duckdb

from queries.twin import twin_statements
from tests.queries.vault_world import Shop, opened

_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()
    WHERE database_name = '{}' AND table_name NOT IN ('_units', '_partitions') ORDER BY table_name, column_index
"""


def test_a_twin_is_typed_as_the_vault_stores_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    snapshot = shop.load()
    with opened(snapshot, shop.keys) as connection:
        stored = connection.execute(_COLUMNS.format("vault")).fetchall()
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS private")
        for statement in twin_statements(snapshot.policy):
            connection.execute(statement)
        assert connection.execute(_COLUMNS.format("private")).fetchall() == stored
        assert {name for _, name, *_ in stored} >= {"_u", "_sensitive", "_original_product_id", "age"}
        assert connection.execute("SELECT count(*) FROM private.main.lines").fetchone() == (0,)
