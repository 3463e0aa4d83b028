"""Budgets: seen by their owners and overseers, changed by officers with a reason."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.service.harness import Harness


def budget(harness: Harness, account: str = "shop/person/analyst", role: str = "officer") -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = harness.send("GET", f"/v1/budgets/{account}", role).json()
    return found


def change(harness: Harness, account: str = "shop/person/analyst", **members: object) -> dict[str, object]:
    body = {"epsilon": "5", "reason": "the study is over", **members}
    response = harness.send("PATCH", f"/v1/budgets/{account}", "officer", json=body)
    assert response.status_code == 200, response.text
    changed: dict[str, object] = response.json()
    return changed


def test_accounts_open_as_the_policy_declares_them(harness: Harness) -> None:
    shown = harness.send("GET", "/v1/budgets", "officer").json()["items"]
    assert [account["id"] for account in shown] == ["shop", "shop/person/analyst", "shop/person/dashboard"]
    assert [account["cap"]["epsilon"] for account in shown] == ["10", "8", "8"]
    assert shown[0]["cap"]["delta"] == "0.0000002"
    assert shown[0]["conversion_delta"] == "0.0000008"
    assert "(10, 0.000001)-differentially private for one household with all its rows (" in shown[0]["guarantee"]


@pytest.mark.parametrize("role", ["analyst", "dashboard"])
def test_one_sees_ones_own_budgets_only(harness: Harness, role: str) -> None:
    shown = harness.send("GET", "/v1/budgets", role).json()["items"]
    assert [account["id"] for account in shown] == [f"shop/person/{role}"]
    assert harness.send("GET", "/v1/me", role).json()["budgets"] == shown
    other = "dashboard" if role == "analyst" else "analyst"
    bodies = []
    for account in (f"shop/person/{other}", "shop", "shop/person/nobody", "nothing"):
        document = harness.problem(harness.send("GET", f"/v1/budgets/{account}", role), "not-found")
        document.pop("instance")
        bodies.append(document)
    assert all(document == bodies[0] for document in bodies)


def test_what_is_shown_adds_up_in_rho(harness: Harness) -> None:
    harness.ask(epsilon="0.5")
    shown = budget(harness)
    assert shown["spent"]["epsilon"] == "0.5"
    parts = Decimal(shown["spent"]["rho"]) + Decimal(shown["remaining"]["rho"])
    assert parts == Decimal(shown["cap"]["rho"])


def test_the_remaining_epsilon_can_be_spent_to_the_last(harness: Harness) -> None:
    harness.ask("1", epsilon="3.3")
    rest = budget(harness)["remaining"]["epsilon"]
    assert harness.ask("2", epsilon=rest).status_code == 201
    harness.problem(harness.ask("3", epsilon="0.01"), "budget-exhausted")


def test_a_tightened_cap_holds_at_once(harness: Harness) -> None:
    harness.ask("1", epsilon="1")
    assert change(harness, epsilon="0.5")["remaining"] == {"epsilon": "0", "delta": "0.0000002", "rho": "0"}
    harness.problem(harness.ask("2", epsilon="0.1"), "budget-exhausted")
    change(harness, epsilon=2)
    assert harness.ask("3", epsilon="0.1").status_code == 201


def test_the_reason_and_the_officer_stand_in_the_ledger(harness: Harness) -> None:
    change(harness, reason="the study is over")
    entries = harness.send("GET", "/v1/audit?limit=500", "auditor").json()["items"]
    assert entries[-1]["kind"] == "cap-set"
    assert entries[-1]["actor"] == "officer"
    assert "the study is over" in str(entries[-1]["payload"])
    own = harness.send("GET", "/v1/budgets/shop/person/analyst/ledger", "officer").json()["items"]
    assert entries[-1] in own


@pytest.mark.parametrize(
    "members",
    [
        {"reason": "oops"}, {"reason": None}, {"epsilon": 0}, {"epsilon": "-1"}, {"epsilon": True}, {"spent": 0},
        {"delta_for_thresholds": "1e-6"}, {"delta_for_thresholds": "-1e-9"},
    ],
)  # fmt: skip
def test_an_unfit_change_is_refused(harness: Harness, members: dict[str, object]) -> None:
    before = budget(harness)
    body = {"epsilon": "5", "reason": "the study is over", **members}
    response = harness.send("PATCH", "/v1/budgets/shop/person/analyst", "officer", json=body)
    harness.problem(response, "invalid-request")
    assert budget(harness) == before


def test_the_delta_of_thresholds_can_be_lowered(harness: Harness) -> None:
    cap = change(harness, delta_for_thresholds="1e-7")["cap"]
    assert isinstance(cap, dict)
    assert cap["delta"] == "0.0000001"


def test_an_unknown_account_cannot_be_changed(harness: Harness) -> None:
    body = {"epsilon": "5", "reason": "the study is over"}
    harness.problem(harness.send("PATCH", "/v1/budgets/shop/person/nobody", "officer", json=body), "not-found")


def test_budgets_are_paged(harness: Harness) -> None:
    first = harness.send("GET", "/v1/budgets?limit=2", "auditor").json()
    rest = harness.send("GET", f"/v1/budgets?limit=2&cursor={first['next']}", "auditor").json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
