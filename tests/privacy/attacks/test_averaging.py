"""Asking one question in many spellings gives one answer at one price; a spelling that is not seen through pays.

Which spellings share a plan is held by `tests/sql/spellings.sql`; here it is the answer and the charge that count.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.privacy.attacks.planted import REST, ask, price_nano
from tests.privacy.stores import Service

_WHERE = "amount > 20 AND hour >= 6 AND hour <= 11"
_JOINED = "purchases JOIN stores USING (store_id)"
FIRST = f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region ORDER BY region"
SAME = (
    f"select  region ,count( * )  as n\nfrom {_JOINED}\twhere {_WHERE} group by region",
    f"/* again */ SELECT region, COUNT(*) AS n -- and again\nFROM {_JOINED} WHERE {_WHERE} GROUP BY region",
    f'SELECT "region", COUNT(*) AS "n" FROM "purchases" JOIN "stores" USING ("store_id") WHERE {_WHERE} GROUP BY 1',
    f"SELECT Region, Count(*) AS N FROM Purchases JOIN Stores USING (Store_Id) WHERE {_WHERE} GROUP BY REGION",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} AND 1 = 1 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} AND TRUE AND 'a' = 'a' GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} OR FALSE GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} AND ({_WHERE}) GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE hour <= 11 AND amount > 20 AND hour >= 6 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE amount > 20 AND hour BETWEEN 6 AND 11 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE 20 < amount AND 6 <= hour AND 11 >= hour GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE ((amount) > (20.00)) AND hour BETWEEN 6 AND 11 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE amount > '20' AND hour BETWEEN 6.0 AND 11 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE NOT NOT ({_WHERE}) GROUP BY region",
    f"SELECT region, COUNT(1) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY ALL",
    f"SELECT region, SUM(1) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region",
    f"SELECT region, COUNT(card_id) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region",
    f"SELECT region, COUNT(store_id) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region",
    f"SELECT region, COUNT_IF(TRUE) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region",
    f"SELECT region, COUNT(*) n FROM stores JOIN purchases USING (store_id) WHERE {_WHERE} GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM purchases p, stores s WHERE p.store_id = s.store_id AND {_WHERE} GROUP BY 1",
    f"SELECT s.region, COUNT(*) AS n FROM stores s JOIN purchases p ON p.store_id = s.store_id AND {_WHERE} GROUP BY 1",
    f"WITH lines AS (SELECT * FROM {_JOINED}) SELECT region, COUNT(*) AS n FROM lines WHERE {_WHERE} GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM (SELECT region FROM {_JOINED} WHERE {_WHERE}) AS t GROUP BY region",
    f"SELECT t.r AS region, COUNT(*) AS n FROM (SELECT region AS r FROM {_JOINED} WHERE {_WHERE}) AS t GROUP BY t.r",
    f"SELECT * FROM ({FIRST.removesuffix(' ORDER BY region')}) AS t",
    f"{FIRST} LIMIT 1000",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region HAVING COUNT(*) IS NOT NULL",
    f"SELECT region, COUNT(*) + 0 AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY region ORDER BY n DESC",
    f"SELECT region, MAX(n) AS n FROM ({FIRST}) AS t GROUP BY region",
)
PERHAPS = (
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE amount > 20 AND hour IN (6, 7, 8, 9, 10, 11) GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE amount > 20 AND hour > 5 AND hour < 12 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE NOT (amount <= 20 OR hour < 6 OR hour > 11) GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE amount * 1 > 20 AND hour BETWEEN 6 AND 11 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE amount - 20 > 0 AND hour BETWEEN 6 AND 11 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} AND hour < 24 GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} AND note IS NOT DISTINCT FROM note GROUP BY region",
    f"SELECT region, COUNT(*) FILTER (WHERE {_WHERE}) AS n FROM {_JOINED} GROUP BY region",
    f"SELECT region, SUM(CASE WHEN {_WHERE} THEN 1 ELSE 0 END) AS n FROM {_JOINED} GROUP BY region",
    f"SELECT region, COUNT(*) AS n FROM {_JOINED} JOIN cards USING (card_id) WHERE {_WHERE} GROUP BY region",
    f"SELECT LOWER(region) AS region, COUNT(*) AS n FROM {_JOINED} WHERE {_WHERE} GROUP BY 1",
)
_REUSE = {"reuse": "prefer"}


def _figures(service: Service, sql: str, **members: Any) -> tuple[dict[str, int], int]:
    """The figures by region, and what was charged for them."""
    charged = ask(service, REST, sql, {**_REUSE, **members})
    assert charged.response.status_code == 201, charged.response.text
    return {row["region"]: row["n"] for row in charged.response.json()["rows"]}, charged.rho_nano


@pytest.fixture(scope="module")
def bought(planted: Service) -> dict[str, int]:
    figures, charge = _figures(planted, FIRST)
    assert charge == price_nano()
    return figures


def test_there_are_spellings_enough() -> None:
    assert len({FIRST, *SAME}) >= 30


@pytest.mark.parametrize("sql", SAME)
def test_a_spelling_of_a_question_gets_the_answer_that_was_bought_and_is_free(
    planted: Service, bought: dict[str, int], sql: str
) -> None:
    assert _figures(planted, sql) == (bought, 0)


def test_every_draw_that_is_not_the_one_that_was_bought_is_paid_for(planted: Service, bought: dict[str, int]) -> None:
    asked = [_figures(planted, sql) for sql in PERHAPS]
    draws = {tuple(sorted(figures.values())) for figures, _ in asked} - {tuple(sorted(bought.values()))}
    assert sum(charge for _, charge in asked) == len(draws) * price_nano()
    assert draws, "one of them at least is a question of its own"


@pytest.mark.parametrize(
    "members",
    [
        {"rho": "0.0000010"},
        {"rho": 0.000001},
        {"rho": "0.000000999"},
        {"purpose": None},
        {"params": {}},
        {"max_epsilon": 3},
        {"options": {}},
        {"options": {"l2_bound": {"n": 10}}},
        {"owner": "other"},
    ],
)
def test_another_request_for_the_same_release_is_free(
    planted: Service, bought: dict[str, int], members: dict[str, Any]
) -> None:
    assert _figures(planted, FIRST, **members) == (bought, 0)


def test_fresh_noise_is_paid_for_each_time(planted: Service, bought: dict[str, int]) -> None:
    draws = [_figures(planted, FIRST, reuse="never") for _ in range(5)]
    assert [charge for _, charge in draws] == [price_nano()] * 5
    assert len({tuple(figures.items()) for figures, _ in draws} | {tuple(bought.items())}) == 6


def test_a_memory_that_forgets_would_be_seen(
    planted: Service, bought: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planted.ledger, "find_release", lambda *_: None)
    figures, charge = _figures(planted, SAME[0])
    assert figures != bought
    assert charge == price_nano()
