"""What raises in plain DuckDB on one customer's rows tells nothing here: answers, problems and charges are alike.

Compared are status, headers, all members that are not drawn at random, the columns and number of rows, and what the
ledger lost; on a dataset with the customer and on the same one without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import pytest

from tests.privacy.attacks.error_oracles import ANSWERED, REFUSED
from tests.privacy.attacks.planted import DATASETS, REST, WHOLE, tables_of
from tests.privacy.attacks.test_refusal_oracle import seen
from tests.privacy.stores import Service

LEAST_ORACLES = 50
PLAIN = {**{name: sql for name, (sql, _) in ANSWERED.items()}, **REFUSED}


@dataclass(frozen=True)
class Plain:
    """Both datasets in plain DuckDB."""

    connections: Mapping[str, duckdb.DuckDBPyConnection]

    def fails(self, dataset: str, sql: str) -> bool:
        try:
            self.connections[dataset].execute(sql).fetchall()
        except duckdb.Error:
            return True
        return False


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    connections = {dataset: duckdb.connect() for dataset in DATASETS}
    for dataset, connection in connections.items():
        for name, query in tables_of(dataset).items():
            connection.execute(f"CREATE TABLE {name} AS {query}")
    yield Plain(connections)
    for connection in connections.values():
        connection.close()


@pytest.mark.parametrize("sql", PLAIN.values(), ids=PLAIN)
def test_plain_duckdb_tells_by_an_error_that_the_customer_is_there(plain: Plain, sql: str) -> None:
    assert (plain.fails(WHOLE, sql), plain.fails(REST, sql)) == (True, False)


@pytest.mark.parametrize(("sql", "members"), ANSWERED.values(), ids=ANSWERED)
def test_what_would_raise_is_answered_alike_and_charged_alike(
    planted: Service, sql: str, members: Mapping[str, object]
) -> None:
    with_customer, without = (seen(planted, dataset, sql, members) for dataset in (WHOLE, REST))
    assert with_customer == without
    assert with_customer["status"] == 201
    assert with_customer["charge"] > 0


@pytest.mark.parametrize("sql", REFUSED.values(), ids=REFUSED)
def test_what_has_no_total_form_is_refused_alike_and_for_free(planted: Service, sql: str) -> None:
    with_customer, without = (seen(planted, dataset, sql, {}) for dataset in (WHOLE, REST))
    assert with_customer == without
    assert with_customer["status"] == 422
    assert with_customer["charge"] == 0


def test_there_are_enough_oracles() -> None:
    assert len(set(PLAIN.values())) >= LEAST_ORACLES
