"""What may be asked of private rows: a closed family of frozen nodes, each safe by construction.

The privacy unit is not a column here. A private relation carries its unit implicitly: no expression can name it,
private relations are joined on it and on nothing less, and a contribution is summed per unit before anything else.
So for every `Aggregation` that can be constructed, the rows that belong to one unit are a function of that unit's
own rows and of public tables, and the released vector is a sum over units of vectors whose L2 norm, in units of the
declared bounds, is at most one (`Block`). That is all that the Gaussian mechanism needs (`mechanisms.py`).

A unit is an account, or, where tables are `Dated`, an account in one month. `span` says which: how many units an
account has, 0 for public rows. Accounts are numbered from 0, and unit u of several is one of account u // span.

The meaning of a node may never change once a release was stored under its digest: add a node instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import isqrt

from budgets.privacy_loss import PrivacyLoss
from queries.errors import IllegalPlanError, PlanTooLargeError
from queries.function_names import Function

NANO = 10**9  # nano-ρ are whole numbers
WEIGHT_ONE = 1 << 16  # a unit's weight of one, in integers: released vectors are scaled by it
BOUND_ONE = 1 << 8  # the parts of a minor unit in which the bounds of single cells are counted
VALUE_LIMIT = (1 << 31) - 1  # a row's value is clamped to this at the most: 2**31 rows of it stay below 2**62
GROUPS_LIMIT = 2_000_000
UNIT_GROUPS_LIMIT = 1_000_000
MEASURES_LIMIT = 24
SCALE_LIMIT = 9  # decimal places
EXPRESSION_LIMIT = 5_000  # nodes, those counted twice that are emitted twice
DEPTH_LIMIT = 100
SOURCES_LIMIT = 32  # tables of one relation, those of its subqueries included


def _limit(size: int, most: int, what: str) -> None:
    if size > most:
        raise PlanTooLargeError(f"{what} with more than {most:,} parts")


def _require(condition: bool, what: str) -> None:  # noqa: FBT001
    if not condition:
        raise IllegalPlanError(what)


class Kind(StrEnum):
    """The kinds of values, under their SQL names."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "BIGINT"
    DECIMAL = "DECIMAL"
    DOUBLE = "DOUBLE"
    VARCHAR = "VARCHAR"
    DATE = "DATE"
    NULL = "NULL"


@dataclass(frozen=True, slots=True)
class Type:
    """A column's type; a decimal of scale s is held as the integer value * 10**s."""

    kind: Kind
    scale: int = 0

    def __post_init__(self) -> None:
        _require(0 <= self.scale <= SCALE_LIMIT, "a scale out of range")
        _require(self.scale == 0 or self.kind is Kind.DECIMAL, "a scale on a type that has none")

    @property
    def exact(self) -> bool:
        """Whether values are integers inside, so that sums of them are exact."""
        return self.kind in (Kind.INTEGER, Kind.DECIMAL)


BOOLEAN = Type(Kind.BOOLEAN)
INTEGER = Type(Kind.INTEGER)
DOUBLE = Type(Kind.DOUBLE)
VARCHAR = Type(Kind.VARCHAR)
DATE = Type(Kind.DATE)
NULL = Type(Kind.NULL)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the relation's source number `source`."""

    source: int
    name: str
    type: Type

    def __post_init__(self) -> None:
        _require(self.name != "_u", "the privacy unit cannot be named")


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: exact numbers as integers of the type's scale, dates as ISO text."""

    value: int | float | str | bool | None
    type: Type


@dataclass(frozen=True, slots=True)
class Call:
    """A function of other expressions; `type` is what it gives."""

    function: Function
    arguments: tuple[Expression, ...]
    type: Type
    size: int = field(init=False, repr=False, compare=False)
    depth: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        calls = [argument for argument in self.arguments if isinstance(argument, Call)]
        parts = len(self.arguments) + sum(call.size for call in calls)
        object.__setattr__(self, "size", 1 + parts * (2 if self.function in _EMITTED_TWICE else 1))
        object.__setattr__(self, "depth", 1 + max((call.depth for call in calls), default=0))
        _limit(self.size, EXPRESSION_LIMIT, "an expression")
        _limit(self.depth, DEPTH_LIMIT, "an expression nested")


_EMITTED_TWICE = frozenset({Function.LEAST, Function.GREATEST, Function.ADD_DAYS})
Expression = Column | Literal | Call
TRUE = Literal(value=True, type=BOOLEAN)


@dataclass(frozen=True, slots=True)
class Scan:
    """One table of the snapshot; `columns` are all that it has, without the unit."""

    table: str
    private: bool
    columns: tuple[tuple[str, Type], ...]

    @property
    def span(self) -> int:
        return int(self.private)

    @property
    def scans(self) -> tuple[Scan, ...]:
        return (self,)


@dataclass(frozen=True, slots=True)
class Dated(Scan):
    """One private table whose rows belong to an account in a month: number u is that of the month u % `months`.

    Of its rows those of the months from `first` to `last` are read, and no others.
    """

    months: int
    first: int
    last: int

    def __post_init__(self) -> None:
        _require(self.private and 0 <= self.first <= self.last < self.months > 1, "months out of range")

    @property
    def span(self) -> int:
        return self.months


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows of whole numbers that the plan itself spells out, in columns c0, c1 and so on: public."""

    rows: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        _require(0 < len(self.rows) <= GROUPS_LIMIT and len({len(row) for row in self.rows}) == 1, "rows of one width")
        _require(all(abs(n) <= VALUE_LIMIT for row in self.rows for n in row), "a number out of range")

    private, span, scans = False, 0, ()

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        return tuple((f"c{index}", INTEGER) for index in range(len(self.rows[0])))


@dataclass(frozen=True, slots=True)
class Derived:
    """A subquery that keeps the unit of its rows: `values` of each row, in columns that are called c0, c1 and so on."""

    relation: Relation
    values: tuple[Expression, ...]

    def __post_init__(self) -> None:
        for value in (*self.values, *(part for each in self.folded for part in each.expressions)):
            self.relation.check(value)

    @property
    def folded(self) -> tuple[Fold | Window, ...]:
        """What is made of several rows, in columns f0, f1 and so on."""
        return ()

    @property
    def private(self) -> bool:
        return self.span > 0

    @property
    def span(self) -> int:
        return self.relation.span

    @property
    def scans(self) -> tuple[Scan, ...]:
        return self.relation.scans

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        values = tuple((f"c{index}", value.type) for index, value in enumerate(self.values))
        return values + tuple((f"f{index}", each.type) for index, each in enumerate(self.folded))


class Folding(StrEnum):
    """What may be made of several rows of one unit. Rows that are alike in all columns can change places."""

    COUNT = "count"  # rows, or those whose argument is not NULL
    COUNT_DISTINCT = "count_distinct"
    SUM = "sum"  # of exact numbers
    MIN = "min"
    MAX = "max"
    ROW_NUMBER = "row_number"  # from here on in windows only
    RANK = "rank"
    DENSE_RANK = "dense_rank"
    LAG = "lag"
    LEAD = "lead"
    FIRST_VALUE = "first_value"
    LAST_VALUE = "last_value"


_OVER_GROUPS = frozenset({Folding.COUNT, Folding.COUNT_DISTINCT, Folding.SUM, Folding.MIN, Folding.MAX})
_WITHOUT_ARGUMENT = frozenset({Folding.ROW_NUMBER, Folding.RANK, Folding.DENSE_RANK})
_NUMBERS = frozenset({Folding.COUNT, Folding.COUNT_DISTINCT, *_WITHOUT_ARGUMENT})


@dataclass(frozen=True, slots=True)
class Fold:
    """One value from several rows of one unit, of those only for which `where` holds."""

    function: Folding
    argument: Expression | None = None
    where: Expression | None = None

    def __post_init__(self) -> None:
        bare = self.function in _WITHOUT_ARGUMENT
        _require(bare <= (self.argument is None) <= (bare or self.function is Folding.COUNT), "an argument too many")
        exact = self.argument is not None and self.argument.type.exact
        _require(exact or self.function is not Folding.SUM, "a sum of what is not an exact number")
        _require(self.where is None or self.where.type == BOOLEAN, "a condition that is not boolean")

    @property
    def type(self) -> Type:
        return INTEGER if self.argument is None or self.function in _NUMBERS else self.argument.type

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(part for part in (self.argument, self.where) if part is not None)


@dataclass(frozen=True, slots=True)
class Grouped(Derived):
    """One row for each unit and combination of `values` that occurs in its rows, with folds over these rows.

    A unit's rows of the result are a function of its rows before, because the unit is always grouped by. Public rows
    are grouped by `values` alone.
    """

    folds: tuple[Fold, ...] = ()

    def __post_init__(self) -> None:
        Derived.__post_init__(self)
        _require(self.private or bool(self.values), "groups without a key")
        _require(all(fold.function in _OVER_GROUPS for fold in self.folds), "a window function over groups")

    @property
    def folded(self) -> tuple[Fold, ...]:
        return self.folds


@dataclass(frozen=True, slots=True)
class Window:
    """A fold over the rows of the same unit and `partition`; `order` are expressions, True where descending.

    `rows` is the frame from so many rows before to so many after, None for all of them; without `rows` it is
    everything up to the row and those that are equal to it in `order`, or all rows where there is no order.
    """

    fold: Fold
    partition: tuple[Expression, ...] = ()
    order: tuple[tuple[Expression, bool], ...] = ()
    rows: tuple[int | None, int | None] | None = None
    offset: int = 1  # of LAG and LEAD

    def __post_init__(self) -> None:
        _require(self.fold.function is not Folding.COUNT_DISTINCT, "distinct values in a window")
        _require(self.fold.where is None or self.fold.function in _OVER_GROUPS, "a filter of a window function")
        _require(all(0 <= n <= VALUE_LIMIT for n in (*(self.rows or ()), self.offset) if n is not None), "a frame")

    @property
    def type(self) -> Type:
        return self.fold.type

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return (*self.fold.expressions, *self.partition, *(expression for expression, _ in self.order))


@dataclass(frozen=True, slots=True)
class Windowed(Derived):
    """The rows of a private relation, each with what windows over its unit's rows say.

    No window sees rows of two units, because the unit is part of every partition.
    """

    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        Derived.__post_init__(self)
        _require(self.private, "windows over units without a unit")

    @property
    def folded(self) -> tuple[Window, ...]:
        return self.windows


@dataclass(frozen=True, slots=True)
class Union:
    """All rows of private subqueries with columns of the same types: each row keeps its unit."""

    parts: tuple[Derived, ...]

    def __post_init__(self) -> None:
        _require(bool(self.parts) and all(part.private for part in self.parts), "a union of what is not private")
        _require(len({(part.columns, part.span) for part in self.parts}) == 1, "a union of other columns or units")

    private = True

    @property
    def span(self) -> int:
        return self.parts[0].span

    @property
    def scans(self) -> tuple[Scan, ...]:
        return tuple(scan for part in self.parts for scan in part.scans)

    @property
    def columns(self) -> tuple[tuple[str, Type], ...]:
        return self.parts[0].columns


Source = Scan | Listed | Derived | Union


@dataclass(frozen=True, slots=True)
class Join:
    """The next source: inner, or left keeping all rows so far. Private sources are joined on the unit besides `on`."""

    source: Source
    on: tuple[Expression, ...] = ()
    left: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows in select-project-join form: private if any source is, and then every row has exactly one unit.

    The units are those of the source with the largest `span`. A left join that would keep rows without such a unit is
    not constructible: its left side must have as large a span as its right side.
    """

    first: Source
    joins: tuple[Join, ...] = ()
    where: tuple[Expression, ...] = ()

    def __post_init__(self) -> None:
        _limit(len(self.scans), SOURCES_LIMIT, "a join")
        _require({source.span for source in self.sources} <= {0, 1, self.span}, "units of two kinds")
        span = self.first.span
        for index, join in enumerate(self.joins, start=1):
            _require(not join.left or join.source.span <= span, "a left join that keeps rows without a unit")
            span = max(span, join.source.span)
            for condition in join.on:
                self.check(condition, upto=index)
        for condition in self.where:
            self.check(condition)

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.first, *(join.source for join in self.joins))

    @property
    def span(self) -> int:
        return max(source.span for source in self.sources)

    @property
    def scans(self) -> tuple[Scan, ...]:
        """The tables that are read, those of subqueries included."""
        return tuple(scan for source in self.sources for scan in source.scans)

    @property
    def private(self) -> bool:
        return self.span > 0

    @property
    def months(self) -> frozenset[int]:
        """The months of which rows are read: those of any other change nothing."""
        return frozenset(m for s in self.scans if isinstance(s, Dated) for m in range(s.first, s.last + 1))

    @property
    def steps(self) -> tuple[int, int]:
        """How many units are added or removed at the most where an account is, and where its undated rows alone are.

        An account is one unit in each of k months. Without its rows in tables that have no months, all of these units
        go if each row needs one of those rows; else they may change, which is to go and come back. A release that is
        ρ-zCDP for one unit is n²ρ-zCDP for n of them (Bun and Steinke 2016, arXiv:1605.02065, Proposition 27).
        """
        months = len(self.months)
        undated = any(scan.private and not isinstance(scan, Dated) for scan in self.scans)
        return max(1, months), undated * max(1, months if _needs_undated(Derived(self, ())) else 2 * months)

    def check(self, expression: Expression, upto: int | None = None) -> None:
        """Raise IllegalPlanError unless every column of `expression` is one of the sources' (numbers 0 to `upto`)."""
        known = self.sources if upto is None else self.sources[: upto + 1]
        for column in columns_of(expression):
            _require(column.source < len(known), "a column of a source that is not there")
            _require((column.name, column.type) in known[column.source].columns, f"no column {column.name}")


@dataclass(frozen=True, slots=True)
class TableAxis:
    """Keys that exist in public tables: the distinct values of some expressions over a public relation."""

    relation: Relation
    values: tuple[Expression, ...]
    with_null: bool = False  # the key is also NULL where a left join finds nothing

    def __post_init__(self) -> None:
        _require(not self.relation.private, "an axis over private rows")
        for value in self.values:
            self.relation.check(value)


@dataclass(frozen=True, slots=True)
class ValuesAxis:
    """The distinct values of `function` over values that the policy or the statement lists.

    `function` and the conditions `where` are expressions over `Column(0, "v", …)`.
    """

    values: tuple[Literal, ...]
    function: Expression
    where: tuple[Expression, ...] = ()
    with_null: bool = False

    def __post_init__(self) -> None:
        _require(0 < len(self.values) <= GROUPS_LIMIT, "a list of values that is empty or too long")
        _require_over_v(self.function, *self.where)


@dataclass(frozen=True, slots=True)
class SeriesAxis:
    """The distinct values of `function` over all integers, or all days since 1970-01-01, of a declared range.

    `function` and the conditions `where` are expressions over `Column(0, "v", …)`.
    """

    start: int
    stop: int  # inclusive
    function: Expression
    where: tuple[Expression, ...] = ()
    with_null: bool = False

    def __post_init__(self) -> None:
        _require(0 <= self.stop - self.start < GROUPS_LIMIT, "a series that is empty or too long")
        _require_over_v(self.function, *self.where)


Axis = TableAxis | ValuesAxis | SeriesAxis


@dataclass(frozen=True, slots=True)
class Key:
    """Grouping expressions over the private relation, and the axis whose members they are looked up in."""

    expressions: tuple[Expression, ...]
    axis: Axis

    def __post_init__(self) -> None:
        width = len(self.axis.values) if isinstance(self.axis, TableAxis) else 1
        _require(len(self.expressions) == width, "an axis of another width than its key")


class MeasureKind(StrEnum):
    """What is added up over a unit's rows."""

    SUM = "sum"  # of an exact number, NULL counting as zero
    ROWS = "rows"  # rows for which the condition holds
    UNITS = "units"  # one for a unit with any such row
    VALUES = "values"  # not a sum over units: how many different values they keep, see `Aggregation`


@dataclass(frozen=True, slots=True)
class Cells:
    """A bound for each group: 2**((exponent + step)/4) minor units; without steps all groups have the same."""

    exponent: int
    steps: bytes = b""

    def __post_init__(self) -> None:
        _require(-32 <= self.exponent <= 188, "a bound out of range")  # noqa: PLR2004
        _require(len(self.steps) <= GROUPS_LIMIT, "bounds for more groups than there can be")

    @property
    def largest(self) -> int:
        """At least the largest bound, in minor units."""
        return 1 << max(0, -(-(self.exponent + max(self.steps, default=0)) // 4))


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a measure pays, besides the price of its sums, for bounds that are chosen privately (`release.py`).

    `locate_nano` pays for about how large contributions are, and `choose_nano` for each choice of a bound. Where
    `rough_nano` is not 0, it pays for rough sums, which tell how bounds should differ from group to group. `within`
    successive groups are parts of one and have the same bound; the first `heads` of them add up to all of it.
    """

    locate_nano: int
    choose_nano: int
    rough_nano: int = 0
    within: int = 1
    heads: int = 1

    def __post_init__(self) -> None:
        _require(self.locate_nano >= 1 <= self.choose_nano and self.rough_nano >= 0, "a choice without a price")
        _require(1 <= self.heads <= self.within, "parts of nothing")

    @property
    def rho_nano(self) -> int:
        return self.locate_nano + (2 if self.rough_nano else 1) * self.choose_nano + self.rough_nano


@dataclass(frozen=True, slots=True)
class Measure:
    """One number a group. A unit's contribution to it is clamped by row, then by group, then by norm (`Block`).

    `l2_bound` is in minor units (`scale` decimal places): at least 1. Under a `Tuning` it is only where the choice
    starts from if the rows tell too little; `cells`, where given, are what was chosen before.
    """

    kind: MeasureKind
    value: Expression | None
    l2_bound: int
    scale: int = 0
    row_bounds: tuple[int, int] = (-VALUE_LIMIT, VALUE_LIMIT)
    group_bounds: tuple[int, int] | None = None
    cells: Cells | None = None

    def __post_init__(self) -> None:
        _require(self.l2_bound >= 1, "an L2 bound below one minor unit")
        _require(0 <= self.scale <= SCALE_LIMIT, "a scale out of range")
        if self.kind is MeasureKind.SUM:
            _require(self.value is not None and self.value.type.exact, "a sum of what is not an exact number")
            _require(self.value is not None and self.value.type.scale == self.scale, "a sum of another scale")
        elif self.kind is MeasureKind.VALUES:
            _require(self.value is not None and self.group_bounds is None, "values that are none, or clamped")
        elif self.value is not None:
            _require(self.value.type == BOOLEAN, "a condition that is not boolean")
        _require(-VALUE_LIMIT <= self.row_bounds[0] <= self.row_bounds[1] <= VALUE_LIMIT, "row bounds out of range")
        low, high = self.group_bounds or (0, 0)
        _require(-(1 << 46) <= low <= high <= (1 << 46), "group bounds out of range")


@dataclass(frozen=True, slots=True)
class Block:
    """Measures that share one weight a unit, hence one bound: Σ_j Σ_g p_jg² / B_jg² ≤ 1 after weighting.

    B is the measure's `l2_bound` in each cell, unless its bounds are chosen (`tuning`), or were (`Measure.cells`).
    `max_groups`, where given, first keeps that many of a unit's groups. `rho_nano` pays for the sums, and `lost_nano`
    for an estimate of what bounding took from each measure.
    """

    measures: tuple[Measure, ...]
    rho_nano: int
    max_groups: int | None = None
    tuning: Tuning | None = None
    lost_nano: int = 0

    def __post_init__(self) -> None:
        _require(bool(self.measures), "a block without measures")
        _require(self.rho_nano >= 1, "a block without a price")
        _require(self.max_groups is None or self.max_groups >= 1, "fewer than one group a unit")
        given = {measure.cells is not None for measure in self.measures}
        _require(given == {False} or (given == {True} and self.tuning is None), "bounds given and chosen")
        _require(self.lost_nano == 0 or self.lost_nano >= len(self.measures), "an estimate without a price")

    @property
    def free(self) -> bool:
        """Whether the bounds are no part of the question: chosen now, or before."""
        return self.tuning is not None or self.measures[0].cells is not None

    @property
    def loss_nano(self) -> int:
        """All that the block pays for: zCDP adds up (Bun and Steinke 2016, arXiv:1605.02065, Lemma 2.3)."""
        tuned = 0 if self.tuning is None else len(self.measures) * self.tuning.rho_nano
        return self.rho_nano + tuned + self.lost_nano

    @property
    def question(self) -> Block:
        """The block without its price, and without bounds that are no part of the question."""
        if not self.free:
            return replace(self, rho_nano=1, lost_nano=0)
        measures = tuple(replace(measure, l2_bound=1, cells=None) for measure in self.measures)
        return replace(self, measures=measures, rho_nano=1, tuning=Tuning(1, 1), lost_nano=0)


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Every member of the product of the axes is returned, zeros included."""

    keys: tuple[Key, ...] = ()

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(expression for key in self.keys for expression in key.expressions)


@dataclass(frozen=True, slots=True)
class ThresholdKeys:
    """A key is returned only if its noised number of units passes a threshold; `delta_atto` pays for that."""

    expressions: tuple[Expression, ...]
    max_groups: int
    rho_nano: int
    delta_atto: int

    def __post_init__(self) -> None:
        _require(bool(self.expressions), "a threshold without keys")
        _require(1 <= self.max_groups <= UNIT_GROUPS_LIMIT, "groups a unit out of range")
        _require(self.delta_atto >= 1, "a threshold without delta")

    @property
    def selection(self) -> Block:
        """The count that is compared with the threshold: each unit adds 1/√(its number of keys) to its keys.

        With an L2 bound of 1 that is the weighting of Gopi et al. 2020 (arXiv:2002.03020) and of Swanberg et al. 2023.
        """
        return Block((Measure(MeasureKind.UNITS, None, l2_bound=1),), self.rho_nano, self.max_groups)


@dataclass(frozen=True, slots=True)
class TopKeys:
    """The `count` members of a public axis with the most units, as noise lets them appear: those are measured.

    A unit counts once in each key that any of its rows has, in however many, so that it changes each count by one at
    the most, and all in one direction. What is measured of the keys that were chosen is a release of its own, chosen
    after seeing the first: zCDP adds up then too (Bun and Steinke 2016, arXiv:1605.02065, Lemma 2.3).
    """

    key: Key
    count: int
    rho_nano: int

    def __post_init__(self) -> None:
        _require(len(self.key.expressions) == 1, "the most frequent of several expressions")
        _require(1 <= self.count <= UNIT_GROUPS_LIMIT, "so many keys")
        _require(self.rho_nano >= 1, "a choice without a price")

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return self.key.expressions


Keys = PublicKeys | ThresholdKeys | TopKeys


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One released node: a private relation, grouped and measured; `unit_capacity` publicly bounds its units.

    A measure of the kind VALUES stands alone. Of its pairs of a group and a value a unit keeps some, chosen by its own
    rows alone, such that the numbers of its pairs a group have an L2 norm of `l2_bound` at most (`distinct.py`). The
    release counts the different pairs that all units keep. Without a unit each group has as many pairs less as only
    that unit keeps, hence at most as many as it keeps: the L2 sensitivity is `l2_bound`, as that of a sum would be.
    """

    source: Relation
    keys: Keys
    blocks: tuple[Block, ...]
    unit_capacity: int

    def __post_init__(self) -> None:
        _require(self.source.private, "an aggregation of what is public already")
        _require(bool(self.blocks), "an aggregation without measures")
        _require(len(self.measures) <= MEASURES_LIMIT, "too many measures")
        block = self.blocks[0]
        plain = block.max_groups is None and not block.free and not block.lost_nano
        alone = isinstance(self.keys, PublicKeys) and len(self.measures) == 1 and plain
        _require(alone or not self.counts_values, "different values beside others, or of keys that are not public")
        for expression in (*self.keys.expressions, *(measure.value for measure in self.measures)):
            if expression is not None:
                self.source.check(expression)
        _require(all(self._fits(m, b) for b in self.all_blocks for m in b.measures), "sums that could leave 64 bits")
        _require(
            not isinstance(self.keys, ThresholdKeys) or max(self.source.steps) == 1, "thresholds of several months"
        )

    def _fits(self, measure: Measure, block: Block) -> bool:
        """Σ over units and 2**7 standard deviations of noise stay below 2**63 (a tail of less than exp(-2**12))."""
        bound = measure.l2_bound if measure.cells is None else measure.cells.largest * (isqrt(len(block.measures)) + 1)
        sigma = WEIGHT_ONE * bound * isqrt(10**17 // (2 * block.rho_nano) + 1) // 10**4
        return 1 <= self.unit_capacity and WEIGHT_ONE * bound * self.unit_capacity + (sigma << 7) < (1 << 63)

    @property
    def all_blocks(self) -> tuple[Block, ...]:
        """The blocks in the order in which they are run: the selection of keys, if there is one, is the first."""
        return (self.keys.selection, *self.blocks) if isinstance(self.keys, ThresholdKeys) else self.blocks

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(measure for block in self.blocks for measure in block.measures)

    @property
    def counts_values(self) -> bool:
        return any(measure.kind is MeasureKind.VALUES for measure in self.measures)

    @property
    def loss(self) -> PrivacyLoss:
        """The price: zCDP adds up over the blocks (Bun and Steinke 2016, arXiv:1605.02065, Lemma 1.7)."""
        delta = self.keys.delta_atto if isinstance(self.keys, ThresholdKeys) else 0
        choice = self.keys.rho_nano if isinstance(self.keys, TopKeys) else 0
        return PrivacyLoss(choice + sum(block.loss_nano for block in self.all_blocks), delta)

    @property
    def counting(self) -> Aggregation:
        """How many units each key has, with a bound that no unit reaches: what `TopKeys` chooses by."""
        if not isinstance(self.keys, TopKeys):
            raise IllegalPlanError("no keys to choose from")
        units = Measure(MeasureKind.UNITS, None, isqrt(GROUPS_LIMIT) + 1)
        return replace(self, keys=PublicKeys((self.keys.key,)), blocks=(Block((units,), self.keys.rho_nano),))

    def among(self, members: tuple[Literal, ...]) -> Aggregation:
        """The same measures of the keys that were chosen."""
        (expression,) = self.keys.expressions
        axis = ValuesAxis(members, Column(0, "v", expression.type))
        return replace(self, keys=PublicKeys((Key((expression,), axis),)))

    @property
    def digest(self) -> str:
        """Names the question without its price: two statements with one digest ask the same."""
        blocks = tuple(block.question for block in self.blocks)
        keys = self.keys
        if isinstance(keys, ThresholdKeys):
            keys = replace(keys, rho_nano=1, delta_atto=1)
        elif isinstance(keys, TopKeys):
            keys = replace(keys, rho_nano=1)
        return hashlib.sha256(repr((self.source, keys, blocks, self.unit_capacity)).encode()).hexdigest()


def _needs_undated(source: Source) -> bool:
    """Whether each row is made of a row, and maybe more, of a private table that has no months."""
    if isinstance(source, Union):
        return all(map(_needs_undated, source.parts))
    if isinstance(source, Derived):
        joined = (join.source for join in source.relation.joins if not join.left)
        return any(map(_needs_undated, (source.relation.first, *joined)))
    return source.span == 1


def columns_of(expression: Expression) -> Iterator[Column]:
    """Every column that the expression names, in order, repeats included."""
    if isinstance(expression, Column):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from columns_of(argument)


def _require_over_v(*expressions: Expression) -> None:
    columns = {(column.source, column.name) for expression in expressions for column in columns_of(expression)}
    _require(columns <= {(0, "v")}, "an axis over other columns")
