"""Signed tree heads are sent elsewhere, in the background and until they are taken."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest
from pydantic import ValidationError

from budgets.evidence.chain import HEAD_TYPE, Chain
from budgets.evidence.sealed import unseal
from budgets.evidence.verification import verify_export
from service.anchoring import Anchoring
from service.metrics import Metrics
from service.settings import Settings
from tests.budgets.evidence_samples import Recorded, written
from tests.service.harness import open_harness


@dataclass
class Elsewhere:
    """The other side: takes heads, or answers with what it is told to."""

    status: int = 204
    broken: bool = False
    heads: list[str] = field(default_factory=list)
    asked: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.broken:
            raise httpx.ConnectTimeout("nobody answers")
        if self.status == 204:
            self.heads.append(request.content.decode())
        return httpx.Response(self.status, headers={"Location": "https://elsewhere.test/other"})


@dataclass
class Sending:
    """A sender with its clock, and the other side."""

    recorded: Recorded
    elsewhere: Elsewhere
    anchoring: Anchoring
    metrics: Metrics
    now: list[float]

    def send(self) -> None:
        async def once() -> None:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self.elsewhere)) as client:
                await self.anchoring.send_once(client)

        anyio.run(once)


@pytest.fixture
def sending(tmp_path: Path) -> Iterator[Sending]:
    recorded, metrics, now = written(tmp_path), Metrics(), [0.0]
    anchoring = Anchoring(
        "https://heads.test/", 10, recorded.ledger, Chain(recorded.ledger), recorded.keys, metrics, lambda: now[0]
    )
    yield Sending(recorded, Elsewhere(), anchoring, metrics, now)
    recorded.close()


def test_a_head_is_sent_once_and_again_when_there_are_entries(sending: Sending) -> None:
    sending.send()
    sending.send()
    (first,) = sending.elsewhere.heads
    head = unseal(first.strip(), "head", HEAD_TYPE)
    head.require(sending.recorded.keys.public)
    assert head.content["tree_size"] == sending.recorded.ledger.head().seq
    assert sending.anchoring.lag().entries == 0
    for name in "ghi":
        sending.recorded.answer(name, 1)
    assert sending.anchoring.lag().entries == 9
    sending.send()
    assert len(sending.elsewhere.heads) == 2
    assert sending.anchoring.lag().entries == 0


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
def test_what_is_not_taken_is_sent_again_later_and_later(sending: Sending, status: int) -> None:
    sending.elsewhere.status = status
    waits = []
    for _ in range(8):
        sending.send()
        waits.append(sending.anchoring.wait_seconds)
    assert waits[:4] == [20, 40, 80, 160]
    assert waits[-1] == 300
    assert sending.elsewhere.asked == 8
    sending.elsewhere.status = 204
    sending.send()
    assert sending.anchoring.wait_seconds == 10
    assert len(sending.elsewhere.heads) == 1


def test_a_lag_is_counted_timed_and_logged(sending: Sending, logs: io.StringIO) -> None:
    sending.elsewhere.broken = True
    sending.send()
    assert "anchor-lags" not in logs.getvalue()
    sending.now[0] = 301.0
    sending.send()
    assert sending.anchoring.lag().seconds == 301
    assert json.loads(logs.getvalue().splitlines()[-1]) | {"timestamp": ""} == {
        "event": "anchor-lags", "entries": 17, "seconds": 301, "level": "warning", "timestamp": "",
    }  # fmt: skip
    text = sending.metrics.text().decode()
    assert 'kvitto_anchors_total{outcome="failed"} 2.0' in text
    assert "kvitto_anchor_lag_entries 17.0" in text
    sending.elsewhere.broken = False
    sending.send()
    assert sending.anchoring.lag().seconds == 0
    assert "kvitto_anchor_lag_entries 0.0" in sending.metrics.text().decode()


def test_collected_heads_are_what_the_verification_takes(sending: Sending, tmp_path: Path) -> None:
    sending.send()
    sending.recorded.answer("g", 1)
    sending.send()
    anchors = tmp_path / "heads.jsonl"
    anchors.write_text("".join(sending.elsewhere.heads))
    export = sending.recorded.export(tmp_path / "export.zip")
    assert verify_export(export, sending.recorded.keys.public, anchors).is_sound


def test_an_unreachable_place_keeps_no_answer_waiting(settings: Settings, logs: io.StringIO) -> None:
    nowhere = settings.model_copy(update={"anchor_url": "http://127.0.0.1:1/", "anchor_seconds": 0.01})
    with open_harness(nowhere, logs) as harness:
        assert harness.ask().status_code == 201
        ready = harness.send("GET", "/readyz", None)
        assert ready.status_code == 200
        assert ready.json()["anchor"]["entries"] > 0
        assert "kvitto_anchor_lag_entries" in harness.send("GET", "/metrics", None).text


def test_without_a_place_nothing_is_told_of_it(settings: Settings, logs: io.StringIO) -> None:
    with open_harness(settings, logs) as harness:
        assert harness.send("GET", "/readyz", None).json() == {"status": "ok", "anchor": None}


@pytest.mark.parametrize(
    "url", ["http://heads.test/", "ftp://heads.test/", "heads.test", "https://", "http://localhost.evil.test/"]
)
def test_a_place_without_encryption_is_refused_unless_it_is_this_machine(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(anchor_url=url)


@pytest.mark.parametrize("url", ["https://heads.test/x", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:9/"])
def test_a_place_with_encryption_or_on_this_machine_is_taken(url: str) -> None:
    assert Settings(anchor_url=url).anchor_url == url
