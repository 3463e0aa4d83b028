"""The type checker: decides of every SELECT whether its rows are public, private or released, and refuses the rest.

- Private: select, project and join over private tables, by the rules of `views.py`. It is never the root.
- Released: an aggregation over a private relation becomes a node of the statement and a table `released_<n>` in the SQL
  that is left over (`rewriting.py`).
- Public: everything over public and released tables. It runs as plain SQL afterwards, costs nothing, and is
  post-processing (Dwork and Roth 2014, Proposition 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from queries.aggregates import Node
from queries.errors import PlanTooLargeError, QueryNotPrivateError
from queries.followed import Followed, as_value, chosen_by, named_value, origin, with_values
from queries.intervals import bound, is_bound
from queries.names import Level, Levels, aliases_of, check_names, check_tail
from queries.parse import refusal, walk
from queries.plan import Expression, Grouped
from queries.rewriting import Aliases, aggregated, aggregates, groups_of
from queries.rows import (
    Output,
    Rows,
    Sources,
    check_answer_names,
    check_size,
    distinct_names,
    from_item,
    is_star,
    name_of,
    projections_of,
    public_table,
    star_table,
)
from queries.rows import renamed as renamed_rows
from queries.rows import united as united_rows
from queries.rows import visible as visible_rows
from queries.scalars import UnitColumn, scalar
from queries.schema import Schema
from queries.semi_joins import without_subqueries
from queries.subtotals import has_subtotals
from queries.unit_rows import distinct_view, grouped_view, groups_by_unit, has_windows, united, windowed_view
from queries.views import Named, Scope, View

RELEASED = "released_"
_ROWS_HINT = "Aggregate them: SELECT COUNT(*), SUM(…) … GROUP BY …"
_UNION_HINT = "Aggregate each side, and add the results: (SELECT COUNT(*) FROM …) + (SELECT COUNT(*) FROM …)."
_LIMIT_HINT = "Aggregate in a subquery: on its result they are free. Distinct values: SELECT …, COUNT(*) … GROUP BY …."
_LEVELS_HINT = "Group by the columns themselves, and add them up outside."
_ACROSS_UNITS = ("limit", "offset")
_MIXING = ("distinct", "by_name", *_ACROSS_UNITS)  # of a union: its rows are not those of both sides, one by one
_UNTYPED_CLAUSES = ("distinct", "qualify", *_ACROSS_UNITS)


@dataclass(frozen=True, slots=True)
class Typed:
    """A query's type: private if it has a view only, public otherwise (with a view, too, where it is simple enough)."""

    view: View | None
    rows: Rows | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What is to be released, in order, and the rest of the statement over it."""

    nodes: tuple[Node, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class _Item:
    """One FROM item after checking."""

    alias: str
    typed: Typed
    join: exp.Join | None
    node: exp.Expr


Environment = dict[str, Typed]


def check(tree: exp.Query, schema: Schema) -> Statement:
    """The statement's nodes and remainder; raises QueryNotPrivateError where it cannot be private."""
    checker = _Checker(schema)
    typed = checker.query(tree, {})
    if typed.rows is None:
        raise _private_root(tree, typed.view)
    check_answer_names(typed.rows.columns, tree)
    return Statement(tuple(checker.nodes), with_values(typed.rows, checker.values))


def _private_root(tree: exp.Query, view: View | None) -> QueryNotPrivateError:
    if view is not None and isinstance(view.relation.first, Grouped) and len(view.relation.sources) == 1:
        hint = "Group by something that many customers share, or aggregate these groups in an outer SELECT."
        return refusal("group-by-unit", "Groups of single customers are not released.", tree, hint=hint)
    return refusal("private-rows", "This would return rows of single customers.", tree, hint=_ROWS_HINT)


@dataclass(slots=True)
class _Checker:
    schema: Schema
    nodes: list[Node] = field(default_factory=list)
    levels: Levels = ()  # of the public queries around the one that is being checked
    reached: int = 0  # the outermost of them that a name was of
    values: dict[exp.Expr, str] = field(default_factory=dict)  # subqueries that stand for one value, by their names

    def query(self, tree: exp.Expr, env: Environment) -> Typed:
        clause = tree.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            env = {**env, cte.alias.lower(): _renamed(self.query(cte.this, env), cte.args.get("alias"))}
        if isinstance(tree, exp.Select):
            return self._select(tree, env)
        if isinstance(tree, exp.Subquery):
            return self._parenthesised(tree, env)
        if isinstance(tree, exp.SetOperation):
            return self._set_operation(tree, env)
        raise refusal("unsupported-syntax", "Only SELECT statements are answered.", tree)

    def _parenthesised(self, tree: exp.Subquery, env: Environment) -> Typed:
        inner = self.query(tree.this, env)
        if not any(tree.args.get(name) for name in ("order", "limit", "offset")):
            return inner
        if inner.rows is None:
            raise _limited(tree)
        check_tail(tree, [column.name for column in inner.rows.columns])
        result = exp.Subquery(this=inner.rows.tree, **self._tail(tree, env))
        chosen = inner.rows.chosen or any(tree.args.get(name) for name in _ACROSS_UNITS)
        return Typed(None, Rows(result, inner.rows.columns, chosen=chosen))

    def _set_operation(self, tree: exp.SetOperation, env: Environment) -> Typed:
        one, other = (self.query(side, env) for side in (tree.this, tree.expression))
        left, right = one.rows, other.rows
        if left is None or right is None:
            return Typed(self._private_union(tree, one.view, other.view), None)
        check_size((left, right), tree)
        check_tail(tree, [column.name for column in (*left.columns, *right.columns)])
        arguments = {name: tree.args.get(name) for name in ("distinct", "by_name")}
        plain = isinstance(tree, exp.Union) and not any(tree.args.get(name) for name in _MIXING)
        if plain:
            columns, one_side, other_side = united_rows(left, right)
        else:
            columns = _united(left.columns, right.columns, by_name=bool(tree.args.get("by_name")))
            one_side, other_side = visible_rows(left), visible_rows(right)
        result = type(tree)(this=one_side, expression=other_side, **arguments, **self._tail(tree, env))
        chosen = not plain or left.chosen or right.chosen
        return Typed(None, Rows(result, columns, chosen=chosen))

    def _private_union(self, tree: exp.SetOperation, left: View | None, right: View | None) -> View:
        """UNION ALL of two private queries: each row keeps its unit. UNION drops rows that a unit has twice."""
        both = left is not None and right is not None and left.private and right.private
        if left is None or right is None or not both or not isinstance(tree, exp.Union) or tree.args.get("by_name"):
            raise refusal(
                "union-of-private",
                "Private rows are only put together by UNION [ALL], and with private rows.",
                tree,
                hint=_UNION_HINT,
            )
        if any(tree.args.get(name) for name in _ACROSS_UNITS):
            raise _limited(tree)
        view = united(left, right, tree)
        return self._distinct(view, tree) if tree.args.get("distinct") else view

    def _items(self, tree: exp.Select, env: Environment) -> list[_Item]:
        clause = tree.args.get("from_")
        if clause is None:
            return []
        found = [self._item(clause.this, None, env, 0)]
        for place, join in enumerate(tree.args.get("joins") or [], start=1):
            found.append(self._item(join.this, join, env, place))
        return found

    def _item(self, node: exp.Expr, join: exp.Join | None, env: Environment, place: int) -> _Item:
        if isinstance(node, exp.Table):
            name = node.name.lower()
            typed = _renamed(env.get(name) or self._table(name, node), node.args.get("alias"))
            return _Item((node.alias or name).lower(), typed, join, node)
        if isinstance(node, exp.Subquery):
            typed = _renamed(self.query(node, env), node.args.get("alias"))
            return _Item(node.alias.lower() or f"_s{place}", typed, join, node)
        raise refusal("unsupported-syntax", "This cannot stand in FROM.", node)

    def _table(self, name: str, node: exp.Expr) -> Typed:
        table = self.schema.table(name)
        if table is None:
            known = ", ".join(sorted(self.schema.policy.tables))
            raise refusal(
                "unknown-table", f"There is no table {node.name[:100]}.", node, hint=f"Known tables: {known}."
            )
        columns: Named = dict(table.columns)
        if table.unit_column is not None:
            return Typed(View(table.relation, {table.unit_column: UnitColumn(0), **columns}), None)
        return Typed(
            View(table.relation, columns),
            public_table(name, {column: value.type.scale for column, value in table.columns.items()}),
        )

    def _select(self, tree: exp.Select, env: Environment) -> Typed:
        items = self._items(tree, env)
        aliases = {e.alias.lower(): e.this for e in tree.expressions if isinstance(e, exp.Alias)}
        if any(item.typed.rows is None for item in items):
            return self._private(tree, items, aliases, env)
        return Typed(self._simple_view(tree, items, aliases, env), self._public(tree, items, env))

    # private rows

    def _private(self, tree: exp.Select, items: list[_Item], aliases: Aliases, env: Environment) -> Typed:
        scope = self._scope(tree, items, aliases, env)
        if not aggregates(tree):
            return Typed(self._view(tree, scope, aliases), None)
        groups = groups_of(tree)
        if groups_by_unit(groups, scope, aliases):
            if any(tree.args.get(name) for name in _UNTYPED_CLAUSES):
                raise _limited(tree)
            if has_subtotals(tree.args["group"]):
                raise refusal("unsupported-syntax", "One customer's rows have no subtotals.", tree, hint=_LEVELS_HINT)
            return Typed(grouped_view(tree, groups, scope, aliases, self.schema), None)
        name = f"{RELEASED}{len(self.nodes)}"
        self.nodes.append(Node(scope.relation(tree, self.schema), ()))  # keeps the place of this one
        place = len(self.nodes) - 1
        found, rows = aggregated(tree, scope, aliases, self.schema, lambda inner: self._left_over(inner, env), name)
        self.nodes[place] = found.node
        return Typed(None, rows)

    def _scope(self, tree: exp.Select, items: list[_Item], aliases: Aliases, env: Environment) -> Scope:
        scope = Scope()
        for item in items:
            if item.typed.view is None:
                raise refusal(
                    "released-with-private",
                    "A released or aggregated result is joined with private rows.",
                    item.node,
                    hint="Aggregate the private rows first, then join the two results.",
                )
            if item.join is None or _is_inner(item.join):
                scope.add(item.alias, item.typed.view, item.node)
                if item.join is not None:
                    scope.join_inner(item.join)
            else:
                _check_outer(scope, item.typed.view, item.join)
                scope.add_outer(item.alias, item.typed.view, item.join)
        if tree.args.get("where") is not None:
            where = tree.args["where"].this
            if any(item.private for item in scope.items):
                where = without_subqueries(where, scope, self.schema, lambda inner: self.query(inner, env).view)
            scope.restrict(where, aliases)
        return scope

    def _view(self, tree: exp.Select, scope: Scope, aliases: Aliases) -> View:
        if any(tree.args.get(name) for name in _ACROSS_UNITS):
            raise _limited(tree)
        if has_windows(tree):
            view = windowed_view(tree, scope, aliases, self.schema)
        else:
            columns: Named = {}
            for projection in tree.expressions:
                columns |= _projected(projection, scope, aliases)
            view = View(scope.relation(tree, self.schema), columns)
        return self._distinct(view, tree) if tree.args.get("distinct") else view

    def _distinct(self, view: View, tree: exp.Expr) -> View:
        if not view.private or not any(isinstance(value, UnitColumn) for value in view.columns.values()):
            raise _limited(tree)
        return distinct_view(view, self.schema, tree)

    def _simple_view(self, tree: exp.Select, items: list[_Item], aliases: Aliases, env: Environment) -> View | None:
        """The public SELECT as a view, for joining with private rows; None where it is not select-project-join."""
        if not items or aggregates(tree) or any(tree.args.get(name) for name in _UNTYPED_CLAUSES):
            return None
        try:
            return self._view(tree, self._scope(tree, items, aliases, env), aliases)
        except (QueryNotPrivateError, PlanTooLargeError):
            return None

    # public rows

    def _public(self, tree: exp.Select, items: list[_Item], env: Environment) -> Rows:
        names = [name_of(projection) for projection in tree.expressions]
        result = tree.copy()
        result.set("with_", None)
        sources: Sources = {}
        check_size((item.typed.rows for item in items if item.typed.rows is not None), tree)
        joins = iter(result.args.get("joins") or [])
        for item in items:
            rows = item.typed.rows
            if rows is None:
                continue
            if item.alias in sources:
                reason = f"Two tables are called {item.alias[:100]} here."
                raise refusal("duplicate-alias", reason, item.node, hint="Give one an alias.")
            sources[item.alias] = rows.columns
            place = result.args["from_"] if item.join is None else next(joins)
            place.set("this", from_item(rows, item.alias))
        shown = {item.alias: sources[item.alias] for item in items if not _only_filters(item.join)}
        self.reached = min(self.reached, check_names(tree, shown, sources, self.levels))
        self.levels += (Level(shown, aliases_of(tree)),)
        self._replace_inner(result, env)
        self.levels = self.levels[:-1]
        inner = [item.typed.rows for item in items if item.typed.rows is not None]
        read = origin(result, shown, inner)
        followed = Followed.through(result, read)
        _write_bounds(result, followed)
        projections, outputs = projections_of(result.expressions, names, shown, followed.hidden)
        chosen = chosen_by(result, read)
        result.set("expressions", projections)
        followed.read_from()
        return Rows(result, distinct_names(outputs, tree), chosen=chosen)

    def _replace_inner(self, tree: exp.Select, env: Environment) -> None:
        """Replace the subqueries outside FROM by what is left of them after checking."""
        clauses = [tree.args.get(name) for name in ("where", "having", "group", "order", "qualify", "limit", "offset")]
        conditions = [join.args.get("on") for join in tree.args.get("joins") or []]
        for part in [*tree.expressions, *clauses, *conditions]:
            if part is not None:
                self._replace(part, env)

    def _replace(self, root: exp.Expr, env: Environment) -> None:
        for child in list(root.iter_expressions()):
            if isinstance(child, exp.Query):
                child.replace(self._left_over(child, env))
            else:
                self._replace(child, env)

    def _left_over(self, tree: exp.Expr, env: Environment) -> exp.Expr:
        """What is left of a subquery in an expression."""
        outer, self.reached = self.reached, len(self.levels)
        rows = self.query(tree, env).rows
        by_itself = self.reached == len(self.levels)
        self.reached = min(self.reached, outer)
        if rows is None:
            raise refusal("private-rows", "This subquery would return rows of single customers.", tree, hint=_ROWS_HINT)
        if not isinstance(tree, exp.Subquery):
            return visible_rows(rows)
        return as_value(named_value(rows, self.values) if by_itself else rows)

    def _tail(self, tree: exp.Expr, env: Environment) -> dict[str, exp.Expr]:
        found = {}
        for name in ("order", "limit", "offset"):
            if tree.args.get(name) is not None:
                found[name] = tree.args[name].copy()
                self._replace(found[name], env)
        return found


def _united(left: tuple[Output, ...], right: tuple[Output, ...], *, by_name: bool) -> tuple[Output, ...]:
    """The columns of a union: called as on the left, dimensions only where they are that on both sides."""
    if by_name:
        beside = {output.name: output for output in right}
        columns = left + tuple(output for output in right if output.name not in {column.name for column in left})
    else:
        beside, columns = {own.name: other for own, other in zip(left, right, strict=False)}, left
    pairs = [(column, beside.get(column.name, column)) for column in columns]
    return tuple(
        Output(column.name, "dimension" if column.role == other.role == "dimension" else "derived")
        for column, other in pairs
    )


def _write_bounds(tree: exp.Select, followed: Followed) -> None:
    """Write the ends of intervals in a SELECT over results out, subqueries left out.

    Raises QueryNotPrivateError where a column has none.
    """
    aliases = aliases_of(tree)
    bodies = {part.alias.lower(): part.this for part in tree.expressions if isinstance(part, exp.Alias)}
    parts = [*tree.expressions, *(tree.args.get(name) for name in ("where", "having", "qualify", "order", "group"))]
    for node in [node for part in parts if part is not None for node in walk(part) if is_bound(node)]:
        inner = node.this
        named = isinstance(inner, exp.Column) and not inner.table and inner.name.lower() in aliases
        value = bodies[inner.name.lower()] if named else inner
        node.replace(bound(node, value, followed.estimate(value)))


def _check_outer(scope: Scope, view: View, join: exp.Join) -> None:
    side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
    if side != "LEFT" or kind not in ("", "OUTER"):
        raise refusal(
            "unsupported-join",
            f"{(side + ' ' + kind).strip()} JOIN is not supported on private rows.",
            join,
            hint="Use JOIN, or LEFT JOIN with the private table on the left.",
        )
    if view.private and not any(item.private for item in scope.items):
        raise refusal(
            "outer-join-keeps-public",
            "A left join that keeps public rows leaves rows without a privacy unit.",
            join,
            hint="Put the private table on the left; public keys come back with zeros anyway.",
        )


def _projected(projection: exp.Expr, scope: Scope, aliases: Aliases) -> Named:
    if is_star(projection):
        table = star_table(projection)
        items = [item for item in scope.items if table in ("", item.alias)]
        if not items:
            raise refusal("unknown-table", f"There is no table {table[:100]} here.", projection)
        return {name: value for item in items for name, value in item.columns.items()}
    body = projection.unalias()
    others = {alias: tree for alias, tree in aliases.items() if tree is not body}
    value: Expression | UnitColumn
    if isinstance(body, exp.Column):
        value = scope.resolve(body, others)
    else:
        value = scalar(body, lambda column: scope.resolve(column, others))
    return {name_of(projection): value}


def _renamed(typed: Typed, alias: exp.Expr | None) -> Typed:
    """The query with its columns called as `t(a, b)` says."""
    names = [c.name.lower() for c in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return typed
    view, rows = typed.view, typed.rows
    if view is not None:
        own = list(view.columns.items())
        shown = {names[place] if place < len(names) else name: value for place, (name, value) in enumerate(own)}
        view = View(view.relation, shown)
    return Typed(view, renamed_rows(rows, names) if rows is not None else None)


def _is_inner(join: exp.Join) -> bool:
    return not join.args.get("side") and str(join.args.get("kind") or "").upper() in ("", "INNER", "CROSS")


def _only_filters(join: exp.Join | None) -> bool:
    """Whether the join shows no columns of its right side."""
    return join is not None and str(join.args.get("kind") or "").upper() in ("SEMI", "ANTI")


def _limited(tree: exp.Expr) -> QueryNotPrivateError:
    return refusal(
        "limit-on-private",
        "LIMIT, OFFSET, DISTINCT and QUALIFY on private rows depend on other customers' rows.",
        tree,
        hint=_LIMIT_HINT,
    )


__all__ = ["Output", "Rows", "Statement", "check"]
