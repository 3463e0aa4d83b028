"""The service as callers see it: a server process on a fresh ledger with accounts of hardly any limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from benchmarks.boundless import open_boundless
from benchmarks.children import Child, children_of, cpu_seconds_of
from benchmarks.datasets import ROOT, Prepared
from benchmarks.figures import Spread, differences
from benchmarks.questions import DEPARTMENT_SPEND, EPSILON, Question
from budgets.sql_ledger import SqlLedger
from service.demo_keys import OWNERS

_ROUNDS: Final = 60
_WARM_UP: Final = 5
_SERVE: Final = "from service.cli import app; app()"


@dataclass(frozen=True, slots=True)
class Latency:
    """Times in seconds from sending a request to having read the whole answer, and plain DuckDB's before each."""

    plain: Spread
    new: Spread  # a statement that was never asked
    again: Spread  # a statement asked before, bought anew
    stored: Spread  # answered from a stored release, under a new Idempotency-Key
    replayed: Spread  # the same request once more: the stored bytes
    new_over_plain: Spread
    again_over_plain: Spread
    cpu_seconds: Mapping[str, float]  # of all processes, the mean of each of the above


class Caller:
    """One analyst on one kept-alive connection."""

    def __init__(self, url: str, key: str, server_pid: int) -> None:
        self._server_pid = server_pid
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=600)
        self._asked = 0

    def ask(self, sql: str, options: Mapping[str, object], reuse: str) -> float:
        """The seconds that a question takes."""
        return self.send(self.question(sql, options, reuse))

    def question(self, sql: str, options: Mapping[str, object], reuse: str) -> httpx.Request:
        """A question under a new Idempotency-Key."""
        self._asked += 1
        body = {"dataset": "journey", "sql": sql, "epsilon": EPSILON, "reuse": reuse, "options": dict(options)}
        headers = {"Idempotency-Key": f"k{self._asked}"}
        return self._http.build_request("POST", "/v1/queries", json=body, headers=headers)

    def send(self, request: httpx.Request) -> float:
        started = time.perf_counter()
        response = self._http.send(request)
        seconds = time.perf_counter() - started
        assert response.status_code == 201, response.text  # noqa: PLR2004  # Created: an answer, charged
        return seconds

    def cpu_seconds(self) -> float:
        """The processor time so far of the server and its workers."""
        return sum(cpu_seconds_of([self._server_pid, *children_of(self._server_pid)]))

    def whole_query_seconds(self, question: Question) -> float:
        """The time of one of the questions, bought anew; at the default δ, as no officer can raise the policy's."""
        return self.ask(question.sql, {k: v for k, v in question.options.items() if k != "delta"}, "never")


@contextmanager
def serving(prepared: Prepared, scratch: Path) -> Iterator[Caller]:
    """The demo service on a port of its own, answering at once instead of on a time grid."""
    environment = {
        **os.environ,
        "KVITTO_DATA_DIR": str(prepared.data_dir),
        "KVITTO_LEDGER_URL": f"sqlite:///{scratch / 'ledger.db'}",
        "KVITTO_ANCHOR_FILE": str(scratch / "anchor.json"),
        "KVITTO_PORT": "0",
        "KVITTO_RESPONSE_GRID_MS": "0",
        "KVITTO_RATE_PER_SECOND": "10000",
        "KVITTO_LOG_LEVEL": "error",
    }
    with closing(SqlLedger(environment["KVITTO_LEDGER_URL"], anchor=scratch / "anchor.json")) as ledger:
        open_boundless(ledger, "journey", "analyst")
    command = [sys.executable, "-c", _SERVE, "serve", "--demo"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        url = _announced(process).replace("localhost", "127.0.0.1")
        keys: dict[str, str] = json.loads((prepared.data_dir / "demo-keys.json").read_text(encoding="utf-8"))
        assert keys.keys() == OWNERS.keys()
        yield Caller(url, keys["analyst"], process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def latency(caller: Caller, plain: Child) -> Latency:
    """Spend by department, four ways in turn, each round after plain DuckDB's own answer."""
    seconds: dict[str, list[float]] = {name: [] for name in ("plain", "new", "again", "stored", "replayed")}
    cpu_seconds = dict.fromkeys(seconds, 0.0)
    spend = DEPARTMENT_SPEND.sql
    for number in range(-_WARM_UP, _ROUNDS):
        fresh = _never_asked(number + _WARM_UP)
        request = caller.question(spend, {}, "prefer")
        steps: dict[str, Callable[[], float]] = {
            "plain": partial(_plain_seconds, plain, fresh),
            "new": partial(caller.ask, fresh, {}, "never"),
            "again": partial(caller.ask, spend, {}, "never"),
            "stored": partial(caller.send, request),
            "replayed": partial(caller.send, request),
        }
        for name, step in steps.items():
            before = caller.cpu_seconds() + plain.cpu_seconds()[0]
            taken = step()
            if number >= 0:
                seconds[name].append(taken)
                cpu_seconds[name] += (caller.cpu_seconds() + plain.cpu_seconds()[0] - before) / _ROUNDS
    return Latency(
        **{name: Spread.of(values) for name, values in seconds.items()},
        new_over_plain=differences(seconds["new"], seconds["plain"]),
        again_over_plain=differences(seconds["again"], seconds["plain"]),
        cpu_seconds=cpu_seconds,
    )


def _plain_seconds(plain: Child, sql: str) -> float:
    return float(plain.ask(sql=sql, rows=False)["seconds"])


def _never_asked(number: int) -> str:
    """The same sum under a condition that holds for every row, with another constant for each number."""
    head, _, tail = DEPARTMENT_SPEND.sql.partition(" GROUP BY ")
    return f"{head} WHERE hour <> {-number - 1} GROUP BY {tail}"


def _announced(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Kvitto serves on "):
            return line.split()[3]
    raise RuntimeError(f"the service ended with exit code {process.wait()}")
