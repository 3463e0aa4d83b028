"""Prices and bounds that are no numbers, or too large or too small, are refused; what is accepted has its full noise.

Which texts are numbers is in `tests/service/test_schemas.py` and `test_strict_json.py`; here they go to the service.
"""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from tests.privacy.attacks.planted import PRICE, WHOLE, ask, price_nano
from tests.privacy.stores import Service

NO_NUMBERS = (
    *("0", "-1", "-0.0", "NaN", "Infinity", "-Infinity", "1e309", "1e-320", "1e308", '"1e309"', "true", "null1", "0x1"),
    *('"0x1"', '"NaN"', '"inf"', '"1/2"', '"1,5"', '"½"', '""', '" 1"', "[]", "[1]", "{}", "01", "+1", "1.", ".5"),
    *("1e", "1_0", '"1_0"', '"१"', "1" + "0" * 5_000, '"' + "9" * 100 + '"', "2e6", "5e-10"),
)
BOUNDS = (
    ("l2_bound", '{"n": %s}'),
    ("contribution_bounds_per_group", '{"n": [%s, %s]}'),
    ("contribution_bounds_per_row", '{"n": [%s, %s]}'),
    ("delta", "%s"),
    ("max_groups_contributed", "%s"),
)
NO_BOUNDS = (
    *("NaN", "Infinity", "-Infinity", "1e309", "1e308", "1e-320", "true", '"inf"', '"x"', "[1]", "{}", "0x1"),
    *("1" + "0" * 400, '"1e999999999"'),
)
SUM = "SELECT SUM(amount) AS n FROM purchases"
EXTREME: tuple[dict[str, Any], ...] = (
    {"rho": "0.000000001"},
    {"l2_bound": {"n": "0.000000000001"}},
    {"l2_bound": {"n": 0.005}},
    {"l2_bound": {"n": 100_000}},
    {"max_groups_contributed": 1},
    {"max_groups_contributed": 100_000},
    {"group_selection_strategy": "THRESHOLD"},
    {"group_selection_strategy": "THRESHOLD", "delta": "1e-12"},
    {"contribution_bounds_per_group": {"n": [0, 0]}},
    {"contribution_bounds_per_group": {"n": ["-1e-30", "1e-30"]}},
    {"contribution_bounds_per_group": {"n": [-1000, 1000]}, "max_groups_contributed": 1},
    {"contribution_bounds_per_row": {"n": [0, 0]}},
    {"contribution_bounds_per_row": {"n": ["1e18", "1e18"]}},
    {"contribution_bounds_per_row": {"n": ["-1e18", "-1e18"]}, "l2_bound": {"n": "1e-9"}},
)


def _post(service: Service, members: str) -> httpx.Response:
    """Ask with these members, as text: what is no JSON goes out as it stands."""
    body = f'{{"dataset": "{WHOLE}", "sql": "{SUM}", {members}}}'
    headers = {**service.headers("analyst"), "Content-Type": "application/json"}
    return service.client.post("/v1/queries", headers=headers, content=body.encode())


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda text: text[:12])
@pytest.mark.parametrize("member", ["epsilon", "rho", "max_epsilon"])
def test_a_price_that_is_none_is_refused_and_free(planted: Service, member: str, number: str) -> None:
    before = planted.ledger.head()
    price = f'"rho": {PRICE}, ' if member == "max_epsilon" else ""
    response = _post(planted, f'{price}"{member}": {number}')
    assert response.status_code in {400, 422}, response.text
    assert response.json()["type"].endswith(("bad-request", "invalid-request", "invalid-price", "exceeded"))
    assert planted.ledger.head() == before


@pytest.mark.parametrize("number", NO_BOUNDS, ids=lambda text: text[:12])
@pytest.mark.parametrize(("option", "shape"), BOUNDS, ids=[option for option, _ in BOUNDS])
def test_a_bound_that_is_none_is_refused_and_free(planted: Service, option: str, shape: str, number: str) -> None:
    before = planted.ledger.head()
    response = _post(planted, f'"rho": {PRICE}, "options": {{"{option}": {shape.replace("%s", number)}}}')
    assert response.status_code in {400, 422}, response.text
    assert planted.ledger.head() == before


@pytest.mark.parametrize("option", ["l2_bound", "max_groups_contributed", "delta"])
@pytest.mark.parametrize("number", ["0", "-1", "-1e-9"])
def test_a_bound_must_be_positive(planted: Service, option: str, number: str) -> None:
    shape = dict(BOUNDS)[option]
    assert _post(planted, f'"options": {{"{option}": {shape.replace("%s", number)}}}').status_code == 422


def test_every_bound_keeps_the_noise_that_its_price_asks_for(planted: Service) -> None:
    """The noise of each measure is at least its bound over √(2ρ): no option makes an answer exact."""
    accepted = 0
    for extreme in EXTREME:
        rho = extreme.get("rho", PRICE)
        options = {name: value for name, value in extreme.items() if name != "rho"}
        asked = ask(planted, WHOLE, SUM, {"rho": rho, "options": options})
        if asked.response.status_code != 201:
            assert (asked.response.status_code, asked.rho_nano) == (422, 0)
            continue
        accepted += 1
        assert asked.rho_nano == price_nano({"rho": rho})
        (released,) = asked.response.json()["receipt"]["releases"]
        (measure,) = released["measures"]
        least = float(measure["l2_bound"]) / math.sqrt(2 * float(released["rho"]))
        assert measure["standard_error"] >= 0.99999 * least
        assert float(measure["l2_bound"]) >= 0.01  # one minor unit of the amount
    assert accepted > len(EXTREME) // 2


def test_the_highest_price_buys_noise_too(planted: Service) -> None:
    asked = ask(planted, WHOLE, "SELECT COUNT(*) AS n FROM purchases", {"epsilon": 10})
    (row,) = asked.response.json()["rows"]
    assert row["n_standard_error"] > 1
    assert asked.rho_nano > 10**8


def test_a_figure_cannot_be_cut_by_a_whole_number_of_bits(planted: Service) -> None:
    """Scaling up before, and down after, meets the same bound: what is scaled is clamped with the rest."""
    scaled = "SELECT SUM(amount * 1000000) AS n FROM purchases"
    asked = ask(planted, WHOLE, scaled, {"options": {"l2_bound": {"n": 0.01}}})
    (row,) = asked.response.json()["rows"]
    assert row["n_standard_error"] >= 0.99 * 0.01 / math.sqrt(2 * float(PRICE))
    # Values that large are kept in whole numbers, and no bound is below one of them.
    assert json.loads(asked.response.text)["receipt"]["releases"][0]["measures"][0]["l2_bound"] == "1"
