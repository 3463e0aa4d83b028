"""The first schema of the ledger: insert-only tables, guarded by triggers, and the work list of open leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from budgets.migrations.append_only import forbid_changes

revision = "0001"
down_revision = None

INSERT_ONLY = ("entries", "accounts", "postings", "requests", "transitions", "outcomes", "releases")


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, sa.ForeignKey("accounts.id")),
        sa.Column("owner", sa.Text),
    )
    op.create_table(
        "postings",
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), primary_key=True),
        *(
            sa.Column(f"{amount}_{unit}", sa.BigInteger, nullable=False)
            for amount in ("cap", "spent", "reserved")
            for unit in ("rho_nano", "delta_atto")
        ),
    )
    op.create_index("postings_by_seq", "postings", ["seq"])
    op.create_table(
        "requests",
        sa.Column("query_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("rho_nano", sa.BigInteger, nullable=False),
        sa.Column("delta_atto", sa.BigInteger, nullable=False),
        sa.Column("key_digest", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.UniqueConstraint("key_digest", "attempt"),
    )
    op.create_index("requests_by_principal", "requests", ["principal", "seq"])
    op.create_index("requests_by_dataset", "requests", ["dataset", "seq"])
    op.create_table(
        "transitions",
        sa.Column("query_id", sa.Text, sa.ForeignKey("requests.query_id"), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
    )
    op.create_table(
        "outcomes",
        sa.Column("query_id", sa.Text, sa.ForeignKey("requests.query_id"), primary_key=True),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "releases",
        sa.Column("query_id", sa.Text, sa.ForeignKey("requests.query_id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("rho_nano", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("entries.seq"), nullable=False),
        sa.Column("table", sa.LargeBinary, nullable=False),
    )
    op.create_index("releases_by_plan", "releases", ["dataset", "digest", "snapshot", "rho_nano", "seq"])
    op.create_table(
        "leases",
        sa.Column("query_id", sa.Text, sa.ForeignKey("requests.query_id"), primary_key=True),
        sa.Column("until", sa.Text, nullable=False),
    )
    for table in INSERT_ONLY:
        forbid_changes(table)
