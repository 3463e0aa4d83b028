"""What fails on public and released values is told without a word of the engine, is never a fault, and stays told.

The same request again gets the same bytes; a release that was paid for is stored, whatever became of its answer.
"""

from __future__ import annotations

import uuid

import pytest

from tests.privacy.attacks.planted import PRICE, WHOLE
from tests.privacy.attacks.test_hostile_sql import ENGINES_WORDS
from tests.privacy.stores import Service

PUBLIC = (
    "SELECT CAST(region AS INTEGER) AS x FROM stores",
    "SELECT LN(store_id - store_id) AS x FROM stores",
    "SELECT SQRT(-store_id) AS x FROM stores",
    "SELECT STRFTIME(DATE '2020-01-01', '%Q') AS x",
    "SELECT CAST('290000-01-01' AS DATE) AS x",
    "SELECT CAST('infinity' AS TIMESTAMP) AS x",
    "SELECT CAST('0044-03-15 (BC)' AS DATE) AS x",
    "SELECT 9223372036854775807 + store_id AS x FROM stores",
    "SELECT (SELECT s.region FROM stores AS s) AS x FROM stores",
    "SELECT UPPER(store_id) AS x FROM stores",
    "SELECT store_id, COUNT(*) AS n FROM stores",
    "SELECT SUM(COUNT(*)) AS n FROM stores",
    "SELECT 1 AS x UNION SELECT 1, 2",
    "SELECT region FROM stores ORDER BY 7",
    "SELECT region FROM stores LIMIT -1",
    "SELECT a.store_id FROM stores AS a, stores AS b WHERE region = 'north'",
    "SELECT CAST('x' AS BLOB) AS x",
    "SELECT CAST('101' AS BIT) AS x",
    "SELECT CAST('[1]' AS INTEGER[]) AS x",
    "SELECT CAST('1' AS VARIANT) AS x",
    "SELECT INTERVAL 1 MONTH AS x",
    "SELECT LENGTH(STRFTIME(DATE '2020-01-01', '%%%')) AS x FROM stores WHERE CAST('x' AS BOOLEAN)",
)
RELEASED = (
    "CAST('x' || n AS INTEGER)",
    "LN(n - n)",
    "SQRT(-ABS(n) - 1)",
    "DATE '9999-01-01' + (CAST(ABS(n) AS INTEGER) + 1000)",
    "CAST(CASE WHEN n IS NULL THEN '2020-01-01' ELSE 'infinity' END AS TIMESTAMP)",
    "9223372036854775807 + (ABS(n) + 1)",
)


def _ask_twice(service: Service, sql: str, **members: object) -> tuple[int, str]:
    headers = service.headers("analyst") | {"Idempotency-Key": uuid.uuid4().hex}
    body = {"dataset": WHOLE, "sql": sql, "rho": PRICE, **members}
    one, two = (service.client.post("/v1/queries", headers=headers, json=body) for _ in range(2))
    assert one.status_code == two.status_code, sql
    assert one.json()["detail"] == two.json()["detail"]
    assert [word for word in ENGINES_WORDS if word.lower() in one.text.lower()] == []
    return one.status_code, one.json()["type"]


@pytest.mark.parametrize("sql", PUBLIC)
def test_what_fails_on_public_values_is_told_in_other_words(planted: Service, sql: str) -> None:
    before = planted.ledger.balance(WHOLE).spent
    assert _ask_twice(planted, sql) in {(422, "/problems/postprocess-failed"), (422, "/problems/query-not-private")}
    assert planted.ledger.balance(WHOLE).spent == before


@pytest.mark.parametrize("expression", RELEASED)
def test_what_fails_on_released_values_leaves_the_release_stored(planted: Service, expression: str) -> None:
    inner = f"SELECT COUNT(*) AS n FROM purchases WHERE hour < {100 + RELEASED.index(expression)}"
    sql = f"SELECT {expression} AS x FROM ({inner}) AS t"
    assert _ask_twice(planted, sql) == (422, "/problems/postprocess-failed")
    spent = planted.ledger.balance(WHOLE).spent
    body = {"dataset": WHOLE, "sql": inner, "rho": PRICE}
    answer = planted.client.post("/v1/queries", headers=planted.headers("analyst"), json=body)
    assert answer.status_code == 201
    assert planted.ledger.balance(WHOLE).spent == spent
