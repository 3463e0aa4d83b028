"""Opt-outs over HTTP: recorded with who and why, and told to nobody."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from queries.errors import ExclusionListError
from queries.exclusion_list import ExclusionList
from queries.policy import load_policy
from service.schemas import ExclusionBody
from service.settings import Settings
from tests.service.fakes import POLICY_TEXT, FakeSnapshot
from tests.service.harness import Harness

PATH = "/v1/datasets/shop/exclusions"
BODY: dict[str, Any] = {"units": [4711, "4712"], "kind": "erasure", "reason": "Asked for at the service desk"}


def exclude(harness: Harness, role: str = "officer", **members: Any) -> httpx.Response:
    return harness.send("POST", PATH, role, json={**BODY, **members})


def listed(harness: Harness) -> ExclusionList:
    found: ExclusionList = harness.app.state.context.exclusions
    return found


@pytest.mark.parametrize("role", ["officer", "admin"])
def test_what_is_recorded_says_what_was_asked_and_nothing_else(harness: Harness, role: str) -> None:
    response = exclude(harness, role)
    assert response.status_code == 202
    assert response.json() == {"dataset": "shop", "level": "all", "kind": "erasure", "status": "recorded"}
    keys = listed(harness)._keys
    found = {each.pseudonym for each in listed(harness).of("shop").left_out}
    assert found == {keys.pseudonym("4711"), keys.pseudonym("4712")}
    with listed(harness)._engine.connect() as connection:
        rows = connection.exec_driver_sql('SELECT dataset, level, kind, "by", reason, at FROM requests').fetchall()
    assert [row[:5] for row in rows] == [("shop", "all", "erasure", role, BODY["reason"])]
    assert date.fromisoformat(rows[0][5][:10]) is not None


def test_known_and_unknown_ids_first_and_repeated_requests_get_the_same_bytes(harness: Harness) -> None:
    responses = [exclude(harness, units=units) for units in ([1], [1], [2**62], list(range(1_000)), ["1"])]
    assert len({(each.status_code, each.content) for each in responses}) == 1
    hidden = {"x-request-id", "date"}
    headers = [{name: value for name, value in each.headers.items() if name not in hidden} for each in responses]
    assert all(each == headers[0] for each in headers)


def test_a_request_reads_no_snapshot(harness: Harness, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """There is no vault at all behind this service, so its work cannot depend on one."""
    assert not settings.vault_root.exists()
    assert exclude(harness).status_code == 202
    assert not settings.vault_root.exists()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_nobody_can_read_change_or_delete_what_was_recorded(harness: Harness, method: str) -> None:
    exclude(harness)
    for role in ("analyst", "dashboard", "officer", "auditor", "admin"):
        response = harness.send(method, PATH, role)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


def test_no_id_is_in_logs_metrics_documents_or_on_disk(harness: Harness, settings: Settings) -> None:
    before = harness.send("GET", "/v1/datasets/shop", "admin").content
    metrics = harness.send("GET", "/metrics", None).text
    canary = 918273645546372819
    exclude(harness, units=[canary] * 7)
    exclude(harness, units=[canary, "not an integer"])
    exclude(harness, units=[canary], reason=f"because of {canary}")
    assert harness.send("GET", "/v1/datasets/shop", "admin").content == before
    told = harness.logs.getvalue() + harness.send("GET", "/metrics", None).text.replace(metrics, "")
    assert str(canary) not in told
    for path in Path(settings.data_dir).rglob("*"):
        assert not path.is_file() or str(canary).encode() not in path.read_bytes()


def test_logs_and_metrics_are_the_same_for_one_unit_and_for_many(harness: Harness) -> None:
    def told(units: list[int]) -> list[dict[str, Any]]:
        start = len(harness.logs.getvalue())
        exclude(harness, units=units)
        events = [json.loads(line) for line in harness.logs.getvalue()[start:].splitlines()]
        return [{k: v for k, v in event.items() if k not in {"timestamp", "request_id", "request"}} for event in events]

    assert told([1]) == told(list(range(1_000)))


@pytest.mark.parametrize(
    "members",
    [
        {"units": []},
        {"units": list(range(1_001))},
        {"units": ["x" * 201]},
        {"units": [""]},
        {"units": [True]},
        {"units": [1.5]},
        {"units": [2**63]},
        {"units": ["007"]},
        {"units": "4711"},
        {"level": "some"},
        {"level": "line_items"},  # the policy declares no such table
        {"kind": "forget"},
        {"reason": "why"},
        {"reason": "x" * 501},
        {"reason": "4711 asked for it"},
        {"count": True},
    ],
)
def test_what_does_not_fit_is_refused_without_an_id_and_recorded_not_even_in_part(
    harness: Harness, members: dict[str, Any]
) -> None:
    response = exclude(harness, **members)
    harness.problem(response, "invalid-request")
    assert "4711" not in response.text
    assert listed(harness).of("shop").through == 0


def test_a_reason_is_mandatory(harness: Harness) -> None:
    harness.problem(harness.send("POST", PATH, "officer", json={"units": [1]}), "invalid-request")


def test_line_items_are_taken_where_the_policy_declares_them(harness: Harness) -> None:
    declared = POLICY_TEXT.replace("    unit_column:", "    line_items: true\n    unit_column:")
    harness.catalogue.snapshots["shop"] = FakeSnapshot(load_policy(declared))
    assert exclude(harness, level="line_items").json()["level"] == "line_items"
    assert {each.sort for each in listed(harness).of("shop").left_out} == {"line items"}


def test_a_dataset_that_is_not_served_has_no_exclusions(harness: Harness) -> None:
    response = harness.send("POST", "/v1/datasets/absent/exclusions", "officer", json=BODY)
    harness.problem(response, "not-found")


def test_a_list_that_cannot_be_written_is_a_problem_that_says_so(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ExclusionListError("the disk is full of 4711")

    monkeypatch.setattr(listed(harness), "record", broken, raising=True)
    response = exclude(harness)
    harness.problem(response, "not-recorded")
    assert "4711" not in response.text
    assert response.headers["retry-after"]


def test_the_body_has_limits_on_everything() -> None:
    described = ExclusionBody.model_json_schema()["properties"]
    assert described["units"]["maxItems"] == 1_000
    assert described["reason"]["maxLength"] == 500
