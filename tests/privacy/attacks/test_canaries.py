"""What stands in private rows stands nowhere else: not in a problem, a log, a metric, a document or the ledger."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from budgets.ledger import Outcome
from service.logs import configure_logs
from service.problems import MEDIA_TYPE, Problem
from tests.privacy.attacks.planted import DATASETS, PLANTED, PRICE, WHOLE
from tests.privacy.stores import CANARY_TICKET, Service, make_keys, running, settings_of, share_vault

# Each of them touches the customer's rows, or tries to; none has a planted value in its own text.
STORM = (
    "SELECT COUNT(*) AS n FROM purchases WHERE note LIKE 'canary%'",
    "SELECT COUNT(*) AS n FROM purchases WHERE ticket > 7 AND ticket < 9000000000000",
    "SELECT SUM(amount) AS n FROM purchases WHERE STARTS_WITH(note, 'can')",
    "SELECT store_id, AVG(amount) AS n FROM purchases GROUP BY store_id ORDER BY n DESC LIMIT 1",
    "SELECT COUNT(*) AS n FROM purchases WHERE CAST(note AS INTEGER) > 1",
    "SELECT COUNT(*) AS n FROM purchases WHERE note = 5",
    "SELECT COUNT(*) AS n FROM purchases WHERE note > 5 AND ticket * ticket > 1",
    "SELECT SUM(LENGTH(note)) AS n FROM purchases",
    "SELECT note, COUNT(*) AS n FROM purchases GROUP BY note",
    "SELECT ticket, COUNT(*) AS n FROM purchases GROUP BY ticket",
    "SELECT note, ticket FROM purchases",
    "SELECT MIN(note) AS n FROM purchases",
    "SELECT card_id FROM purchases WHERE note LIKE 'canary%'",
    "SELECT error(note) AS n FROM purchases",
    "SELECT CAST(note AS DATE) AS n FROM purchases",
    "SELECT (SELECT note FROM purchases) AS n",
    "SELECT DATE '2026-01-01' + CAST(COUNT(*) AS INTEGER) AS n FROM purchases WHERE hour < 0",
    "SELECT * FROM purchases ORDER BY note",
    "SELECT COUNT(DISTINCT note) AS n FROM purchases",
    "SUMMARIZE purchases",
    "SELECT stats(note) AS n FROM purchases",
    "EXPLAIN ANALYZE SELECT note FROM purchases",
)
MALFORMED = (
    b"{",
    b'{"dataset": "whole", "sql": 1}',
    b'{"dataset": "whole"}',
    b'{"dataset": "whole", "sql": "x", "y": 1}',
)


@dataclass
class Everything:
    """All that left a service but its answers, and all that it wrote but its vault."""

    service: Service
    logs: io.StringIO
    problems: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def storm(self) -> None:
        """Good, bad and malformed requests on both datasets."""
        for dataset in DATASETS:
            for sql in STORM:
                for members in ({}, {"dry_run": True}, {"options": {"l2_bound": {"n": 10}}}):
                    self.keep(self.service.ask(dataset, sql, rho=PRICE, **members))
        for body in MALFORMED:
            self.keep(self.service.client.post("/v1/queries", headers=self.service.headers("analyst"), content=body))

    def keep(self, response: httpx.Response) -> None:
        (self.answers if response.is_success else self.problems).append(f"{response.headers!r} {response.text}")

    def written(self) -> bytes:
        """Documents, metrics, logs and the bytes of the ledger."""
        pages = ["/metrics", "/openapi.json", "/problems", "/livez", "/readyz"]
        own = ["/v1/queries", "/v1/budgets", f"/v1/datasets/{WHOLE}", "/v1/me"]
        texts = [self.service.get(path).text for path in (*pages, *own)]
        texts += [self.service.get(path, "auditor").text for path in ("/v1/audit", "/v1/audit/head", "/v1/queries")]
        ledger = b"".join(path.read_bytes() for path in _ledger_files(self.service.settings.data_dir))
        return "\n".join([*texts, self.logs.getvalue()]).encode() + ledger

    def hits(self) -> list[str]:
        """The planted values that are somewhere."""
        haystack = "\n".join([*self.problems, *self.answers]).encode() + self.written()
        binary = CANARY_TICKET.to_bytes(8, "little")
        return [value for value in PLANTED if value.encode() in haystack] + ["as bytes"] * (binary in haystack)


def _ledger_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("ledger.db*"))


@contextmanager
def _logged(service: Service, directory: Path, timeout_seconds: float) -> Iterator[Everything]:
    """Another service over the same vault, with a ledger of its own and all that it logs."""
    settings = settings_of(directory, query_timeout_seconds=timeout_seconds)
    share_vault(settings, service.settings)
    logs = io.StringIO()
    configure_logs("debug", "json", logs)
    try:
        with running(settings, make_keys(settings)) as other:
            yield Everything(other, logs)
    finally:
        configure_logs("error", "json")


def test_no_planted_value_is_anywhere_after_a_storm_of_requests(planted: Service, tmp_path: Path) -> None:
    with _logged(planted, tmp_path / "var", timeout_seconds=30) as everything:
        everything.storm()
        assert everything.hits() == []
        assert len(everything.problems) > len(everything.answers) > 2 * 10
        assert len(everything.logs.getvalue().splitlines()) > len(everything.problems)
        assert _ledger_files(everything.service.settings.data_dir)


def test_no_planted_value_is_anywhere_after_queries_that_ran_out_of_time(planted: Service, tmp_path: Path) -> None:
    with _logged(planted, tmp_path / "var", timeout_seconds=0.001) as everything:
        for sql in STORM[:3]:
            everything.keep(everything.service.ask(WHOLE, sql, rho=PRICE))
        assert [json.loads(text[text.index(" {") :])["type"] for text in everything.problems] == [
            "/problems/release-failed"
        ] * 3
        assert everything.hits() == []


def test_a_problem_that_quotes_a_row_would_be_seen(
    planted: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def telling(query_id: str) -> Outcome:
        problem = Problem("release-failed", f"Could not convert string '{PLANTED[0]}' to INT32")
        return Outcome(query_id, problem.status, problem.body(), MEDIA_TYPE)

    with _logged(planted, tmp_path / "var", timeout_seconds=0.001) as everything:
        monkeypatch.setattr("service.answering._failed", telling)
        everything.keep(everything.service.ask(WHOLE, STORM[0], rho=PRICE))
        assert everything.hits() == [PLANTED[0]]
