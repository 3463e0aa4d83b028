"""One table of problems: complete, documented, and in one shape."""

from __future__ import annotations

import inspect
import json

import pytest

from budgets import errors as budget_errors
from queries import errors as query_errors
from service.problems import PROBLEM_TYPES, Problem, ProblemError, problem_of
from tests.service.harness import Harness

# Faults of ours or of a load: they never reach a caller by name.
_NOT_TOLD = {
    "QueryError",
    "BudgetError",
    "IllegalPlanError",
    "PlanTooLargeError",
    "LoadError",
    "PolicyError",
    "InvalidTransitionError",
}
_MADE = {
    "SqlSyntaxError": query_errors.SqlSyntaxError("expected FROM", 2, 3),
    "QueryNotPrivateError": query_errors.QueryNotPrivateError("code", "reason"),
    "PriceError": query_errors.PriceError("invalid-price", "reason"),
    "PostprocessError": query_errors.PostprocessError("reason"),
    "ExclusionError": query_errors.ExclusionError("reason"),
    "BudgetExhaustedError": budget_errors.BudgetExhaustedError("journey"),
}


def _errors() -> list[type[Exception]]:
    found = [
        kind
        for module in (query_errors, budget_errors)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module.__name__
    ]
    return [kind for kind in found if kind.__name__ not in _NOT_TOLD]


@pytest.mark.parametrize("kind", _errors(), ids=lambda kind: kind.__name__)
def test_every_error_that_a_caller_can_cause_has_a_problem(kind: type[Exception]) -> None:
    error = _MADE.get(kind.__name__) or kind.__new__(kind)
    problem = problem_of(error)
    assert problem is not None
    assert json.loads(problem.body())["status"] == problem.status


def test_a_fault_of_ours_has_no_problem_of_its_own() -> None:
    assert problem_of(ZeroDivisionError("private words")) is None
    assert problem_of(query_errors.IllegalPlanError("private words")) is None


def test_the_document_has_the_members_of_rfc_9457() -> None:
    document = json.loads(Problem("not-found", "Nothing there.").body("7d1f5f3e-0000-4000-8000-000000000000"))
    assert document == {
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "Nothing there.",
        "instance": "urn:uuid:7d1f5f3e-0000-4000-8000-000000000000",
    }


def test_lost_ledgers_ask_for_a_retry() -> None:
    problem = problem_of(budget_errors.LedgerUnavailableError("secret words"))
    assert problem is not None
    assert problem.headers == {"Retry-After": "1"}
    assert "secret words" not in problem.body().decode()


def test_an_unknown_slug_cannot_be_sent() -> None:
    with pytest.raises(KeyError):
        ProblemError("no-such-problem")


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_every_type_leads_to_its_page(harness: Harness, slug: str) -> None:
    row = PROBLEM_TYPES[slug]
    page = harness.send("GET", row.type, None)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert row.title.replace("'", "&#39;") in page.text
    assert 400 <= row.status <= 599


def test_a_refusal_carries_the_rewritten_statement_where_there_is_one() -> None:
    refused = query_errors.QueryNotPrivateError("code", "reason", rewrite="SELECT 1 AS one")
    problems = [problem_of(error) for error in (refused, query_errors.QueryNotPrivateError("code", "reason"))]
    documents = [json.loads(problem.body()) for problem in problems if problem is not None]
    assert [document.get("rewrite") for document in documents] == ["SELECT 1 AS one", None]
