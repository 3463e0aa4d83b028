"""The sources of one load, checked against the policy."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from queries.errors import LoadError
from queries.policy import Policy
from queries.source_files import Source, open_source


def open_sources(
    connection: duckdb.DuckDBPyConnection, policy: Policy, sources: Mapping[str, str]
) -> dict[str, Source]:
    """The opened source of each table; raises LoadError for sources and columns that are missing or too many."""
    expected = {name for name, table in policy.tables.items() if table.values is None}
    missing, unknown = sorted(expected - set(sources)), sorted(set(sources) - expected)
    if missing:
        raise LoadError(f"no source was given for {', '.join(missing)}")
    if unknown:
        raise LoadError(f"a source was given for what the policy does not load: {', '.join(unknown)}")
    opened = {name: open_source(connection, name, place) for name, place in sorted(sources.items())}
    for name, source in opened.items():
        absent = [column for column in policy.tables[name].columns if column not in source.columns]
        if absent:
            raise LoadError(f"the source of {name} has no column {', '.join(absent)}")
    return opened
