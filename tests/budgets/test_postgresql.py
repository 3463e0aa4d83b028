"""The ledger in PostgreSQL passes the same contract, with several processes too, and refuses a server that may lose."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from budgets import audit
from budgets.errors import BudgetExhaustedError, LedgerBehindAnchorError, LedgerUnavailableError
from budgets.ledger import Outcome
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_contract import LedgerContract
from tests.budgets.ledger_samples import ADA, BEN, DATASET, Clock, answer, claim_of, open_accounts
from tests.budgets.postgres_server import PostgresServer, postgres_server

THREADS = 200


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def empty(self, postgres: PostgresServer, tmp_path: Path, clock: Clock) -> Iterator[SqlLedger]:
        ledger = SqlLedger(postgres.new_database(), anchor=tmp_path / "anchor.json", clock=clock)
        yield ledger
        report = audit.verify(ledger, anchor=tmp_path / "anchor.json")
        ledger.close()
        assert report.problems == ()


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.mark.parametrize("setting", ["fsync=off", "full_page_writes=off", "synchronous_commit=off"])
def test_a_server_that_may_lose_a_commit_is_refused(setting: str) -> None:
    with postgres_server(setting) as server, pytest.raises(LedgerUnavailableError, match=setting.partition("=")[0]):
        SqlLedger(server.new_database())


def test_rows_are_added_and_nothing_else(url: str) -> None:
    ledger = SqlLedger(url)
    open_accounts(ledger)
    answer(ledger, "a")
    engine = sa.create_engine(url)
    for table in ("entries", "accounts", "postings", "requests", "charges", "transitions", "outcomes", "releases"):
        for statement in (f"DELETE FROM kvitto.{table}", f"TRUNCATE kvitto.{table} CASCADE"):
            with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
                connection.exec_driver_sql(statement)
    engine.dispose()
    ledger.close()


def test_everything_is_there_after_a_restart_and_behind_its_anchor_it_is_refused(
    postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor.json"
    ledger = SqlLedger(url, anchor=anchor)
    open_accounts(ledger)
    outcome = answer(ledger, "a", 300)
    before = ledger.head(), ledger.accounts()
    ledger.close()
    again = SqlLedger(url, anchor=anchor)
    assert (again.head(), again.accounts()) == before
    assert again.replay("ada", "key-a", "d" * 64) == outcome
    again.close()
    with pytest.raises(LedgerBehindAnchorError):
        SqlLedger(postgres.new_database(), anchor=anchor)


def test_of_200_threads_on_two_connections_pools_one_wins(url: str) -> None:
    ledgers = [SqlLedger(url), SqlLedger(url)]
    open_accounts(ledgers[0])
    together = Barrier(THREADS)

    def reserve(number: int) -> str:
        together.wait()
        try:
            ledgers[number % 2].reserve(claim_of(str(number), 480))
        except BudgetExhaustedError:
            return "refused"
        return "admitted"

    with ThreadPoolExecutor(THREADS) as pool:
        results = Counter(pool.map(reserve, range(THREADS)))
    assert results == {"admitted": 1, "refused": THREADS - 1}
    assert audit.verify(ledgers[1]).problems == ()
    for ledger in ledgers:
        ledger.close()


def spend_all(url: str, owner: str, together: Barrier) -> None:
    """A process that spends as much as it gets."""
    ledger = SqlLedger(url)
    account = {"ada": ADA, "ben": BEN}[owner]
    together.wait(60)
    for number in range(1000):
        name = f"{owner}{number}"
        try:
            ledger.reserve(claim_of(name, 13, 0, account))
        except BudgetExhaustedError:
            break
        ledger.begin(f"q_{name}")
        ledger.settle(f"q_{name}", Outcome(f"q_{name}", 201, name.encode(), "text/plain"), ())
    ledger.close()


def test_two_processes_on_one_database_do_not_overspend(url: str) -> None:
    ledger = SqlLedger(url)
    open_accounts(ledger)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    children = [context.Process(target=spend_all, args=(url, owner, together)) for owner in ("ada", "ben")]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    assert ledger.balance(DATASET.id).spent == PrivacyLoss(76 * 13)
    assert audit.verify(ledger).problems == ()
    ledger.close()


def test_a_connection_that_the_server_ends_is_an_outcome_that_is_unknown_and_the_next_call_works(
    postgres: PostgresServer, url: str
) -> None:
    ledger = SqlLedger(url)
    open_accounts(ledger)
    ledger.reserve(claim_of("a", 10))
    sessions = f"SELECT pid FROM pg_stat_activity WHERE datname = '{sa.make_url(url).database}'"
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM ({sessions}) AS sessions WHERE pid <> pg_backend_pid()")
    ledger.begin("q_a")  # the pool notices that its connections are gone, and makes new ones
    assert ledger.balance(ADA.id).spent == PrivacyLoss(10)
    ledger.close()


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError):
        SqlLedger(f"postgresql+psycopg://nobody@/ledger?host={tmp_path}")


def test_another_driver_is_refused() -> None:
    with pytest.raises(LedgerUnavailableError, match="psycopg"):
        SqlLedger("postgresql+asyncpg://localhost/ledger")
