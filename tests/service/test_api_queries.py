"""Questions: charged once, refused before anything is charged, passed through byte for byte."""

from __future__ import annotations

import json
import threading
import time
from fractions import Fraction
from typing import Any

import pytest

from budgets.errors import LedgerUnavailableError
from budgets.evidence.merkle import is_included
from budgets.evidence.receipts import RECEIPT_TYPE
from budgets.evidence.sealed import PublicKey, unseal
from budgets.ledger import Outcome
from queries.errors import EngineUnavailableError, PostprocessError, PriceError, SqlSyntaxError
from queries.targets import Target
from service.api import examples
from service.settings import Settings
from tests.service.fakes import ROWS
from tests.service.harness import QUESTION, Harness, open_harness


def spent(harness: Harness, account: str = "shop/person/analyst") -> int:
    return harness.ledger.balance(account).spent.rho_nano


def test_a_question_is_answered_and_charged(harness: Harness) -> None:
    response = harness.ask()
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/v1/queries/{response.json()['id']}"
    assert spent(harness) > 0
    assert spent(harness) == spent(harness, "shop")


def test_a_retry_gets_the_same_bytes_and_is_charged_once(harness: Harness) -> None:
    first = harness.ask()
    charged = spent(harness)
    again = harness.ask()
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert spent(harness) == charged


def test_the_same_question_written_differently_is_the_same_request(harness: Harness) -> None:
    first = harness.ask(epsilon=0.1)
    again = harness.ask(epsilon="0.10", reuse="prefer", params={})
    assert again.content == first.content


def test_another_question_under_the_same_key_is_refused(harness: Harness) -> None:
    harness.ask()
    harness.problem(harness.ask(epsilon="0.2"), "idempotency-key-reused")


def test_somebody_elses_key_tells_nothing(harness: Harness) -> None:
    harness.ask()
    harness.problem(harness.ask(role="other"), "no-budget-account")


def test_a_quote_needs_no_key_and_is_free(harness: Harness) -> None:
    response = harness.send("POST", "/v1/queries", json={**QUESTION, "dry_run": True})
    assert response.status_code == 200
    assert response.json()["columns"] == examples.QUOTE["columns"]
    assert spent(harness) == 0


@pytest.mark.parametrize("key", [None, "", "x" * 201, "with space", "tab\there", "\x7f"])
def test_an_unfit_idempotency_key_is_refused(harness: Harness, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = harness.send("POST", "/v1/queries", json=QUESTION, headers=headers)
    harness.problem(response, "idempotency-key-missing")


def test_two_idempotency_keys_are_refused(harness: Harness) -> None:
    async def twice() -> Any:
        headers = [
            ("Authorization", f"Bearer {harness.keys['analyst']}"),
            ("Idempotency-Key", "1"),
            ("Idempotency-Key", "2"),
        ]
        return await harness.client.post("/v1/queries", json=QUESTION, headers=headers)

    harness.problem(harness.portal.call(twice), "idempotency-key-missing")


def test_an_unknown_dataset_is_not_found(harness: Harness) -> None:
    harness.problem(harness.ask(dataset="nothing"), "not-found")
    assert harness.answering.requests == []


def test_a_refusal_names_position_and_hint(harness: Harness) -> None:
    document = harness.problem(harness.ask(sql="SELECT household_id FROM purchases"), "query-not-private")
    assert (document["code"], document["line"], document["column"]) == ("unit-in-output", 1, 8)
    assert document["hint"] == "leave it out"
    assert "rewrite" not in document
    assert spent(harness) == 0


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (SqlSyntaxError("expected FROM", 1, 9), "sql-syntax"),
        (PriceError("max-epsilon-exceeded", "at most 2"), "max-epsilon-exceeded"),
        (PriceError("invalid-price", "too small"), "invalid-price"),
        (PostprocessError("no such function"), "postprocess-failed"),
        (EngineUnavailableError(), "engine-unavailable"),
        (LedgerUnavailableError("gone"), "ledger-unavailable"),
        (ZeroDivisionError("a private word"), "internal"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_every_error_of_answering_becomes_its_problem(
    harness: Harness, error: Exception, slug: str, *, dry_run: bool
) -> None:
    harness.answering.refusal = error
    response = harness.ask(dry_run=dry_run)
    harness.problem(response, slug)
    assert "private word" not in response.text
    assert "private word" not in harness.logs.getvalue()


def test_an_exhausted_budget_is_told_with_its_account(harness: Harness) -> None:
    assert harness.ask("1", epsilon="7.9").status_code == 201
    document = harness.problem(harness.ask("2", epsilon="4"), "budget-exhausted")
    assert document["account"] == "shop/person/analyst"


def test_a_failed_release_passes_through_byte_for_byte(harness: Harness) -> None:
    body = b'{"type":"/problems/release-failed","id":"q_x"}'
    harness.answering.fails_with = Outcome("q_x", 503, body, "application/problem+json")
    response = harness.ask()
    assert (response.status_code, response.content) == (503, body)
    assert response.headers["content-type"] == "application/problem+json"
    assert harness.ask().content == body
    query_id = harness.send("GET", "/v1/queries").json()["items"][0]["id"]
    stored = harness.send("GET", f"/v1/queries/{query_id}/result.csv")
    assert (stored.status_code, stored.content) == (503, body)
    harness.problem(harness.send("GET", f"/v1/queries/{query_id}/receipt"), "not-found")


def test_the_same_request_at_the_same_time_is_in_progress(harness: Harness) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(5)

    harness.answering.work = slow
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(harness.ask()))
    thread.start()
    begun.wait(5)
    second = harness.ask()
    go_on.set()
    thread.join(5)
    harness.problem(second, "request-in-progress")
    assert second.headers["retry-after"] == "1"
    assert first[0].status_code == 201
    assert harness.ask().content == first[0].content


def test_the_request_reaches_answering_exactly(harness: Harness) -> None:
    harness.ask(
        epsilon=0.1, params={"a": 1, "b": "x", "c": None}, options={"l2_bound": {"lines": 2.5}}, purpose="study"
    )
    request = harness.answering.requests[0]
    assert request.epsilon == Fraction(1, 10)
    assert request.params == {"a": 1, "b": "x", "c": None}
    assert request.options == {"l2_bound": {"lines": Fraction(5, 2)}}
    assert (request.reuse, request.purpose, request.rho, request.max_epsilon) == ("prefer", "study", None, None)
    assert request.target is None


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_target_reaches_answering_exactly(harness: Harness, *, dry_run: bool) -> None:
    target = {"error": 0.1, "confidence": "0.9", "column": "Lines"}
    response = harness.ask(epsilon=None, target=target, dry_run=dry_run)
    assert response.status_code == (200 if dry_run else 201), response.text
    (request,) = harness.answering.requests
    assert request.target == Target(Fraction(1, 10), Fraction(9, 10), "lines")
    assert request.epsilon is None


@pytest.mark.parametrize(
    "members",
    [
        {"target": {"error": 1}},
        {"epsilon": None, "rho": 0.1, "target": {"error": 1}},
        {"epsilon": None, "target": {}},
        {"epsilon": None, "target": {"error": 0}},
        {"epsilon": None, "target": {"error": -1}},
        {"epsilon": None, "target": {"error": "NaN"}},
        {"epsilon": None, "target": {"error": 1e30}},
        {"epsilon": None, "target": {"error": 1, "confidence": 1}},
        {"epsilon": None, "target": {"error": 1, "column": ""}},
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_target_that_is_none_is_refused_before_anything_is_planned(
    harness: Harness, members: dict[str, Any], *, dry_run: bool
) -> None:
    harness.problem(harness.ask(**members, dry_run=dry_run), "invalid-request")
    assert harness.answering.requests == []


def test_a_quote_takes_one_request_of_the_rate(settings: Settings, logs: Any) -> None:
    slow = settings.model_copy(update={"rate_burst": 3, "rate_per_second": 0.001})
    with open_harness(slow, logs) as harness:
        statuses = [harness.ask(dry_run=True).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_parameters_of_stated_types_and_lists_reach_answering_exactly(harness: Harness) -> None:
    params: dict[str, Any] = {"day": {"type": "DATE", "value": "2017-01-31"}, "1": [1, "x", None], "b": True}
    assert harness.ask(params=params, options={"privacy_unit_column": "household_id"}).status_code == 201
    request = harness.answering.requests[0]
    assert request.params == params
    assert request.options == {"privacy_unit_column": "household_id"}
    for wrong in ({"type": "JSON", "value": 1}, {"type": "DATE"}, [], [[1]], {"a": 1}):
        harness.problem(harness.ask(str(wrong), params={"a": wrong}), "invalid-request")


def test_the_history_is_paged_newest_first(harness: Harness) -> None:
    ids = [harness.ask(str(number)).json()["id"] for number in range(5)]
    first = harness.send("GET", "/v1/queries?limit=3").json()
    rest = harness.send("GET", f"/v1/queries?limit=3&cursor={first['next']}").json()
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert first["items"][0]["sql"] == QUESTION["sql"]
    assert first["items"][0]["cost"]["epsilon"] == "0.1"
    assert first["items"][0]["charged"] is True


def test_the_history_holds_no_answers(harness: Harness) -> None:
    query_id = harness.ask().json()["id"]
    for role in ("officer", "auditor"):
        for path in ("/v1/queries", f"/v1/queries/{query_id}"):
            assert "GROCERY" not in harness.send("GET", path, role).text


def test_somebody_elses_query_is_the_same_404_as_an_unknown_one(harness: Harness) -> None:
    query_id = harness.ask().json()["id"]
    for suffix in ("", "/result.json", "/result.csv", "/receipt"):
        theirs = harness.send("GET", f"/v1/queries/{query_id}{suffix}", "other")
        unknown = harness.send("GET", f"/v1/queries/q_0000000000009999{suffix}", "other")
        nonsense = harness.send("GET", f"/v1/queries/%00nonsense{suffix}", "other")
        bodies = []
        for response in (theirs, unknown, nonsense):
            document = harness.problem(response, "not-found")
            document.pop("instance")
            bodies.append(document)
        assert bodies[0] == bodies[1] == bodies[2]
    harness.problem(harness.send("GET", f"/v1/queries?cursor={query_id}", "other"), "not-found")


def test_the_stored_answer_is_the_one_that_was_sent(harness: Harness) -> None:
    response = harness.ask()
    query_id = response.json()["id"]
    stored = harness.send("GET", f"/v1/queries/{query_id}/result.json")
    assert (stored.status_code, stored.content) == (200, response.content)
    for fmt in ("csv", "parquet", "arrow"):
        assert harness.send("GET", f"/v1/queries/{query_id}/result.{fmt}").status_code == 200
    harness.problem(harness.send("GET", f"/v1/queries/{query_id}/result.exe"), "not-found")


def test_a_receipt_is_for_its_owner_and_for_auditors(harness: Harness) -> None:
    answer = harness.ask().json()
    for role in ("analyst", "auditor"):
        found = harness.send("GET", f"/v1/queries/{answer['id']}/receipt", role)
        assert found.json() == {"receipt": answer["receipt"], "signature": answer["signature"]}
    harness.problem(harness.send("GET", f"/v1/queries/{answer['id']}/receipt", "other"), "not-found")


def test_a_receipt_is_sent_as_the_bytes_that_were_signed(harness: Harness) -> None:
    answer = harness.ask().json()
    key = PublicKey.parse(harness.send("GET", "/v1/audit/key").text)
    sent = harness.send("GET", f"/v1/queries/{answer['id']}/receipt").text
    sealed = unseal(sent, "receipt", RECEIPT_TYPE)
    sealed.require(key)
    assert sealed.signed.decode() in sent
    assert sealed.content["query_id"] == answer["id"]


def test_the_receipt_of_an_older_answer_has_no_signature(harness: Harness) -> None:
    harness.answering._keys = None
    answer = harness.ask().json()
    found = harness.send("GET", f"/v1/queries/{answer['id']}/receipt").json()
    assert found == {"receipt": answer["receipt"], "signature": None}


def test_the_owner_of_a_query_can_prove_that_its_charge_is_in_the_ledger(harness: Harness) -> None:
    answer = harness.ask().json()
    found = harness.send("GET", f"/v1/queries/{answer['id']}/proof").json()
    place = answer["receipt"]["ledger"]
    assert (found["seq"], found["hash"]) == (place["seq"], place["hash"])
    head, path = found["tree_head"]["head"], [bytes.fromhex(node) for node in found["audit_path"]]
    root = bytes.fromhex(head["root_hash"])
    assert is_included(bytes.fromhex(place["hash"]), found["leaf_index"], head["tree_size"], path, root)
    assert "entry" not in found  # it holds what others have spent
    harness.problem(harness.send("GET", f"/v1/queries/{answer['id']}/proof", "other"), "not-found")
    repeat = harness.ask("2", sql="SELECT 'repeat'").json()
    harness.problem(harness.send("GET", f"/v1/queries/{repeat['id']}/proof"), "not-found")


def test_private_work_answers_on_the_time_grid_and_stored_answers_at_once(settings: Settings, logs: Any) -> None:
    with open_harness(settings.model_copy(update={"response_grid_ms": 300}), logs) as harness:

        def seconds(**members: Any) -> float:
            started = time.monotonic()
            assert harness.ask(**members).status_code in {201, 503}
            return time.monotonic() - started

        assert seconds(key="1") >= 0.3
        assert seconds(key="1") < 0.25
        assert seconds(key="2", sql="SELECT 'repeat'") < 0.25
        harness.answering.refusal = LedgerUnavailableError("lost while settling")
        assert seconds(key="3") >= 0.3


def test_a_charge_is_counted_once(harness: Harness) -> None:
    for key in ("1", "1", "2"):
        harness.ask(key)
    harness.ask("3", sql="SELECT 'repeat'")
    assert 'kvitto_charges_total{dataset="shop"} 2.0' in harness.send("GET", "/metrics", None).text


def test_the_answer_has_the_documented_shape(harness: Harness) -> None:
    answer = json.loads(harness.ask().content)
    assert list(answer) == ["id", "status", "cost", "guarantee", "columns", "rows", "notices", "receipt", "signature"]
    assert answer["rows"] == ROWS


@pytest.mark.parametrize(
    ("bound", "stated", "asked"),
    [
        ((), None, None),
        ((), "health", "health"),
        (("health",), None, "health"),
        (("health",), "health", "health"),
        (("health", "assortment"), "assortment", "assortment"),
    ],
)
def test_a_question_has_the_purpose_it_states_or_the_only_one_of_its_key(
    harness: Harness, bound: tuple[str, ...], stated: str | None, asked: str | None
) -> None:
    bind(harness, *bound)
    for sent in (harness.ask("1", "bound", purpose=stated), harness.ask("2", "bound", purpose=stated, dry_run=True)):
        assert sent.status_code < 300, sent.text
        assert harness.answering.requests[-1].purpose == asked


@pytest.mark.parametrize(
    ("bound", "stated"),
    [(("health",), "assortment"), (("health", "assortment"), None), (("health", "x"), "assortment")],
)
def test_a_question_for_a_purpose_that_is_not_the_key_s_is_refused(
    harness: Harness, bound: tuple[str, ...], stated: str | None
) -> None:
    bind(harness, *bound)
    for more in ({}, {"dry_run": True}):
        harness.problem(harness.ask("1", "bound", purpose=stated, **more), "purpose")
    body = {"sql": QUESTION["sql"], "purpose": stated}
    harness.problem(harness.send("POST", "/v1/datasets/shop/accuracy", "bound", json=body), "purpose")
    assert harness.answering.requests == []


def test_the_same_question_for_another_purpose_is_another_request(harness: Harness) -> None:
    """Two keys of one person, each bound to one purpose: neither gets the answer of the other."""
    bind(harness, "health")
    assert harness.ask("1", "bound").status_code == 201
    bind(harness, "assortment")
    harness.problem(harness.ask("1", "bound"), "idempotency-key-reused")


def bind(harness: Harness, *purposes: str) -> None:
    """Makes the key "bound", of the analyst, for these purposes."""
    harness.keys["bound"] = harness.app.state.context.keys.create("analyst", "analyst", None, purposes)[1]
