"""SELECTs that make new private rows of several rows of one unit: GROUP BY the unit, DISTINCT, and windows.

Both are rewritten over one new source. What is taken from single rows or from the group becomes a column c0, c1 …, what
folds several rows a column f0, f1 …, and the SELECT's own expressions are then computed over these columns. Columns are
numbered in a fixed order, so that spellings of one question stay one question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlglot import exp

from queries.aggregates import count_of, is_aggregate
from queries.errors import QueryNotPrivateError
from queries.hints import called
from queries.months import lies_in_one_month
from queries.parse import DIALECT, refusal, walk
from queries.plan import (
    TRUE,
    VALUE_LIMIT,
    Column,
    Derived,
    Expression,
    Fold,
    Folding,
    Grouped,
    Literal,
    Relation,
    Union,
    Window,
    Windowed,
)
from queries.rows import is_star, name_of
from queries.scalars import UnitColumn, condition, conjunction, conjuncts, scalar, selection
from queries.schema import Schema
from queries.views import Named, Scope, View, canonical, derived, renumbered

Aliases = dict[str, exp.Expr]
T = TypeVar("T")
_FOLDINGS: dict[type[exp.Expr], Folding] = {
    exp.Count: Folding.COUNT,
    exp.CountIf: Folding.COUNT,
    exp.Sum: Folding.SUM,
    exp.Min: Folding.MIN,
    exp.Max: Folding.MAX,
    exp.LogicalOr: Folding.MAX,
    exp.LogicalAnd: Folding.MIN,
}
_IN_WINDOWS: dict[type[exp.Expr], Folding] = {
    **_FOLDINGS,
    exp.RowNumber: Folding.ROW_NUMBER,
    exp.Rank: Folding.RANK,
    exp.DenseRank: Folding.DENSE_RANK,
    exp.Lag: Folding.LAG,
    exp.Lead: Folding.LEAD,
    exp.FirstValue: Folding.FIRST_VALUE,
    exp.LastValue: Folding.LAST_VALUE,
}


_OF_A_VALUE = frozenset(Folding) - {Folding.COUNT, Folding.ROW_NUMBER, Folding.RANK, Folding.DENSE_RANK}


def groups_by_unit(groups: list[exp.Expr], scope: Scope, aliases: Aliases) -> bool:
    """Whether the unit is among the grouping expressions: each group then belongs to one unit."""
    return any(_is_unit(group, scope, aliases) for group in groups)


def grouped_view(tree: exp.Select, groups: list[exp.Expr], scope: Scope, aliases: Aliases, schema: Schema) -> View:
    """The view of a SELECT that groups by the unit: one row a unit and combination of the other keys."""
    writer = _Writer(tree, scope, aliases, schema)
    keys = {writer.scalar(group) for group in groups if not _is_unit(group, scope, aliases)}
    writer.keys = tuple(sorted(keys, key=repr))
    check_one_month(writer.keys, writer.relation, schema, tree, "GROUP BY")
    written = [(projection, writer.projection(projection)) for projection in tree.expressions]
    having = writer.write(tree.args["having"].this) if tree.args.get("having") is not None else None
    folds = tuple(sorted((each for each in writer.folded.values() if isinstance(each, Fold)), key=repr))
    source = Grouped(writer.relation, writer.keys, folds)
    return _over(source, written, having, writer.columns(writer.keys, folds))


def distinct_view(view: View, schema: Schema, tree: exp.Expr) -> View:
    """The view of SELECT DISTINCT with the unit among its columns: one row a unit and combination of the others."""
    source, places = derived(view)
    check_one_month(source.values, source.relation, schema, tree, "SELECT DISTINCT")
    columns: Named = {name: places.get(name, UnitColumn(0)) for name in view.columns}
    return View(Relation(Grouped(source.relation, source.values)), columns)


def check_one_month(
    keys: Sequence[Expression], relation: Relation, schema: Schema, node: exp.Expr, clause: str
) -> None:
    """Refuse groups of one account's rows that are of several months, where the privacy unit is of one."""
    if not lies_in_one_month(keys, relation, schema):
        hint = f"Add DATE_TRUNC('month', {schema.day_column}) to {clause}, or restrict it to one month in WHERE."
        raise refusal(
            "unit-spans-blocks",
            "This puts rows of one customer together that are of different months.",
            node,
            hint=hint,
        )


def united(left: View, right: View, node: exp.Expr) -> View:
    """The view of UNION ALL: called as on the left, column by column of one type; the unit meets the unit."""
    pairs = list(zip(left.columns.values(), right.columns.values(), strict=False))
    units = [isinstance(one, UnitColumn) + isinstance(other, UnitColumn) for one, other in pairs]
    if len(left.columns) != len(right.columns) or 1 in units:
        raise refusal(
            "union-of-private",
            "The two sides of this union differ in their columns.",
            node,
            hint="Select the same columns in the same order on both sides, the unit among them.",
        )
    places = [place for place, found in enumerate(units) if not found]
    parts = [_part(view, places) for view in (left, right)]
    if parts[0].span != parts[1].span:
        reason = "One side of this union has months, and the other has none."
        raise refusal("unit-spans-blocks", reason, node, hint="Aggregate each side, and put the results together.")
    if parts[0].columns != parts[1].columns:
        raise refusal("type-mismatch", "The columns of this union are of different types.", node, hint="Add a CAST.")
    kept = sorted((part for each in parts for part in _flat(each)), key=repr)
    columns: Named = dict.fromkeys(left.columns, UnitColumn(0))
    for (name, type_), place in zip(parts[0].columns, places, strict=True):
        columns[list(left.columns)[place]] = Column(0, name, type_)
    return View(Relation(Union(tuple(kept))), columns)


def _part(view: View, places: list[int]) -> Derived:
    relation, moved = canonical(view.relation)
    values = [list(view.columns.values())[place] for place in places]
    return Derived(relation, tuple(renumbered(value, moved) for value in values if not isinstance(value, UnitColumn)))


def _flat(part: Derived) -> tuple[Derived, ...]:
    """The parts of a union that this one passes on as they are."""
    relation = part.relation
    if not isinstance(relation.first, Union) or relation.joins or relation.where:
        return (part,)
    same = part.values == tuple(Column(0, name, type_) for name, type_ in relation.first.columns)
    return relation.first.parts if same else (part,)


def has_windows(tree: exp.Select) -> bool:
    """Whether the SELECT computes windows over its own rows."""
    parts = [*tree.expressions, *([tree.args["qualify"]] if tree.args.get("qualify") is not None else [])]
    return any(isinstance(node, exp.Window) for part in parts for node in walk(part))


def windowed_view(tree: exp.Select, scope: Scope, aliases: Aliases, schema: Schema) -> View:
    """The view of a SELECT with windows, all of them partitioned by the unit; QUALIFY filters its rows."""
    writer = _Writer(tree, scope, aliases, schema)
    written = [(projection, writer.projection(projection)) for projection in tree.expressions]
    qualify = writer.write(tree.args["qualify"].this) if tree.args.get("qualify") is not None else None
    values = tuple(sorted(writer.values.values(), key=repr))
    windows = tuple(sorted((each for each in writer.folded.values() if isinstance(each, Window)), key=repr))
    source = Windowed(writer.relation, values, windows)
    return _over(source, written, qualify, writer.columns(values, windows))


def _over(
    source: Derived, written: list[tuple[exp.Expr, exp.Expr | None]], where: exp.Expr | None, places: dict[str, Column]
) -> View:
    """The view of projections and a condition that were written over placeholders of the source's columns."""

    def resolve(column: exp.Column) -> Expression:
        return places[column.name]

    columns: Named = {}
    for projection, body in written:
        columns[name_of(projection)] = UnitColumn(0) if body is None else scalar(body, resolve)
    conditions = () if where is None else conjuncts(selection(condition(where, resolve)))
    return View(Relation(source, (), conditions), columns)


class _Writer:
    """Rewrites expressions over placeholders, and collects what these stand for.

    With `keys` the SELECT groups, and what is no key has to be folded; without, it computes windows, and any column of
    FROM may stand for itself.
    """

    def __init__(self, tree: exp.Select, scope: Scope, aliases: Aliases, schema: Schema) -> None:
        self.scope, self.aliases, self._schema = scope, aliases, schema
        self.relation, self._moved = canonical(scope.relation(tree, schema))
        self.keys: tuple[Expression, ...] | None = None
        self.values: dict[str, Expression] = {}
        self.folded: dict[str, Fold | Window] = {}

    def scalar(self, tree: exp.Expr) -> Expression:
        return renumbered(scalar(tree, self._resolve), self._moved)

    def condition(self, tree: exp.Expr) -> Expression:
        return renumbered(condition(tree, self._resolve), self._moved)

    def columns(self, values: Sequence[Expression], folded: Sequence[Fold | Window]) -> dict[str, Column]:
        """The column that each placeholder stands for."""
        found = {name: Column(0, f"c{values.index(value)}", value.type) for name, value in self.values.items()}
        return found | {name: Column(0, f"f{folded.index(each)}", each.type) for name, each in self.folded.items()}

    def projection(self, projection: exp.Expr) -> exp.Expr | None:
        """The projection over placeholders; None if it is the unit itself."""
        if is_star(projection):
            raise refusal("not-in-group-by", "Name the columns here instead of *.", projection)
        body = projection.unalias()
        others = {alias: tree for alias, tree in self.aliases.items() if tree is not body}
        return None if _is_unit(body, self.scope, others) else self.write(body)

    def write(self, tree: exp.Expr) -> exp.Expr:
        if isinstance(tree, exp.Window) and self.keys is None:
            make = self._window_of(tree)
            return self._folded(tree.this, lambda call, where: self._fold_place(make(call, where)))
        if self.keys is None and is_aggregate(tree):
            hint = f"Add OVER (PARTITION BY {self._schema.unit_column}), or GROUP BY."
            raise refusal("unsupported-syntax", f"{called(tree)} stands beside windows.", tree, hint=hint)
        if is_aggregate(tree) or isinstance(tree, exp.Filter):
            return self._folded(tree, lambda call, where: self._fold_place(self._fold(call, _FOLDINGS, where)))
        if isinstance(tree, exp.Query | exp.Window):
            raise refusal("unsupported-syntax", "This cannot stand here.", tree, hint="Use an outer SELECT for it.")
        if (value := self._own(tree)) is not None:
            return _place(self.values, value, "c")
        if isinstance(tree, exp.Column):
            return exp.Paren(this=self.write(self._alias(tree)))
        return type(tree)(**{name: self._argument(value) for name, value in tree.args.items()})

    def _argument(self, value: object) -> object:
        if isinstance(value, list):
            return [self._argument(part) for part in value]
        return self.write(value) if isinstance(value, exp.Expr) else value

    def _own(self, tree: exp.Expr) -> Expression | None:
        """What the tree is of one row, or of the group: a column of FROM where nothing is grouped, else a key."""
        if self.keys is None:
            alone = isinstance(tree, exp.Column) and not self._is_alias(tree)
            return self.scalar(tree) if alone else None
        try:
            value = self.scalar(tree) if self.keys else None
        except QueryNotPrivateError:
            return None
        return value if value in self.keys else None

    def _is_alias(self, tree: exp.Column) -> bool:
        name = tree.name.lower()
        known = any(name in item.columns for item in self.scope.items)
        return not tree.table and name in self.aliases and not known

    def _alias(self, tree: exp.Column) -> exp.Expr:
        """What a name stands for that is no column of FROM."""
        if self._is_alias(tree):
            self.scope.expand(tree)
            return self.aliases[tree.name.lower()]
        self.scalar(tree)  # an unknown name, or the unit, is refused as such
        raise refusal(
            "not-in-group-by",
            f"{tree.sql()} is neither grouped by nor aggregated.",
            tree,
            hint=f"Add {tree.sql()} to GROUP BY, or put it into an aggregate.",
        )

    def _resolve(self, column: exp.Column) -> Expression | UnitColumn:
        return self.scope.resolve(column, self.aliases)

    def _fold_place(self, fold: Fold | Window) -> exp.Expr:
        return _place(self.folded, fold, "f")

    def _folded(self, tree: exp.Expr, place: Callable[[exp.Expr, exp.Expr | None], exp.Expr]) -> exp.Expr:
        """The call as one placeholder, or a mean as the ratio of two."""
        call = tree.this if isinstance(tree, exp.Filter) else tree
        where = tree.expression.this if isinstance(tree, exp.Filter) else None
        if not isinstance(call, exp.Avg):
            return place(call, where)
        total = exp.cast(place(exp.Sum(this=call.this), where), "DOUBLE")
        return exp.Paren(this=exp.Div(this=total, expression=place(exp.Count(this=call.this), where)))

    def _fold(self, call: exp.Expr, known: dict[type[exp.Expr], Folding], where: exp.Expr | None) -> Fold:
        function = known.get(type(call))
        if function is None:
            reason = f"{called(call)} is not computed over the rows of one customer."
            raise refusal("unsupported-aggregate", reason, call, hint="COUNT, SUM, AVG, MIN and MAX are.")
        conditions = [] if where is None else [self.condition(where)]
        target = call.this
        if isinstance(call, exp.CountIf):
            conditions, target = [*conditions, self.condition(target)], None
        if isinstance(target, exp.Distinct):
            function, target = self._distinct(function, target, known), self._only(target)
        whole = isinstance(target, exp.Star) or (isinstance(target, exp.Column) and self._unit(target))
        if function is Folding.COUNT and whole:
            target = None
        read = self.condition if isinstance(call, exp.LogicalOr | exp.LogicalAnd) else self.scalar
        argument = read(target) if isinstance(target, exp.Expr) else None
        if argument is None and function in _OF_A_VALUE:
            raise refusal("unsupported-aggregate", f"{called(call)} needs a value.", call, hint="Name a column in it.")
        if function is Folding.COUNT and argument is not None and self._never_null(argument):
            argument = None
        if function is Folding.SUM and argument is not None and not argument.type.exact:
            reason = "Sums are exact: they need an integer or a decimal with declared places."
            raise refusal(
                "inexact-sum", reason, call, hint=f"ROUND({call.this.sql(dialect=DIALECT)}, 2), for instance."
            )
        if function is Folding.SUM and argument is not None and where is None and known is _FOLDINGS:
            counted = count_of(argument)
            if counted is not None:
                function, argument, conditions = Folding.COUNT, None, [counted]
        chosen = selection(conjunction(tuple(conditions)))
        return Fold(function, argument, None if chosen == TRUE else chosen)

    def _distinct(self, function: Folding, target: exp.Distinct, known: dict[type[exp.Expr], Folding]) -> Folding:
        """What becomes of a fold of distinct values: only COUNT is another then, and extremes stay what they are."""
        if function in (Folding.MIN, Folding.MAX):
            return function
        if function is not Folding.COUNT or known is not _FOLDINGS:
            reason = "DISTINCT stands in COUNT alone here, and in no window."
            raise refusal("unsupported-aggregate", reason, target, hint="Select the distinct rows in a subquery first.")
        return Folding.COUNT_DISTINCT

    def _never_null(self, value: Expression) -> bool:
        if isinstance(value, Literal):
            return value.value is not None
        return isinstance(value, Column) and not self._schema.nullable(self.relation, value)

    def _only(self, target: exp.Distinct) -> exp.Expr:
        if len(target.expressions) != 1 or self._unit(target.expressions[0]):
            raise refusal("count-distinct", "COUNT(DISTINCT …) of one customer's rows takes one value.", target)
        only: exp.Expr = target.expressions[0]
        return only

    def _unit(self, tree: exp.Expr) -> bool:
        return _is_unit(tree, self.scope, self.aliases)

    def _window_of(self, tree: exp.Window) -> Callable[[exp.Expr, exp.Expr | None], Window]:
        partition = tree.args.get("partition_by") or []
        if not any(self._unit(part) for part in partition):
            raise refusal(
                "window-across-units",
                "This window would see rows of other customers.",
                tree,
                hint=f"Add PARTITION BY {self._schema.unit_column}, or put the window around a result.",
            )
        others = tuple(sorted({self.scalar(part) for part in partition if not self._unit(part)}, key=repr))
        check_one_month(others, self.relation, self._schema, tree, "PARTITION BY")
        order = tuple(self._ordered(part) for part in tree.args["order"].expressions) if tree.args.get("order") else ()
        rows = _frame(tree.args["spec"]) if tree.args.get("spec") is not None else None

        def make(call: exp.Expr, where: exp.Expr | None) -> Window:
            shifted = isinstance(call, exp.Lag | exp.Lead)
            if shifted and call.args.get("default") is not None:
                raise refusal("unsupported-syntax", "A default is not taken here.", call, hint="Wrap it in COALESCE.")
            offset = _whole(call.args["offset"]) if shifted and call.args.get("offset") is not None else 1
            return Window(self._fold(call, _IN_WINDOWS, where), others, order, rows, offset)

        return make

    def _ordered(self, part: exp.Ordered) -> tuple[Expression, bool]:
        if part.args.get("nulls_first"):
            raise refusal("unsupported-syntax", "NULLS come last here.", part, hint="Leave NULLS FIRST out.")
        return self.scalar(part.this), bool(part.args.get("desc"))


def _place(kept: dict[str, T], what: T, prefix: str) -> exp.Expr:
    """The placeholder of what was met before, or a new one."""
    name = next((name for name, known in kept.items() if known == what), f"{prefix}{len(kept)}")
    kept[name] = what
    return exp.column(name, quoted=True)


def _is_unit(tree: exp.Expr, scope: Scope, aliases: Aliases) -> bool:
    while isinstance(tree, exp.Paren):
        tree = tree.this
    if not isinstance(tree, exp.Column):
        return False
    try:
        return isinstance(scope.resolve(tree, aliases), UnitColumn)
    except QueryNotPrivateError:
        return False


def _whole(tree: exp.Expr) -> int:
    if isinstance(tree, exp.Literal) and not tree.is_string and tree.name.isdigit() and int(tree.name) <= VALUE_LIMIT:
        return int(tree.name)
    raise refusal("unsupported-syntax", "A whole number is needed here.", tree)


def _frame(spec: exp.WindowSpec) -> tuple[int | None, int | None] | None:
    """The frame as rows before and after; None for the usual one, from the start to the row's equals."""
    start, end = spec.args.get("start"), spec.args.get("end") or "CURRENT ROW"
    sides = (str(spec.args.get("start_side") or ""), str(spec.args.get("end_side") or ""))
    if spec.args.get("kind") == "RANGE":
        if start == "UNBOUNDED" and end in ("CURRENT ROW", "UNBOUNDED"):
            return None if end == "CURRENT ROW" else (None, None)
        raise refusal("unsupported-syntax", "This frame is not supported.", spec, hint="Use ROWS BETWEEN … AND ….")
    if sides[0] not in ("", "PRECEDING") or sides[1] not in ("", "FOLLOWING"):
        raise refusal("unsupported-syntax", "A frame begins before its row and ends after it.", spec)
    return _reach(start), _reach(end)


def _reach(bound: object) -> int | None:
    if bound == "UNBOUNDED":
        return None
    return 0 if bound == "CURRENT ROW" else _whole(bound)  # type: ignore[arg-type]  # an expression
