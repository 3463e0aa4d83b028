"""From a statement to a plan with its price: bounds, blocks, the split of ρ, and the mechanism that will run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from budgets.privacy_loss import PrivacyLoss, rho_of_epsilon
from queries.aggregates import Asked, Node, Place
from queries.bounds import contribution_bound
from queries.domains import Domain, public_keys
from queries.errors import IllegalPlanError, PlanTooLargeError, PriceError, QueryNotPrivateError, SqlSyntaxError
from queries.expected import ExpectedError, KeyColumn, Noise, expected_errors, key_columns
from queries.fan_out import check_fan_out
from queries.grids import fitted
from queries.mechanisms import Mechanism, build
from queries.parse import DIALECT, parse
from queries.parts import Part, Range, range_of, tree_part, values_part
from queries.plan import (
    GROUPS_LIMIT,
    VALUE_LIMIT,
    WEIGHT_ONE,
    Aggregation,
    Axis,
    Block,
    Expression,
    Keys,
    Measure,
    MeasureKind,
    PublicKeys,
    ThresholdKeys,
    TopKeys,
)
from queries.quantiles import Tree, Wanted
from queries.relations import Statement, check
from queries.rewrites import rewrite
from queries.rows import Output
from queries.schema import Schema
from queries.summands import ContributionBound

NANO = 10**9
ATTO = 10**18
DEFAULT_THRESHOLD_SHARE = 100  # a thresholded query takes this part of the thresholds' delta unless it says otherwise
T = TypeVar("T")
MOST_GROUPS = 100_000
_ANY_ROW = (-VALUE_LIMIT, VALUE_LIMIT)
_MOST_DIGITS = 30  # of an option, before and after the point
STATED = "stated"
SizeOf = Callable[[Axis], int]


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say besides the statement; bounds are in the columns' own units, by output column."""

    delta: Fraction | None = None
    max_groups_contributed: int | None = None
    bounds_per_group: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    bounds_per_row: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    l2_bounds: Mapping[str, Fraction] = field(default_factory=dict)
    threshold: bool | None = None  # True: threshold even public keys; False: refuse keys that need one


@dataclass(frozen=True, slots=True)
class PlannedMeasure:
    """A measure of the node: its number in the SQL that is left over, what it is, and its noise in display units.

    `columns` are the output columns that it goes into, `source` says where its bound comes from.
    """

    number: int
    columns: tuple[str, ...]
    kind: MeasureKind
    scale: int
    l2_bound: Fraction
    standard_error: float
    source: str


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """One release: the aggregation, the mechanism that is priced and run, and how its columns are called afterwards."""

    name: str
    table: str  # of the statement that is left over: releases of one table have the same keys
    aggregation: Aggregation
    mechanism: Mechanism
    key_numbers: tuple[int, ...]
    measures: tuple[PlannedMeasure, ...]
    groups: int | None  # None where a threshold decides
    tree: Tree | None = None  # then the one measure is that of the counts of its nodes

    @property
    def loss(self) -> PrivacyLoss:
        return self.mechanism.loss

    @property
    def noise(self) -> Noise:
        """The standard errors of the measures by number, before private rows are read: none of quantiles."""
        measures = self.measures if self.tree is None else ()
        return Noise(self.name, {measure.number: measure.standard_error for measure in measures}, self.groups)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """Everything that one statement needs: its releases, its price, and the SQL over them.

    `errors` and `keys` say of the columns of the result what is known of them beforehand.
    """

    nodes: tuple[PlannedNode, ...]
    columns: tuple[Output, ...]
    sql: str
    errors: tuple[ExpectedError, ...] = ()
    keys: tuple[KeyColumn, ...] = ()

    @property
    def loss(self) -> PrivacyLoss:
        total = PrivacyLoss(0)
        for node in self.nodes:
            total = total + node.loss
        return total


def price(schema: Schema, epsilon: Fraction | None, rho: Fraction | None, max_epsilon: Fraction | None) -> int:
    """The nano-ρ that a statement may spend; raises PriceError. A given ε is the whole statement's."""
    policy = schema.policy
    delta = policy.budget.conversion_delta
    cap = policy.query.max_epsilon if max_epsilon is None else min(max_epsilon, policy.query.max_epsilon)
    limit = int(rho_of_epsilon(cap, delta) * NANO)
    wanted = policy.query.default_epsilon if epsilon is None else epsilon
    if wanted <= 0:
        raise PriceError("invalid-price", "An epsilon must be above 0.")
    nano = int(rho_of_epsilon(wanted, delta) * NANO) if rho is None else int(rho * NANO)
    if nano > limit:
        raise PriceError("max-epsilon-exceeded", f"One query may take an epsilon of at most {float(cap):g}.")
    if nano < 1:
        raise PriceError("invalid-price", "This price is too small to be accounted for.")
    return nano


def plan(
    sql: str, params: Mapping[str, object], schema: Schema, rho_nano: int, options: Options, size_of: SizeOf
) -> QueryPlan:
    """The plan of a statement; raises SqlSyntaxError, QueryNotPrivateError or PriceError.

    A refusal carries the statement rewritten, where a rule can repair it and the result is planned.
    """
    try:
        return _planned(sql, params, schema, rho_nano, options, size_of)
    except QueryNotPrivateError as error:
        instead = rewrite(sql, schema, error)
        if instead is not None and _is_planned(instead, params, schema, rho_nano, options, size_of):
            error.rewrite = instead
        raise


def _is_planned(
    sql: str, params: Mapping[str, object], schema: Schema, rho_nano: int, options: Options, size_of: SizeOf
) -> bool:
    try:
        _planned(sql, params, schema, rho_nano, options, size_of)
    except (SqlSyntaxError, QueryNotPrivateError, PriceError):
        return False
    return True


def _planned(
    sql: str, params: Mapping[str, object], schema: Schema, rho_nano: int, options: Options, size_of: SizeOf
) -> QueryPlan:
    try:
        return _plan(check(parse(sql, params), schema), schema, rho_nano, options, size_of)
    except PlanTooLargeError as error:
        reason = f"This is more than can be planned: {error}."
    except RecursionError:
        reason = "This is nested more deeply than can be planned."
    raise QueryNotPrivateError("too-complex", reason, hint="Use fewer and simpler expressions.", line=1, column=1)


def _plan(statement: Statement, schema: Schema, rho_nano: int, options: Options, size_of: SizeOf) -> QueryPlan:
    _check_aliases(statement.nodes, options)
    drafts = []
    for node in statement.nodes:
        with _pointing_at(node.place):
            drafts.append(_Draft(node, schema, options, size_of))
    parts = sum(draft.parts for draft in drafts)
    if parts > rho_nano:
        raise PriceError("invalid-price", "This price is too small for so many results.")
    nodes: list[PlannedNode] = []
    for number, draft in enumerate(drafts):
        with _pointing_at(statement.nodes[number].place):
            nodes.extend(draft.finish(f"released_{number}", rho_nano * draft.parts // parts))
    rows = statement.rows
    noise = {table: [node.noise for node in nodes if node.table == table] for table in {node.table for node in nodes}}
    errors = expected_errors(rows.tree, rows.columns, noise)
    keys = key_columns(rows.tree, rows.columns, noise)
    return QueryPlan(tuple(nodes), rows.columns, rows.tree.sql(dialect=DIALECT), errors, keys)


@contextmanager
def _pointing_at(place: Place) -> Iterator[None]:
    """Refusals inside point there, if they point nowhere yet."""
    try:
        yield
    except QueryNotPrivateError as error:
        if error.line is None:
            error.line, error.column = place
        raise


def _check_aliases(nodes: tuple[Node, ...], options: Options) -> None:
    known = {alias for node in nodes for aliases in node.aliases.values() for alias in aliases}
    for given in (options.bounds_per_group, options.bounds_per_row, options.l2_bounds):
        for alias in given:
            if alias not in known:
                raise QueryNotPrivateError(
                    "unknown-alias", f"The options name {alias[:60]}, which is no aggregate here."
                )


class _Draft:
    """One node on its way to a plan: first its keys and bounds, then, once the price is split, the mechanism."""

    def __init__(self, node: Node, schema: Schema, options: Options, size_of: SizeOf) -> None:
        self._node = node
        check_fan_out(node.relation, schema, size_of)
        self._schema = schema
        self._options = options
        self._domains = None if options.threshold and node.keys else public_keys(node, schema)
        self._groups = self._count_groups(size_of)
        self._top: int | None = None
        self._top = self._top_keys()
        self._sources: dict[int, str] = {}  # of the bounds, by measure
        self._measures: dict[int, Measure] = {}
        for number, asked in enumerate(node.measures):
            if asked.additive:
                with self._at(number):
                    self._measures[number] = self._measure(number, asked)
        self._others = self._draft_others()

    @property
    def parts(self) -> int:
        """Into how many equal parts of ρ this node's price is divided."""
        selects_keys = self._domains is None or self._top is not None
        return len(self._measures) + selects_keys + len(self._others)

    def finish(self, table: str, rho_nano: int) -> list[PlannedNode]:
        part = rho_nano // self.parts
        keys, key_numbers = self._keys(part)
        found = [self._sums(table, keys, key_numbers, part)] if self._measures else []
        for place, (numbers, other) in enumerate(self._others, start=1):
            found.append(self._other(f"{table}_{place}", table, key_numbers, other, numbers, part))
        return found

    def _sums(self, table: str, keys: Keys, key_numbers: tuple[int, ...], part: int) -> PlannedNode:
        blocks = []
        for numbers in self._blocks():
            measures = tuple(self._scaled(self._measures[number], len(numbers)) for number in numbers)
            blocks.append((Block(measures, part * len(numbers), self._max_groups()), numbers))
        blocks.sort(key=lambda block: repr(block[0]))
        with _exactly():
            aggregation = Aggregation(
                self._node.relation, keys, tuple(block for block, _ in blocks), self._schema.policy.max_units
            )
            mechanism = build(aggregation)
        order = [number for _, numbers in blocks for number in numbers]
        planned = tuple(
            self._planned((number,), measure, scale)
            for number, measure, scale in zip(order, aggregation.measures, mechanism.scales(), strict=True)
        )
        groups = self._groups if self._top is None else self._top
        return PlannedNode(table, table, aggregation, mechanism, key_numbers, planned, groups)

    def _top_keys(self) -> int | None:
        """How many keys to choose before they are measured, where that is better than to measure all of them.

        A choice among all keys has noise of deviation π/√6·√(k/8ρ), and noised counts of all of them C/√(2ρ): with half
        of ρ for each, the choice tells keys apart better where k is below 1.2·C².
        """
        count, asked = self._node.top, Asked(MeasureKind.UNITS, None)
        free = self._options.threshold is None and self._max_groups() is None
        if count is None or not free or self._domains is None or any(not each.additive for each in self._node.measures):
            return None
        aliases = self._node.aliases.get(self._node.measures.index(asked), set())
        bound = _of(self._options.l2_bounds, aliases) or self._bound(asked, aliases).l2
        worth = 0 < count < (self._groups or 0) and 5 * count < 6 * bound * bound
        return count if worth else None

    def _at(self, number: int) -> AbstractContextManager[None]:
        return _pointing_at(self._node.places.get(number, self._node.place))

    def _draft_others(self) -> list[tuple[tuple[int, ...], Part]]:
        """The releases beside the sums, each with the numbers of the measures that it is for: one tree a value."""
        trees: dict[tuple[Expression | None, Expression, Range], list[int]] = {}
        found: list[tuple[tuple[int, ...], Part]] = []
        for number, asked in enumerate(self._node.measures):
            if asked.fraction is not None:
                with self._at(number):
                    trees.setdefault((asked.value, asked.where, self._range(number, asked)), []).append(number)
            elif not asked.additive:
                with self._at(number):
                    found.append(((number,), values_part(self._node.relation, asked, self._measure(number, asked))))
        for (_, _, values), numbers in trees.items():
            found.append((tuple(numbers), self._tree(numbers, values)))
        if found and self._domains is None:
            raise QueryNotPrivateError(
                "keys-not-public",
                "Quantiles and numbers of different values need grouping columns whose values are public.",
                hint="Group by declared columns, or ask for them in a statement of their own, without these groups.",
            )
        cells = max((part.cells for _, part in found), default=1)
        if cells * (self._groups or 1) > GROUPS_LIMIT:
            raise _too_many_groups(f"A quantile is made of {cells:,} counts a group, and with them the grouping")
        return found

    def _tree(self, numbers: list[int], values: Range) -> Part:
        asked = [self._node.measures[number] for number in numbers]
        aliases = {number: tuple(sorted(self._node.aliases.get(number, ()))) for number in numbers}
        wanted = tuple(
            Wanted(number, each.fraction, aliases[number])
            for number, each in zip(numbers, asked, strict=True)
            if each.fraction is not None
        )
        names = {name for number in numbers for name in aliases[number]}
        stated = _of(self._options.l2_bounds, names)
        found = self._bound(asked[0], names) if stated is None else ContributionBound(stated, STATED)
        self._sources[numbers[0]] = found.source
        measure = self._checked(Asked(MeasureKind.ROWS, None), max(1, math.ceil(found.l2)), _ANY_ROW, None)
        return tree_part(self._node.relation, asked[0], wanted, values, measure)

    def _range(self, number: int, asked: Asked) -> Range:
        """The range of a quantile's grid, in stored units: as stated, or as declared."""
        aliases = self._node.aliases.get(number, set())
        stated = _of(self._options.bounds_per_row, aliases)
        if stated is not None:
            low, high = self._row_bounds(asked, aliases)
            return low, max(low, high)
        declared = range_of(asked.value, self._node.relation, self._schema)
        if declared is None:
            alias = next(iter(sorted(aliases)), "alias")
            raise QueryNotPrivateError(
                "no-bound",
                "A quantile needs the range of its values, and none is declared.",
                hint=f"State it: options.contribution_bounds_per_row {{{alias[:40]}: [lowest, highest]}}.",
            )
        return declared

    def _other(
        self, name: str, table: str, key_numbers: tuple[int, ...], part: Part, numbers: tuple[int, ...], rho_nano: int
    ) -> PlannedNode:
        keys = PublicKeys(tuple(domain.key for domain in self._domains or ()))
        with _exactly():
            aggregation = part.aggregation(keys, rho_nano, self._schema.policy.max_units)
            mechanism = build(aggregation)
        (scale,) = mechanism.scales()
        measure = self._planned(numbers, part.measure, scale)
        return PlannedNode(name, table, aggregation, mechanism, key_numbers, (measure,), self._groups, part.tree)

    def _planned(self, numbers: tuple[int, ...], measure: Measure, scale: float) -> PlannedMeasure:
        number, unit = numbers[0], 10**measure.scale
        columns = tuple(sorted({alias for each in numbers for alias in self._node.aliases.get(each, ())}))
        bound, error = Fraction(measure.l2_bound, unit), scale / WEIGHT_ONE / unit
        return PlannedMeasure(number, columns, measure.kind, measure.scale, bound, error, self._sources[number])

    def _count_groups(self, size_of: SizeOf) -> int | None:
        if self._domains is None:
            if self._options.threshold is False:
                raise QueryNotPrivateError(
                    "keys-not-public",
                    "Some grouping columns have no public domain, and PUBLIC_GROUPS was asked for.",
                    hint="Leave out group_selection_strategy, or group by declared columns.",
                )
            return None
        groups = 1
        for domain in self._domains:
            groups *= size_of(domain.key.axis)
            if groups > GROUPS_LIMIT:
                raise _too_many_groups("The grouping")
        return groups

    def _keys(self, part: int) -> tuple[Keys, tuple[int, ...]]:
        domains: tuple[Domain, ...] | None = self._domains
        if domains is not None and self._top is not None:
            return TopKeys(domains[0].key, self._top, part), domains[0].numbers
        if domains is not None:
            return PublicKeys(tuple(d.key for d in domains)), tuple(n for d in domains for n in d.numbers)
        limit = self._schema.policy.budget.delta_for_thresholds
        delta = limit / DEFAULT_THRESHOLD_SHARE if self._options.delta is None else self._options.delta
        if not 0 < delta <= limit:
            raise PriceError("invalid-price", f"delta must be above 0 and at most {float(limit):g} here.")
        groups = self._options.max_groups_contributed or self._schema.policy.max_groups_contributed
        keys = ThresholdKeys(self._node.keys, groups, part, max(1, int(delta * ATTO)))
        return keys, tuple(range(len(self._node.keys)))

    def _max_groups(self) -> int | None:
        if self._options.max_groups_contributed is None and not self._options.bounds_per_group:
            return None
        return self._options.max_groups_contributed or self._schema.policy.max_groups_contributed

    def _blocks(self) -> list[tuple[int, ...]]:
        """The measures in groups that share a weight: those of one ratio, however many ratios they are in."""
        block = {number: number for number in self._measures}
        for one, other in sorted(self._node.linked):
            old, new = block[other], block[one]
            block = {number: new if head == old else head for number, head in block.items()}
        found = [tuple(n for n in block if block[n] == head) for head in sorted(set(block.values()))]
        return [tuple(sorted(group, key=lambda n: repr(self._measures[n]))) for group in found]

    def _scaled(self, measure: Measure, width: int) -> Measure:
        """The measure with its bound widened by √width: the noise of a part of ρ each, one joint clip for all."""
        bound = math.isqrt(measure.l2_bound**2 * width - 1) + 1
        return fitted(replace(measure, l2_bound=bound), self._schema.policy.max_units)

    def _measure(self, number: int, asked: Asked) -> Measure:
        aliases = self._node.aliases.get(number, set())
        unit = 10**asked.scale
        row_bounds = self._row_bounds(asked, aliases)
        group = _of(self._options.bounds_per_group, aliases)
        if group is not None:
            low, high = math.floor(group[0] * unit), math.ceil(group[1] * unit)
            if low > high:
                raise QueryNotPrivateError("bound-out-of-range", "A lower bound is above its upper bound.")
            groups = min(self._max_groups() or 1, self._groups or GROUPS_LIMIT)
            bound = math.isqrt(max(abs(low), abs(high), 1) ** 2 * groups - 1) + 1
            self._sources[number] = STATED
            return self._checked(asked, bound, row_bounds, (low, high))
        l2_bound = _of(self._options.l2_bounds, aliases)
        found = self._bound(asked, aliases) if l2_bound is None else ContributionBound(l2_bound, STATED)
        self._sources[number] = found.source
        return self._checked(asked, max(1, math.ceil(found.l2 * unit)), row_bounds, None)

    def _checked(self, asked: Asked, bound: int, rows: tuple[int, int], groups: tuple[int, int] | None) -> Measure:
        try:
            return Measure(asked.kind, asked.value, bound, asked.scale, rows, groups)
        except IllegalPlanError as error:
            raise QueryNotPrivateError("bound-out-of-range", f"This bound cannot be kept: {error}.") from None

    def _row_bounds(self, asked: Asked, aliases: set[str]) -> tuple[int, int]:
        given = _of(self._options.bounds_per_row, aliases)
        if given is not None:
            unit = 10**asked.scale
            low, high = math.floor(given[0] * unit), math.ceil(given[1] * unit)
            return max(-VALUE_LIMIT, low), min(VALUE_LIMIT, high)
        return -VALUE_LIMIT, VALUE_LIMIT

    def _bound(self, asked: Asked, aliases: set[str]) -> ContributionBound:
        chosen = self._top if asked.kind is MeasureKind.UNITS else None  # a unit is in no more keys than were chosen
        bound = contribution_bound(asked, self._node, self._schema, chosen or self._groups)
        if bound is None:
            raise QueryNotPrivateError(
                "no-bound",
                f"No contribution bound is declared for {', '.join(sorted(aliases)) or 'one of the sums'}.",
                hint="State what one customer may add at most over all groups: options.l2_bound {alias: number}.",
            )
        return bound


def _too_many_groups(what: str) -> QueryNotPrivateError:
    reason = f"{what} has more than {GROUPS_LIMIT:,} possible keys."
    hint = "Group by fewer or coarser columns, or narrow them in WHERE."
    return QueryNotPrivateError("too-many-groups", reason, hint=hint)


@contextmanager
def _exactly() -> Iterator[None]:
    try:
        yield
    except IllegalPlanError as error:
        raise QueryNotPrivateError("bound-out-of-range", f"This cannot be released exactly: {error}.") from None


def options_of(given: Mapping[str, object]) -> Options:
    """The options of a request; raises QueryNotPrivateError for one that is unknown or not of its kind."""
    known = {
        *("delta", "max_groups_contributed", "contribution_bounds_per_group", "contribution_bounds_per_row"),
        *("l2_bound", "group_selection_strategy"),
    }
    for name in given:
        if name not in known:
            raise QueryNotPrivateError("unknown-option", f"There is no option {name[:60]}.")
    groups = given.get("max_groups_contributed")
    whole = isinstance(groups, int) and not isinstance(groups, bool) and 1 <= groups <= MOST_GROUPS
    if groups is not None and not whole:
        reason = f"max_groups_contributed must be a whole number from 1 to {MOST_GROUPS:,}."
        raise QueryNotPrivateError("unknown-option", reason)
    strategies = {None: None, "PUBLIC_GROUPS": False, "THRESHOLD": True, "LAPLACE_THRESHOLD": True}
    strategy = given.get("group_selection_strategy")
    if strategy not in strategies:
        raise QueryNotPrivateError("unknown-option", "group_selection_strategy must be PUBLIC_GROUPS or THRESHOLD.")
    return Options(
        delta=None if given.get("delta") is None else _fraction("delta", given["delta"]),
        max_groups_contributed=groups if isinstance(groups, int) else None,
        bounds_per_group=_pairs("contribution_bounds_per_group", given),
        bounds_per_row=_pairs("contribution_bounds_per_row", given),
        l2_bounds=_numbers("l2_bound", given),
        threshold=strategies[strategy],
    )


def _of(bounds: Mapping[str, T], aliases: set[str]) -> T | None:
    return next((bounds[alias] for alias in sorted(aliases) if alias in bounds), None)


def _fraction(name: str, value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | Fraction):
        raise QueryNotPrivateError("unknown-option", f"{name} must be a number.")
    try:
        number = value if isinstance(value, Fraction) else Fraction(_short(Decimal(str(value))))
    except (ValueError, ArithmeticError):
        raise QueryNotPrivateError("unknown-option", f"{name} must be a number.") from None
    if abs(number) > 10**12:
        raise QueryNotPrivateError("unknown-option", f"{name} is out of range.")
    return number


def _short(number: Decimal) -> Decimal:
    """The number, if it can be written out: a fraction of 1e999999 has a million digits."""
    if number and abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError
    return number


def _numbers(name: str, given: Mapping[str, object]) -> dict[str, Fraction]:
    entries = given.get(name) or {}
    if not isinstance(entries, Mapping):
        raise QueryNotPrivateError("unknown-option", f"{name} must map aliases to numbers.")
    found = {str(alias).lower(): _fraction(name, value) for alias, value in entries.items()}
    if any(value <= 0 for value in found.values()):
        raise QueryNotPrivateError("unknown-option", f"{name} must be above 0.")
    return found


def _pairs(name: str, given: Mapping[str, object]) -> dict[str, tuple[Fraction, Fraction]]:
    entries = given.get(name) or {}
    if not isinstance(entries, Mapping):
        raise QueryNotPrivateError("unknown-option", f"{name} must map aliases to [lowest, highest].")
    found = {}
    for alias, pair in entries.items():
        if not isinstance(pair, list | tuple) or len(pair) != 2:  # noqa: PLR2004
            raise QueryNotPrivateError("unknown-option", f"{name} must map aliases to [lowest, highest].")
        found[str(alias).lower()] = (_fraction(name, pair[0]), _fraction(name, pair[1]))
    return found
