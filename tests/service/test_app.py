"""The spine: ask, repeat, read, refuse."""

from __future__ import annotations

from tests.service.harness import Harness


def test_a_question_is_answered_and_charged(harness: Harness) -> None:
    response = harness.ask()
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/v1/queries/{response.json()['id']}"
