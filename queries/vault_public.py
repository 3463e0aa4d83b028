"""Writes the public tables of a snapshot, with the stand-in rows of sensitive groups."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from queries.errors import LoadError
from queries.policy import Policy, Scalar, Table
from queries.source_files import Source
from queries.sql_text import identifier, qualified, text_literal
from queries.vault_columns import conversion, failure, literal, storage_type


def load_public_tables(
    connection: duckdb.DuckDBPyConnection, policy: Policy, sources: Mapping[str, Source]
) -> dict[str, int]:
    """Creates `public_vault.<table>` for each public table, and the temporary table `sensitive_rows`.

    Returns the row counts as stored. `sensitive_rows(key, mark, stand_in)` has a row for each public row of a sensitive
    group: its key, the group's index in the policy, and the stand-in's key or NULL.
    """
    for name, table in policy.public_tables().items():
        enums = create_enums(connection, "public_vault", name, table)
        listed = table.values is not None
        rows = _listed_rows(table, enums) if listed else converted_rows(name, table, sources[name], enums)
        order = identifier(table.key) if table.key else "ALL"
        connection.execute(f"CREATE TABLE {qualified('public_vault', name)} AS SELECT * FROM ({rows}) ORDER BY {order}")
        _check_key(connection, name, table)
    _find_sensitive_rows(connection, policy)
    _add_stand_ins(connection, policy)
    return {name: _count(connection, name) for name in policy.public_tables()}


def create_enums(connection: duckdb.DuckDBPyConnection, catalog: str, name: str, table: Table) -> dict[str, str]:
    """Creates the dictionary type of each string column with a domain; column -> its qualified type."""
    enums: dict[str, str] = {}
    for column_name, column in table.columns.items():
        if column.type == "string" and column.domain is not None:
            enum = qualified(catalog, "main", f"_{name}_{column_name}")
            values = ", ".join(text_literal(str(value)) for value in column.domain)
            connection.execute(f"CREATE TYPE {enum} AS ENUM ({values})")
            enums[column_name] = enum
    return enums


def converted_rows(name: str, table: Table, source: Source, types: Mapping[str, str], kept: str = "") -> str:
    """A SELECT of the table's columns as stored, in the policy's order, of the source's rows that are `kept`.

    `types` are the stored types that the columns themselves do not tell: dictionaries, and those of references. `kept`
    is what stands behind them in FROM, and sees the columns before they are clamped. Reading the rows fails, naming the
    column, for what the policy does not allow.
    """
    steps = {
        column_name: conversion(
            f"{name}.{column_name}",
            column_name,
            column,
            source.columns[column_name],
            types.get(column_name) or storage_type(column),
        )
        for column_name, column in table.columns.items()
    }
    typed = ", ".join(
        f"{step.typed} AS {identifier(n)}, {identifier(n)} IS NOT NULL AS {step.given}" for n, step in steps.items()
    )
    clamped = ", ".join(f"{step.clamped} AS {identifier(n)}" for n, step in steps.items())
    stored = ", ".join(f"{step.stored} AS {identifier(n)}" for n, step in steps.items())
    source_rows = f"SELECT {typed} FROM {source.relation} AS source_rows"
    return f"SELECT {stored} FROM (SELECT {clamped} FROM ({source_rows}) AS typed_rows {kept})"


def _listed_rows(table: Table, enums: Mapping[str, str]) -> str:
    """A SELECT of the rows that stand in the policy."""
    types = [enums.get(name) or storage_type(column) for name, column in table.columns.items()]
    rows = [", ".join(_cells(row, table)) for row in table.values or ()]
    names = [identifier(name) for name in table.columns]
    listed = ", ".join(f"CAST({name} AS {type_}) AS {name}" for name, type_ in zip(names, types, strict=True))
    nothing = f"SELECT {', '.join('NULL' for _ in names)} WHERE FALSE"
    values = f"VALUES {', '.join(f'({row})' for row in rows)}" if rows else nothing
    return f"SELECT {listed} FROM ({values}) AS listed({', '.join(names)})"


def _cells(row: tuple[Scalar | None, ...], table: Table) -> list[str]:
    columns = table.columns.values()
    return ["NULL" if cell is None else literal(cell, column) for cell, column in zip(row, columns, strict=True)]


def _check_key(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    if table.key is None:
        return
    key = identifier(table.key)
    row = connection.execute(
        f"SELECT count(*) = count(DISTINCT {key}) FROM {qualified('public_vault', name)}"
    ).fetchone()
    if row is None or not row[0]:
        raise LoadError(f"{name}.{table.key} is the key of its table and has a value twice")


def _find_sensitive_rows(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """The first group, in the policy's order, that a public row falls under counts."""
    connection.execute("CREATE TABLE sensitive_rows(key BIGINT, mark SMALLINT, stand_in BIGINT)")
    if not policy.sensitive:
        return
    name = policy.sensitive[0].table
    table = policy.tables[name]
    marks, levels, parents = [], ["WHEN FALSE THEN ''"], ["WHEN FALSE THEN ''"]
    for index, group in enumerate(policy.sensitive):
        column = table.columns[group.column]
        values = ", ".join(literal(value, column) for value in group.values)
        marks.append(f"WHEN {identifier(group.column)} IN ({values}) THEN {index}")
        if group.parent is not None:
            levels.append(f"WHEN mark = {index} THEN {text_literal(group.parent)}")
            parents.append(f"WHEN mark = {index} THEN CAST({identifier(group.parent)} AS VARCHAR)")
    connection.execute(f"""
        INSERT INTO sensitive_rows
        SELECT key, mark, CASE WHEN level IS NOT NULL THEN -dense_rank() OVER (ORDER BY level, parent) END
        FROM (SELECT {identifier(table.key or "")} AS key, mark,
                     CASE {" ".join(levels)} END AS level, CASE {" ".join(parents)} END AS parent
              FROM (SELECT *, CAST(CASE {" ".join(marks)} END AS SMALLINT) AS mark
                    FROM {qualified("public_vault", name)})
              WHERE mark IS NOT NULL)
    """)


def _add_stand_ins(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """One row for each parent value of coarsened rows: a negative key, the parent, and NULL elsewhere.

    Groups with one parent share it, so that a stand-in does not tell which of them a line falls under.
    """
    for parent in sorted({group.parent for group in policy.sensitive if group.parent is not None}):
        marks = [str(index) for index, group in enumerate(policy.sensitive) if group.parent == parent]
        name = policy.sensitive[0].table
        target, key = qualified("public_vault", name), identifier(policy.tables[name].key or "")
        connection.execute(f"""
            INSERT INTO {target} ({key}, {identifier(parent)})
            SELECT DISTINCT stand_in, {identifier(parent)} FROM {target} JOIN sensitive_rows
            ON {key} = sensitive_rows.key WHERE mark IN ({", ".join(marks)}) ORDER BY ALL
        """)


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {qualified('public_vault', name)}").fetchone()
    return int(row[0]) if row else 0


def key_stays_clear(path: str, this: str) -> str:
    """The reference `this`, which fails where it is negative: negative keys belong to stand-ins."""
    negative = failure(f"{path} has a negative value: negative keys belong to the stand-ins of sensitive groups")
    return f"CASE WHEN {this} < 0 THEN {negative} ELSE {this} END"
