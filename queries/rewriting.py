"""An aggregating SELECT over private rows becomes a plain SELECT over the table that it releases.

Aggregate calls turn into measure columns m<n>, grouping expressions into key columns k<n>; HAVING turns into WHERE.
What is left is post-processing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from queries.aggregates import Asked, Measures, Node, is_aggregate, measures, try_expression
from queries.followed import From, OfRow
from queries.hints import hint
from queries.intervals import Estimate, Source, bound, is_bound, is_measure, measured, role_of_bound
from queries.parse import refusal, walk
from queries.plan import Expression, MeasureKind
from queries.propagation import Parts, Slopes, UnfollowedError
from queries.rows import Finish, Hidden, Output, Rows, distinct_names, is_star, name_of
from queries.scalars import UnitColumn, scalar
from queries.schema import Schema
from queries.shown import LIMITS, MEAN, WHOLE, cell, finish_of, shown
from queries.stated import clause_of, least_units
from queries.subtotals import added_up, check_additive, finest, has_subtotals
from queries.views import Scope

Aliases = dict[str, exp.Expr]
Inner = Callable[[exp.Expr], exp.Expr]  # what is left of a subquery after checking
_LIMIT_DIGITS = 18
_CONSTANTS = (exp.Literal, exp.Boolean, exp.Null, exp.DataType, exp.Var, exp.Interval)


def aggregated(
    tree: exp.Select, scope: Scope, aliases: Aliases, schema: Schema, inner: Inner, table: str
) -> tuple[Measures, Rows]:
    """The measures of the SELECT, and the SELECT over the released `table`."""
    for clause in ("distinct", "qualify"):
        if tree.args.get(clause):
            reason = f"{clause.upper()} is not supported beside aggregates of private rows."
            raise refusal("unsupported-syntax", reason, tree, hint="Put it into an outer SELECT.")
    keys = [_key(group, scope, aliases) for group in groups_of(tree)]
    found = measures(scope, keys, tree, schema, aliases)
    writer = _Writer(found, aliases, inner, table, has_subtotals(tree.args.get("group") or exp.Group()))
    projections, outputs = _projections(tree, writer)
    result = exp.Select(expressions=projections)
    conditions = [writer.write(tree.args["having"].this)] if tree.args.get("having") is not None else []
    conditions += _of_clause(tree, found)
    if conditions:
        result.set("where", exp.Where(this=exp.and_(*conditions, copy=False)))
    order = tree.args.get("order")
    if order is not None:
        result.set("order", exp.Order(expressions=[writer.ordered(part) for part in order.expressions]))
    for name in ("limit", "offset"):
        if tree.args.get(name) is not None:
            result.set(name, _constant(tree.args[name]))
    result.set("from_", exp.From(this=writer.parts.read_from(_released(table, found, tree))))
    found.node.top = _top(result, found.node)
    if not found.node.measures:
        reason = "The statement groups private rows, but measures nothing."
        raise refusal("no-aggregate", reason, tree, hint=f"Add COUNT(*) or COUNT(DISTINCT {schema.unit_column}).")
    limited = tree.args.get("limit") is not None or tree.args.get("offset") is not None
    return found, Rows(result, distinct_names(outputs, tree), chosen=bool(conditions) or limited)


def _top(left_over: exp.Select, node: Node) -> int | None:
    """How many groups are wanted, if they are those with the most units: ORDER BY COUNT(DISTINCT unit) DESC LIMIT n."""
    order, limit = left_over.args.get("order"), left_over.args.get("limit")
    if order is None or limit is None or left_over.args.get("where") is not None or len(node.keys) != 1:
        return None
    first, skipped = order.expressions[0], left_over.args.get("offset")
    by = first.this.unnest()
    if isinstance(by, exp.Literal) and by.name.isdigit() and 1 <= int(by.name) <= len(left_over.expressions):
        by = left_over.expressions[int(by.name) - 1].unalias().unnest()
    counted = node.measures[int(by.name[1:])] if is_measure(by) else None
    numbers = [clause.expression.name for clause in (limit, skipped) if clause is not None]
    by_units = counted is not None and counted.kind is MeasureKind.UNITS and counted.value is None
    if not first.args.get("desc") or not by_units or not all(number.isdigit() for number in numbers):
        return None
    return sum(map(int, numbers))


def _of_clause(tree: exp.Select, found: Measures) -> list[exp.Expr]:
    """The condition on the noised number of units that the SELECT's clause states."""
    clause, least = clause_of(tree), least_units(tree)
    if clause is not None:
        found.node.clauses.add(clause)
    if least is None:
        return []
    number = found.node.add(Asked(MeasureKind.UNITS, None))
    return [exp.GTE(this=exp.column(f"m{number}", quoted=True), expression=exp.Literal.number(least))]


def _released(table: str, found: Measures, tree: exp.Select) -> exp.Expr:
    """The released table, with subtotals where the SELECT asks for them."""
    clause, node = tree.args.get("group"), found.node
    if clause is None or not has_subtotals(clause):
        return exp.table_(table, quoted=True)
    check_additive(node.measures, tree)
    return added_up(clause, table, node.measures, lambda key: node.keys.index(found.expression(_ordinal(key, tree))))


def aggregates(tree: exp.Select) -> bool:
    """Whether the SELECT aggregates: by GROUP BY, HAVING, or an aggregate outside a window."""
    if tree.args.get("group") is not None or tree.args.get("having") is not None:
        return True
    return any(
        is_aggregate(node) and not isinstance(node.parent, exp.Window)
        for projection in tree.expressions
        for node in walk(projection)
    )


def _projections(tree: exp.Select, writer: _Writer) -> tuple[list[exp.Expr], tuple[Output, ...]]:
    projections, outputs, beside = [], [], []
    for place, projection in enumerate(tree.expressions):
        if is_star(projection):
            raise refusal("not-in-group-by", "* cannot stand beside aggregates.", projection)
        name = name_of(projection)
        writer.output = name
        body = writer.write(projection.unalias())
        hidden, written = _hidden(body, place, writer)
        projections.append(exp.alias_(body, name, quoted=True))
        beside += written
        outputs.append(Output(name, role_of_bound(body) or _role(body, hidden), hidden))
    writer.output = None
    if has_subtotals(tree.args.get("group") or exp.Group()):
        outputs = [_of_subtotals(output) for output in outputs]
    return projections + beside, tuple(outputs)


def _hidden(body: exp.Expr, place: int, writer: _Writer) -> tuple[Hidden | None, list[exp.Expr]]:
    """The hidden columns of a projection, and what they are."""
    estimate = writer.estimate(body)
    if estimate is None:
        return None, []
    hidden = Hidden.at(place, estimate)
    _mark_parts(body, writer.measures.node)
    finished = hidden.finished(finish_of(body, lambda _: Finish.NOTHING), body.meta.get(LIMITS))
    return finished, hidden.written(estimate, shown(body, cell))


def _of_subtotals(output: Output) -> Output:
    """The noise of one group is in its subtotals as well."""
    return output if output.hidden is None else replace(output, hidden=replace(output.hidden, own=False))


def _mark_parts(body: exp.Expr, node: Node) -> None:
    """Mark counts under a condition that are divided by the count of all: a part is no more than the whole."""
    for division in body.find_all(exp.Div):
        part, whole = (_counted(side, node) for side in (division.this, division.expression))
        if part is None or whole is None:
            continue
        one, other = (node.measures[int(column.name[1:])] for column in (part, whole))
        if one.kind is other.kind and one.value is not None and other.value is None and one.additive:
            part.meta[WHOLE] = int(whole.name[1:])


def _counted(tree: exp.Expr, node: Node) -> exp.Column | None:
    """The one count that the expression is a multiple of."""
    found = [column for column in tree.find_all(exp.Column) if is_measure(column)]
    plain = (
        exp.Column,
        exp.Identifier,
        exp.Paren,
        exp.Mul,
        exp.Literal,
        exp.Cast,
        exp.DataType,
        exp.Nullif,
        exp.Greatest,
    )
    if len(found) != 1 or not all(isinstance(part, plain) for part in tree.walk()):
        return None
    kind = node.measures[int(found[0].name[1:])].kind
    return found[0] if kind in (MeasureKind.ROWS, MeasureKind.UNITS) else None


class _Measured(OfRow):
    """Expressions over the released table: its measures are the estimates, its keys are constants."""

    def __init__(self, node: Node, table: str, parts: Parts | None = None) -> None:
        super().__init__(From({}, {}, chosen=True), parts)
        self._node = node
        self._table = table

    def _column(self, tree: exp.Column) -> Slopes:
        if is_measure(tree):
            number = int(tree.name[1:])
            return self.take(tree.name, measured(number, self._noise(number)))
        if not tree.name.startswith("k"):
            raise UnfollowedError  # the ends of an interval: an error is in them as a number
        return {}

    def _noise(self, number: int) -> frozenset[Source]:
        """Quantiles of one tree share their noise, and two SELECTs may ask for the same release."""
        asked = self._node.measures[number]
        measure = asked if asked.fraction is None else (asked.value, asked.where)
        what = f"{hash((self._node.relation, self._node.keys))} {hash(measure)}"
        return frozenset({Source(self._table, number, what)})


def _role(body: exp.Expr, hidden: Hidden | None) -> str:
    if hidden is not None:
        return "estimate"
    released = any(is_measure(node) or isinstance(node, exp.Query) for node in body.walk())
    return "derived" if released else "dimension"


@dataclass(slots=True)
class _Writer:
    """Rewrites expressions over the released table."""

    measures: Measures
    aliases: Aliases
    inner: Inner
    table: str  # that is released
    subtotals: bool  # whether its rows are added up first
    parts: Parts = field(default_factory=Parts)
    output: str | None = None  # the output column that is being written: none in HAVING and ORDER BY

    def write(self, tree: exp.Expr) -> exp.Expr:
        keys = self.measures.node.keys
        if is_aggregate(tree) or isinstance(tree, exp.Filter):
            return self._aggregate(tree)
        if is_bound(tree):
            return self._bound(tree)
        if isinstance(tree, exp.Window):
            raise refusal("unsupported-syntax", "Window functions run on results.", tree, hint(tree))
        if isinstance(tree, _CONSTANTS):
            return tree.copy()
        if isinstance(tree, exp.Query):
            return self.inner(tree)
        value = try_expression(self.measures, tree) if keys else None
        if value in keys:
            return exp.column(f"k{keys.index(value)}", quoted=True)
        if isinstance(tree, exp.Column):
            return self._name(tree)
        return type(tree)(**{name: self._argument(value) for name, value in tree.args.items()})

    def estimate(self, body: exp.Expr) -> Estimate | None:
        """What is known of the error of an expression that is written already."""
        return _Measured(self.measures.node, self.table, self.parts).estimate(body)

    def ordered(self, part: exp.Expr) -> exp.Expr:
        if isinstance(part.this, exp.Literal):
            return part.copy()
        return exp.Ordered(**{**part.args, "this": self.write(part.this)})

    def _argument(self, value: object) -> object:
        if isinstance(value, list):
            return [self._argument(part) for part in value]
        return self.write(value) if isinstance(value, exp.Expr) else value

    def _aggregate(self, tree: exp.Expr) -> exp.Expr:
        columns = [exp.column(f"m{number}", quoted=True) for number in self.measures.measure(tree, self.output)]
        if len(columns) == 1:
            return columns[0]
        call = tree.this if isinstance(tree, exp.Filter) else tree
        total, count = exp.cast(columns[0], "DOUBLE"), _positive(columns[1])
        if len(columns) == 2:  # noqa: PLR2004  # a mean
            mean = exp.Paren(this=exp.Div(this=total, expression=_not_zero(count)))
            mean.meta[LIMITS] = self.measures.limits(tree)
            if not self.subtotals:
                mean.meta[MEAN] = tuple(int(column.name[1:]) for column in columns)
            return mean
        return _spread(call, total, count, columns[2])

    def _bound(self, tree: exp.Expr) -> exp.Expr:
        """An end of the interval of a column of this SELECT, or of what is written in its place."""
        inner = tree.this
        if isinstance(inner, exp.Column) and (inner.table or inner.name.lower() not in self.aliases):
            reason = f"{inner.sql()[:100]} is no alias in this SELECT."
            known = ", ".join(list(self.aliases)[:10])
            raise refusal("unknown-alias", reason, tree, f"There are {known}." if known else "Give a column an alias.")
        estimate = self._name(inner) if isinstance(inner, exp.Column) else self.write(inner)
        return bound(tree, estimate, self.estimate(estimate))

    def _name(self, tree: exp.Column) -> exp.Expr:
        name = str(tree.name).lower()
        if not tree.table and name in self.aliases:
            self.measures.scope.expand(tree)
            aliases = self.aliases
            self.aliases = {alias: node for alias, node in aliases.items() if alias != name}
            try:
                return exp.Paren(this=self.write(aliases[name]))
            finally:
                self.aliases = aliases
        self.measures.expression(tree)  # an unknown name, or the unit, is refused as such
        raise refusal(
            "not-in-group-by",
            f"{tree.sql()} is neither grouped by nor aggregated.",
            tree,
            hint=f"Add {tree.sql()} to GROUP BY, or put it into an aggregate.",
        )


def _spread(call: exp.Expr, total: exp.Expr, count: exp.Expr, squares: exp.Expr) -> exp.Expr:
    """The variance from sum, count and sum of squares, not below zero; of a sample or of all; or its root."""
    of_mean = exp.Div(this=exp.Mul(this=total, expression=total.copy()), expression=_not_zero(count))
    deviations = exp.Paren(this=exp.Sub(this=exp.cast(squares, "DOUBLE"), expression=of_mean))
    if not isinstance(call, exp.VariancePop | exp.StddevPop):
        count = _positive(exp.Paren(this=exp.Sub(this=count, expression=exp.Literal.number(1))))
    variance = _positive(exp.Paren(this=exp.Div(this=deviations, expression=_not_zero(count))))
    return variance if isinstance(call, exp.Variance | exp.VariancePop) else exp.Sqrt(this=variance)


def _positive(tree: exp.Expr) -> exp.Expr:
    return exp.Greatest(this=tree, expressions=[exp.Literal.number(0)], ignore_nulls=True)


def _not_zero(tree: exp.Expr) -> exp.Expr:
    return exp.Nullif(this=tree.copy(), expression=exp.Literal.number(0))


def groups_of(tree: exp.Select) -> list[exp.Expr]:
    """The grouping expressions of the finest groups: as written, by ordinal, by alias, or ALL."""
    clause = tree.args.get("group")
    if clause is None:
        return []
    if clause.args.get("all"):
        return [p.unalias() for p in tree.expressions if not any(is_aggregate(node) for node in walk(p))]
    return [_ordinal(group, tree) for group in finest(clause)]


def _ordinal(group: exp.Expr, tree: exp.Select) -> exp.Expr:
    if not isinstance(group, exp.Literal) or group.is_string:
        return group
    place = int(group.name) if group.name.isdigit() else 0
    if not 1 <= place <= len(tree.expressions):
        raise refusal("group-by-ordinal", f"There is no column number {group.name[:20]}.", group)
    chosen: exp.Expr = tree.expressions[place - 1].unalias()
    return chosen


def _key(group: exp.Expr, scope: Scope, aliases: Aliases) -> Expression:
    if isinstance(group, exp.Column) and isinstance(scope.resolve(group, aliases), UnitColumn):
        raise refusal(
            "group-by-unit",
            "Groups of single customers are not released.",
            group,
            hint="Group by something that many customers share.",
        )
    return scalar(group, lambda column: scope.resolve(column, aliases))


def _constant(clause: exp.Expr) -> exp.Expr:
    literal = clause.expression
    if not isinstance(literal, exp.Literal) or not literal.name.isdigit() or len(literal.name) > _LIMIT_DIGITS:
        raise refusal(
            "unsupported-syntax", "LIMIT and OFFSET take a whole number.", clause, hint="Write the number itself."
        )
    return clause.copy()
