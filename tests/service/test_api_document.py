"""The OpenAPI document: complete, with examples, and kept by the app."""

from __future__ import annotations

import re
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from service import schemas
from service.api import examples
from service.quotes import Quote
from service.simulation.report import Accuracy
from tests.service.harness import Harness


def _calls(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, call) for path, calls in document["paths"].items() for method, call in calls.items()]


def test_every_call_is_documented_with_examples_and_problems(harness: Harness) -> None:
    for method, path, call in _calls(harness.send("GET", "/openapi.json", None).json()):
        assert call["summary"], path
        assert call["description"], path
        for status, response in call["responses"].items():
            for kind, media in response.get("content", {}).items():
                if kind == "application/json":
                    assert "example" in media, (method, path, status)
        if "requestBody" in call:
            assert "example" in call["requestBody"]["content"]["application/json"]
        if path.startswith("/v1"):
            assert call["security"] == [{"key": []}]
            assert call["x-roles"]
            assert "application/problem+json" in call["responses"]["401"]["content"]


def test_the_examples_are_valid_requests() -> None:
    schemas.QueryBody.model_validate(examples.QUERY)
    schemas.AccuracyBody.model_validate(examples.ACCURACY_REQUEST)
    schemas.BudgetChange.model_validate(examples.BUDGET_CHANGE)
    schemas.ExclusionBody.model_validate(examples.EXCLUSION)
    schemas.KeyRequest.model_validate(examples.KEY_REQUEST)


def test_the_example_of_a_quote_is_a_quote_with_every_member(harness: Harness) -> None:
    assert Quote.model_validate(examples.QUOTE).model_dump(mode="json") == examples.QUOTE
    document = harness.send("GET", "/openapi.json", None).json()
    assert document["components"]["schemas"]["Quote"]["additionalProperties"] is False


def test_the_example_of_an_accuracy_report_is_one_with_every_member(harness: Harness) -> None:
    assert Accuracy.model_validate(examples.ACCURACY).model_dump(mode="json") == examples.ACCURACY
    known = harness.send("GET", "/openapi.json", None).json()["components"]["schemas"]
    assert known["Accuracy"]["additionalProperties"] is False


def test_every_reference_of_the_document_leads_somewhere(harness: Harness) -> None:
    response = harness.send("GET", "/openapi.json", None)
    known = response.json()["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', response.text):
        assert name in known
    assert "HTTPValidationError" not in known


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_app_keeps_to_its_document(harness: Harness, data: st.DataObject) -> None:
    schema = schemathesis.openapi.from_dict(harness.app.openapi())
    calls = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    call = data.draw(st.sampled_from(calls))
    role = data.draw(st.sampled_from(["analyst", "officer", "auditor", "admin", "dashboard", None]))
    case = data.draw(call.as_strategy())
    sent = case.as_transport_kwargs(base_url="http://kvitto.test")
    headers = {name: str(value) for name, value in dict(sent.pop("headers")).items() if name.lower() != "authorization"}
    response = harness.send(
        sent["method"], sent["url"], role, headers=headers, params=sent.get("params"), json=sent.get("json")
    )
    case.validate_response(
        response,
        checks=[not_a_server_error, content_type_conformance, response_schema_conformance],
    )
