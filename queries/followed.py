"""Estimates through SELECTs over results: columns that are passed on or computed with, sums, windows, subqueries.

Rows of a release have independent noise. A total over them is off by √Σ s², a share of a window's total by what its own
row and the others bring: noise that is in both is counted once. Where rows may stand twice (after a join), or where one
noise is in several of them, errors are added up as they are, which is never too little. A sum over rows that noised
values chose (WHERE n > 100, the first ten by n) is off by more than noise, and has no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from queries.google_sql import IntervalHigh, IntervalLow
from queries.intervals import Estimate, OfRows
from queries.parse import walk
from queries.propagation import Parts, Propagation, Slopes, UnfollowedError, one, scaled
from queries.rows import Finish, Hidden, Output, Rows, Sources, is_star, origin_of, visible
from queries.shown import DISPLAY, finish_of, shown

_ESTIMATE, _CONSTANT = "estimate", "constant"  # keys of a subquery's meta data
_Wrap = Callable[[exp.Expr], exp.Expr]


@dataclass(frozen=True, slots=True)
class From:
    """What a SELECT reads: its sources, its aliases, and whether noised values chose the rows of a source."""

    sources: Sources
    aliases: dict[str, exp.Expr]
    chosen: bool

    @property
    def is_single(self) -> bool:
        """Whether each row of the one source is a row here, and once."""
        return len(self.sources) == 1


class OfRow(Propagation):
    """Expressions of one row: columns, windows and subqueries."""

    def __init__(self, origin: From, parts: Parts | None = None) -> None:
        super().__init__(parts)
        self.origin = origin

    def _own(self, tree: exp.Expr) -> Slopes | None:
        if isinstance(tree, exp.Column):
            return self._column(tree)
        if isinstance(tree, exp.Query):
            return self._subquery(tree)
        return self._window(tree) if isinstance(tree, exp.Window) else None

    def _column(self, tree: exp.Column) -> Slopes:
        found = origin_of(tree, self.origin.sources)
        if found is None:
            return self._alias(tree)
        table, output = found
        if output.hidden is None:
            if output.role != "dimension":
                raise UnfollowedError
            return {}
        hidden = output.hidden
        error, low, high = (exp.column(name, table=table, quoted=True) for name in hidden.names[:3])
        rows = OfRows.OWN if hidden.own and self.origin.is_single else OfRows.ANY
        return self.take(exp.column(output.name, table=table).sql(), Estimate(error, low, high, hidden.noise, rows))

    def _alias(self, tree: exp.Column) -> Slopes:
        """What is no column of a source: here it is not looked up."""
        raise UnfollowedError(tree.name)

    def _subquery(self, tree: exp.Query) -> Slopes:
        if tree.meta.get(_CONSTANT):
            return {}
        found = tree.meta.get(_ESTIMATE)
        if not isinstance(found, Estimate):
            raise UnfollowedError
        return self.take(tree.sql(), found)

    def _window(self, tree: exp.Window) -> Slopes:
        """A sum or mean over a window, or a value of another row of it."""
        call, over = tree.this, _over(tree)
        around = [*(tree.args.get("partition_by") or []), tree.args.get("order")]
        if not self._is_constant(part for part in around if part is not None):
            raise UnfollowedError
        slopes = self.slopes(call.this) if isinstance(call.this, exp.Expr) else {}
        if not slopes:
            return {}
        if self.origin.chosen or tree.args.get("alias"):
            raise UnfollowedError
        inner = self._combined(slopes)
        if isinstance(call, exp.Sum | exp.Avg):
            found = self._total(tree, slopes, inner)
            share = exp.Div(this=one(), expression=over(exp.Count(this=call.this.copy())))
            return found if isinstance(call, exp.Sum) else scaled(found, share)
        return self.take(tree.sql(), _of_another(call, inner, over))

    def _total(self, tree: exp.Window, slopes: Slopes, inner: Estimate) -> Slopes:
        """The sum over all rows of a window is that of the own row and of the others, which are independent."""
        own, over = inner.rows is OfRows.OWN, _over(tree)
        total = _summed(tree.this.this, inner, over)
        if not own or tree.args.get("order") is not None or tree.args.get("spec") is not None:
            return self.take(tree.sql(), total)
        variance = over(exp.Sum(this=_square(inner.error)))
        left = exp.Greatest(
            this=exp.Sub(this=variance, expression=_square(inner.error)),
            expressions=[exp.Literal.number(0)],
            ignore_nulls=True,
        )
        error = _where_known(tree.this.this, inner, over, exp.Sqrt(this=left))
        low, high = (
            exp.Sub(this=whole, expression=exp.Paren(this=part.copy()))
            for whole, part in ((total.low, inner.low), (total.high, inner.high))
        )
        rest = Estimate(error, low, high, inner.noise, OfRows.OTHERS)
        return slopes | self.take(f"others of {tree.sql()}", rest)

    def _is_constant(self, trees: Iterable[exp.Expr]) -> bool:
        return is_constant(self.origin, trees)


class _WithAliases(OfRow):
    """Expressions of a clause, which may name the SELECT's own columns."""

    def _alias(self, tree: exp.Column) -> Slopes:
        aliases = self.origin.aliases
        if tree.table or tree.name.lower() not in aliases:
            raise UnfollowedError
        rest = {name: body for name, body in aliases.items() if name != tree.name.lower()}
        return _WithAliases(From(self.origin.sources, rest, self.origin.chosen)).slopes(aliases[tree.name.lower()])


class OfGroup(Propagation):
    """Expressions of a group of rows: sums and means over it."""

    def __init__(self, origin: From, rows: OfRows) -> None:
        super().__init__()
        self.origin = origin
        self._rows = rows

    def _own(self, tree: exp.Expr) -> Slopes | None:
        if isinstance(tree, exp.Filter | exp.Sum | exp.Avg):
            return self._sum(tree)
        if not isinstance(tree, exp.Column | exp.Query | exp.Window):
            return None
        slopes = OfRow(self.origin).slopes(tree)
        if slopes:
            raise UnfollowedError
        return slopes

    def _sum(self, tree: exp.Expr) -> Slopes:
        call, wrap = (tree.this, _filtering(tree)) if isinstance(tree, exp.Filter) else (tree, _itself)
        if not isinstance(call, exp.Sum | exp.Avg) or not is_constant(self.origin, _conditions(tree)):
            raise UnfollowedError
        row = OfRow(self.origin)
        slopes = row.slopes(call.this)
        if not slopes:
            return {}
        inner = row.estimate(call.this)
        if self.origin.chosen or inner is None:
            raise UnfollowedError
        total = _summed(call.this, inner, wrap)
        found = self.take(tree.sql(), Estimate(total.error, total.low, total.high, inner.noise, self._of(inner)))
        share = exp.Div(this=one(), expression=wrap(exp.Count(this=call.this.copy())))
        return found if isinstance(call, exp.Sum) else scaled(found, share)

    def _of(self, inner: Estimate) -> OfRows:
        return self._rows if inner.rows is OfRows.OWN else OfRows.ANY


def origin(tree: exp.Select, sources: Sources, items: Iterable[Rows]) -> From:
    """What the SELECT reads."""
    aliases = {part.alias.lower(): part.this for part in tree.expressions if isinstance(part, exp.Alias)}
    found = From(sources, aliases, any(rows.chosen for rows in items))
    filters = [join.args.get("on") for join in tree.args.get("joins") or []] + [tree.args.get("where")]
    given = [part for part in filters if part is not None]
    return From(sources, aliases, found.chosen or not is_constant(found, [*given, *_groups(tree)]))


def chosen_by(tree: exp.Select, found: From) -> bool:
    """Whether noised values decide which rows come out of the SELECT."""
    clauses = [tree.args.get("having"), tree.args.get("qualify")]
    if tree.args.get("limit") is not None or tree.args.get("offset") is not None:
        order = tree.args.get("order")
        clauses.append(order)
        if order is None or any(isinstance(part.this, exp.Literal) for part in order.expressions):
            return True
    return found.chosen or not is_constant(found, [part for part in clauses if part is not None])


def is_constant(found: From, trees: Iterable[exp.Expr]) -> bool:
    """Whether no noise is in any of the expressions."""
    try:
        return not any(_WithAliases(found).slopes(tree) for tree in trees)
    except UnfollowedError:
        return False


def of_groups(tree: exp.Select, found: From) -> OfGroup:
    """Of the groups of a SELECT that aggregates: each row is in one of them, but for subtotals."""
    clause = tree.args.get("group")
    plain = clause is None or all(
        not isinstance(part, exp.Rollup | exp.Cube | exp.GroupingSets) for part in clause.walk()
    )
    return OfGroup(found, OfRows.OWN if plain else OfRows.ANY)


@dataclass(frozen=True, slots=True)
class Followed:
    """What is known of expressions in a SELECT over results; `parts` are None where it reads from more than one."""

    tree: exp.Select
    origin: From
    parts: Parts | None

    @classmethod
    def through(cls, tree: exp.Select, origin: From) -> Followed:
        """Parts are made after WHERE: they can be where it names nothing but columns of the one source."""
        where = tree.args.get("where")
        named = [] if where is None else list(where.find_all(exp.Column, IntervalLow, IntervalHigh))
        own = all(isinstance(node, exp.Column) and origin_of(node, origin.sources) for node in named)
        plain = origin.is_single and own and not tree.args.get("joins") and not _aggregates(tree)
        return cls(tree, origin, Parts() if plain else None)

    def estimate(self, body: exp.Expr) -> Estimate | None:
        """What is known of the expression's error; None where that is not followed.

        Where rows are mixed without being added up, by DISTINCT, it is not.
        """
        of = of_groups(self.tree, self.origin) if _aggregates(self.tree) else OfRow(self.origin, self.parts)
        return None if self.tree.args.get("distinct") else of.estimate(body)

    def hidden(self, body: exp.Expr, place: int) -> tuple[Hidden, list[exp.Expr]] | None:
        """The hidden columns of the projection at the place; None if it is no estimate, or not followed."""
        estimate = self.estimate(body)
        if estimate is None:
            return None
        display = shown(body, lambda column: _display(column, self.origin.sources))
        written = Hidden.at(place, estimate).written(estimate, display)
        return self._named(body, place, estimate), written

    def read_from(self) -> None:
        """Let the SELECT read the parts of its hidden columns."""
        if self.parts is not None and self.parts.stages:
            clause, where = self.tree.args["from_"], self.tree.args.pop("where", None)
            clause.set("this", self.parts.read_from(clause.this, where))

    def _named(self, body: exp.Expr, place: int, estimate: Estimate) -> Hidden:
        hidden, passed = Hidden.at(place, estimate), _output(body, self.origin.sources)
        if passed is not None and passed.hidden is not None:
            return hidden.finished(passed.hidden.finish, passed.hidden.limits)
        return hidden.finished(finish_of(body, lambda column: _finish(column, self.origin.sources)), None)


def _aggregates(tree: exp.Select) -> bool:
    if tree.args.get("group") is not None or tree.args.get("having") is not None:
        return True
    calls = (node for projection in tree.expressions for node in walk(projection) if isinstance(node, exp.AggFunc))
    return any(not _is_in_window(call) for call in calls)


def _is_in_window(call: exp.Expr) -> bool:
    parent = call.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        parent = parent.parent
    return isinstance(parent, exp.Window) and parent.this is not None


def named_value(rows: Rows, values: dict[exp.Expr, str]) -> Rows:
    """The rows of a subquery by name, where they are an estimate: it is used five times, and so is what is in it."""
    if not any(column.hidden for column in rows.columns):
        return rows
    name = values.setdefault(rows.tree, f"_value{len(values)}")
    return replace(rows, tree=exp.select("*").from_(exp.table_(name, quoted=True)))


def with_values(rows: Rows, values: Mapping[exp.Expr, str]) -> Rows:
    """The statement, with the subqueries that it knows by name."""
    if not values:
        return rows
    ctes = [
        exp.CTE(this=tree, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)), materialized=True)
        for tree, name in values.items()
    ]
    tree = rows.tree.copy()
    tree.set("with_", exp.With(expressions=ctes))
    return replace(rows, tree=tree)


def as_value(rows: Rows) -> exp.Expr:
    """A subquery that stands for its one value, with what is known of it."""
    result = exp.Subquery(this=visible(rows))
    if all(table.catalog == "public" for table in rows.tree.find_all(exp.Table)):
        result.meta[_CONSTANT] = True
    hidden = rows.columns[0].hidden if len(rows.columns) == 1 else None
    if hidden is not None:
        error, low, high, display = (_only(name, rows) for name in hidden.names)
        result.meta[_ESTIMATE] = Estimate(error, low, high, hidden.noise, OfRows.ANY)
        result.meta[DISPLAY] = display
    return result


def _only(name: str, rows: Rows) -> exp.Expr:
    table = exp.Subquery(this=rows.tree.copy(), alias=exp.TableAlias(this=exp.to_identifier("one", quoted=True)))
    return exp.Subquery(this=exp.select(exp.column(name, quoted=True)).from_(table))


def _output(tree: exp.Expr, sources: Sources) -> Output | None:
    found = origin_of(tree, sources)
    return None if found is None else found[1]


def _finish(column: exp.Column, sources: Sources) -> Finish:
    output = _output(column, sources)
    return Finish.NOTHING if output is None or output.hidden is None else output.hidden.finish


def _display(column: exp.Column, sources: Sources) -> exp.Expr | None:
    found = origin_of(column, sources)
    if found is None or found[1].hidden is None:
        return None
    return exp.column(found[1].hidden.display, table=found[0], quoted=True)


def _groups(tree: exp.Select) -> list[exp.Expr]:
    """What the SELECT groups by, ordinals and ALL written out."""
    clause, found = tree.args.get("group"), []
    if clause is None:
        return []
    if clause.args.get("all"):
        return [p.unalias() for p in tree.expressions if not is_star(p) and p.find(exp.AggFunc) is None]
    for part in clause.expressions:
        ordinal = isinstance(part, exp.Literal) and part.name.isdigit() and 1 <= int(part.name) <= len(tree.expressions)
        found.append(tree.expressions[int(part.name) - 1].unalias() if ordinal else part)
    return found


def _summed(value: exp.Expr, inner: Estimate, wrap: _Wrap) -> Estimate:
    """The sum of values of independent rows, or of any rows."""
    if inner.rows is OfRows.OWN:
        error: exp.Expr = exp.Sqrt(this=wrap(exp.Sum(this=_square(inner.error))))
    else:
        error = wrap(exp.Sum(this=inner.error.copy()))
    low, high = (wrap(exp.Sum(this=part.copy())) for part in (inner.low, inner.high))
    return Estimate(_where_known(value, inner, wrap, error), low, high, inner.noise, OfRows.ANY)


def _where_known(value: exp.Expr, inner: Estimate, wrap: _Wrap, error: exp.Expr) -> exp.Expr:
    """The error if that of each value is known: a sum would pass over those that are not."""
    values, errors = (wrap(exp.Count(this=part.copy())) for part in (value, inner.error))
    return exp.Case().when(exp.EQ(this=values, expression=errors), error)


def _of_another(call: exp.Expr, inner: Estimate, over: _Wrap) -> Estimate:
    """LAG and LEAD are of another row; FIRST_VALUE and LAST_VALUE may be of the own one."""
    if not isinstance(call, exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue) or call.args.get("default"):
        raise UnfollowedError
    offset = call.args.get("offset")
    if offset is not None and not (isinstance(offset, exp.Literal) and offset.name.isdigit() and int(offset.name)):
        raise UnfollowedError

    def of(part: exp.Expr) -> exp.Expr:
        other = call.copy()
        other.set("this", part.copy())
        return over(other)

    apart = inner.rows is OfRows.OWN and isinstance(call, exp.Lag | exp.Lead)
    rows = OfRows.OTHERS if apart else OfRows.ANY
    return Estimate(of(inner.error), of(inner.low), of(inner.high), inner.noise, rows)


def _over(tree: exp.Window) -> _Wrap:
    def wrap(call: exp.Expr) -> exp.Expr:
        window = tree.copy()
        window.set("this", call)
        return window

    return wrap


def _filtering(tree: exp.Expr) -> _Wrap:
    def wrap(call: exp.Expr) -> exp.Expr:
        return exp.Filter(this=call, expression=tree.expression.copy())

    return wrap


def _itself(call: exp.Expr) -> exp.Expr:
    return call


def _conditions(tree: exp.Expr) -> list[exp.Expr]:
    return [tree.expression] if isinstance(tree, exp.Filter) else []


def _square(error: exp.Expr) -> exp.Expr:
    return exp.Pow(this=exp.Paren(this=error.copy()), expression=exp.Literal.number(2))
