"""Drafts a policy from the schemas of files, with blanks for everything that a schema does not tell.

Bounds, ranges, domains and nullability are decisions about people's data and must not be inferred from it. They stay
blanks (`FILL_IN`) that a check of the policy names one by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb

from queries.errors import LoadError
from queries.policy_yaml import BLANK
from queries.source_files import open_source

_HEAD = f"""\
# A draft made from the files' schemas. No row was used for it: every {BLANK} is yours to decide, and
# `kvitto policy check` names those that are left.
dataset: {BLANK}            # lower-case letters, digits and _
title: {BLANK}
unit: {{name: {BLANK}, label: {BLANK}}}   # whom the promise protects, such as a household
max_units: {BLANK}          # more units than there will ever be
budget: {{epsilon: {BLANK}, delta: {BLANK}, delta_for_thresholds: {BLANK}}}
query: {{default_epsilon: {BLANK}, max_epsilon: {BLANK}}}

tables:
"""
_TABLE = f"""\
  {{name}}:
    visibility: {BLANK}     # private or public
    unit_column: {BLANK}    # private: the column that names the unit; public: remove this line, and name a key
    columns:
"""
_TAIL = f"""\
# What a unit may contribute: the L2 norm of its vector of group values, from common knowledge, never from the rows.
bounds:
  - {{measure: rows, l2: {BLANK}}}
  - {{measure: units, l2: {BLANK}}}

retention: {{days: {BLANK}, column: {BLANK}}}
"""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_DATES = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}


def draft_policy(sources: Mapping[str, str]) -> str:
    """The draft of a policy for these tables: table name -> path to CSV or Parquet, or 'file.duckdb::table'.

    Of Parquet and DuckDB files the schema is read. A CSV file has none, so DuckDB looks at a sample of its lines to
    tell the columns' types. Nothing but column and type names gets into the draft; a CSV must have a header line, or
    its first row would be taken for column names. Raises LoadError for a file that cannot be read.
    """
    parts = [_HEAD]
    try:
        with duckdb.connect(":memory:") as connection:
            for name, place in sources.items():
                if not _NAME.fullmatch(name):
                    raise LoadError("a table's name must be lower-case letters, digits and '_'")
                parts += _table(name, _schema(connection, name, place))
    except duckdb.Error as error:
        raise LoadError(f"a source could not be read ({type(error).__name__})") from None
    return "".join([*parts, "\n", _TAIL])


def _schema(connection: duckdb.DuckDBPyConnection, name: str, place: str) -> dict[str, str]:
    source = open_source(connection, name, place)
    relation = source.relation.replace("all_varchar = true", "auto_detect = true")
    return {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def _table(name: str, schema: Mapping[str, str]) -> list[str]:
    columns = [f"      {_column(index, *entry)}\n" for index, entry in enumerate(schema.items(), start=1)]
    return [_TABLE.format(name=name), *columns]


def _column(position: int, name: str, source_type: str) -> str:
    if not _NAME.fullmatch(name):
        return f"{BLANK}: {{type: {BLANK}}}   # column {position} of the file: rename it, its name is not allowed"
    base = re.sub(r"\(.*", "", source_type, flags=re.DOTALL)
    if base in _INTEGERS:
        return f"{name}: {{type: integer, nullable: {BLANK}}}   # to be summed it needs range: [lowest, highest]"
    if base == "DECIMAL":
        scale = source_type.rstrip(")").rpartition(",")[2].strip()
        return f"{name}: {{type: decimal, nullable: {BLANK}, scale: {scale}, range: {BLANK}}}"
    if base in {"FLOAT", "DOUBLE"}:
        return f"{name}: {{type: decimal, nullable: {BLANK}, scale: {BLANK}, range: {BLANK}}}"
    if base in _DATES:
        return f"{name}: {{type: date, nullable: {BLANK}}}   # to be a public group key it needs a range"
    if base == "BOOLEAN":
        return f"{name}: {{type: boolean, nullable: {BLANK}}}"
    if base in {"VARCHAR", "ENUM", "UUID"}:
        return f"{name}: {{type: string, nullable: {BLANK}}}   # to be a public group key it needs a domain"
    return f"{name}: {{type: {BLANK}}}   # its type in the file cannot be loaded"
