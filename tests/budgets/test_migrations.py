"""The revisions make the schema that the ledger's statements expect."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

import budgets.migrations
from budgets import tables
from budgets.database import SCHEMA_VERSION, WRITES, open_database


def test_the_newest_revision_is_the_version_that_the_ledger_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(budgets.migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_VERSION]


def test_the_revisions_make_the_tables_that_the_ledger_uses(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    inspector = sa.inspect(engine)
    made = {
        name: {column["name"] for column in inspector.get_columns(name)}
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }
    assert made == {table.name: {column.name for column in table.columns} for table in tables.TABLES}
    engine.dispose()


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    with engine.execution_options(**WRITES).begin() as connection:
        before = connection.exec_driver_sql("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        budgets.migrations.upgrade(connection)
        assert connection.exec_driver_sql("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        budgets.migrations.upgrade(connection)
        connection.rollback()
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
