"""Limits hold before anything is parsed, for bodies of every kind."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from service.limits import BODY_BYTES_MAX, PersonSlots
from service.problems import ProblemError
from service.settings import Settings
from tests.service.harness import QUESTION, Harness, open_harness

HEADERS = {"Content-Type": "application/json", "Idempotency-Key": "k"}


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def _padded(length: int) -> bytes:
    body = json.dumps(QUESTION).encode()
    return body + b" " * (length - len(body))


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_refused(harness: Harness) -> None:
    assert harness.send("POST", "/v1/queries", content=_padded(BODY_BYTES_MAX), headers=HEADERS).status_code == 201
    response = harness.send("POST", "/v1/queries", content=_padded(BODY_BYTES_MAX + 1), headers=HEADERS)
    harness.problem(response, "too-large")


def test_a_chunked_body_is_bounded_too(harness: Harness) -> None:
    assert harness.send("POST", "/v1/queries", content=_chunks(_padded(BODY_BYTES_MAX)), headers=HEADERS).is_success
    response = harness.send("POST", "/v1/queries", content=_chunks(_padded(BODY_BYTES_MAX + 1)), headers=HEADERS)
    harness.problem(response, "too-large")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "", "9" * 50, "\u0661"])
def test_an_unfit_content_length_is_refused(harness: Harness, length: str) -> None:
    response = harness.send(
        "POST", "/v1/queries", content=b"{}", headers={**HEADERS, "Content-Length": length.encode()}
    )
    assert response.status_code in {400, 413}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("key", [None, "analyst"])
def test_two_lengths_of_one_body_are_refused_and_end_the_connection(
    harness: Harness, method: str, key: str | None
) -> None:
    headers = {**HEADERS, "Content-Length": "300", "Transfer-Encoding": "chunked"}
    response = harness.send(method, "/v1/queries", key, content=b"", headers=headers)
    harness.problem(response, "bad-request")
    assert response.headers["connection"] == "close"


def test_huge_headers_are_refused(harness: Harness) -> None:
    harness.problem(harness.send("GET", "/v1/me", headers={"X-Filler": "x" * 17_000}), "headers-too-large")
    harness.problem(harness.send("GET", "/", None, headers={"X-Filler": "x" * 17_000}), "headers-too-large")


def _talk(harness: Harness, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Speak ASGI directly; when the events are over the caller stays silent."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "POST", "path": "/v1/queries", "raw_path": b"/v1/queries", "query_string": b"",
        "http_version": "1.1", "scheme": "http", "server": ("kvitto.test", 80), "client": ("test", 1), "root_path": "",
        "headers": [
            (b"authorization", f"Bearer {harness.keys['analyst']}".encode()), (b"content-type", b"application/json"),
            (b"idempotency-key", b"k"),
        ],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        if not events:
            await anyio.sleep_forever()
        return events.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await harness.app(scope, receive, send)

    harness.portal.call(run)
    return sent


def test_a_body_that_does_not_arrive_is_given_up(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings.model_copy(update={"body_timeout_seconds": 0.2}), logs) as harness:
        sent = _talk(harness, [{"type": "http.request", "body": b"{", "more_body": True}])
        assert sent[0]["status"] == 408


def test_a_caller_that_goes_away_while_sending_spends_nothing(harness: Harness) -> None:
    body = json.dumps(QUESTION).encode()
    sent = _talk(harness, [{"type": "http.request", "body": body, "more_body": True}, {"type": "http.disconnect"}])
    assert sent == []
    assert harness.answering.requests == []


def test_a_caller_that_goes_away_while_waiting_finds_the_answer_later(harness: Harness) -> None:
    body = json.dumps(QUESTION).encode()
    _talk(harness, [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}])
    spent = harness.ledger.balance("shop").spent
    again = harness.send("POST", "/v1/queries", content=body, headers=HEADERS)
    assert again.status_code == 201
    assert harness.ledger.balance("shop").spent == spent


@pytest.fixture
def narrow(settings: Settings, logs: io.StringIO) -> Iterator[Harness]:
    with open_harness(settings.model_copy(update={"requests_in_flight": 1}), logs) as harness:
        yield harness


def test_more_requests_than_fit_are_told_to_come_again(narrow: Harness) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(5)

    narrow.answering.work = slow
    thread = threading.Thread(target=narrow.ask)
    thread.start()
    begun.wait(5)
    response = narrow.send("GET", "/v1/me")
    go_on.set()
    thread.join(5)
    narrow.problem(response, "too-many-requests")
    assert response.headers["retry-after"] == "1"
    assert narrow.send("GET", "/v1/me").status_code == 200


def _ask_at_once(harness: Harness, count: int) -> list[threading.Thread]:
    """So many questions of one person, each in a thread of its own, with `count` keys."""
    threads = [threading.Thread(target=harness.ask, args=(f"crowd-{number}",)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_one_person_leaves_room_for_others(settings: Settings, logs: io.StringIO) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow() -> None:
        begun.release()
        go_on.wait(10)

    narrow = settings.model_copy(update={"queries_in_flight": 4, "requests_in_flight": 8})
    with open_harness(narrow, logs) as harness:
        harness.answering.work = slow
        threads = _ask_at_once(harness, 7)
        try:
            assert all(begun.acquire(timeout=5) for _ in range(2))
            assert not begun.acquire(timeout=0.2)
            quote = harness.send("POST", "/v1/queries", "other", json={**QUESTION, "dry_run": True})
            assert quote.status_code == 200
        finally:
            go_on.set()
            for thread in threads:
                thread.join(10)


def test_one_person_cannot_wait_in_all_places(harness: Harness) -> None:
    async def crowd() -> list[str]:
        slots, told, go_on = PersonSlots(16, 8), [], anyio.Event()

        async def ask(person: str) -> None:
            try:
                async with slots.one(person):
                    await go_on.wait()
                told.append(f"{person} served")
            except ProblemError as error:
                told.append(f"{person} {error.problem.slug}")

        async with anyio.create_task_group() as tasks:
            for person in [*["one"] * 12, "two"]:
                tasks.start_soon(ask, person)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        return sorted(told)

    assert harness.portal.call(crowd) == ["one served"] * 9 + ["one too-many-requests"] * 3 + ["two served"]
