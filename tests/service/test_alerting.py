"""The delivery of alerts: signed, once, over restarts and failures, beside the answers."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.settings import Settings
from tests.service.harness import Harness, open_harness

SECRET = "a secret of at least 32 characters"


@dataclass
class Receiver:
    """An HTTP server that notes what it gets, and answers as it is told."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((dict(self.headers), body))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/alerts"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def alerting(settings: Settings, receiver: Receiver, tmp_path: Path) -> Settings:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    told = {"alert_url": receiver.url, "alert_secret_file": tmp_path / "secret", "alert_seconds": 0.02}
    return settings.model_copy(update=told)


def freeze(harness: Harness, dataset: str | None = "shop") -> None:
    body = {"dataset": dataset, "reason": "a key may have leaked"}
    assert harness.send("PUT", "/v1/freeze", "officer", json=body).status_code == 200


def pending(settings: Settings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((settings.data_dir / "alerts.json").read_text())["pending"]
    return found


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_alert_is_logged_and_sent_signed(alerting: Settings, logs: io.StringIO, receiver: Receiver) -> None:
    with open_harness(alerting, logs) as harness:
        freeze(harness)
        eventually(lambda: bool(receiver.got))
    headers, body = receiver.got[0]
    signed = headers["Kvitto-Timestamp"].encode() + b"." + body
    assert headers["Kvitto-Signature"] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert abs(time.time() - int(headers["Kvitto-Timestamp"])) < 60
    document = json.loads(body)
    assert headers["Kvitto-Alert-Id"] == document["id"]
    assert (document["kind"], document["dataset"], document["actor"]) == ("frozen", "shop", "officer")
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    (logged,) = (line for line in lines if line["event"] == "alert")
    assert (logged["id"], logged["alert_kind"]) == (document["id"], "frozen")


def test_a_budget_that_fills_is_told_and_the_answer_does_not_wait(
    alerting: Settings, logs: io.StringIO, receiver: Receiver
) -> None:
    receiver.answers = [503] * 3
    with open_harness(alerting, logs) as harness:
        assert harness.ask("1", epsilon="7.5").status_code == 201
        eventually(lambda: len(receiver.got) >= 5)
    told = {(each["account"], each["percent"]) for each in receiver.documents()}
    assert told == {("shop", 50), ("shop/person/analyst", 80)}  # of rho, which grows as the square


def test_each_alert_is_delivered_once_over_a_restart(alerting: Settings, logs: io.StringIO, receiver: Receiver) -> None:
    with open_harness(alerting, logs) as harness:
        freeze(harness)
        eventually(lambda: len(receiver.got) == 1 and not pending(alerting))
    with open_harness(alerting, logs) as harness:
        freeze(harness, None)
        eventually(lambda: len(receiver.got) == 2)
    assert [each["dataset"] for each in receiver.documents()] == ["shop", "*"]


def test_what_was_not_taken_is_sent_again_also_after_a_restart(
    alerting: Settings, logs: io.StringIO, receiver: Receiver
) -> None:
    receiver.answers = [500] * 1_000
    with open_harness(alerting, logs) as harness:
        freeze(harness)
        eventually(lambda: len(receiver.got) >= 2)
    receiver.answers.clear()
    before = len(receiver.got)
    with open_harness(alerting, logs):
        eventually(lambda: len(receiver.got) > before and not pending(alerting))
    assert {each["id"] for each in receiver.documents()} == {receiver.documents()[0]["id"]}


def test_a_redirect_is_not_followed(alerting: Settings, logs: io.StringIO, receiver: Receiver) -> None:
    receiver.answers = [307]
    with open_harness(alerting, logs) as harness:
        freeze(harness)
        eventually(lambda: len(receiver.got) == 2)
    assert '"status": 307' in logs.getvalue()


def test_what_happened_before_there_were_alerts_is_not_told(
    settings: Settings, alerting: Settings, logs: io.StringIO, receiver: Receiver
) -> None:
    with open_harness(settings.model_copy(update={"alert_seconds": 3_600.0}), logs) as harness:
        freeze(harness)
    (settings.data_dir / "alerts.json").unlink(missing_ok=True)
    with open_harness(alerting, logs) as harness:
        freeze(harness, None)
        eventually(lambda: bool(receiver.got))
    assert [each["dataset"] for each in receiver.documents()] == ["*"]


def test_a_damaged_note_stops_no_answer(alerting: Settings, logs: io.StringIO, receiver: Receiver) -> None:
    alerting.data_dir.mkdir()
    (alerting.data_dir / "alerts.json").write_text("{nonsense")
    with open_harness(alerting, logs) as harness:
        eventually(lambda: '"alerts-failed"' in logs.getvalue())
        assert harness.ask("1").status_code == 201
    assert receiver.got == []


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://example.org/alerts", True),
        ("http://127.0.0.1:9/alerts", True),
        ("http://[::1]:9/alerts", True),
        ("http://localhost/alerts", True),
        ("http://example.org/alerts", False),
        ("http://127.0.0.1.example.org/", False),
        ("https://user:word@example.org/", False),
        ("ftp://127.0.0.1/", False),
        ("nonsense", False),
    ],
)
def test_alerts_go_where_nobody_else_reads_them(tmp_path: Path, url: str, is_safe: bool) -> None:  # noqa: FBT001
    (tmp_path / "secret").write_text(SECRET)
    given: dict[str, Any] = {"alert_url": url, "alert_secret_file": tmp_path / "secret"}
    if is_safe:
        assert Settings(**given).alert_secret() == SECRET.encode()
    else:
        with pytest.raises(ValidationError):
            Settings(**given)


def test_alerts_need_a_secret(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("too short")
    for file in ({}, {"alert_secret_file": tmp_path / "nothing"}, {"alert_secret_file": tmp_path / "short"}):
        with pytest.raises(ValidationError, match="secret"):
            Settings(**{"alert_url": "https://example.org/", **file})  # type: ignore[arg-type]


def test_percents_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVITTO_ALERT_PERCENTS", "90,50")
    assert Settings().alert_percents == (50, 90)
    for wrong in ("0,50", "101", "half"):
        monkeypatch.setenv("KVITTO_ALERT_PERCENTS", wrong)
        with pytest.raises(ValidationError):
            Settings()
