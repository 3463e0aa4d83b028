"""`python -m benchmarks.ledger`: how many whole charges a second the ledger makes durable; writes results/ledger.md.

A charge is `reserve`, `begin` and `settle`: three durable commits, two of them anchored. Each round measures a bare
durable commit first (one small row, with the ledger's settings), then the ledger: what else the machine does weighs on
both, so that the ratio means something where the times do not. ROUNDS in the environment says how many rounds (5).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Final

import sqlalchemy as sa

from benchmarks.conditions import machine
from benchmarks.datasets import ROOT
from benchmarks.figures import Spread, ratios
from benchmarks.report import table
from budgets.ledger import UNLIMITED, Account, Claim, Outcome, StoredRelease
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.postgres_server import postgres_server

RESULTS: Final = ROOT / "benchmarks" / "results" / "ledger.md"
CLIENTS: Final = (1, 32)
CHARGES: Final = {"SQLite": 320, "PostgreSQL": 96}  # a measurement, over all clients
COMMITS: Final = 200
_SHOP: Final = Account("shop", "shop", "dataset", None, None)
_PERSON: Final = Account("shop/person/ada", "shop", "person", "shop", "ada")
_ANSWER: Final = b"x" * 2_000
_TABLE: Final = b"y" * 4_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds a charge (or a bare commit) by the clock, and of this process on a processor."""

    wall: float
    processor: float

    @classmethod
    def of(cls, work: Callable[[], object], times: int) -> Measured:
        wall, processor = time.perf_counter(), time.process_time()
        work()
        return cls((time.perf_counter() - wall) / times, (time.process_time() - processor) / times)


class Charging:
    """A ledger that is charged again and again, each time by a new query."""

    def __init__(self, url: str, anchor: Path) -> None:
        self.ledger = SqlLedger(url, anchor=anchor)
        self._numbers = count()
        for account in (_SHOP, _PERSON):
            self.ledger.open_account(account, UNLIMITED, "officer", "measuring", {"month": UNLIMITED})

    def charge(self) -> None:
        name = f"q_{next(self._numbers)}"
        facts = {"dataset": "shop", "sql": "SELECT department, SUM(amount) FROM lines GROUP BY department"}
        self.ledger.reserve(Claim(_PERSON.id, PrivacyLoss(1), "ada", name, "d" * 64, name, facts, 60))
        self.ledger.begin(name)
        release = StoredRelease("p" * 64, "snapshot", 1, name, "shop", _TABLE)
        self.ledger.settle(name, Outcome(name, 201, _ANSWER, "application/json"), (release,))

    def by(self, clients: int, charges: int) -> Measured:
        """The time of a charge where so many clients share them, each waiting for its own before the next."""
        together = Barrier(clients)

        def client(_: int) -> None:
            together.wait()
            for _ in range(charges // clients):
                self.charge()

        with ThreadPoolExecutor(clients) as pool:
            return Measured.of(lambda: list(pool.map(client, range(clients))), charges)


def bare_sqlite(directory: Path) -> Measured:
    """The time of a durable commit of one small row."""
    with closing(sqlite3.connect(directory / "bare.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (content)")

        def commit() -> None:
            for _ in range(COMMITS):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO rows VALUES (?)", (_ANSWER,))
                connection.execute("COMMIT")

        return Measured.of(commit, COMMITS)


def bare_postgresql(url: str) -> Measured:
    """As `bare_sqlite`, without SQLAlchemy between."""
    engine = sa.create_engine(url)
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS bare (content bytea)")
        connection.commit()

        def commit() -> None:
            for _ in range(COMMITS):
                cursor.execute("INSERT INTO bare VALUES (%s)", (_ANSWER,))
                connection.commit()

        measured = Measured.of(commit, COMMITS)
    engine.dispose()
    return measured


@contextmanager
def _databases() -> Iterator[dict[str, tuple[Charging, Callable[[], Measured]]]]:
    """Both ledgers, each with its bare commit."""
    with TemporaryDirectory() as scratch, postgres_server() as server:
        directory, url = Path(scratch), server.new_database()
        ledgers = {
            "SQLite": Charging(f"sqlite:///{directory}/ledger.sqlite", directory / "anchor.json"),
            "PostgreSQL": Charging(url, directory / "anchor-of-postgresql.json"),
        }
        bare = {"SQLite": lambda: bare_sqlite(directory), "PostgreSQL": lambda: bare_postgresql(url)}
        yield {name: (ledgers[name], bare[name]) for name in ledgers}
        for charging in ledgers.values():
            charging.ledger.close()


def measure(rounds: int) -> dict[tuple[str, int], list[Measured]]:
    """The measurements of each database by the number of clients; 0 clients are bare commits."""
    found: dict[tuple[str, int], list[Measured]] = {}
    with _databases() as databases:
        for charging, _ in databases.values():
            charging.by(1, 20)  # the first charges find nothing in any cache
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            for name, (charging, bare) in databases.items():
                found.setdefault((name, 0), []).append(bare())
                for clients in CLIENTS:
                    found.setdefault((name, clients), []).append(charging.by(clients, CHARGES[name]))
    return found


def report(found: dict[tuple[str, int], list[Measured]]) -> str:
    """The measurements as Markdown."""
    rows = []
    for (name, clients), measured in found.items():
        bare = [each.wall for each in found[name, 0]]
        bare_processor = [each.processor for each in found[name, 0]]
        wall, processor = [each.wall for each in measured], [each.processor for each in measured]
        what = f"whole charges, {clients} client{'s' * (clients > 1)}" if clients else "bare durable commits"
        rate = Spread.of([1 / each for each in wall])
        row = [name, what, f"**{rate.median:.0f}** ({rate.least:.0f}–{rate.greatest:.0f})"]
        row += [f"{Spread.of(wall).median * 1e3:.2f}", f"{Spread.of(processor).median * 1e3:.2f}"]
        rows.append([*row, _times(wall, bare), _times(processor, bare_processor)])
    head = ["database", "what", "a second", "ms each", "processor, ms each"]
    return table([*head, "times a bare commit", "times its processor time"], rows)


def _times(ours: Sequence[float], bare: Sequence[float]) -> str:
    found = ratios(ours, bare)
    return f"{found.median:.1f} ({found.least:.1f}–{found.greatest:.1f})"


def main() -> None:
    """Measure, print and write the table."""
    rounds = int(os.environ.get("ROUNDS", "5"))
    conditions = machine()
    text = "\n".join(["# The ledger's throughput\n", f"{conditions} {rounds} rounds.\n", report(measure(rounds))])
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
