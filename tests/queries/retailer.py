"""A retailer of forty households: loaded into a vault for the engine, and as plain tables for the oracle.

Its bounds are so high that nothing is clipped, so with silent noise the engine's answers are the oracle's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import duckdb
import pyarrow as pa

from queries.answers import answer_columns, answer_rows
from queries.engines.duckdb import DuckDBEngine, attach, connect
from queries.options import options_of
from queries.plan import Axis
from queries.planned import QueryPlan
from queries.planner import plan, price
from queries.policy import load_policy
from queries.postprocess import statement_tables
from queries.release import release
from queries.schema import Schema
from queries.vault import SecretKeys, Snapshot, load_snapshot
from queries.worker_roles import PublicRole
from queries.worker_wire import Postprocess

SQL = Path(__file__).parents[1] / "sql"
POLICY_TEXT = (SQL / "retailer" / "policy.yaml").read_text(encoding="utf-8")
POLICY = load_policy(POLICY_TEXT)
SCHEMA = Schema(POLICY)
WITH_BLOCKS = f"{POLICY_TEXT}blocks: {{period: month, columns: {{lines: day}}}}\n"
ROWS = (SQL / "retailer" / "rows.sql").read_text(encoding="utf-8")
TABLES = ("lines", "customers", "products", "stores")
RHO_NANO = 10**9
Row = dict[str, object]


@dataclass(frozen=True)
class Statement:
    """One block of a fixture file: `-- word: value` lines, then SQL."""

    name: str
    sql: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, object]:
        return dict(json.loads(self.facts.get("params", "{}")))

    @property
    def options(self) -> dict[str, object]:
        return dict(json.loads(self.facts.get("options", "{}")))


def statements(folder: str) -> list[Statement]:
    """All blocks of the folder's files."""
    found = [block for path in sorted((SQL / folder).glob("*.sql")) for block in _blocks(path)]
    names = [statement.name for statement in found]
    if len(set(names)) != len(names):
        raise ValueError(sorted(name for name in set(names) if names.count(name) > 1))
    return found


def blocks(name: str) -> list[Statement]:
    """All blocks of one file."""
    return list(_blocks(SQL / name))


def _blocks(path: Path) -> Iterator[Statement]:
    for block in re.split(r"^-- name: ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        facts: dict[str, str] = {}
        while match := re.match(r"-- ([a-z]+): (.*)\n", rest):
            facts[match[1]] = match[2].strip()
            rest = rest[match.end() :]
        yield Statement(f"{path.stem}: {name.strip()}", rest.strip("\n"), facts)


def no_sizes(_: Axis) -> int:
    """Every axis has one key: for plans whose size does not matter."""
    return 1


def planned(
    sql: str,
    params: Mapping[str, object] | None = None,
    options: Mapping[str, object] | None = None,
    *,
    rho_nano: int = RHO_NANO,
    schema: Schema = SCHEMA,
) -> QueryPlan:
    """The statement's plan, without any engine."""
    return plan(sql, params or {}, schema, rho_nano, options_of(options or {}), no_sizes)


class Retailer:
    """The loaded retailer, and the same rows in plain DuckDB."""

    def __init__(self, directory: Path, policy_text: str = POLICY_TEXT) -> None:
        self.schema = Schema(load_policy(policy_text))
        self.plain = duckdb.connect()
        self.plain.execute(ROWS)
        sources = {}
        for table in TABLES:
            sources[table] = str(directory / f"{table}.parquet")
            self.plain.execute(f"COPY {table} TO '{sources[table]}' (FORMAT parquet)")
        self.paths = dict(sources)
        keys = SecretKeys.open(directory / "keys")
        snapshot = load_snapshot(directory / "vault", policy_text, sources, keys)
        self._open(snapshot, keys)

    def _open(self, snapshot: Snapshot, keys: SecretKeys) -> None:
        self.connection = connect(threads=2, memory_bytes=1 << 30)
        attach(self.connection, snapshot.public_file, "public")
        attach(self.connection, snapshot.private_file, "private", keys.snapshot_key(snapshot.dataset, snapshot.id))
        self.engine = DuckDBEngine(self.connection, threads=2)
        self._role = PublicRole(self.connection, self.engine)

    def plan(self, statement: Statement) -> QueryPlan:
        nano, options = price(self.schema, None, Fraction(1), None), options_of(statement.options)
        return plan(statement.sql, statement.params, self.schema, nano, options, self.engine.domain_size)

    def answer(self, statement: Statement) -> list[Row]:
        """The answer's rows, intervals left out."""
        query_plan = self.plan(statement)
        table = self.released(query_plan)
        columns = [c["name"] for c in answer_columns(query_plan.columns, table) if "of" not in c]
        return [{str(name): row[str(name)] for name in columns} for row in answer_rows(query_plan.columns, table)]

    def released(self, query_plan: QueryPlan) -> pa.Table:
        """The final table of a plan."""
        return self.finished(query_plan, self.released_tables(query_plan))

    def released_tables(self, query_plan: QueryPlan) -> dict[str, pa.Table]:
        """The noised table of each release of a plan."""
        return {node.name: release(node.aggregation, node.loss, self.engine) for node in query_plan.nodes}

    def finished(self, query_plan: QueryPlan, found: Mapping[str, pa.Table]) -> pa.Table:
        """What the statement makes of what was released."""
        tables = {name: _stream(table) for name, table in statement_tables(query_plan.nodes, found).items()}
        body = self._role.answer(Postprocess(query_plan.sql, tables, 100_000))
        return pa.ipc.open_stream(body).read_all()

    def oracle(self, statement: Statement) -> list[Row]:
        """What plain DuckDB says to the statement as it stands, or to what it is in DuckDB's SQL."""
        with self.plain.cursor() as cursor:
            plain = statement.facts.get("plain")
            cursor.execute(plain or statement.sql, None if plain else statement.params or None)
            names = [str(column[0]).lower() for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def move_on(self, snapshot: Snapshot, keys: SecretKeys) -> None:
        """Ask another snapshot from now on."""
        self.connection.close()
        self._open(snapshot, keys)

    def close(self) -> None:
        self.connection.close()
        self.plain.close()


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
