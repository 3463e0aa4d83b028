"""Budgets: seen by their owners and overseers, changed by officers with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from budgets.ledger import UNLIMITED, Account
from budgets.privacy_loss import PrivacyLoss
from tests.service.harness import Harness


def budget(harness: Harness, account: str = "shop/person/analyst", role: str = "officer") -> dict[str, Any]:
    found: dict[str, Any] = harness.send("GET", f"/v1/budgets/{account}", role).json()
    return found


def change(harness: Harness, account: str = "shop/person/analyst", **members: object) -> dict[str, Any]:
    body = {"epsilon": "5", "reason": "the study is over", **members}
    response = harness.send("PATCH", f"/v1/budgets/{account}", "officer", json=body)
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.json()
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
    assert change(harness, delta_for_thresholds="1e-7")["cap"]["delta"] == "0.0000001"


def test_an_unknown_account_cannot_be_changed(harness: Harness) -> None:
    body = {"epsilon": "5", "reason": "the study is over"}
    harness.problem(harness.send("PATCH", "/v1/budgets/shop/person/nobody", "officer", json=body), "not-found")


def test_budgets_are_paged(harness: Harness) -> None:
    first = harness.send("GET", "/v1/budgets?limit=2", "auditor").json()
    rest = harness.send("GET", f"/v1/budgets?limit=2&cursor={first['next']}", "auditor").json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]


def propose(harness: Harness, epsilon: str = "9", **members: object) -> dict[str, Any]:
    """What an officer's higher cap becomes."""
    body = {"epsilon": epsilon, "reason": "the study goes on", **members}
    response = harness.send("PATCH", "/v1/budgets/shop/person/analyst", "officer", json=body)
    assert response.status_code == 202, response.text
    proposal: dict[str, Any] = response.json()
    assert response.headers["location"] == proposal["url"] == f"/v1/approvals/{proposal['id']}"
    return proposal


def test_a_higher_cap_waits_for_another_officer(harness: Harness) -> None:
    proposal = propose(harness)
    assert (proposal["state"], proposal["approvals_needed"], proposal["kind"]) == ("waiting", 1, "cap")
    assert proposal["words"] == "The cap of shop/person/analyst (lifetime) becomes epsilon 9, delta 0.0000002."
    assert budget(harness)["cap"]["epsilon"] == "8"
    decision = {"decision": "approve", "reason": "as agreed"}
    harness.problem(harness.send("POST", f"{proposal['url']}/decision", "officer", json=decision), "four-eyes")
    made = harness.send("POST", f"{proposal['url']}/decision", "officer2", json=decision).json()
    assert (made["state"], made["approvals_needed"]) == ("made", 0)
    assert budget(harness)["cap"]["epsilon"] == "9"


def test_the_same_proposal_is_made_once(harness: Harness) -> None:
    assert propose(harness)["id"] == propose(harness)["id"]
    assert propose(harness)["id"] != propose(harness, "9.5")["id"]


def test_what_is_higher_in_one_amount_waits_although_it_is_lower_in_the_other(harness: Harness) -> None:
    change(harness, delta_for_thresholds="1e-7")
    assert propose(harness, "4", delta_for_thresholds="2e-7")["state"] == "waiting"


def test_a_new_window_is_in_force_at_once_and_a_wider_one_waits(harness: Harness) -> None:
    shown = change(harness, epsilon="1", meter="month")
    assert shown["cap"]["epsilon"] == "8"
    lifetime, month = shown["meters"]
    assert (lifetime["meter"], lifetime["since"], lifetime["until"]) == ("lifetime", None, None)
    assert (month["kind"], month["cap"]["epsilon"], month["cap"]["delta"]) == ("month", "1", "0.0000002")
    assert month["since"] < datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") < month["until"]
    assert month["meter"] == f"month:{month['since'][:7]}"
    harness.ask("1", epsilon="0.9")
    problem = harness.problem(harness.ask("2", epsilon="0.9"), "budget-exhausted")
    assert (problem["account"], problem["meter"]) == ("shop/person/analyst", month["meter"])
    assert budget(harness)["meters"][1]["spent"]["epsilon"] == "0.9"
    assert propose(harness, "2", meter="month")["words"].startswith("The cap of shop/person/analyst (month)")


def test_a_meter_that_is_not_there_cannot_be_set(harness: Harness) -> None:
    body = {"epsilon": "1", "reason": "testing", "meter": "block"}
    response = harness.send("PATCH", "/v1/budgets/shop/person/analyst", "officer", json=body)
    harness.problem(response, "invalid-request")


def test_an_owner_asks_for_more_and_two_officers_grant_it(harness: Harness) -> None:
    body = {"epsilon": "9", "reason": "one more figure"}
    asked = harness.send("POST", "/v1/budgets/shop/person/analyst/requests", json=body)
    assert asked.status_code == 202
    proposal = asked.json()
    assert (proposal["proposer"], proposal["approvals_needed"], proposal["decisions"]) == ("analyst", 2, [])
    decide = {"decision": "approve", "reason": "as agreed"}
    assert harness.send("POST", f"{proposal['url']}/decision", "officer", json=decide).json()["approvals_needed"] == 1
    assert budget(harness)["cap"]["epsilon"] == "8"
    assert harness.send("POST", f"{proposal['url']}/decision", "officer2", json=decide).json()["state"] == "made"
    assert budget(harness)["cap"]["epsilon"] == "9"


def test_one_asks_for_more_of_ones_own_only(harness: Harness) -> None:
    more, less = ({"epsilon": epsilon, "reason": "one more figure"} for epsilon in ("9", "8"))
    path = "/v1/budgets/{}/requests"
    for account in ("shop/person/dashboard", "shop", "nothing"):
        harness.problem(harness.send("POST", path.format(account), json=more), "not-found")
    harness.problem(harness.send("POST", path.format("shop/person/analyst"), json=less), "invalid-request")


def test_only_so_many_requests_of_one_person_wait(harness: Harness) -> None:
    *most, last = (
        harness.send(
            "POST", "/v1/budgets/shop/person/analyst/requests", json={"epsilon": f"8.{n}", "reason": "one more"}
        )
        for n in range(10, 31)
    )
    assert {response.status_code for response in most} == {202}
    assert "withdraw one first" in harness.problem(last, "invalid-request")["detail"]


def test_a_budget_tells_its_pace_and_how_many_more_questions_it_buys(harness: Harness) -> None:
    fresh = budget(harness)
    assert fresh["about_queries_left"] is None
    assert fresh["forecast"]["words"] == "Nothing was spent in the last 28 days."
    assert fresh["forecast"]["cap_reached_on"] is None
    harness.ask("1", epsilon="1")
    shown = budget(harness)
    rho, rest = (Decimal(shown[name]["rho"]) for name in ("spent", "remaining"))
    assert shown["about_queries_left"] == rest // rho
    assert shown["forecast"]["pace"] == {"rho_per_day": str(rho), "delta_per_day": "0", "days": 1}
    day = (datetime.now(UTC) + timedelta(days=float(rest / rho))).date().isoformat()
    assert shown["forecast"]["cap_reached_on"] == day
    assert shown["forecast"]["words"] == f"At the pace of the last day, the cap is reached on {day}."
    assert budget(harness, "shop")["about_queries_left"] == Decimal(budget(harness, "shop")["remaining"]["rho"]) // rho
    change(harness, epsilon="1.5", meter="day")
    assert budget(harness)["about_queries_left"] == 2  # rho grows as the square of epsilon
    change(harness, "shop", epsilon="1.5")
    assert budget(harness)["about_queries_left"] == 1  # the dataset's account pays, too
    change(harness, epsilon="0.5")
    assert budget(harness)["about_queries_left"] == 0
    assert budget(harness)["forecast"]["words"] == "The cap is reached."


def test_what_has_no_limit_is_shown_as_null(harness: Harness) -> None:
    account = Account("shop/team/blocks", "shop", "team", "shop", None)
    harness.ledger.open_account(account, UNLIMITED, "policy", "by blocks", {"block": PrivacyLoss(10**9)})
    shown = budget(harness, account.id)
    assert (shown["cap"], shown["remaining"]) == (None, None)
    assert "one household with its rows of one calendar month" in shown["guarantee"]
    assert [meter["meter"] for meter in shown["meters"]] == ["lifetime", "block"]
    assert shown["spent"]["epsilon"] == "0"
    assert shown["forecast"]["words"] == "This account has no cap of its own for its lifetime."
