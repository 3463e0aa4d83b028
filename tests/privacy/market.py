"""A market of a few customers in memory, rebuilt for each case: exact sums with and without one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import pairwise

import duckdb

from queries.engine import ExactSums, exact_sums
from queries.engines.duckdb import DuckDBEngine
from queries.options import options_of
from queries.plan import Aggregation
from queries.planned import QueryPlan
from queries.planner import plan
from queries.policy import load_policy
from queries.schema import Schema
from queries.sql_text import identifier, qualified, text_literal
from queries.twin import twin_statements
from queries.vault_columns import storage_type
from tests.privacy.sensitivity import Searched, searched

POLICY_TEXT = """
dataset: market
title: A market that fits into a test
unit: {name: card, label: a card with all its rows}
max_units: 1000
max_groups_contributed: 3
budget: {epsilon: 100, delta: 1e-3, delta_for_thresholds: 5e-4}
query: {default_epsilon: 1, max_epsilon: 100}
retention: {days: 36500, column: lines.day, as_of: 2026-12-31}
tables:
  lines:
    visibility: private
    unit_column: card_id
    columns:
      card_id: {type: string}
      product_id: {type: integer, references: products.product_id}
      day: {type: date, range: [2026-01-30, 2026-02-03]}
      hour: {type: integer, nullable: true, range: [0, 2]}
      pieces: {type: integer, range: [-5, 90]}
      amount: {type: decimal, scale: 2, range: ["-1000.00", "1000.00"]}
      discount: {type: decimal, scale: 3, nullable: true, range: ["-10.000", "10.000"]}
      by_card: {type: boolean, nullable: true}
      note: {type: string, nullable: true}
      ticket: {type: integer, nullable: true}
  cards:
    visibility: private
    unit_column: card_id
    unique_per_unit: true
    columns:
      card_id: {type: string}
      age: {type: string, nullable: true, domain: [young, old]}
      town: {type: string}
      members: {type: integer, domain: [1, 2]}
  products:
    visibility: public
    key: product_id
    columns:
      product_id: {type: integer, range: [1, 9]}
      department: {type: string}
      category: {type: string, nullable: true}
      price: {type: decimal, scale: 2, range: ["0.00", "100.00"]}
bounds:
  - {measure: rows, l2: 3}
  - {measure: values, l2: 2}
  - {measure: lines.pieces, l2: 7}
  - {measure: lines.amount, l2: "12.50"}
  - {measure: lines.discount, l2: "1.500"}
  - {measure: lines.ticket, l2: 50}
  - {measure: cards.members, l2: 1}
"""
POLICY = load_policy(POLICY_TEXT)
SCHEMA = Schema(POLICY)
PRODUCTS = ((1, "bread", "rye", 310), (2, "bread", None, 0), (3, "milk", "rye", 10_000), (4, "fish", "cod", 999))

Row = tuple[object, ...]


@dataclass(frozen=True)
class Customer:
    """All rows of one unit, as the vault stores them, without the unit; decimals are minor units."""

    lines: tuple[Row, ...] = ()
    cards: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where rows lie: nothing that may be released depends on it. `cuts` are inner bounds of partitions, in shares."""

    numbers: tuple[int, ...]  # the unit number of each customer
    backwards: bool = False
    cuts: tuple[Fraction, ...] = ()


@dataclass
class Market:
    """The engine over one set of customers at a time."""

    connection: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)
    schema: Schema = SCHEMA

    def __post_init__(self) -> None:
        self.connection.execute("ATTACH ':memory:' AS private; ATTACH ':memory:' AS public")
        for statement in twin_statements(self.schema.policy):
            self.connection.execute(statement)
        self.connection.execute("CREATE TABLE private.main._partitions (lo INTEGER, hi INTEGER)")
        for name, table in self.schema.policy.tables.items():
            if not table.is_private:
                columns = ", ".join(f"{identifier(c)} {storage_type(t)}" for c, t in table.columns.items())
                self.connection.execute(f"CREATE TABLE {qualified('public', 'main', name)} ({columns})")
        self._insert("public.main.products", PRODUCTS)
        self.engine = DuckDBEngine(self.connection, threads=2)

    def plan(self, sql: str, options: Mapping[str, object], rho_nano: int = 10**9) -> QueryPlan:
        return plan(sql, {}, self.schema, rho_nano, options_of(options), self.engine.domain_size)

    def sums(self, aggregation: Aggregation, customers: Sequence[Customer], layout: Layout | None = None) -> ExactSums:
        """The exact sums over these customers."""
        self.fill(customers, layout or Layout(tuple(range(len(customers)))))
        return exact_sums(self.engine, aggregation)

    def searched(
        self, aggregation: Aggregation, customers: Sequence[Customer], layout: Layout | None = None
    ) -> list[Searched]:
        """What a search for bounds asks over these customers, under bounds that the aggregation's name decides."""
        self.fill(customers, layout or Layout(tuple(range(len(customers)))))
        with self.engine.contributions(aggregation) as data:
            return searched(data, aggregation, int(aggregation.digest[:8], 16))

    def fill(self, customers: Sequence[Customer], layout: Layout) -> None:
        """Make these customers the market's."""
        for table in ("lines", "cards"):
            rows = [
                (self.unit(table, number, row), *row)
                for number, customer in sorted(zip(layout.numbers, customers, strict=True), key=lambda pair: pair[0])
                for row in getattr(customer, table)
            ]
            self.connection.execute(f"DELETE FROM private.main.{table}")
            self._insert(f"private.main.{table}", rows[::-1] if layout.backwards else rows)
        units = len(customers)
        edges = sorted({0, units, *(int(cut * units) for cut in layout.cuts)})
        self.connection.execute("DELETE FROM private.main._partitions")
        self._insert("private.main._partitions", list(pairwise(edges)))

    def unit(self, table: str, number: int, row: Row) -> int:
        """The number of the row's unit, as the vault stores it."""
        return number

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            values = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
            self.connection.execute(f"INSERT INTO {table} VALUES {values}")


def _literal(value: object) -> str:
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "NULL" if value is None else str(value)
