"""Meters: balances by account and meter, what each request takes from each meter, freezes, and changes that wait.

What was posted so far was posted to the lifetime, and requests so far took their loss from the lifetime of each account
on their path.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from budgets.migrations.append_only import forbid_changes

revision = "0002"
down_revision = "0001"

_UNITS = ("rho_nano", "delta_atto")
_AMOUNTS = [f"{amount}_{unit}" for amount in ("cap", "spent", "reserved") for unit in _UNITS]
_NEW = ("meters", "postings", "charges", "freezes", "proposals", "decisions")


def upgrade() -> None:
    op.create_table(
        "meters",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("meter", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), nullable=False),
    )
    _replace_postings()
    op.create_table(
        "charges",
        sa.Column("query_id", sa.Text, sa.ForeignKey("requests.query_id"), primary_key=True),
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("meter", sa.Text, primary_key=True),
        *(sa.Column(unit, sa.BigInteger, nullable=False) for unit in _UNITS),
    )
    op.execute(
        "INSERT INTO charges (query_id, account_id, meter, rho_nano, delta_atto) "
        "WITH RECURSIVE paths(query_id, account_id, rho_nano, delta_atto) AS ("
        "SELECT query_id, account_id, rho_nano, delta_atto FROM requests UNION ALL "
        "SELECT paths.query_id, accounts.parent, paths.rho_nano, paths.delta_atto FROM paths "
        "JOIN accounts ON accounts.id = paths.account_id WHERE accounts.parent IS NOT NULL) "
        "SELECT query_id, account_id, 'lifetime', rho_nano, delta_atto FROM paths"
    )
    op.create_table(
        "freezes",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), primary_key=True),
        sa.Column("frozen", sa.Integer, nullable=False),
    )
    op.create_table(
        "proposals",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
        sa.Column("dataset", sa.Text),
        sa.Column("change", sa.Text, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("proposal_id", sa.Text, sa.ForeignKey("proposals.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), primary_key=True),
        sa.Column("decision", sa.Text, nullable=False),
    )
    for table in _NEW:
        forbid_changes(table)


def _replace_postings() -> None:
    """The meter is a part of the key, which SQLite cannot change in place."""
    op.create_table(
        "metered_postings",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("meter", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), primary_key=True),
        *(sa.Column(amount, sa.BigInteger, nullable=False) for amount in _AMOUNTS),
    )
    columns = ", ".join(("account_id", "seq", *_AMOUNTS))
    copied = f"INSERT INTO metered_postings (meter, {columns}) SELECT 'lifetime', {columns} FROM postings"  # noqa: S608
    op.execute(copied)
    op.execute(
        "INSERT INTO meters (account_id, meter, kind, seq) "
        "SELECT account_id, 'lifetime', 'lifetime', min(seq) FROM postings GROUP BY account_id"
    )
    op.drop_table("postings")
    op.rename_table("metered_postings", "postings")
    op.create_index("postings_by_seq", "postings", ["seq"])
