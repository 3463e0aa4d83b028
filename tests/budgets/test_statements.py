"""A statement gives the same rows on the short way as on SQLAlchemy's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from budgets.database import WRITES, open_database
from budgets.statements import direct
from budgets.tables import ACCOUNTS
from budgets.writer import _ACCOUNT, _FREEZES, _HEAD
from tests.budgets.ledger_samples import url_of

ROWS = [{"id": name, "dataset": "shop", "kind": "dataset", "parent": None, "owner": "it's"} for name in "abc"]
IN_LIST = sa.select(ACCOUNTS).where(ACCOUNTS.c.id.in_(sa.bindparam("ids", expanding=True))).order_by(ACCOUNTS.c.id)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = open_database(url_of(tmp_path))
    with engine.execution_options(**WRITES).connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def test_rows_are_written_one_or_many_and_read_by_name_and_by_place(connection: sa.Connection) -> None:
    short = direct(connection)
    short.execute(sa.insert(ACCOUNTS), ROWS[0])
    short.execute(sa.insert(ACCOUNTS), ROWS[1:])
    row = short.execute(_ACCOUNT, {"account_id": "b"}).one_or_none()
    assert row is not None
    assert (row.id, row.owner, tuple(row)) == ("b", "it's", tuple(ROWS[1].values()))
    assert short.execute(_ACCOUNT, {"account_id": "z"}).one_or_none() is None
    assert short.execute(_HEAD).one_or_none() is None
    everything = sa.select(ACCOUNTS).order_by(ACCOUNTS.c.id)
    assert [tuple(each) for each in short.execute(everything).all()] == list(map(tuple, connection.execute(everything)))


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "c"], ["c", "b", "a", "nobody"]])
def test_a_list_has_any_length(connection: sa.Connection, ids: list[str]) -> None:
    short = direct(connection)
    short.execute(sa.insert(ACCOUNTS), ROWS)
    assert [row.id for row in short.execute(IN_LIST, {"ids": ids})] == sorted(set(ids) & set("abc"))
    assert short.execute(_FREEZES, {"scopes": ids}).all() == []


def test_several_rows_where_one_is_expected_are_an_error(connection: sa.Connection) -> None:
    short = direct(connection)
    short.execute(sa.insert(ACCOUNTS), ROWS)
    with pytest.raises(sqlite3.Error):
        short.execute(sa.select(ACCOUNTS)).one_or_none()


def test_another_database_keeps_sqlalchemys_way() -> None:
    class Wrapped:
        driver_connection = object()

    class Other:
        connection = Wrapped()

    other = Other()
    assert direct(other) is other  # type: ignore[arg-type, comparison-overlap]
