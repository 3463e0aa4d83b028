"""Whether a release finishes does not depend on one customer's rows, as far as joins and texts go.

Work that grows with one row until it runs out of memory or time tells whether that row is there. Joins in which one
row meets many, and texts that double, are therefore refused or bounded by the statement alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.privacy.attacks.planted import REST, WHOLE, ask
from tests.privacy.stores import Service, make_keys, running, settings_of, share_vault

HIS = "ticket > 7"  # true for the customer's lines alone
PLAIN = "SELECT store_id, COUNT(*) AS n FROM purchases JOIN cards USING (card_id) GROUP BY store_id"


def _self_joins(tables: int) -> str:
    joins = "".join(f" JOIN purchases t{n} ON t{n}.card_id = t0.card_id" for n in range(1, tables))
    return f"SELECT COUNT(*) AS n FROM purchases t0{joins} WHERE t0.{HIS}"


def _public_joins(tables: int) -> str:
    joins = "".join(f" JOIN stores s{n} ON TRUE" for n in range(tables))
    return f"SELECT COUNT(*) AS n FROM purchases t0{joins} WHERE t0.{HIS}"


def _doubled_text(levels: int, width: int) -> str:
    text = f"(SELECT card_id, CASE WHEN {HIS} THEN '{'x' * 200}' ELSE '' END AS t FROM purchases)"
    for _ in range(levels):
        wider = "||".join(["p.t"] * width)
        text = f"(SELECT c.card_id, {wider} AS t FROM cards c JOIN {text} p ON c.card_id = p.card_id)"
        text = f"(SELECT d.card_id, e.t AS t FROM cards d LEFT JOIN {text} e ON d.card_id = e.card_id)"
    return f"SELECT COUNT_IF(LENGTH(z.t) > 5) AS n FROM {text} z"


GROWING = {"private joins": _self_joins(16), "public joins": _public_joins(16), "texts": _doubled_text(5, 60)}


@pytest.fixture(scope="module")
def service(planted: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = settings_of(tmp_path_factory.mktemp("growing"), query_timeout_seconds=5)
    share_vault(settings, planted.settings)
    with running(settings, make_keys(settings)) as own:
        yield own


@pytest.mark.parametrize("name", GROWING)
def test_work_that_grows_with_one_customers_rows_ends_alike_without_them(service: Service, name: str) -> None:
    statuses = [ask(service, dataset, GROWING[name]).response.status_code for dataset in (WHOLE, REST)]
    assert statuses[0] == statuses[1] < 500


def test_a_release_that_failed_leaves_nothing_behind_for_the_next(service: Service) -> None:
    assert ask(service, WHOLE, PLAIN).response.status_code == 201
    for sql in GROWING.values():
        ask(service, WHOLE, sql)
        assert ask(service, WHOLE, PLAIN).response.status_code == 201
