"""Whatever is sent, a problem comes back: never a 500, never a word of the request, always the security headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.edge import SECURITY_HEADERS
from tests.service.harness import QUESTION, Harness

CANARY = "canary7391"
JSON = {"Content-Type": "application/json", "Idempotency-Key": "k"}


def every_response(harness: Harness) -> list[Any]:
    return [
        harness.send("GET", "/", None),
        harness.send("GET", "/livez", None),
        harness.send("GET", "/nothing", None),
        harness.send("GET", "/v1/me", None),
        harness.send("GET", "/v1/me"),
        harness.send("POST", "/v1/queries", content=b"{", headers=JSON),
        harness.ask(),
        harness.send("DELETE", "/v1/queries"),
    ]


def test_every_response_has_the_security_headers_and_an_id(harness: Harness) -> None:
    for response in every_response(harness):
        for name, value in SECURITY_HEADERS.items():
            assert response.headers[name] == value
        assert response.headers["x-request-id"]
        assert "server" not in response.headers


def test_nothing_private_is_cached(harness: Harness) -> None:
    for response in (harness.ask(), harness.send("GET", "/v1/queries"), harness.send("GET", "/v1/me", None)):
        assert response.headers["cache-control"] == "no-store"


def test_a_problem_names_the_id_that_the_log_has(harness: Harness) -> None:
    response = harness.send("GET", "/v1/nothing")
    request_id = response.headers["x-request-id"]
    assert harness.problem(response, "not-found")["instance"] == f"urn:uuid:{request_id}"
    assert request_id in harness.logs.getvalue()


def test_a_fault_is_told_by_its_id_and_logged_without_its_words(harness: Harness) -> None:
    harness.answering.refusal = ZeroDivisionError(CANARY)
    response = harness.ask()
    harness.problem(response, "internal")
    fault = next(line for line in map(json.loads, harness.logs.getvalue().splitlines()) if line["event"] == "fault")
    assert fault["error"] == "ZeroDivisionError"
    assert fault["request_id"] == response.headers["x-request-id"]
    assert CANARY not in response.text + harness.logs.getvalue()


@pytest.mark.parametrize("path", ["/", "/docs", "/livez", "/metrics", "/openapi.json", "/v1/me", "/v1/datasets/shop"])
def test_head_is_get_without_a_body(harness: Harness, path: str) -> None:
    get, head = harness.send("GET", path), harness.send("HEAD", path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/queries", "GET, HEAD, POST"),
        ("OPTIONS", "/v1/queries", "GET, HEAD, POST"),
        ("POST", "/v1/budgets/shop", "GET, HEAD, PATCH"),
        ("GET", "/v1/keys/x", "DELETE"),
        ("HEAD", "/v1/keys/x", "DELETE"),
        ("POST", "/livez", "GET, HEAD"),
        ("BREW", "/v1/me", "GET, HEAD"),
    ],
)
def test_another_method_is_not_allowed(harness: Harness, method: str, path: str, allow: str) -> None:
    response = harness.send(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allow
    if method != "HEAD":
        harness.problem(response, "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1", "/v1/", "/v1/queries/", "/v1/queries/%00", "/v1/queries/%ff%fe", "/v1/datasets/%2e%2e", "/%2f",
     "/v1/datasets/%2e%2e%2fkeys",
     "/problems/nothing", "/static/../app.py", "/static/%2e%2e/app.py", "/docs/", "/redoc"],
)  # fmt: skip
def test_an_unknown_address_is_not_found(harness: Harness, path: str) -> None:
    harness.problem(harness.send("GET", path), "not-found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=canary7391", "limit=1e3", "limit=501", "limit=", f"cursor={900 * 'x'}"]
)
def test_an_unfit_parameter_is_an_invalid_request(harness: Harness, query: str) -> None:
    response = harness.send("GET", f"/v1/queries?{query}")
    assert "canary" not in response.text
    harness.problem(response, "invalid-request")


@pytest.mark.parametrize(
    ("content_type", "slug"),
    [
        ("text/plain", "unsupported-media-type"),
        ("application/xml", "unsupported-media-type"),
        ("multipart/form-data; boundary=x", "unsupported-media-type"),
        ("application/json; charset=utf-16", "unsupported-media-type"),
        ("application/jsonx", "unsupported-media-type"),
        ("", "unsupported-media-type"),
    ],
)
def test_a_body_must_be_json(harness: Harness, content_type: str, slug: str) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": content_type}
    harness.problem(harness.send("POST", "/v1/queries", content=json.dumps(QUESTION).encode(), headers=headers), slug)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_in_utf8_is_read(harness: Harness, content_type: str) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": content_type}
    assert (
        harness.send("POST", "/v1/queries", content=json.dumps(QUESTION).encode(), headers=headers).status_code == 201
    )


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true", b'{"dataset": null, "sql": null}', b"{}"])
def test_json_of_another_shape_is_an_invalid_request(harness: Harness, body: bytes) -> None:
    harness.problem(harness.send("POST", "/v1/queries", content=body, headers=JSON), "invalid-request")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_body_makes_a_fault(harness: Harness, body: bytes) -> None:
    for call in (
        ("POST", "/v1/queries", "analyst"),
        ("PATCH", "/v1/budgets/shop", "officer"),
        ("POST", "/v1/keys", "admin"),
    ):
        assert 400 <= harness.send(*call, content=body, headers=JSON).status_code < 500


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["dataset", "sql", "epsilon", "rho", "params", "options", "reuse", "purpose", "dry_run", CANARY]
        ),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.just(CANARY),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just(CANARY), inner, max_size=2),
            max_leaves=6,
        ),
        min_size=1,
    )
)
def test_no_refusal_repeats_what_was_sent(harness: Harness, body: dict[str, Any]) -> None:
    response = harness.send("POST", "/v1/queries", content=json.dumps(body).encode(), headers=JSON)
    # What fits the schema by chance names a dataset that there is not, and has no idempotency key.
    slugs = ("invalid-request", "not-found", "idempotency-key-missing")
    assert response.json()["type"] in {f"/problems/{slug}" for slug in slugs}
    assert CANARY not in response.text


def test_a_misspelt_member_gets_a_suggestion(harness: Harness) -> None:
    document = harness.problem(harness.ask(epsilonn=1), "invalid-request")
    assert document["errors"] == [
        {"place": "body.*", "code": "unknown-field", "message": "there is no such field; did you mean epsilon?"}
    ]


def test_logs_and_metrics_hold_no_key_no_sql_and_no_parameter(harness: Harness) -> None:
    harness.ask(f"{CANARY}-idempotency", sql=f"SELECT '{CANARY}'", params={"a": CANARY})
    harness.ask("2", sql=f"SELECT household_id, '{CANARY}'")
    harness.ask("3", purpose=CANARY, target=CANARY)
    harness.send("GET", f"/v1/{CANARY}?{CANARY}={CANARY}")
    harness.send("GET", f"/v1/queries/q_{CANARY}/result.csv")
    harness.send("GET", f"/{CANARY}", None, headers={"Authorization": f"Bearer {CANARY}", "User-Agent": CANARY})
    harness.send("GET", "/v1/me", None, headers={"Authorization": f"Bearer {CANARY}"})
    harness.send(CANARY.upper(), "/v1/me")
    exposed = harness.logs.getvalue() + harness.send("GET", "/metrics", None).text
    assert CANARY not in exposed
    assert CANARY.upper() not in exposed
    for key in harness.keys.values():
        assert key not in exposed
        assert key.split("_", 2)[2] not in exposed
    assert "GROCERY" not in exposed


def test_one_line_is_logged_a_request_and_none_tells_how_long_it_took(harness: Harness) -> None:
    harness.ask()
    lines = [json.loads(line) for line in harness.logs.getvalue().splitlines()]
    assert [set(line) for line in lines] == [
        {"event", "level", "timestamp", "request_id", "method", "route", "status", "person"}
    ]
    assert lines[0]["route"] == "/v1/queries"
