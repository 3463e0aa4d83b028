"""A policy as frozen models: what each entry may be by itself, and the look-ups that planning needs.

What entries must be to each other is in `policy_rules`. Nothing here is derived from private rows: a policy is public.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from queries.policy_columns import (
    MAX_DOMAIN_VALUES,
    Column,
    ColumnPath,
    Exact,
    Identifier,
    Integer,
    Model,
    Table,
    Text,
    column_path,
    mistake,
    typed_date,
)
from queries.reliability import FAIR, GOOD, Bands


def _person(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[a-z][a-z0-9_.-]{0,62}", value):
        raise mistake(
            "must be a name of at most 63 lower-case letters, digits, '_', '.' and '-', starting with a letter"
        )
    return value


def _sensitive_value(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise mistake("must be text or an integer; put text in quotes")
    return value


def _purpose(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
        raise mistake("must be a name of at most 63 lower-case letters, digits and '-'")
    return value


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


LEAST_SOURCE_CHARACTERS = 20
PersonName = Annotated[str, Field(strict=True), BeforeValidator(_person)]
PurposeName = Annotated[str, BeforeValidator(_purpose)]
WindowKind = Literal["day", "week", "month", "year"]


class Unit(Model):
    """The privacy unit: what one neighbouring dataset has more than the other."""

    name: Identifier
    label: Text


class Limit(Model):
    """What may be lost within one window of time; without a delta as much of that as in a lifetime."""

    epsilon: Exact = Field(gt=0, le=100)
    delta_for_thresholds: Exact | None = Field(default=None, ge=0)


Windows = Annotated[dict[WindowKind, Limit], Field(default_factory=dict)]


class Budget(Model):
    """What may be lost over the dataset's whole life, and within each of its windows.

    With blocks `epsilon` and `delta` are those of each block, and `lifetime_epsilon` with `lifetime_delta` limits what
    an account loses that is in all.
    """

    epsilon: Exact = Field(gt=0, le=100)
    lifetime_epsilon: Exact | None = Field(default=None, gt=0, le=10_000)
    lifetime_delta: Exact | None = Field(default=None, gt=0, le=Fraction(1, 1000))
    delta: Exact = Field(gt=0, le=Fraction(1, 1000))
    delta_for_thresholds: Exact = Field(ge=0)
    windows: Windows

    @property
    def conversion_delta(self) -> Fraction:
        """The delta at which rho is shown as epsilon: what thresholded keys may not spend."""
        return self.delta - self.delta_for_thresholds


class QueryLimits(Model):
    """What one query spends when it names no price, and at most.

    Bounds that were chosen at a release serve the same question for `keep_bounds_days` more; 0 is for never again.
    """

    default_epsilon: Exact = Field(gt=0, le=100)
    max_epsilon: Exact = Field(gt=0, le=100)
    keep_bounds_days: Integer = Field(default=90, ge=0, le=3_650)


class Purpose(Model):
    """What queries may be for."""

    label: Text


class SharedBudget(Model):
    """What several persons may spend together: a team, or all who ask for one purpose."""

    kind: Literal["team", "purpose"]
    purpose: PurposeName | None = None
    epsilon: Exact = Field(gt=0, le=100)
    delta_for_thresholds: Exact | None = Field(default=None, ge=0)
    windows: Windows


class PersonBudget(Model):
    """What one person may spend: of the dataset's budget, or of each of the shared budgets that it is under."""

    epsilon: Exact = Field(gt=0, le=100)
    delta_for_thresholds: Exact | None = Field(default=None, ge=0)
    windows: Windows
    under: Annotated[tuple[Identifier, ...], Field(max_length=100), BeforeValidator(_names)] = ()


class Reliability(Model):
    """Up to which relative half width (half of the 95% interval over the figure) a figure is good, and fair."""

    good: Exact = Field(default=Fraction(str(GOOD)), gt=0, le=10)
    fair: Exact = Field(default=Fraction(str(FAIR)), gt=0, le=10)

    @property
    def bands(self) -> Bands:
        return Bands(float(self.good), float(self.fair))


class Retention(Model):
    """Rows whose `column` lies more than `days` before `as_of` (the day of the load, unless stated) are not kept."""

    days: Integer = Field(ge=1, le=36_525)
    column: ColumnPath
    as_of: date | None = None

    @field_validator("as_of", mode="plain")
    @classmethod
    def _day(cls, value: object) -> date | None:
        return None if value is None else typed_date(value)


def _source(value: object) -> object:
    if isinstance(value, str) and len(value.strip()) < LEAST_SOURCE_CHARACTERS:
        raise mistake(f"must say in {LEAST_SOURCE_CHARACTERS} characters or more where everybody can get the rows")
    return value


class PublicRows(Model):
    """The declaration that all rows of the dataset are public already, with the place where everybody can get them.

    It changes nothing of what a query is answered: only that simulations may run on the rows, and tell exact errors.
    """

    source: Annotated[Text, BeforeValidator(_source)]


COUNTED = frozenset({"rows", "units", "values"})
VALUES_OF = "values "


class Bound(Model):
    """A declared contribution bound: the L2 norm of a unit's vector of group values, in the column's own units.

    `measure` is `rows` (for COUNT), `units` (for COUNT(DISTINCT unit)), 'table.column' (for SUM and AVG), `values` (for
    COUNT(DISTINCT …) of anything else) or 'values table.column' (of that column). With `keys` it holds for queries that
    group by exactly these columns (`[]`: by none); without, for all others.
    """

    measure: Text
    l2: Exact = Field(gt=0)
    keys: tuple[ColumnPath, ...] | None = Field(default=None, max_length=20)

    @field_validator("measure")
    @classmethod
    def _named(cls, value: str) -> str:
        if value not in COUNTED:
            column_path(value.removeprefix(VALUES_OF))
        return value


class Blocks(Model):
    """The declaration that the privacy unit is an account in one month, and of which tables: by name, the day.

    Other private tables are static: they are a block of their own, which never renews.
    """

    period: Literal["month"]
    columns: dict[Identifier, Identifier] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The months of a dataset with blocks, numbered from 0: `first` counts months since the year 0."""

    first: int
    count: int

    @classmethod
    def of(cls, days: Iterable[date]) -> Calendar:
        """The months from the first to the last of these days."""
        months = [_month(day) for day in days]
        return cls(min(months), max(months) - min(months) + 1)

    def number(self, day: date) -> int:
        """The number of the day's month: the nearest that there is."""
        return min(max(_month(day) - self.first, 0), self.count - 1)

    def name(self, number: int) -> str:
        """The month's year and number.

        >>> Calendar.of([date(2026, 11, 5), date(2027, 2, 1)]).name(2)
        '2027-01'
        """
        year, month = divmod(self.first + number, 12)
        return f"{year:04}-{month + 1:02}"


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


class SensitiveGroup(Model):
    """Rows of a public table that need care, and what happens to the private lines that refer to them.

    deny: the lines are left out of every query. coarsen: the lines refer to a stand-in of which only `parent` is known.
    allow_for: as coarsen (with `parent`) or deny (without), but for the named purposes the lines are as they were.
    """

    name: Identifier
    label: Text
    table: Identifier
    column: Identifier
    values: tuple[Annotated[str | int, BeforeValidator(_sensitive_value)], ...] = Field(
        min_length=1, max_length=MAX_DOMAIN_VALUES
    )
    rule: Literal["deny", "coarsen", "allow_for"]
    parent: Identifier | None = None
    purposes: tuple[PurposeName, ...] = ()

    @property
    def is_coarsened(self) -> bool:
        """Whether lines of this group are stored under a stand-in (their originals stand in the hidden column)."""
        return self.parent is not None


@dataclass(frozen=True, slots=True)
class SensitiveView:
    """What a query for one purpose does with lines marked by a sensitive group; the numbers index `policy.sensitive`.

    Lines with `_sensitive` in `denied` are left out; lines with `_sensitive` in `restored` use `_original_<column>`.
    """

    denied: tuple[int, ...]
    restored: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SensitiveReference:
    """The column of a private table through which its lines fall under sensitive groups, and the hidden columns."""

    column: str
    public_table: str
    mark: str
    original: str


class Policy(Model):
    """One dataset's declared schema, unit, bounds, budget, retention and sensitive groups."""

    dataset: Identifier
    title: Text
    description: Text | None = None
    unit: Unit
    max_units: Integer = Field(ge=1, le=10**9)
    max_groups_contributed: Integer = Field(default=50, ge=1, le=100_000)
    budget: Budget
    query: QueryLimits
    purposes: dict[PurposeName, Purpose] = Field(default_factory=dict, max_length=1_000)
    accounts: dict[Identifier, SharedBudget] = Field(default_factory=dict, max_length=1_000)
    persons: dict[PersonName, PersonBudget] = Field(default_factory=dict, max_length=1_000)
    tables: dict[Identifier, Table] = Field(min_length=1, max_length=100)
    bounds: tuple[Bound, ...] = Field(default=(), max_length=1_000)
    retention: Retention
    blocks: Blocks | None = None
    sensitive: tuple[SensitiveGroup, ...] = Field(default=(), max_length=1_000)
    public_rows: PublicRows | None = None
    reliability: Reliability = Field(default_factory=Reliability)

    @property
    def calendar(self) -> Calendar | None:
        """The months of all days that can occur in dated tables; None where the unit is the whole account."""
        columns = [] if self.blocks is None else [f"{table}.{day}" for table, day in self.blocks.columns.items()]
        ranges = [column.range for path in columns if (column := self.column(path)) is not None and column.range]
        days = [end for ends in ranges for end in ends if isinstance(end, date)]
        return Calendar.of(days) if days else None

    def day_of(self, table: str) -> str | None:
        """The column whose month is the block of the table's rows; None where it is static, or nothing has blocks."""
        return None if self.blocks is None else self.blocks.columns.get(table)

    def private_tables(self) -> dict[str, Table]:
        """The private tables by name, in the policy's order."""
        return {name: table for name, table in self.tables.items() if table.is_private}

    def public_tables(self) -> dict[str, Table]:
        """The public tables by name, in the policy's order."""
        return {name: table for name, table in self.tables.items() if not table.is_private}

    @property
    def has_line_items(self) -> bool:
        """Whether some table is declared to hold line items."""
        return any(table.line_items for table in self.tables.values())

    def column(self, path: str) -> Column | None:
        """The column at 'table.column', or None."""
        table_name, _, column_name = path.partition(".")
        table = self.tables.get(table_name)
        return table.columns.get(column_name) if table else None

    def l2_bound(self, measure: str, keys: frozenset[str]) -> Fraction | None:
        """The declared L2 bound of `measure` (in the column's own units) for a query that groups exactly by `keys`.

        `keys` are 'table.column' names. The entry with the same keys wins over the entry without keys; None if there is
        neither.
        """
        default = None
        for bound in self.bounds:
            if bound.measure == measure and bound.keys is None:
                default = bound.l2
            if bound.measure == measure and bound.keys is not None and frozenset(bound.keys) == keys:
                return bound.l2
        return default

    def sensitive_reference(self, table_name: str) -> SensitiveReference | None:
        """How lines of this private table fall under sensitive groups; None when they cannot."""
        guarded = {group.table for group in self.sensitive}
        table = self.tables[table_name]
        if not table.is_private:
            return None
        for name, column in table.columns.items():
            public_table = (column.references or "").partition(".")[0]
            if public_table in guarded:
                return SensitiveReference(name, public_table, "_sensitive", f"_original_{name}")
        return None

    def sensitive_view(self, purpose: str | None) -> SensitiveView:
        """Which sensitive groups a query for `purpose` leaves out, and which it sees as they were."""
        denied, restored = [], []
        for index, group in enumerate(self.sensitive):
            allowed = purpose is not None and purpose in group.purposes
            if group.is_coarsened and allowed:
                restored.append(index)
            if not group.is_coarsened and not allowed:
                denied.append(index)
        return SensitiveView(tuple(denied), tuple(restored))

    def known_purposes(self) -> frozenset[str]:
        """All purposes that are declared, or that some sensitive group names."""
        named = (purpose for group in self.sensitive for purpose in group.purposes)
        return frozenset((*self.purposes, *named))

    def account_of_purpose(self, purpose: str | None) -> str | None:
        """The shared budget that queries for this purpose are paid from, if there is one."""
        of_purpose = (name for name, shared in self.accounts.items() if shared.purpose == purpose is not None)
        return next(of_purpose, None)
