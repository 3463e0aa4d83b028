"""From a statement to a plan with its price: bounds, blocks, the split of ρ, and the mechanism that will run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from budgets.privacy_loss import PrivacyLoss, rho_of_epsilon
from queries.aggregates import Asked, Node
from queries.bounds import contribution_bound
from queries.domains import Domain, public_keys
from queries.errors import IllegalPlanError, PlanTooLargeError, PriceError, QueryNotPrivateError
from queries.fan_out import check_fan_out
from queries.grids import fitted
from queries.mechanisms import Mechanism, build
from queries.parse import DIALECT, parse
from queries.plan import (
    GROUPS_LIMIT,
    VALUE_LIMIT,
    WEIGHT_ONE,
    Aggregation,
    Axis,
    Block,
    Measure,
    MeasureKind,
    PublicKeys,
    ThresholdKeys,
)
from queries.relations import Statement, check
from queries.rows import Output
from queries.schema import Schema
from queries.summands import ContributionBound

NANO = 10**9
ATTO = 10**18
DEFAULT_THRESHOLD_SHARE = 100  # a thresholded query takes this part of the thresholds' delta unless it says otherwise
T = TypeVar("T")
MOST_GROUPS = 100_000
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
    aggregation: Aggregation
    mechanism: Mechanism
    key_numbers: tuple[int, ...]
    measures: tuple[PlannedMeasure, ...]
    groups: int | None  # None where a threshold decides

    @property
    def loss(self) -> PrivacyLoss:
        return self.mechanism.loss


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """Everything that one statement needs: its releases, its price, and the SQL over them."""

    nodes: tuple[PlannedNode, ...]
    columns: tuple[Output, ...]
    sql: str

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
    """The plan of a statement; raises SqlSyntaxError, QueryNotPrivateError or PriceError."""
    try:
        return _plan(check(parse(sql, params), schema), schema, rho_nano, options, size_of)
    except PlanTooLargeError as error:
        reason = f"This is more than can be planned: {error}."
    except RecursionError:
        reason = "This is nested more deeply than can be planned."
    raise QueryNotPrivateError("too-complex", reason, hint="Use fewer and simpler expressions.")


def _plan(statement: Statement, schema: Schema, rho_nano: int, options: Options, size_of: SizeOf) -> QueryPlan:
    _check_aliases(statement.nodes, options)
    drafts = [_Draft(node, schema, options, size_of) for node in statement.nodes]
    parts = sum(draft.parts for draft in drafts)
    if parts > rho_nano:
        raise PriceError("invalid-price", "This price is too small for so many results.")
    nodes = tuple(
        draft.finish(f"released_{number}", rho_nano * draft.parts // parts) for number, draft in enumerate(drafts)
    )
    return QueryPlan(nodes, statement.rows.columns, statement.rows.tree.sql(dialect=DIALECT))


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
        self._sources: list[str] = []  # of the bounds, by measure
        self._measures = [self._measure(number, asked) for number, asked in enumerate(node.measures)]

    @property
    def parts(self) -> int:
        """Into how many equal parts of ρ this node's price is divided."""
        return len(self._measures) + (self._domains is None)

    def finish(self, name: str, rho_nano: int) -> PlannedNode:
        part = rho_nano // self.parts
        blocks = []
        for numbers in self._blocks():
            measures = tuple(self._scaled(self._measures[number], len(numbers)) for number in numbers)
            blocks.append((Block(measures, part * len(numbers), self._max_groups()), numbers))
        blocks.sort(key=lambda block: repr(block[0]))
        keys, key_numbers = self._keys(part)
        try:
            aggregation = Aggregation(
                self._node.relation, keys, tuple(block for block, _ in blocks), self._schema.policy.max_units
            )
            mechanism = build(aggregation)
        except IllegalPlanError as error:
            raise QueryNotPrivateError("bound-out-of-range", f"This cannot be released exactly: {error}.") from None
        order = [number for _, numbers in blocks for number in numbers]
        planned = tuple(
            self._planned(number, measure, scale)
            for number, measure, scale in zip(order, aggregation.measures, mechanism.scales(), strict=True)
        )
        return PlannedNode(name, aggregation, mechanism, key_numbers, planned, self._groups)

    def _planned(self, number: int, measure: Measure, scale: float) -> PlannedMeasure:
        unit = 10**measure.scale
        columns = tuple(sorted(self._node.aliases.get(number, ())))
        return PlannedMeasure(
            number,
            columns,
            measure.kind,
            measure.scale,
            Fraction(measure.l2_bound, unit),
            scale / WEIGHT_ONE / unit,
            self._sources[number],
        )

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
                raise QueryNotPrivateError(
                    "too-many-groups",
                    f"The grouping has more than {GROUPS_LIMIT:,} possible keys.",
                    hint="Group by fewer or coarser columns, or narrow them in WHERE.",
                )
        return groups

    def _keys(self, part: int) -> tuple[PublicKeys | ThresholdKeys, tuple[int, ...]]:
        domains: tuple[Domain, ...] | None = self._domains
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
        block = list(range(len(self._measures)))
        for one, other in sorted(self._node.linked):
            old, new = block[other], block[one]
            block = [new if number == old else number for number in block]
        found = [tuple(n for n in range(len(block)) if block[n] == head) for head in sorted(set(block))]
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
            self._sources.append(STATED)
            return self._checked(asked, bound, row_bounds, (low, high))
        l2_bound = _of(self._options.l2_bounds, aliases)
        found = self._bound(asked, aliases) if l2_bound is None else ContributionBound(l2_bound, STATED)
        self._sources.append(found.source)
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
        bound = contribution_bound(asked, self._node, self._schema, self._groups)
        if bound is None:
            raise QueryNotPrivateError(
                "no-bound",
                f"No contribution bound is declared for {', '.join(sorted(aliases)) or 'one of the sums'}.",
                hint="State what one customer may add at most over all groups: options.l2_bound {alias: number}.",
            )
        return bound


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
        number = value if isinstance(value, Fraction) else Fraction(Decimal(str(value)))
    except (ValueError, ArithmeticError):
        raise QueryNotPrivateError("unknown-option", f"{name} must be a number.") from None
    if abs(number) > 10**12:
        raise QueryNotPrivateError("unknown-option", f"{name} is out of range.")
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
