"""The kill switch: one officer stops, two start again."""

from __future__ import annotations

import pytest

from tests.service.harness import Harness


def freeze(harness: Harness, dataset: str | None) -> object:
    body = {"dataset": dataset, "reason": "a key may have leaked"}
    response = harness.send("PUT", "/v1/freeze", "officer", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def is_frozen(harness: Harness) -> bool:
    (listed,) = harness.send("GET", "/v1/datasets").json()["items"]
    shown = harness.send("GET", "/v1/datasets/shop").json()["frozen"]
    assert listed["frozen"] == shown
    return bool(shown)


@pytest.mark.parametrize("dataset", ["shop", None])
def test_one_officer_stops_and_two_start_again(harness: Harness, dataset: str | None) -> None:
    assert not is_frozen(harness)
    state = freeze(harness, dataset)
    assert state == {"everything": dataset is None, "datasets": ["shop"] if dataset else []}
    assert harness.send("GET", "/v1/freeze").json() == state
    assert is_frozen(harness)
    harness.problem(harness.ask("1"), "frozen")
    harness.problem(harness.ask("2", sql="SELECT repeat"), "frozen")
    place = f"/v1/freeze?reason=all is well{'&dataset=shop' if dataset else ''}"
    proposed = harness.send("DELETE", place, "officer")
    assert proposed.status_code == 202
    assert proposed.headers["location"] == proposed.json()["url"]
    assert "started again" in proposed.json()["words"]
    assert harness.send("DELETE", place, "officer").json() == proposed.json()
    harness.problem(harness.ask("3"), "frozen")
    decision = {"decision": "approve", "reason": "looked into it"}
    path = f"{proposed.json()['url']}/decision"
    harness.problem(harness.send("POST", path, "officer", json=decision), "four-eyes")
    assert harness.send("POST", path, "officer2", json=decision).json()["state"] == "made"
    assert harness.ask("4").status_code == 201
    assert not is_frozen(harness)


def test_freezing_what_is_frozen_changes_nothing(harness: Harness) -> None:
    freeze(harness, "shop")
    head = harness.ledger.head()
    freeze(harness, "shop")
    assert harness.ledger.head() == head


def test_only_what_is_there_can_be_stopped_and_only_what_is_stopped_started(harness: Harness) -> None:
    body = {"dataset": "nothing", "reason": "testing"}
    harness.problem(harness.send("PUT", "/v1/freeze", "officer", json=body), "not-found")
    for place in ("dataset=shop&reason=testing", "dataset=nothing&reason=testing", "reason=testing"):
        harness.problem(harness.send("DELETE", f"/v1/freeze?{place}", "officer"), "not-found")


@pytest.mark.parametrize("body", [{"dataset": "shop"}, {"reason": "testing"}, {"dataset": "shop", "reason": "oops"}])
def test_a_freeze_names_its_dataset_and_reason(harness: Harness, body: dict[str, str]) -> None:
    harness.problem(harness.send("PUT", "/v1/freeze", "officer", json=body), "invalid-request")
    freeze(harness, "shop")
    harness.problem(harness.send("DELETE", "/v1/freeze?dataset=shop&reason=%20%20no%20", "officer"), "invalid-request")


def test_what_was_stopped_stays_so_over_a_restart(harness: Harness) -> None:
    """It stands in the ledger, with who and why."""
    freeze(harness, "shop")
    entry = harness.ledger.entries(after_seq=harness.ledger.head().seq - 1, limit=1)[0]
    assert (entry.kind, entry.actor, entry.facts["reason"]) == ("frozen", "officer", "a key may have leaked")
