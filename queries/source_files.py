"""The files that a load or a draft reads: CSV, Parquet, or a table of another DuckDB file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from queries.errors import LoadError
from queries.sql_text import identifier, text_literal

_PARQUET = {".parquet", ".pq"}
_TEXT = {".csv", ".tsv", ".txt"}


@dataclass(frozen=True, slots=True)
class Source:
    """One opened source: the SQL that reads it, its columns with their DuckDB types, and what to detach in the end."""

    relation: str
    columns: Mapping[str, str]
    attached_as: str | None = None

    def close(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self.attached_as is not None:
            connection.execute(f"DETACH {self.attached_as}")


def open_source(connection: duckdb.DuckDBPyConnection, name: str, place: str) -> Source:
    """The source at `place`: a path to CSV or Parquet, or 'file.duckdb::table'. Raises LoadError if it is none."""
    file, _, table = place.partition("::")
    if not Path(file).is_file():
        raise LoadError(f"the source of {name} is not a file")
    alias = None
    if table:
        alias = identifier(f"source_{name}")
        connection.execute(f"ATTACH {text_literal(file)} AS {alias} (READ_ONLY)")
        relation = f"{alias}.{identifier(table)}"
    elif Path(file).suffix.lower() in _PARQUET:
        relation = f"read_parquet({text_literal(file)})"
    elif Path(file).suffix.lower() in _TEXT:
        relation = f"read_csv({text_literal(file)}, header = true, all_varchar = true)"
    else:
        raise LoadError(f"the source of {name} is neither CSV nor Parquet nor 'file.duckdb::table'")
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return Source(relation, {str(row[0]): str(row[1]) for row in described}, alias)
