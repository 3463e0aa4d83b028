"""Every call under every role: what a role may not do is refused before anything else is looked at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from service.api_keys import ApiKeys
from service.auth import ROLES
from tests.service.harness import QUESTION, Harness

ALL = set(ROLES)
# (method, path): the roles that may call it.
MATRIX: dict[tuple[str, str], set[str]] = {
    ("POST", "/v1/queries"): {"analyst"},
    ("GET", "/v1/queries"): {"analyst", "officer", "auditor"},
    ("GET", "/v1/queries/{query_id}"): {"analyst", "officer", "auditor"},
    ("GET", "/v1/queries/{query_id}/result.{fmt}"): {"analyst"},
    ("GET", "/v1/queries/{query_id}/receipt"): {"analyst", "auditor"},
    ("GET", "/v1/queries/{query_id}/proof"): {"analyst", "auditor"},
    ("GET", "/v1/datasets"): ALL,
    ("GET", "/v1/datasets/{dataset}"): ALL,
    ("POST", "/v1/datasets/{dataset}/accuracy"): {"analyst", "dashboard", "officer"},
    ("POST", "/v1/datasets/{dataset}/exclusions"): {"officer", "admin"},
    ("GET", "/v1/budgets"): {"analyst", "dashboard", "officer", "auditor"},
    ("GET", "/v1/budgets/{account_id:path}"): {"analyst", "dashboard", "officer", "auditor"},
    ("GET", "/v1/budgets/{account_id:path}/ledger"): {"officer", "auditor"},
    ("PATCH", "/v1/budgets/{account_id:path}"): {"officer"},
    ("POST", "/v1/budgets/{account_id:path}/requests"): {"analyst", "dashboard"},
    ("GET", "/v1/approvals"): {"analyst", "dashboard", "officer", "auditor"},
    ("GET", "/v1/approvals/{proposal_id}"): {"analyst", "dashboard", "officer", "auditor"},
    ("POST", "/v1/approvals/{proposal_id}/decision"): {"analyst", "dashboard", "officer"},
    ("GET", "/v1/freeze"): ALL,
    ("PUT", "/v1/freeze"): {"officer"},
    ("DELETE", "/v1/freeze"): {"officer"},
    ("GET", "/v1/me"): ALL,
    ("GET", "/v1/keys"): {"admin"},
    ("POST", "/v1/keys"): {"admin"},
    ("DELETE", "/v1/keys/{key_id}"): {"admin"},
    ("GET", "/v1/audit"): {"auditor"},
    ("GET", "/v1/audit/head"): {"auditor"},
    ("GET", "/v1/audit/key"): ALL,
    ("GET", "/v1/audit/tree-head"): {"auditor"},
    ("GET", "/v1/audit/proof/{seq}"): {"auditor"},
    ("GET", "/v1/audit/consistency"): {"auditor"},
    ("GET", "/v1/audit/export"): {"auditor"},
    ("GET", "/v1/reports/transparency.json"): {"officer", "auditor"},
    ("GET", "/v1/reports/transparency.html"): {"officer", "auditor"},
    ("GET", "/v1/reports/registry.yaml"): {"officer", "auditor"},
}
# Calls that need no key: they tell nothing of anybody.
OPEN = {
    ("GET", path)
    for path in (
        *("/", "/docs", "/problems", "/problems/{slug}", "/static/kvitto.css"),
        *("/livez", "/readyz", "/metrics", "/openapi.json"),
    )
}
_BODIES = {
    ("POST", "/v1/queries"): QUESTION,
    ("POST", "/v1/datasets/{dataset}/accuracy"): {"sql": QUESTION["sql"]},
    ("POST", "/v1/datasets/{dataset}/exclusions"): {"units": [1], "reason": "testing"},
    ("PATCH", "/v1/budgets/{account_id:path}"): {"epsilon": "5", "reason": "testing"},
    ("POST", "/v1/keys"): {"owner": "maria", "role": "analyst"},
    ("POST", "/v1/budgets/{account_id:path}/requests"): {"epsilon": "9", "reason": "testing"},
    ("POST", "/v1/approvals/{proposal_id}/decision"): {"decision": "approve", "reason": "testing"},
    ("PUT", "/v1/freeze"): {"dataset": "shop", "reason": "testing"},
}
_PLACES = {
    "{query_id}": "q_0000000000009999",
    "{proposal_id}": "p_0",
    "{fmt}": "csv",
    "{dataset}": "shop",
    "{key_id}": "unknown",
    "{seq}": "1",
}
_QUERIES = {("DELETE", "/v1/freeze"): "?dataset=shop&reason=testing"}


def address(path: str, role: str) -> str:
    for place, value in _PLACES.items():
        path = path.replace(place, value)
    path = f"{path}?first=1" if path.endswith("/consistency") else path
    return path.replace("{account_id:path}", "shop/person/dashboard" if role == "dashboard" else "shop/person/analyst")


def test_the_matrix_names_every_route_of_the_app(harness: Harness) -> None:
    calls = {
        (method, str(getattr(route, "path", "")))
        for route in (*harness.app.state.routes, *harness.app.routes)
        if isinstance(route, APIRoute | Route)
        for method in route.methods or ()
    }
    assert calls - {("HEAD", path) for _, path in OPEN} == set(MATRIX) | OPEN
    assert all(path.startswith("/v1/") for _, path in MATRIX)
    assert not any(path.startswith("/v1") for _, path in OPEN)


def test_what_needs_no_key_takes_none_and_any(harness: Harness) -> None:
    for method, path in OPEN:
        for role in (None, *ROLES):
            response = harness.send(method, path.replace("{slug}", "role"), role)
            assert response.status_code == 200, (path, role)


def test_a_call_is_documented_for_the_roles_that_may_make_it(harness: Harness) -> None:
    document = harness.send("GET", "/openapi.json", None).json()
    for (method, path), roles in MATRIX.items():
        assert set(document["paths"][path.replace(":path}", "}")][method.lower()]["x-roles"]) == roles, path


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_call_what_belongs_to_it_and_nothing_else(harness: Harness, role: str) -> None:
    for (method, path), allowed in MATRIX.items():
        response = harness.send(
            method,
            address(path, role) + _QUERIES.get((method, path), ""),
            role,
            json=_BODIES.get((method, path)),
            headers={"Idempotency-Key": "matrix"},
        )
        if role in allowed:
            assert response.status_code in {200, 201, 202, 204, 404}, (method, path, response.text)
        else:
            harness.problem(response, "role")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_checked_before_the_body(harness: Harness, role: str) -> None:
    for (method, path), allowed in MATRIX.items():
        if (method, path) in _BODIES and role not in allowed:
            response = harness.send(
                method, address(path, role), role, content=b"{nonsense", headers={"Content-Type": "application/json"}
            )
            harness.problem(response, "role")


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "Bearer kvitto_aaaaaaaaaaaa_" + "A" * 43,
        "Bearer kvitto_aaaaaaaaaaaa_" + "A" * 5_000, "Bearer \u00e9".encode("latin-1"),
    ],
)  # fmt: skip
def test_without_a_live_key_every_call_is_unauthenticated(harness: Harness, authorization: str | bytes | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in MATRIX:
        response = harness.send(method, address(path, "analyst"), None, headers=headers, content=b"{nonsense")
        harness.problem(response, "unauthenticated")
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_unknown_addresses_under_v1_need_a_key_too(harness: Harness) -> None:
    harness.problem(harness.send("GET", "/v1/nothing", None), "unauthenticated")
    harness.problem(harness.send("GET", "/v1/nothing"), "not-found")


def test_a_revoked_key_ends_at_once(harness: Harness) -> None:
    key_id = harness.keys["analyst"].split("_")[1]
    assert harness.send("GET", "/v1/me").status_code == 200
    assert harness.send("DELETE", f"/v1/keys/{key_id}", "admin").status_code == 204
    harness.problem(harness.send("GET", "/v1/me"), "unauthenticated")


def test_an_expired_key_is_unauthenticated(harness: Harness) -> None:
    store: ApiKeys = harness.app.state.context.keys
    harness.keys["late"] = store.create("analyst", "analyst", timedelta(seconds=-1))[1]
    harness.problem(harness.send("GET", "/v1/me", "late"), "unauthenticated")


def test_a_key_with_another_secret_is_unauthenticated(harness: Harness) -> None:
    text = harness.keys["analyst"]
    harness.keys["forged"] = text[:-2] + ("AA" if not text.endswith("AA") else "BB")
    harness.problem(harness.send("GET", "/v1/me", "forged"), "unauthenticated")
