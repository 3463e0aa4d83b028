"""Callers that share a commit: all of their work is there or none, and nobody is answered before it is durable."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from budgets import audit
from budgets.anchor import Anchor
from budgets.errors import BudgetError, LedgerUnavailableError
from budgets.ledger import QueryRecord
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, BEN, Clock, claim_of, open_accounts, url_of
from tests.budgets.postgres_server import PostgresServer
from tests.faults.shared_commit import CALLERS, MOMENTS, begin_together, held


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Iterator[SqlLedger]:
    ledger = SqlLedger(url, anchor=tmp_path / "anchor.json", clock=Clock())
    open_accounts(ledger)
    for number in range(CALLERS):
        ledger.reserve(claim_of(str(number), 10))
    yield ledger
    assert audit.verify(ledger, anchor=tmp_path / "anchor.json").problems == ()
    ledger.close()


def killed(url: str, anchor: Path, moment: str) -> tuple[int | None, set[str]]:
    """The exit code of a process that was killed at the moment, and the calls that had returned."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.shared_commit", "tests.faults.steps"])
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=begin_together, args=(url, str(anchor), moment, tell))
    process.start()
    tell.close()
    seen = set()
    with told:
        try:
            while True:
                seen.add(told.recv_bytes().decode())
        except EOFError:
            process.join(60)
    return process.exitcode, seen


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_batch_is_there_as_a_whole_or_not_at_all(url: str, ledger: SqlLedger, tmp_path: Path, moment: str) -> None:
    before = ledger.head()
    exit_code, seen = killed(url, tmp_path / "anchor.json", moment)
    assert exit_code == (0 if moment == "never" else -signal.SIGKILL)
    durable = MOMENTS[moment][1]
    states = Counter(record.state for record in _queries(ledger))
    assert states == {"begun" if durable else "reserved": CALLERS}
    assert len(seen) == (CALLERS if moment == "never" else 0)
    assert ledger.head().seq == before.seq + (CALLERS if durable else 0)
    anchored = Anchor(tmp_path / "anchor.json").read()
    assert anchored is not None
    assert anchored.seq <= ledger.head().seq
    SqlLedger(url, anchor=tmp_path / "anchor.json").close()


def _queries(ledger: SqlLedger) -> tuple[QueryRecord, ...]:
    return ledger.queries(principal=None, dataset=None, before=None, limit=100)


def together(ledger: SqlLedger, calls: list[Callable[[], object]]) -> list[str]:
    """How the calls ended that waited for one leader, in their order."""
    ends = [""] * len(calls)

    def make(number: int) -> None:
        try:
            calls[number]()
            ends[number] = "ok"
        except BudgetError as error:
            ends[number] = type(error).__name__

    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(calls))]
    with held(ledger):
        for number, thread in enumerate(threads, 1):
            thread.start()
            while ledger._commits.waiting < number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    return ends


def test_who_is_refused_in_a_batch_takes_nobody_along(ledger: SqlLedger) -> None:
    commits: list[int] = []
    sa.event.listen(ledger._engine, "commit", lambda _: commits.append(1))
    ends = together(
        ledger,
        [
            lambda: ledger.begin("q_0"),
            lambda: ledger.begin("q_0"),
            lambda: ledger.reserve(claim_of("dear", 790)),
            lambda: ledger.void("q_1", "busy"),
            lambda: ledger.reserve(claim_of("other", 5, account=BEN)),
        ],
    )
    assert ends == ["ok", "InvalidTransitionError", "BudgetExhaustedError", "ok", "ok"]
    assert len(commits) == 1
    assert ledger.balance(ADA.id).spent.rho_nano == 10


def test_who_is_refused_alone_leaves_nothing(ledger: SqlLedger) -> None:
    before = ledger.head()
    assert together(ledger, [lambda: ledger.begin("q_nothing")]) == ["InvalidTransitionError"]
    assert ledger.head() == before
    ledger.begin("q_0")


def test_a_commit_that_fails_answers_nobody(ledger: SqlLedger) -> None:
    def fail(_: object) -> None:
        raise sa.exc.OperationalError("COMMIT", None, Exception("gone"))

    before = ledger.head()
    sa.event.listen(ledger._engine, "commit", fail)
    calls: list[Callable[[], object]] = [lambda: ledger.begin("q_0"), lambda: ledger.begin("q_1")]
    assert together(ledger, calls) == [LedgerUnavailableError.__name__] * 2
    sa.event.remove(ledger._engine, "commit", fail)
    assert ledger.head() == before
    assert together(ledger, calls) == ["ok", "ok"]
