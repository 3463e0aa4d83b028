"""Empty twins of the private tables: what an aggregation is prepared on before it is charged."""

from __future__ import annotations

from queries.policy import Policy
from queries.sql_text import identifier, qualified, text_literal
from queries.vault_columns import storage_type

_CATALOG = "private"


def twin_statements(policy: Policy) -> tuple[str, ...]:
    """The statements that make all private tables in the database `private`, typed as the vault stores them."""
    statements: list[str] = []
    for name, table in policy.private_tables().items():
        columns = {"_u": "INTEGER NOT NULL"}
        for column_name, column in table.visible_columns().items():
            referred = policy.column(column.references) if column.references else None
            columns[column_name] = storage_type(referred or column)
            if column.type == "string" and column.domain is not None:
                enum = qualified(_CATALOG, "main", f"_{name}_{column_name}")
                values = ", ".join(text_literal(str(value)) for value in column.domain)
                statements.append(f"CREATE TYPE {enum} AS ENUM ({values})")
                columns[column_name] = enum
        guarded = policy.sensitive_reference(name)
        if guarded is not None:
            columns |= {guarded.mark: "SMALLINT", guarded.original: columns[guarded.column]}
        declared = ", ".join(f"{identifier(column)} {type_}" for column, type_ in columns.items())
        statements.append(f"CREATE TABLE {qualified(_CATALOG, 'main', name)} ({declared})")
    return tuple(statements)
