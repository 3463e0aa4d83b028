"""A ledger of the first schema goes on under the newest: nothing is lost, and its old entries still verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import budgets.migrations
from budgets import audit
from budgets.errors import ApprovalNeededError, BudgetExhaustedError
from budgets.ledger import GENESIS_HASH, canonical_json, entry_hash
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, DATASET, OFFICER, answer, claim_of
from tests.budgets.postgres_server import PostgresServer

AT = "2026-11-23T08:00:00.000000Z"


def _posting(account_id: str, cap: int, spent: int, reserved: int) -> dict[str, Any]:
    amounts = {"cap": cap, "spent": spent, "reserved": reserved}
    return {"account_id": account_id} | {
        f"{name}_{unit}": amount if unit == "rho_nano" else 0
        for name, amount in amounts.items()
        for unit in ("rho_nano", "delta_atto")
    }


def _account(account: Any, cap: int) -> dict[str, Any]:
    facts = {name: getattr(account, name) for name in ("id", "dataset", "kind", "parent", "owner")}
    return {"account": facts, "reason": "the policy", "postings": [_posting(account.id, cap, 0, 0)]}


REQUEST = {
    "query_id": "q_old",
    "principal": "ada",
    "account_id": ADA.id,
    "rho_nano": 300,
    "delta_atto": 0,
    "key_digest": "k" * 64,
    "attempt": 1,
    "request_digest": "d" * 64,
}
PATH = ((ADA.id, 800), (DATASET.id, 1000))
ENTRIES: list[tuple[str, str, dict[str, Any]]] = [
    ("account-opened", OFFICER, _account(DATASET, 1000)),
    ("account-opened", OFFICER, _account(ADA, 400)),
    ("cap-set", OFFICER, {"account_id": ADA.id, "reason": "more", "postings": [_posting(ADA.id, 800, 0, 0)]}),
    (
        "reserved",
        "ada",
        REQUEST
        | {
            "description": {"sql": "SELECT 1"},
            "lease_until": AT,
            "postings": [_posting(a, c, 0, 300) for a, c in PATH],
        },
    ),
    ("begun", "ada", {"query_id": "q_old", "postings": [_posting(a, c, 300, 0) for a, c in PATH]}),
]


def _write_old_ledger(url: str) -> None:
    """The tables of revision 0001, with a chain as it was written then."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("CREATE SCHEMA kvitto")
            connection.exec_driver_sql("SET search_path = kvitto")
        config = Config()
        config.set_main_option("script_location", str(Path(budgets.migrations.__file__).parent))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = sa.MetaData()
        tables.reflect(connection)

        def insert(table: str, **values: object) -> None:
            connection.execute(tables.tables[table].insert().values(**values))

        previous = GENESIS_HASH
        for seq, (kind, actor, facts) in enumerate(ENTRIES, start=1):
            payload = canonical_json(facts)
            digest = entry_hash(seq, AT, kind, actor, payload, previous)
            row = {"seq": seq, "at": AT, "kind": kind, "actor": actor, "payload": payload}
            insert("entries", **row, prev_hash=previous, hash=digest)
            if kind == "account-opened":
                insert("accounts", **facts["account"])
            for posting in facts["postings"]:
                insert("postings", seq=seq, **posting)
            previous = digest
        insert("requests", **REQUEST, seq=4, dataset=DATASET.dataset)
        for step, (state, seq) in enumerate((("reserved", 4), ("begun", 5))):
            insert("transitions", query_id="q_old", step=step, state=state, seq=seq)
        insert("leases", query_id="q_old", until=AT)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


def test_an_old_ledger_goes_on(url: str) -> None:
    _write_old_ledger(url)
    ledger = SqlLedger(url)
    assert audit.verify(ledger).problems == ()
    assert [(each.account.id, each.cap, each.spent) for each in ledger.accounts()] == [
        (DATASET.id, PrivacyLoss(1000), PrivacyLoss(300)),
        (ADA.id, PrivacyLoss(800), PrivacyLoss(300)),
    ]
    assert ledger.recover().failed == 1  # what was begun ends, charged
    answer(ledger, "new", 400)
    with pytest.raises(BudgetExhaustedError):
        ledger.reserve(claim_of("too-much", 101))
    assert ledger.balance(ADA.id).spent == PrivacyLoss(700)
    assert audit.verify(ledger).problems == ()
    ledger.close()


def test_what_old_entries_did_alone_is_not_possible_any_more(url: str) -> None:
    _write_old_ledger(url)
    ledger = SqlLedger(url)
    answer(ledger, "new", 10)  # an entry that names meters
    with pytest.raises(ApprovalNeededError):
        ledger.set_cap(ADA.id, PrivacyLoss(801), OFFICER, "more")
    head, at = ledger.head(), "2099-01-01T00:00:00.000000Z"
    forged = canonical_json({"account_id": ADA.id, "reason": "more", "postings": [_posting(ADA.id, 900, 310, 0)]})
    entry = {"seq": head.seq + 1, "at": at, "kind": "cap-set", "actor": OFFICER, "payload": forged}
    entry |= {"prev_hash": head.hash, "hash": entry_hash(head.seq + 1, at, "cap-set", OFFICER, forged, head.hash)}
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        entries = sa.table("entries", *map(sa.column, entry), schema=_schema(engine))
        connection.execute(sa.insert(entries).values(**entry))
    engine.dispose()
    assert any("names no meters" in problem for problem in audit.verify(ledger).problems)
    ledger.close()


def _schema(engine: sa.Engine) -> str | None:
    return "kvitto" if engine.dialect.name == "postgresql" else None
