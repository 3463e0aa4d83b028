"""The contract of engines, held by each of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from queries.engine import Engine
from queries.engines.duckdb import DuckDBEngine, connect
from tests.queries.engine_contract import PRODUCTS, EngineContract, World


class TestDuckDB(EngineContract):
    @contextmanager
    def opened(self, world: World) -> Iterator[Engine]:
        with connect(world.threads, 1 << 28) as connection:
            connection.execute("ATTACH ':memory:' AS private")
            connection.execute("ATTACH ':memory:' AS public")
            connection.execute("CREATE TABLE private.lines(_u INTEGER, product_id BIGINT, week BIGINT, amount BIGINT)")
            connection.execute("CREATE TABLE private._partitions(lo INTEGER, hi INTEGER)")
            connection.execute("CREATE TABLE public.products(product_id BIGINT, department VARCHAR)")
            for table, rows in (
                ("private.lines", world.lines),
                ("private._partitions", world.partitions),
                ("public.products", tuple(PRODUCTS.items())),
            ):
                if rows:
                    marks = ", ".join("?" for _ in rows[0])
                    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            yield DuckDBEngine(connection, world.threads)
