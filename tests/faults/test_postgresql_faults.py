"""A connection or a server that is lost at any moment leaves a sound ledger, and what is not known counts as spent."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from budgets.errors import LedgerUnavailableError
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_model import result_of
from tests.budgets.ledger_samples import Clock
from tests.budgets.postgres_server import PostgresServer, postgres_server
from tests.faults.judging import possible_after, require_sound
from tests.faults.proxy import MODES, Proxy, proxy
from tests.faults.steps import SECONDS_A_STEP, STEPS, expected_results

UNAVAILABLE = LedgerUnavailableError.__name__
WRITING = [number for number, result in enumerate(expected_results()) if result == "ok" and number != 25]
SHORT = [4, 5, 6, 17]


@pytest.fixture
def way(postgres: PostgresServer) -> Iterator[Proxy]:
    with tempfile.TemporaryDirectory() as directory, proxy(Path(directory), postgres.directory) as made:
        yield made


def make_steps(ledger: SqlLedger, clock: Clock, before: Callable[[int], object]) -> list[str]:
    """Makes all steps; something is done before each."""
    results = []
    for number, step in enumerate(STEPS):
        before(number)
        results.append(result_of(lambda step=step: step(ledger)))  # type: ignore[misc]
        clock.forward(SECONDS_A_STEP)
    return results


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("broken", [*SHORT, *(pytest.param(n, marks=pytest.mark.faults) for n in WRITING)])
def test_a_connection_that_breaks_off_at_a_commit_leaves_a_sound_ledger(
    postgres: PostgresServer, way: Proxy, tmp_path: Path, mode: str, broken: int
) -> None:
    url, anchor, clock = postgres.new_database(), tmp_path / "anchor.json", Clock()
    ledger = SqlLedger(url.replace(url.partition("host=")[2], str(way.directory)), anchor=anchor, clock=clock)

    def break_off(number: int) -> None:
        if number == broken:
            way.breaks_off = mode

    results = make_steps(ledger, clock, break_off)
    ledger.close()
    assert way.breaks_off is None
    assert results[:broken] == expected_results()[:broken]
    assert results[broken] == UNAVAILABLE
    assert UNAVAILABLE not in results[broken + 1 :]
    happened = mode == "before its answer"
    if happened:  # and so the later steps go on as if it had been answered
        assert results[broken + 1 :] == expected_results()[broken + 1 :]
    had_it_answered = [*results[:broken], "ok", *results[broken + 1 :]]
    if happened:
        require_sound(url, anchor, had_it_answered)
    else:
        require_sound(url, anchor, results)
        with pytest.raises(AssertionError):  # the control: the judge sees that it is not there
            possible_after(had_it_answered, kinds_of(url))


def kinds_of(url: str) -> list[str]:
    ledger = SqlLedger(url)
    kinds = [entry.kind for entry in ledger.entries(after_seq=0, limit=1000)]
    ledger.close()
    return kinds


def test_a_session_that_the_server_ends_before_a_commit_writes_nothing(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, anchor, clock = postgres.new_database(), tmp_path / "anchor.json", Clock()
    ledger = SqlLedger(url, anchor=anchor, clock=clock)
    ending: list[int] = []

    def end_session(connection: sa.Connection) -> None:
        if ending:
            pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 10000)")
            ending.clear()

    sa.event.listen(ledger._engine, "commit", end_session)
    results = make_steps(ledger, clock, lambda number: ending.append(1) if number in (5, 9) else None)
    ledger.close()
    assert [number for number, result in enumerate(results) if result == UNAVAILABLE] == [5, 9]
    require_sound(url, anchor, results)


@pytest.mark.parametrize("lost", [6, *(pytest.param(n, marks=pytest.mark.faults) for n in range(3, len(STEPS)))])
def test_a_server_that_is_killed_and_started_again_has_all_that_was_seen(tmp_path: Path, lost: int) -> None:
    anchor, clock = tmp_path / "anchor.json", Clock()
    with postgres_server() as server:
        url = server.new_database()
        ledger = SqlLedger(url, anchor=anchor, clock=clock)
        reached, back = threading.Event(), threading.Event()
        results: list[str] = []

        def run() -> None:
            for number, step in enumerate(STEPS):
                if number == lost:
                    reached.set()
                results.append(result_of(lambda step=step: step(ledger)))  # type: ignore[misc]
                if results[-1] == UNAVAILABLE:
                    back.wait(120)
                clock.forward(SECONDS_A_STEP)

        thread = threading.Thread(target=run)
        thread.start()
        reached.wait(120)
        server.crash()
        server.start_again()
        back.set()
        thread.join(120)
        ledger.close()
        assert len(results) == len(STEPS)
        require_sound(url, anchor, results)
