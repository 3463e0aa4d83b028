"""No statement picks a customer out by the unit: it is refused, for nothing, and alike with and without the customer.

More forms, each with its code, are in `tests/sql/refused/unit.sql`; here they go through HTTP, against the ledger.
"""

from __future__ import annotations

import pytest

from tests.privacy.attacks.planted import DATASETS, ask, price_nano
from tests.privacy.stores import Service

_ROWS = "SELECT COUNT(*) AS n FROM purchases"
BY_UNIT = (
    f"{_ROWS} WHERE card_id = 'card 1'",
    f"{_ROWS} WHERE 'card 1' = card_id",
    f"{_ROWS} WHERE NOT card_id <> 'card 1'",
    f"{_ROWS} WHERE card_id IN ('card 1', 'card 2')",
    f"{_ROWS} WHERE (card_id, hour) IN (('card 1', 3))",
    f"{_ROWS} WHERE card_id LIKE 'card 1%'",
    f"{_ROWS} WHERE card_id BETWEEN 'card 1' AND 'card 3'",
    f"{_ROWS} WHERE card_id < 'card 2'",
    f"{_ROWS} WHERE card_id IS NOT DISTINCT FROM 'card 1'",
    f"{_ROWS} WHERE COALESCE(card_id, '') = 'card 1'",
    f"{_ROWS} WHERE CASE card_id WHEN 'card 1' THEN TRUE ELSE FALSE END",
    f"{_ROWS} WHERE NULLIF(card_id, 'card 1') IS NULL",
    f"{_ROWS} WHERE GREATEST(card_id, 'card 1') = 'card 1'",
    f"{_ROWS} WHERE STARTS_WITH(card_id, 'card 1')",
    f"{_ROWS} WHERE HASH(card_id) % 2 = 0",
    f"{_ROWS} WHERE MD5(card_id) < '8'",
    f"{_ROWS} WHERE LENGTH(card_id) % 2 = 0",
    f"{_ROWS} WHERE CAST(card_id AS INTEGER) % 7 = 3",
    f"{_ROWS} WHERE CONCAT(card_id, note) = 'card 1a'",
    f"{_ROWS} WHERE card_id || '' = 'card 1'",
    f"{_ROWS} WHERE REGEXP_MATCHES(card_id, '[02468]$')",
    f"{_ROWS} WHERE RIGHT(card_id, 1) = '1'",
    f"{_ROWS} WHERE card_id = $who",
    f"{_ROWS} p JOIN (VALUES ('card 1'), ('card 2')) AS t(c) ON p.card_id = t.c",
    f"{_ROWS} p JOIN (SELECT 'card 1' AS c UNION ALL SELECT 'card 2') AS t ON p.card_id = t.c",
    f"{_ROWS} JOIN (SELECT region AS card_id FROM stores) AS t USING (card_id)",
    f"{_ROWS} p JOIN stores s ON p.card_id = s.region",
    f"{_ROWS} NATURAL JOIN (SELECT 'card 1' AS card_id) AS t",
    f"{_ROWS} p SEMI JOIN (SELECT 'card 1' AS c) AS t ON p.card_id = t.c",
    f"{_ROWS} p WHERE EXISTS (SELECT 1 FROM stores s WHERE s.region = p.card_id)",
    f"{_ROWS} WHERE card_id IN (SELECT region FROM stores)",
    f"{_ROWS} WHERE card_id = (SELECT MIN(card_id) FROM cards)",
    f"{_ROWS} WHERE card_id = ANY (SELECT card_id FROM cards WHERE age = '85+')",
    "SELECT COUNT(*) FILTER (WHERE card_id = 'card 1') AS n FROM purchases",
    "SELECT COUNT_IF(card_id = 'card 1') AS n FROM purchases",
    "SELECT SUM(CASE WHEN card_id = 'card 1' THEN 1 ELSE 0 END) AS n FROM purchases",
    "SELECT SUM(IF(card_id = 'card 1', amount, 0)) AS n FROM purchases",
    "SELECT card_id = 'card 1' AS k, COUNT(*) AS n FROM purchases GROUP BY k",
    "SELECT card_id, COUNT(*) AS n FROM purchases GROUP BY card_id",
    "SELECT COUNT(*) AS n FROM purchases GROUP BY card_id",
    "SELECT COUNT(*) AS n FROM purchases GROUP BY ALL ORDER BY card_id LIMIT 1",
    "SELECT region, COUNT(*) AS n FROM purchases JOIN stores USING (store_id) GROUP BY region ORDER BY MIN(card_id)",
    "SELECT store_id, COUNT(*) AS n FROM purchases GROUP BY store_id HAVING MIN(card_id) = 'card 1'",
    "SELECT store_id, COUNT(*) AS n FROM purchases GROUP BY store_id HAVING card_id = 'card 1'",
    "SELECT COUNT(*) AS n FROM (SELECT amount FROM purchases ORDER BY card_id LIMIT 20) AS t",
    "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (ORDER BY card_id) AS r FROM purchases) AS t WHERE r < 9",
    "SELECT COUNT(*) AS n FROM (SELECT DISTINCT ON (card_id) amount FROM purchases) AS t",
    "SELECT COUNT(*) AS n FROM (SELECT card_id AS c FROM purchases) AS t WHERE c = 'card 1'",
    "WITH t(c) AS (SELECT card_id FROM cards) SELECT COUNT(*) AS n FROM t WHERE c = 'card 1'",
    "SELECT COUNT(*) AS n FROM cards a JOIN cards b ON a.card_id = b.card_id AND a.card_id = 'card 1'",
    "SELECT COUNT(*) AS n FROM cards a LEFT JOIN cards b ON a.card_id = b.card_id WHERE b.card_id IS NULL",
    "SELECT COUNT(*) AS n FROM cards a JOIN cards b ON a.card_id <> b.card_id",
    "SELECT STRING_AGG(card_id, ',') AS n FROM purchases",
    "SELECT ARG_MAX(card_id, amount) AS n FROM purchases",
    "SELECT FIRST(card_id) AS n FROM purchases",
    "SELECT MEDIAN(card_id) AS n FROM purchases",
    "SELECT COUNT(DISTINCT card_id || note) AS n FROM purchases",
    "SELECT COUNT(DISTINCT CASE WHEN amount > 1 THEN card_id END) AS n FROM purchases",
)
OF_ONE_CUSTOMER = "SELECT store_id, COUNT(DISTINCT card_id) AS n FROM purchases GROUP BY store_id HAVING n = 1"


@pytest.mark.parametrize("sql", BY_UNIT)
def test_a_predicate_on_the_unit_is_refused_alike_and_for_nothing(planted: Service, sql: str) -> None:
    members = {"params": {"who": "card 1"}} if "$who" in sql else {}
    asked = [ask(planted, dataset, sql, members) for dataset in DATASETS]
    assert {one.response.status_code for one in asked} <= {400, 422}
    assert [one.rho_nano for one in asked] == [0, 0]
    told = [{k: v for k, v in one.response.json().items() if k != "instance"} for one in asked]
    assert told[0] == told[1]


def test_having_on_a_count_of_customers_sees_the_noised_count(planted: Service) -> None:
    """Groups of one customer cannot be asked for: the figure that is compared has noise far above one."""
    members = {"rho": "0.000001"}
    for dataset in DATASETS:
        asked = ask(planted, dataset, OF_ONE_CUSTOMER.replace("n = 1", "ABS(n) > 100"), members)
        assert asked.rho_nano == price_nano(members)
        assert all(abs(row["n"]) > 100 for row in asked.response.json()["rows"])
        assert asked.response.json()["rows"], "noise of this price passes 100 in some store"
