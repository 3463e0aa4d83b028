"""Triggers that let rows be added to a table and nothing else."""

from __future__ import annotations

from alembic import op

_POSTGRESQL_FUNCTION = (
    "CREATE OR REPLACE FUNCTION kvitto_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
)


def forbid_changes(table: str) -> None:
    """Forbids to update or delete rows of a table: mistakes, that is, not somebody who may drop the trigger."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_POSTGRESQL_FUNCTION)
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION kvitto_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
