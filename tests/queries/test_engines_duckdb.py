"""The locked database: it reads what was attached, and nothing else can be read, written or changed."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from queries.engines.duckdb import attach, connect, lock
from queries.vault import Snapshot
from tests.queries.vault_world import Shop

ATTACKS = (
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 'forged'::BLOB) TO '{private}.wal' (FORMAT BLOB)",
    "COPY lines_copy FROM '{folder}/secret.csv'",
    "EXPORT DATABASE '{folder}/export'",
    "IMPORT DATABASE '{folder}'",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_blob('{folder}/secret.csv')",
    "SELECT * FROM read_json('{folder}/secret.csv')",
    "SELECT * FROM read_parquet('{folder}/secret.csv')",
    "SELECT * FROM read_duckdb('{private}')",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM glob('{folder}/*')",
    "ATTACH '{folder}/other.duckdb' AS other",
    "ATTACH '{public}' AS other (READ_ONLY)",
    "SELECT getenv('HOME')",
    "SELECT * FROM local_variable",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/evil.duckdb_extension'",
    "CREATE SECRET (TYPE s3)",
    "CREATE TABLE private.main.more(i INTEGER)",
    "INSERT INTO private.main.lines SELECT * FROM private.main.lines",
    "UPDATE private.main.lines SET pieces = 0",
    "DELETE FROM private.main.lines",
    "DROP TABLE private.main.lines",
    "CREATE TABLE public.main.more(i INTEGER)",
    "DELETE FROM public.main.products",
    "SET disabled_filesystems = ''",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET temp_directory = '{folder}'",
    "SET threads = 64",
    "SET memory_limit = '1TB'",
    "SET python_enable_replacements = true",
    "SET allow_unsigned_extensions = true",
    "RESET memory_limit",
    "PRAGMA enable_profiling = 'json'; PRAGMA profiling_output = '{folder}/profile'",
    "SET log_query_path = '{folder}/queries.log'",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Snapshot]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    return shop, shop.load()


@pytest.fixture
def locked(shop: tuple[Shop, Snapshot]) -> Iterator[duckdb.DuckDBPyConnection]:
    made, snapshot = shop
    (made.root / "secret.csv").write_text("a\n1\n", encoding="utf-8")
    with connect(2, 1 << 28) as connection:
        attach(connection, snapshot.private_file, "private", made.keys.snapshot_key("shop", snapshot.id))
        attach(connection, snapshot.public_file, "public")
        lock(connection)
        yield connection


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_attached_can_be_read(locked: duckdb.DuckDBPyConnection) -> None:
    for connection in (locked, locked.cursor()):
        row = connection.execute("SELECT count(*), sum(pieces) FROM private.main.lines").fetchone()
        assert row == (1000, sum(i % 7 for i in range(1000)))
        assert connection.execute("SELECT count(*) FROM public.main.products").fetchone() == (4,)
        assert connection.execute("SELECT min(lo), max(hi) FROM private.main._partitions").fetchone() == (0, 60)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_else_can_be_read_written_or_changed(
    attack: str, locked: duckdb.DuckDBPyConnection, shop: tuple[Shop, Snapshot]
) -> None:
    made, snapshot = shop
    local_variable = duckdb.sql("SELECT 42 AS secret").to_arrow_table()  # replacement scans would find it by its name
    before = _contents(made.root)
    places = {"folder": made.root, "private": snapshot.private_file, "public": snapshot.public_file}
    with pytest.raises(duckdb.Error):
        locked.execute(attack.format(**places)).fetchall()
    assert _contents(made.root) == before
    assert local_variable.num_rows == 1


def test_a_wrong_key_opens_nothing(shop: tuple[Shop, Snapshot]) -> None:
    with connect(1, 1 << 28) as connection, pytest.raises(duckdb.Error):
        attach(connection, shop[1].private_file, "private", "0" * 64)


def test_memory_beyond_the_limit_is_an_error_and_spills_nowhere(locked: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.OutOfMemoryException):
        locked.execute("SELECT list(i || repeat('x', 1000)) FROM range(1000000) AS r(i)").fetchall()
    assert locked.execute("SELECT 1").fetchone() == (1,)
