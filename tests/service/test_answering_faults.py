"""A service or a worker that is killed in the middle of a query: nothing is lost, nothing is free, nothing comes twice.

Each kill is followed by a restart on the same files, where the ledger's invariants are checked:
I1 spent never decreases. I2 the sum stays within the cap. I3 an answer that was seen has an earlier charge. I4 the same
key gives the same bytes, for one charge. I5 the chain verifies. I6 the head is not behind the anchor. I7 an unknown
outcome counts as spent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from budgets.anchor import Anchor
from budgets.audit import verify
from budgets.ledger import Ledger
from queries.worker_process import WorkerProcess
from service.app import open_ledger
from service.settings import Settings
from tests.privacy.stores import load, make_keys, running, settings_of, share_vault
from tests.service.fatal_service import STEPS

SQL = "SELECT hour, COUNT(*) AS n FROM purchases GROUP BY hour"
RHO, NANO = "0.01", 10**7
ACCOUNTS = ("less", "less/person/analyst")
CHARGED = {"after begin", "during release", "before settle", "after settle"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_of(tmp_path_factory.mktemp("origin"))
    load(settings, "less", heavy=False)
    return settings


@contextmanager
def _fatal(settings: Settings, step: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.service.fatal_service", str(settings.data_dir), step]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().strip(), child
        finally:
            child.kill()


def _kinds(ledger: Ledger) -> Counter[str]:
    return Counter(entry.kind for entry in ledger.entries(after_seq=0, limit=1_000))


def _check(ledger: Ledger, settings: Settings) -> None:
    """I2, I5, I6."""
    for account in ACCOUNTS:
        balance = ledger.balance(account)
        assert (balance.spent + balance.reserved).fits_within(balance.cap)
    found = verify(settings.data_dir / "ledger.db", anchor=settings.anchor_file)
    assert found.is_sound, found.problems
    anchored = Anchor(settings.anchor_file).read()
    assert anchored is not None
    assert ledger.head().seq >= anchored.seq


def _spent(ledger: Ledger) -> list[int]:
    return [ledger.balance(account).spent.rho_nano for account in ACCOUNTS]


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_of_the_service_loses_no_charge_and_gives_nothing_for_free(
    step: str, origin: Settings, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path / "var")
    share_vault(settings, origin)
    texts = make_keys(settings)
    with _fatal(settings, step) as (url, child):
        headers = {"Authorization": f"Bearer {texts['analyst']}", "Idempotency-Key": "one"}
        body = {"dataset": "less", "sql": SQL, "rho": RHO}
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{url}/v1/queries", headers=headers, json=body, timeout=60)
        assert child.wait(10) == -signal.SIGKILL
    left = open_ledger(settings)
    before = _spent(left)
    assert before == ([NANO, NANO] if step in CHARGED else [0, 0])
    left.close()
    time.sleep(1.1)  # the lease of the request that was lost
    with running(settings, texts) as service:
        _check(service.ledger, settings)
        assert _spent(service.ledger) == before
        first = service.ask("less", SQL, key="one", rho=RHO)
        again = service.ask("less", SQL, key="one", rho=RHO)
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert first.status_code == (503 if step in CHARGED - {"after settle"} else 201)
        assert _spent(service.ledger) == [NANO, NANO]
        kinds = _kinds(service.ledger)
        assert kinds["begun"] == kinds["settled"] + kinds["failed"] == 1
        assert service.ask("less", SQL, key="two", rho=RHO, reuse="never").status_code == 201
        assert _spent(service.ledger) == [2 * NANO, 2 * NANO]
        _check(service.ledger, settings)


def test_a_worker_killed_during_a_release_costs_the_query_and_nothing_else(
    origin: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path / "var")
    share_vault(settings, origin)
    with running(settings, make_keys(settings)) as service:
        monkeypatch.setattr(WorkerProcess, "release", _kill_at_work(WorkerProcess.release))
        lost = service.ask("less", SQL, key="one", rho=RHO)
        assert (lost.status_code, lost.json()["type"]) == (503, "/problems/release-failed")
        assert set(lost.json()) == {"type", "title", "status", "detail", "id"}
        assert _spent(service.ledger) == [NANO, NANO]
        assert service.ask("less", SQL, key="one", rho=RHO).content == lost.content
        monkeypatch.undo()
        assert service.ask("less", SQL, key="two", rho=RHO).status_code == 201
        assert _spent(service.ledger) == [2 * NANO, 2 * NANO]
        _check(service.ledger, settings)


def _kill_at_work(release: Callable[..., bytes]) -> Callable[..., bytes]:
    """A release whose worker stands still when the work comes, and is killed a moment later."""

    def fatal(worker: WorkerProcess, *given: object) -> bytes:
        os.kill(worker.pid, signal.SIGSTOP)
        killer = threading.Timer(0.2, os.kill, (worker.pid, signal.SIGKILL))
        killer.start()
        try:
            return release(worker, *given)
        finally:
            killer.join()

    return fatal
