"""Status, headers, problem, charge and shape of an answer tell nothing about whether one customer is in the data."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.privacy.attacks.planted import REST, WHOLE, ask, load_planted
from tests.privacy.stores import Service, make_keys, running, settings_of

_ROWS = "SELECT COUNT(*) AS n FROM purchases"
_BOUND = {"options": {"l2_bound": {"n": 10}}}
TEXT_TO_NUMBER = f"{_ROWS} WHERE CAST(note AS INTEGER) > 3"
REQUESTS: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("a count", _ROWS, {}),
    ("a count of nobody", f"{_ROWS} WHERE amount > 999.99 AND amount < 0", {}),
    ("a count of the customer's lines alone", f"{_ROWS} WHERE ticket > 7", {}),
    ("a mean over the customer alone", "SELECT AVG(amount) AS n FROM purchases WHERE ticket > 7", {}),
    ("a mean over nobody", "SELECT AVG(amount) AS n FROM purchases WHERE FALSE", {}),
    ("public keys", "SELECT store_id, COUNT(*) AS n FROM purchases GROUP BY store_id", {}),
    ("a declared domain", "SELECT age, COUNT(DISTINCT card_id) AS n FROM cards GROUP BY age", {}),
    ("a text as a number", TEXT_TO_NUMBER, {}),
    ("a text as a double", f"{_ROWS} WHERE CAST(note AS DOUBLE) > 1", {}),
    ("a large number as a small one", f"{_ROWS} WHERE CAST(ticket AS TINYINT) = 1", {}),
    ("a division by zero", f"{_ROWS} WHERE 1 / ticket > 0", {}),
    ("a whole division by zero", "SELECT SUM(7 // ticket) AS n FROM purchases", _BOUND),
    ("a remainder by zero", "SELECT SUM(hour % ticket) AS n FROM purchases", _BOUND),
    ("a product that overflows", "SELECT SUM(ticket * ticket) AS n FROM purchases", _BOUND),
    ("a sum that overflows", "SELECT SUM(ticket + ticket) AS n FROM purchases", _BOUND),
    ("a sign that overflows", "SELECT SUM(ABS(-ticket - 1)) AS n FROM purchases", _BOUND),
    ("days that run out", f"{_ROWS} WHERE day + 90000000 > DATE '2026-01-01'", {}),
    ("a quotient that is rounded", "SELECT SUM(ROUND(amount / ticket, 2)) AS n FROM purchases", _BOUND),
    ("a comparison across types", f"{_ROWS} WHERE note = 765.43", {}),
    ("the least of NULL", "SELECT SUM(LEAST(LENGTH(note), 5)) AS n FROM purchases", _BOUND),
    ("joined rows", "SELECT age, SUM(amount) AS n FROM purchases JOIN cards USING (card_id) GROUP BY age", {}),
    (
        "folds that overflow or divide by zero",
        (
            "SELECT COUNT(*) AS n FROM (SELECT card_id, SUM(ticket) AS s, AVG(ROUND(1 / ticket, 2)) AS a FROM "
            "purchases GROUP BY card_id HAVING SUM(ticket) * SUM(ticket) > 0 OR MAX(ticket) // MIN(hour) > 0) AS t"
        ),
        {},
    ),
    (
        "windows that overflow or divide by zero",
        (
            "SELECT COUNT(*) AS n FROM (SELECT SUM(ticket) OVER (PARTITION BY card_id ORDER BY hour % ticket) AS s, "
            "LAG(ticket, 2147483647) OVER (PARTITION BY card_id, 1 / ticket ORDER BY day) AS l FROM purchases) AS t "
            "WHERE s + s > l"
        ),
        {},
    ),
    (
        "rows that others of the customer decide",
        (
            f"{_ROWS} WHERE (card_id, ticket) IN (SELECT card_id, ticket * ticket FROM purchases) OR "
            "card_id NOT IN (SELECT card_id FROM purchases WHERE CAST(note AS INTEGER) = 1)"
        ),
        {},
    ),
    (
        "a union with a cast",
        (
            "SELECT COUNT(*) AS n FROM (SELECT CAST(note AS INTEGER) AS x FROM purchases UNION ALL SELECT ticket FROM "
            "purchases) AS t WHERE x > 0"
        ),
        {},
    ),
    ("a variance of extremes", "SELECT VARIANCE(ticket) AS n FROM purchases", _BOUND),
    ("the unit in a condition", f"{_ROWS} WHERE card_id = 'card 1'", {}),
    ("rows", "SELECT note FROM purchases", {}),
    ("an extreme", "SELECT MAX(amount) AS n FROM purchases", {}),
    ("an unknown column", f"{_ROWS} WHERE secret = 1", {}),
    ("text that is no SQL", "SELECT COUNT(* FROM purchases", {}),
    ("two rows where one should be", "SELECT (SELECT region FROM stores) AS x", {}),
    ("a price above the most", _ROWS, {"epsilon": 50}),
    ("a price that this person has not", _ROWS, {"epsilon": 10, "owner": "spender"}),
    ("another role", _ROWS, {"owner": "officer"}),
    ("an unknown option", _ROWS, {"options": {"l2_bound": {"m": 10}}}),
    ("a thresholded key at a delta that is not left", f"{_ROWS} GROUP BY note", {"options": {"delta": 0.5}}),
    ("a quote", f"{_ROWS} WHERE ticket > 7", {"dry_run": True}),
    ("a quote with a threshold", f"{_ROWS} GROUP BY ticket", {"dry_run": True}),
    ("a quote of a wanted accuracy", f"{_ROWS} WHERE ticket > 7", {"dry_run": True, "target": {"error": 5000}}),
    ("a wanted accuracy", f"{_ROWS} WHERE ticket > 7", {"target": {"error": 5000}}),
    ("a wanted accuracy at no price", f"{_ROWS} WHERE ticket > 7", {"target": {"error": 0.001}}),
    ("a wanted accuracy of a mean", "SELECT AVG(ticket) AS n FROM purchases", {"target": {"error": 1}, **_BOUND}),
)
_BY_CHANCE = ("instance", "id", "snapshot", "rows", "receipt", "remaining", "repeats", "stored", "notices", "signature")
_BY_CHANCE_IN_RELEASES = frozenset({"table_sha256", "released_by"})  # of the noised table; the query that bought it
_BY_CHANCE_IN_HEADERS = frozenset({"x-request-id", "date", "location", "content-length", "link"})
_CODE_THAT_RAISES = """#!{python} -I
# The interpreter of a worker whose cast raises: `-I -m queries.worker DESCRIPTOR PARENT` comes as arguments.
import sys
from queries import scalar_sql, worker
from queries.function_names import Function

scalar_sql.FORMS[Function.TO_INTEGER] = lambda _, a: f"CAST({{a[0]}} AS BIGINT)"
worker.main(int(sys.argv[-2]), int(sys.argv[-1]))
"""


def seen(service: Service, dataset: str, sql: str, members: Mapping[str, object]) -> dict[str, Any]:
    """All that an analyst sees of one request but the noised figures, ids and times."""
    charged = ask(service, dataset, sql, members)
    response = charged.response
    body = json.loads(response.text.replace(dataset, "dataset"))
    return {
        "status": response.status_code,
        "headers": sorted((n, v) for n, v in response.headers.items() if n not in _BY_CHANCE_IN_HEADERS),
        "body": {name: value for name, value in body.items() if name not in _BY_CHANCE} | {"columns": _columns(body)},
        "shape": [sorted(row) for row in body.get("rows", [])],
        "keys": [sorted((k, v) for k, v in row.items() if k in {"store_id", "age"}) for row in body.get("rows", [])],
        "releases": [
            {name: value for name, value in release.items() if name not in _BY_CHANCE_IN_RELEASES}
            for release in body.get("receipt", body).get("releases", [])
        ],
        "charge": charged.rho_nano,
    }


def _columns(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns, but for whether display values were shrunk: that follows from the noised figures."""
    return [{name: value for name, value in each.items() if name != "biased"} for each in body.get("columns", [])]


@pytest.mark.parametrize(("sql", "members"), [r[1:] for r in REQUESTS], ids=[r[0] for r in REQUESTS])
def test_a_request_is_treated_alike_with_and_without_the_customer(
    planted: Service, sql: str, members: Mapping[str, object]
) -> None:
    with_customer, without = (seen(planted, dataset, sql, members) for dataset in (WHOLE, REST))
    assert with_customer == without
    assert with_customer["status"] < 500


def test_the_requests_are_of_all_kinds(planted: Service) -> None:
    """Accepted ones are charged and refused ones are not, so that the comparison is of something."""
    answers = [seen(planted, REST, sql, members) for _, sql, members in REQUESTS]
    assert {one["status"] for one in answers} >= {200, 201, 400, 403, 422}
    assert all((one["charge"] > 0) == (one["status"] == 201) for one in answers)
    assert sum(one["status"] == 201 for one in answers) >= 15


def test_an_expression_that_raises_on_the_customers_rows_would_beseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python-of-the-worker"
    interpreter.write_text(_CODE_THAT_RAISES.format(python=sys.executable))
    interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
    settings = settings_of(tmp_path / "var")
    load_planted(settings)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with running(settings, make_keys(settings)) as faulty:
        with_customer, without = (seen(faulty, dataset, TEXT_TO_NUMBER, {}) for dataset in (WHOLE, REST))
    assert (with_customer["status"], without["status"]) == (503, 201)
