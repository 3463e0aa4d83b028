"""Drafts of a statement's releases: their keys and bounds are decided first, and their price once it is split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from budgets.errors import InvalidPrivacyLossError
from budgets.privacy_loss import PrivacyLoss
from queries.aggregates import Asked, Node
from queries.block_charges import TouchedBlocks, touched_blocks
from queries.bounds import contribution_bound
from queries.clipping import clippings
from queries.domains import Domain, public_keys
from queries.errors import IllegalPlanError, PriceError, QueryNotPrivateError
from queries.expected import Span
from queries.fan_out import check_fan_out
from queries.grids import fitted
from queries.mechanisms import build
from queries.months import narrowed
from queries.options import Heeded, Options
from queries.parts import Part, Range, range_of, tree_part, values_part
from queries.plan import (
    GROUPS_LIMIT,
    NANO,
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
from queries.planned import PlannedMeasure, PlannedNode
from queries.quantiles import Wanted
from queries.ranges import Ranges
from queries.schema import Schema
from queries.shares import TOO_SMALL, losing, searching
from queries.stated import Bounds, Place
from queries.summands import ContributionBound

ATTO = 10**18
DEFAULT_THRESHOLD_SHARE = 100  # a thresholded query takes this part of the thresholds' delta unless it says otherwise
STATED = "stated"
CHOSEN = "chosen from the data, at a part of the price"
_FAR = 1 << 15  # twice the square of the deviations of noise for which sums keep room
_NOT_CHOSEN = "A bound of different values is not chosen from the data."
_ONE_MONTH = (
    "Keys that have to pass a threshold are chosen within one month, and by rows that are joined with JOIN alone."
)
_ONE_MONTH_HINT = "Restrict it to one month in WHERE, or group by columns whose values are public."
_ANY_ROW = (-VALUE_LIMIT, VALUE_LIMIT)
_NOTHING = Bounds()
T = TypeVar("T")
SizeOf = Callable[[Axis], int]


class Draft:
    """One node on its way to a plan: first its keys and bounds, then, once the price is split, the mechanism."""

    def __init__(self, node: Node, schema: Schema, options: Options, size_of: SizeOf) -> None:
        self._node = node = replace(node, relation=narrowed(node.relation, schema))
        check_fan_out(node.relation, schema, size_of)
        self._schema = schema
        self._most_units = schema.most_units(node.relation)
        self._touched = touched_blocks(node.relation, schema)
        self._options = options
        self._domains = None if options.threshold and node.keys else public_keys(node, schema)
        self._groups = self._count_groups(size_of)
        self._top: int | None = None
        self._top = self._top_keys()
        self._sources: dict[int, str] = {}  # of the bounds, by measure
        self._guessed: dict[int, int] = {}  # measures whose bound is where a choice starts from, and the room for it
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
        with _exactly():
            blocks = [(self._block(numbers, part * len(numbers)), numbers) for numbers in self._blocks()]
            blocks.sort(key=lambda block: repr(block[0]))
            aggregation = Aggregation(self._node.relation, keys, tuple(block for block, _ in blocks), self._most_units)
            aggregation = self._with_estimates(aggregation)
            mechanism = build(aggregation)
        order = [number for _, numbers in blocks for number in numbers]
        free = [block.free for block in aggregation.blocks for _ in block.measures]
        planned = tuple(
            self._planned((number,), measure, None if chosen else scale)
            for number, measure, scale, chosen in zip(
                order, aggregation.measures, mechanism.scales(), free, strict=True
            )
        )
        groups = self._groups if self._top is None else self._top
        touched = self._checked_charges(mechanism.loss)
        return PlannedNode(
            table, table, aggregation, mechanism, key_numbers, planned, groups, self._means(), touched=touched
        )

    def _checked_charges(self, loss: PrivacyLoss) -> TouchedBlocks:
        """The blocks that are touched, if what each is charged for the loss is an amount at all."""
        try:
            self._touched.charges(loss)
        except InvalidPrivacyLossError:
            reason = f"This reads {len(self._touched.months):,} months, and costs more than can be accounted for."
            raise PriceError("invalid-price", reason) from None
        return self._touched

    def _means(self) -> tuple[tuple[int, int], ...]:
        """The sum and the count of each mean."""
        kinds = {number: measure.kind for number, measure in self._measures.items()}
        wanted = (MeasureKind.SUM, MeasureKind.ROWS)
        return tuple(pair for pair in sorted(self._node.linked) if (kinds[pair[0]], kinds[pair[1]]) == wanted)

    def _with_estimates(self, aggregation: Aggregation) -> Aggregation:
        """The aggregation with a part of each price for what bounding takes, where it may take anything."""
        told = iter(clippings(aggregation, self._groups if self._top is None else self._top, self._schema))
        blocks = []
        for block in aggregation.blocks:
            possible = [next(told).possible for _ in block.measures]
            lost = losing(block.loss_nano, len(block.measures)) if any(possible) else 0
            if lost >= block.rho_nano:
                raise PriceError("invalid-price", TOO_SMALL)
            blocks.append(replace(block, rho_nano=block.rho_nano - lost, lost_nano=lost))
        return replace(aggregation, blocks=tuple(blocks))

    def _top_keys(self) -> int | None:
        """How many keys to choose before they are measured, where that is better than to measure all of them.

        A choice among all keys has noise of deviation π/√6·√(k/8ρ), and noised counts of all of them C/√(2ρ): with half
        of ρ for each, the choice tells keys apart better where k is below 1.2·C².
        """
        count, free = self._node.top, self._options.threshold is None and self._options.max_groups_contributed is None
        measures = enumerate(self._node.measures)
        counts = [(n, each) for n, each in measures if each.kind is MeasureKind.UNITS and each.value is None]
        if not count or not counts or not free or self._domains is None:
            return None
        given, declared = self._given(*counts[0]), self._declared(*counts[0])
        if given.per_group is not None or any(not each.additive for each in self._node.measures):
            return None
        bound = given.l2 or declared.l2
        worth = 0 < count < (self._groups or 0) and 5 * count < 6 * bound * bound
        return count if worth else None

    def _at(self, number: int) -> AbstractContextManager[None]:
        return pointing_at(self._node.places.get(number, self._node.place))

    def _draft_others(self) -> list[tuple[tuple[int, ...], Part]]:
        """The releases beside the sums, each with the numbers of the measures that it is for: one tree a value."""
        trees: dict[tuple[Expression | None, Expression, Range], list[int]] = {}
        found: list[tuple[tuple[int, ...], Part]] = []
        for number, asked in enumerate(self._node.measures):
            if asked.kind is MeasureKind.VALUES and self._is_automatic(number):
                with self._at(number):
                    raise QueryNotPrivateError("unknown-option", _NOT_CHOSEN, hint="State a number, or leave it out.")
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
        wanted = tuple(
            Wanted(number, each.fraction)
            for number, each in zip(numbers, asked, strict=True)
            if each.fraction is not None
        )
        names = sorted({name for number in numbers for name in self._node.aliases.get(number, ())})
        bounds = {self._given(number, self._node.measures[number]).l2 for number in numbers}
        stated, declared = _only(bounds, names, asked[0].bounds), self._declared(numbers[0], asked[0])
        found = declared if stated is None else ContributionBound(stated, STATED)
        self._sources[numbers[0]] = found.source if found.declared else CHOSEN
        measure = self._checked(Asked(MeasureKind.ROWS, None), max(1, math.ceil(found.l2)), _ANY_ROW, None)
        part = tree_part(self._node.relation, asked[0], wanted, values, measure)
        return replace(part, free=not found.declared)

    def _range(self, number: int, asked: Asked) -> Range:
        """The range of a quantile's grid, in stored units: as stated, or as declared."""
        stated = self._given(number, asked).per_row
        if stated is not None:
            return _clamped(stated, 10**asked.scale)
        declared = range_of(asked.value, self._node.relation, self._schema)
        if declared is None:
            alias = next(iter(sorted(self._node.aliases.get(number, ()))), "alias")
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
            block = Block((part.measure,), rho_nano)
            if part.free:
                tuning = searching(rho_nano, self._groups, part.cells, part.heads)
                block = replace(block, rho_nano=rho_nano - tuning.rho_nano, tuning=tuning)
            aggregation = part.aggregation(keys, block, self._most_units)
            mechanism = build(aggregation)
        (scale,) = mechanism.scales()
        measure = self._planned(numbers, part.measure, None if part.free else scale)
        touched = self._checked_charges(mechanism.loss)
        return PlannedNode(
            name, table, aggregation, mechanism, key_numbers, (measure,), self._groups, tree=part.tree, touched=touched
        )

    def _planned(self, numbers: tuple[int, ...], measure: Measure, scale: float | None) -> PlannedMeasure:
        """The measure as it is told; without a `scale` its bound, and so its noise, is still to be chosen."""
        number, unit = numbers[0], 10**measure.scale
        columns = tuple(sorted({alias for each in numbers for alias in self._node.aliases.get(each, ())}))
        bound = None if scale is None else Fraction(measure.l2_bound, unit)
        error = None if scale is None else Span.of(scale / WEIGHT_ONE / unit)
        above = measure.kind is not MeasureKind.SUM or self._least(measure) >= 0
        return PlannedMeasure(number, columns, measure.kind, measure.scale, bound, error, self._sources[number], above)

    def _least(self, measure: Measure) -> float:
        """The least that a row adds, in minor units."""
        ranges = Ranges.over(self._node.relation, self._schema)
        declared = -math.inf if measure.value is None else ranges.of(measure.value).low
        return max(declared, measure.row_bounds[0])

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
        if max(self._node.relation.steps) > 1:
            raise QueryNotPrivateError("unit-spans-blocks", _ONE_MONTH, hint=_ONE_MONTH_HINT)
        limit = self._schema.policy.budget.delta_for_thresholds
        delta = limit / DEFAULT_THRESHOLD_SHARE if self._options.delta is None else self._options.delta
        if not 0 < delta <= limit:
            raise PriceError("invalid-price", f"delta must be above 0 and at most {float(limit):g} here.")
        keys = ThresholdKeys(self._node.keys, self._most_groups(), part, max(1, int(delta * ATTO)))
        return keys, tuple(range(len(self._node.keys)))

    def _most_groups(self) -> int:
        return self._options.max_groups_contributed or self._schema.policy.max_groups_contributed

    def _max_groups(self) -> int | None:
        if self._options.heeded is Heeded.NONE and self._domains is not None:
            return None
        by_group = any(measure.group_bounds is not None for measure in self._measures.values())
        return self._most_groups() if by_group else self._options.max_groups_contributed

    def _blocks(self) -> list[tuple[int, ...]]:
        """The measures in groups that share a weight: those of one ratio, however many ratios they are in."""
        block = {number: number for number in self._measures}
        for one, other in sorted(self._node.linked):
            old, new = block[other], block[one]
            block = {number: new if head == old else head for number, head in block.items()}
        found = [tuple(n for n in block if block[n] == head) for head in sorted(set(block.values()))]
        return [tuple(sorted(group, key=lambda n: repr(self._measures[n]))) for group in found]

    def _block(self, numbers: tuple[int, ...], rho_nano: int) -> Block:
        """The block of these measures, at this price; its bounds are chosen if one of them is not declared."""
        width, chosen = len(numbers), any(number in self._guessed for number in numbers)
        if not chosen:
            measures = tuple(self._scaled(self._measures[number], width) for number in numbers)
            return Block(measures, rho_nano, self._max_groups())
        for number in numbers:
            self._sources[number] = CHOSEN
        part = rho_nano // width
        tuning = searching(part, self._groups)
        # A start need not fit beside the noise of these sums; the bounds that are chosen will.
        room = (1 << 62) // (WEIGHT_ONE * (self._most_units + math.isqrt(_FAR * NANO // part) + 1))
        starts = tuple(self._start(number, room) for number in numbers)
        return Block(starts, rho_nano - width * tuning.rho_nano, self._max_groups(), tuning)

    def _start(self, number: int, room: int) -> Measure:
        """The measure with the bound that a choice starts from, and with places that leave room for a larger one."""
        measure, larger = self._measures[number], self._guessed.get(number, 1)
        wide = fitted(replace(measure, l2_bound=measure.l2_bound * larger), self._most_units)
        return replace(wide, l2_bound=max(1, min(wide.l2_bound // larger, room)))

    def _scaled(self, measure: Measure, width: int) -> Measure:
        """The measure with its bound widened by √width: the noise of a part of ρ each, one joint clip for all."""
        bound = math.isqrt(measure.l2_bound**2 * width - 1) + 1
        return fitted(replace(measure, l2_bound=bound), self._most_units)

    def _measure(self, number: int, asked: Asked) -> Measure:
        given = self._given(number, asked)
        declared = self._declared(number, asked)
        if not declared.declared and given == _NOTHING:
            given = self._of_its_ratio(number)
        unit = 10**asked.scale
        rows = _ANY_ROW if given.per_row is None else _clamped(given.per_row, unit)
        if given.per_group is not None:
            group = _scaled_pair(given.per_group, unit)
            groups = min(self._most_groups(), self._groups or GROUPS_LIMIT)
            bound = math.isqrt(max(abs(group[0]), abs(group[1]), 1) ** 2 * groups - 1) + 1
            self._sources[number] = STATED
            return self._checked(asked, bound, rows, group)
        found = declared if given.l2 is None else ContributionBound(given.l2, STATED)
        self._sources[number] = found.source
        if not found.declared:
            self._guessed[number] = found.room
        return self._checked(asked, max(1, math.ceil(found.l2 * unit)), rows, None)

    def _declared(self, number: int, asked: Asked) -> ContributionBound:
        chosen = self._top if asked.kind is MeasureKind.UNITS else None  # a unit is in no more keys than were chosen
        heeds_policy = self._options.heeded is Heeded.ALL and not self._is_automatic(number)
        schema = self._schema if heeds_policy else self._schema.without_bounds
        return contribution_bound(asked, self._node, schema, chosen or self._groups)

    def _is_automatic(self, number: int) -> bool:
        """Whether the caller wants the measure's bound to be chosen from the data."""
        names = self._node.bounded.get(number, set())
        return self._node.measures[number].bounds.automatic or not names.isdisjoint(self._options.automatic)

    def _given(self, number: int, asked: Asked) -> Bounds:
        """The bounds that the measure's aggregate states, or the options for it; they have to agree."""
        options, names, own = self._options, sorted(self._node.bounded.get(number, ())), asked.bounds
        per_row = options.bounds_per_row if asked.clamped else {}
        if options.heeded is Heeded.NONE:
            own = Bounds(per_row=own.per_row, place=own.place)
        found = Bounds(
            _only({own.per_group, *_of(options.bounds_per_group, names)}, names, own),
            _only({own.per_row, *_of(per_row, names)}, names, own),
            _only({own.l2, *_of(options.l2_bounds, names)}, names, own),
        )
        if self._is_automatic(number) and (found.per_group is not None or found.l2 is not None):
            raise _two_bounds(names, own)
        return found

    def _of_its_ratio(self, number: int) -> Bounds:
        """What is stated of another measure of the same ratio: for the count of a mean that has no bound itself."""
        others = [one if other == number else other for one, other in self._node.linked if number in (one, other)]
        found = [self._given(other, self._node.measures[other]) for other in sorted(others)]
        return next((bounds for bounds in found if bounds != _NOTHING), _NOTHING)

    def _checked(self, asked: Asked, bound: int, rows: tuple[int, int], groups: tuple[int, int] | None) -> Measure:
        try:
            return Measure(asked.kind, asked.value, bound, asked.scale, rows, groups)
        except IllegalPlanError as error:
            reason, (line, column) = f"This bound cannot be kept: {error}.", asked.bounds.place
            raise QueryNotPrivateError("bound-out-of-range", reason, line=line, column=column) from None


@contextmanager
def pointing_at(place: Place) -> Iterator[None]:
    """Refusals inside point there, if they point nowhere yet."""
    try:
        yield
    except QueryNotPrivateError as error:
        if error.line is None:
            error.line, error.column = place
        raise


def _of(bounds: Mapping[str, T], aliases: list[str]) -> set[T]:
    return {bounds[alias] for alias in aliases if alias in bounds}


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


def _only(values: set[T | None], names: list[str], own: Bounds) -> T | None:
    """The one value among them, if there is one."""
    found = values - {None}
    if len(found) > 1:
        raise _two_bounds(names, own)
    return next(iter(found), None)


def _two_bounds(names: list[str], own: Bounds) -> QueryNotPrivateError:
    line, column = own.place
    reason = f"Two different bounds are stated for {', '.join(names)[:100]}."
    return QueryNotPrivateError("option-conflict", reason, hint="State one.", line=line, column=column)


def _scaled_pair(pair: tuple[Fraction, Fraction], unit: int) -> tuple[int, int]:
    """The pair in minor units, rounded outwards; raises QueryNotPrivateError where it is none."""
    if pair[0] > pair[1]:
        raise QueryNotPrivateError("bound-out-of-range", "A lower bound is above its upper bound.")
    return math.floor(pair[0] * unit), math.ceil(pair[1] * unit)


def _clamped(pair: tuple[Fraction, Fraction], unit: int) -> tuple[int, int]:
    """The pair in minor units, within what a row's value may be."""
    low, high = _scaled_pair(pair, unit)
    low = min(max(-VALUE_LIMIT, low), VALUE_LIMIT)
    return low, max(low, min(VALUE_LIMIT, high))
