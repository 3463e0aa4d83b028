"""The call for accuracy: validated, bounded in number, and its refusals are problems."""

from __future__ import annotations

import io
from fractions import Fraction
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from queries.errors import EngineUnavailableError, QueryNotPrivateError
from queries.policy import PublicRows
from service.api.examples import ACCURACY
from service.settings import Settings
from service.simulation.errors import SimulationTooLongError
from tests.service.fakes import FakeSnapshot
from tests.service.harness import Harness, open_harness

SQL = "SELECT COUNT(*) AS n FROM purchases"


def ask(harness: Harness, role: str = "analyst", dataset: str = "shop", **members: Any) -> httpx.Response:
    return harness.send("POST", f"/v1/datasets/{dataset}/accuracy", role, json={"sql": SQL, **members})


@pytest.mark.parametrize("role", ["analyst", "dashboard", "officer"])
def test_the_report_is_told_free_of_charge(harness: Harness, role: str) -> None:
    head = harness.ledger.head()
    answer = ask(harness, role)
    assert answer.status_code == 200
    assert answer.json() == {**ACCURACY, "dataset": "shop"}
    assert harness.ledger.head() == head


def test_prices_are_exact_sorted_and_told_once(harness: Harness) -> None:
    ask(harness, epsilons=["2", 0.1, "0.10"], draws=3, wanted_relative_error="0.25", params={"x": 1})
    ask(harness)
    given, plain = harness.simulations.asked
    assert given.epsilons == (Fraction(1, 10), Fraction(2))
    assert (given.draws, given.relative_error, given.statement.params) == (3, Fraction(1, 4), {"x": 1})
    assert plain.epsilons == (Fraction(1, 10), Fraction(1, 2), Fraction(1), Fraction(2))


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"epsilons": []}, "body.epsilons"),
        ({"epsilons": ["1"] * 9}, "body.epsilons"),
        ({"epsilons": ["0"]}, "body.epsilons.0"),
        ({"draws": 51}, "body.draws"),
        ({"draws": 0}, "body.draws"),
        ({"seed": 7}, "body.*"),
        ({"wanted_relative_error": 1}, "body.wanted_relative_error"),
        ({"sql": "x" * 20_000}, "body.sql"),
    ],
)
def test_what_is_out_of_range_is_refused(harness: Harness, members: dict[str, Any], place: str) -> None:
    problem = harness.problem(ask(harness, **members), "invalid-request")
    assert [error["place"] for error in problem["errors"]] == [place]


def test_an_unknown_dataset_is_not_found(harness: Harness) -> None:
    harness.problem(ask(harness, dataset="nothing"), "not-found")


@pytest.mark.parametrize(
    ("refusal", "slug"),
    [
        (QueryNotPrivateError("private-rows", "no", hint="other", line=1, column=1), "query-not-private"),
        (SimulationTooLongError("It takes too long."), "not-simulated"),
        (EngineUnavailableError("No worker is free."), "engine-unavailable"),
    ],
)
def test_a_refusal_is_a_problem(harness: Harness, refusal: Exception, slug: str) -> None:
    harness.simulations.refusal = refusal
    harness.problem(ask(harness), slug)


def test_one_is_simulated_at_a_time_and_few_may_wait(harness: Harness) -> None:
    """Two of each person wait or work, so that it takes several to fill the queue."""
    go, working = Event(), [0]
    most = [0]

    def work() -> None:
        working[0] += 1
        most[0] = max(most[0], working[0])
        go.wait(20)
        working[0] -= 1

    harness.simulations.work = work
    answers: list[int] = []
    people = [role for role in ("analyst", "other", "dashboard", "officer") for _ in range(2)]
    threads = [Thread(target=lambda role=role: answers.append(ask(harness, role).status_code)) for role in people]
    for thread in threads:
        thread.start()
    slots = harness.app.state.context.simulation_slots
    for _ in range(1_000):
        if slots.statistics().tasks_waiting == 7:
            break
        go.wait(0.01)
    held = slots.statistics()
    go.set()
    for thread in threads:
        thread.join(20)
    assert (held.borrowed_tokens, held.tasks_waiting) == (1, 7)
    assert answers == [200] * 8
    assert most == [1]


def test_beyond_those_that_may_wait_callers_are_told_to_come_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.accuracy._WAITING_MOST", 0)
    refused = ask(harness)
    harness.problem(refused, "too-many-requests")
    assert refused.headers["retry-after"] == "1"


def test_the_app_closes_its_simulations(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings, logs) as running:
        assert not running.simulations.is_closed
    assert running.simulations.is_closed


def test_a_dataset_says_whether_its_rows_are_declared_public(harness: Harness) -> None:
    assert harness.send("GET", "/v1/datasets/shop").json()["public_rows"] is None
    declared = PublicRows(source="printed in the newspaper of 1901")
    policy = harness.catalogue.snapshots["shop"].policy.model_copy(update={"public_rows": declared})
    harness.catalogue.snapshots["shop"] = FakeSnapshot(policy)
    shown = harness.send("GET", "/v1/datasets/shop").json()["public_rows"]
    assert shown == {"source": "printed in the newspaper of 1901"}
