"""What a plan says of each release, besides the release itself: how its columns are called, and how exact they are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from budgets.privacy_loss import PrivacyLoss
from queries.block_charges import NO_BLOCKS, Charges, TouchedBlocks, together
from queries.expected import ExpectedError, KeyColumn, Noise, Span, Unknown
from queries.mechanisms import Mechanism
from queries.plan import Aggregation, MeasureKind
from queries.quantiles import Tree
from queries.rows import Output


@dataclass(frozen=True, slots=True)
class PlannedMeasure:
    """A measure of the node: its number in the SQL that is left over, what it is, and its noise in display units.

    `columns` are the output columns that it goes into, `source` says where its bound comes from. Bound (the smallest of
    a group) and standard error are None where the bound is still to be chosen. It is `nonnegative` if no row adds less
    than zero.
    """

    number: int
    columns: tuple[str, ...]
    kind: MeasureKind
    scale: int
    l2_bound: Fraction | None
    standard_error: Span | None
    source: str
    nonnegative: bool = False


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
    means: tuple[tuple[int, int], ...] = ()  # numbers of the sum and the count of each
    tree: Tree | None = None  # then the one measure is that of the counts of its nodes
    touched: TouchedBlocks = NO_BLOCKS

    @property
    def loss(self) -> PrivacyLoss:
        return self.mechanism.loss

    @property
    def charges(self) -> Charges:
        """What it takes of each meter: its loss of the months that it touches, and more of what spans them."""
        return self.touched.charges(self.loss)

    @property
    def cells(self) -> int | None:
        """How many cells each measure has; None where a threshold decides."""
        return self.groups if self.tree is None or self.groups is None else self.groups * self.tree.grid.nodes

    @property
    def noise(self) -> Noise:
        """The standard errors of the measures by number, before private rows are read: none of quantiles."""
        measures = self.measures if self.tree is None else ()
        errors = {measure.number: measure.standard_error or Unknown.BOUND for measure in measures}
        return Noise(self.name, errors, self.groups)


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

    @property
    def charges(self) -> Charges:
        """What all releases together take of each meter."""
        return together(node.charges for node in self.nodes)
