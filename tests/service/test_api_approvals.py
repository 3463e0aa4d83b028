"""Proposals over HTTP: who sees them, who decides, and that nobody decides alone."""

from __future__ import annotations

from typing import Any

import pytest

from budgets.proposals import Proposal
from tests.service.harness import Harness

ACCOUNT = "/v1/budgets/shop/person/analyst"


def asked(harness: Harness, epsilon: str = "9", role: str = "analyst") -> dict[str, Any]:
    body = {"epsilon": epsilon, "reason": "one more figure"}
    path = f"/v1/budgets/shop/person/{role}/requests"
    found: dict[str, Any] = harness.send("POST", path, role, json=body).json()
    return found


def decide(harness: Harness, proposal: dict[str, Any], decision: str, role: str) -> Any:
    body = {"decision": decision, "reason": f"{role} says {decision}"}
    return harness.send("POST", f"{proposal['url']}/decision", role, json=body)


def listed(harness: Harness, role: str, query: str = "") -> list[str]:
    return [item["id"] for item in harness.send("GET", f"/v1/approvals{query}", role).json()["items"]]


def test_one_sees_ones_own_proposals_and_overseers_see_all(harness: Harness) -> None:
    first, second = asked(harness), asked(harness, role="dashboard")
    assert listed(harness, "analyst") == [first["id"]]
    assert listed(harness, "dashboard") == [second["id"]]
    assert listed(harness, "other") == []
    for role in ("officer", "officer2", "auditor"):
        assert listed(harness, role) == [second["id"], first["id"]]
        assert harness.send("GET", first["url"], role).json() == first
    unknown = harness.problem(harness.send("GET", "/v1/approvals/p_nothing"), "not-found")
    hidden = harness.problem(harness.send("GET", second["url"]), "not-found")
    assert {**unknown, "instance": ""} == {**hidden, "instance": ""}


def test_proposals_are_paged_and_filtered(harness: Harness) -> None:
    ids = [asked(harness, f"9.{n + 1}")["id"] for n in range(5)][::-1]
    first = harness.send("GET", "/v1/approvals?limit=2", "officer").json()
    assert [item["id"] for item in first["items"]] == ids[:2]
    rest = harness.send("GET", f"/v1/approvals?limit=3&cursor={first['next']}", "officer").json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (ids[2:], None)
    harness.problem(harness.send("GET", "/v1/approvals?cursor=p_nothing", "officer"), "not-found")
    decide(harness, {"url": f"/v1/approvals/{ids[0]}"}, "decline", "officer")
    assert listed(harness, "officer", "?state=declined") == ids[:1]
    assert listed(harness, "officer", "?state=waiting&dataset=shop") == ids[1:]
    assert listed(harness, "officer", "?dataset=other") == []
    harness.problem(harness.send("GET", "/v1/approvals?state=open", "officer"), "invalid-request")


def test_decisions_are_told_with_who_when_and_why(harness: Harness) -> None:
    proposal = asked(harness)
    decide(harness, proposal, "approve", "officer")
    made = decide(harness, proposal, "approve", "officer2").json()
    told = [(each["decision"], each["by"], each["reason"]) for each in made["decisions"]]
    assert told == [
        ("approved", "officer", "officer says approve"),
        ("approved", "officer2", "officer2 says approve"),
        ("made", "officer2", "one more figure"),
    ]


def test_an_analyst_withdraws_what_is_their_own_and_decides_nothing_else(harness: Harness) -> None:
    proposal = asked(harness)
    for decision in ("approve", "decline"):
        harness.problem(decide(harness, proposal, decision, "analyst"), "role")
        harness.problem(decide(harness, proposal, decision, "other"), "not-found")
    harness.problem(decide(harness, proposal, "withdraw", "other"), "not-found")
    harness.problem(decide(harness, proposal, "withdraw", "officer"), "four-eyes")
    assert decide(harness, proposal, "withdraw", "analyst").json()["state"] == "withdrawn"
    assert decide(harness, proposal, "withdraw", "analyst").json()["state"] == "withdrawn"
    harness.problem(decide(harness, proposal, "approve", "officer"), "already-decided")


def test_the_same_decision_again_changes_nothing(harness: Harness) -> None:
    proposal = asked(harness)
    once = decide(harness, proposal, "approve", "officer").json()
    head = harness.ledger.head()
    assert decide(harness, proposal, "approve", "officer").json() == once
    assert harness.ledger.head() == head
    assert once["state"] == "waiting"
    decide(harness, proposal, "decline", "officer2")
    assert decide(harness, proposal, "decline", "officer2").json()["state"] == "declined"
    harness.problem(decide(harness, proposal, "decline", "officer"), "already-decided")


def test_one_owner_with_two_keys_is_one_person(harness: Harness) -> None:
    harness.keys["again"] = harness.app.state.context.keys.create("officer", "officer")[1]
    body = {"epsilon": "9", "reason": "testing"}
    proposal = harness.send("PATCH", ACCOUNT, "officer", json=body).json()
    harness.problem(decide(harness, proposal, "approve", "again"), "four-eyes")


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "approve"}, {"decision": "approve", "reason": "ok"}, {"decision": "approve", "reason": " " * 9},
        {"decision": "made", "reason": "as agreed"}, {"reason": "as agreed"},
        {"decision": "approve", "reason": "x" * 501},
    ],
)  # fmt: skip
def test_a_decision_needs_its_reason(harness: Harness, body: dict[str, str]) -> None:
    proposal = asked(harness)
    harness.problem(harness.send("POST", f"{proposal['url']}/decision", "officer", json=body), "invalid-request")


def test_changes_of_other_kinds_are_shown_and_decided_too(harness: Harness) -> None:
    made = harness.ledger.propose(Proposal("p_other", "shop", {"kind": "release", "name": "weekly"}, "maria", "launch"))
    shown = harness.send("GET", f"/v1/approvals/{made.id}", "auditor").json()
    assert (shown["kind"], shown["words"]) == ("release", "A change of the kind release.")
    decide(harness, shown, "approve", "officer")
    assert decide(harness, shown, "approve", "officer2").json()["state"] == "made"
    (entry,) = harness.ledger.entries(after_seq=harness.ledger.head().seq - 1, limit=1)
    assert (entry.kind, entry.facts["change"]) == ("permitted", {"kind": "release", "name": "weekly"})
