"""The type checker: decides of every SELECT whether its rows are public, private or released, and refuses the rest.

- Private: select, project and join over private tables, by the rules of `views.py`. It is never the root.
- Released: an aggregation over a private relation becomes a node of the statement and a table `released_<n>` in the SQL
  that is left over.
- Public: everything over public and released tables. It runs as plain SQL afterwards, costs nothing, and is
  post-processing (Dwork and Roth 2014, Prop. 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from queries.aggregates import Measures, Node, is_aggregate, measures, try_expression
from queries.errors import QueryNotPrivateError
from queries.intervals import standard_error
from queries.parse import refusal, walk
from queries.plan import Expression
from queries.scalars import UnitColumn, scalar
from queries.schema import Schema
from queries.views import Item, Named, Scope, View

RELEASED = "released_"
_ROWS_HINT = "Aggregate them: SELECT COUNT(*), SUM(…) … GROUP BY …"


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a public result; `error` names the hidden column with its standard error, if it has one."""

    name: str
    role: str  # dimension | estimate | derived
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Public rows: plain SQL over released and public tables, and its columns."""

    tree: exp.Query
    columns: tuple[Output, ...]
    table: str | None = None  # the public table that this is, unchanged


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


def check(tree: exp.Query, schema: Schema) -> Statement:
    """The statement's nodes and remainder; raises QueryNotPrivateError where it cannot be private."""
    checker = _Checker(schema)
    typed = checker.query(tree, {})
    if typed.rows is None:
        raise refusal("private-rows", "This would return rows of single customers.", tree, hint=_ROWS_HINT)
    return Statement(tuple(checker.nodes), typed.rows)


Environment = dict[str, Typed]


@dataclass(slots=True)
class _Checker:
    schema: Schema
    nodes: list[Node] = field(default_factory=list)

    def query(self, tree: exp.Expr, env: Environment) -> Typed:
        env = self._with(tree, env)
        if isinstance(tree, exp.Select):
            return self._select(tree, env)
        if isinstance(tree, exp.Subquery):
            return self._parenthesised(tree, env)
        if isinstance(tree, exp.SetOperation):
            return self._set_operation(tree, env)
        raise refusal("unsupported-syntax", "Only SELECT statements are answered.", tree)

    def _with(self, tree: exp.Expr, env: Environment) -> Environment:
        clause = tree.args.get("with_")
        for cte in clause.expressions if clause is not None else ():
            env = {**env, cte.alias.lower(): _renamed(self.query(cte.this, env), cte.args.get("alias"))}
        return env

    def _parenthesised(self, tree: exp.Subquery, env: Environment) -> Typed:
        inner = self.query(tree.this, env)
        if not any(tree.args.get(name) for name in ("order", "limit", "offset")):
            return inner
        if inner.rows is None:
            raise _limit(tree)
        outer = exp.Subquery(this=inner.rows.tree, **self._tail(tree, env))
        return Typed(None, Rows(outer, inner.rows.columns))

    def _set_operation(self, tree: exp.SetOperation, env: Environment) -> Typed:
        left, right = self.query(tree.this, env), self.query(tree.expression, env)
        if left.rows is None or right.rows is None:
            raise refusal("union-of-private", "A union of private rows is not supported.", tree, hint=_ROWS_HINT)
        sides = [_visible(side.rows) for side in (left, right) if side.rows is not None]
        arguments = {"distinct": tree.args.get("distinct"), "by_name": tree.args.get("by_name")}
        result = type(tree)(this=sides[0], expression=sides[1], **arguments, **self._tail(tree, env))
        columns = tuple(Output(column.name, _plain(column.role)) for column in left.rows.columns)
        return Typed(None, Rows(result, columns))

    # FROM

    def _items(self, tree: exp.Select, env: Environment) -> list[tuple[str, Typed, exp.Join | None, exp.Expr]]:
        clause = tree.args.get("from_")
        if clause is None:
            return []
        found = [(*self._item(clause.this, env), None, clause.this)]
        for join in tree.args.get("joins") or []:
            found.append((*self._item(join.this, env), join, join.this))
        return [(alias, typed, join, node) for alias, typed, join, node in found]

    def _item(self, node: exp.Expr, env: Environment) -> tuple[str, Typed]:
        if isinstance(node, exp.Table):
            name = node.name.lower()
            typed = env.get(name) or self._table(name, node)
            return (node.alias or name).lower(), _renamed(typed, node.args.get("alias"))
        if isinstance(node, exp.Subquery):
            alias = node.alias.lower() or f"subquery {id(node)}"
            return alias, _renamed(self.query(node, env), node.args.get("alias"))
        raise refusal("unsupported-syntax", "This cannot stand in FROM.", node)

    def _table(self, name: str, node: exp.Expr) -> Typed:
        table = self.schema.table(name)
        if table is None:
            known = ", ".join(sorted(self.schema.policy.tables))
            raise refusal("unknown-table", f"There is no table {node.name[:100]}.", node, hint=f"Known tables: {known}.")
        columns: Named = dict(table.columns)
        if table.unit_column is not None:
            columns = {table.unit_column: UnitColumn(0), **columns}
            return Typed(View(table.relation, columns), None)
        tree = exp.select(*[exp.column(column, quoted=True) for column in columns]).from_(_public(name))
        outputs = tuple(Output(column, "dimension") for column in columns)
        return Typed(View(table.relation, columns), Rows(tree, outputs, table=name))

    # SELECT

    def _select(self, tree: exp.Select, env: Environment) -> Typed:
        items = self._items(tree, env)
        if any(typed.rows is None for _, typed, _, _ in items):
            return self._private(tree, items, env)
        rows = self._public(tree, items, env)
        return Typed(self._simple_view(tree, items), rows)

    def _private(
        self, tree: exp.Select, items: list[tuple[str, Typed, exp.Join | None, exp.Expr]], env: Environment
    ) -> Typed:
        scope = self._scope(items)
        aliases = {e.alias.lower(): e.this for e in tree.expressions if isinstance(e, exp.Alias)}
        where = tree.args.get("where")
        if where is not None:
            scope.restrict(where.this, aliases)
        if _aggregates(tree):
            return Typed(None, self._aggregation(tree, scope, aliases, env))
        return Typed(self._view(tree, scope, aliases), None)

    def _scope(self, items: list[tuple[str, Typed, exp.Join | None, exp.Expr]]) -> Scope:
        scope = Scope()
        for alias, typed, join, node in items:
            if typed.view is None:
                raise refusal(
                    "released-with-private",
                    "A released result is joined with private rows.",
                    node,
                    hint="Aggregate the private rows first, then join the two results.",
                )
            if join is None or _is_inner(join):
                scope.add(alias, typed.view, node)
                if join is not None:
                    scope.join_inner(join)
            else:
                self._outer(scope, alias, typed.view, join)
        return scope

    def _outer(self, scope: Scope, alias: str, view: View, join: exp.Join) -> None:
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
        scope.add_outer(alias, view, join)

    def _view(self, tree: exp.Select, scope: Scope, aliases: dict[str, exp.Expr]) -> View:
        for name in ("distinct", "limit", "offset", "qualify"):
            if tree.args.get(name):
                raise _limit(tree)
        columns: Named = {}
        for projection in tree.expressions:
            for name, value in _projected(projection, scope, aliases):
                columns[name] = value
        return View(scope.relation(tree, self.schema.policy.unit.name), columns)

    def _simple_view(
        self, tree: exp.Select, items: list[tuple[str, Typed, exp.Join | None, exp.Expr]]
    ) -> View | None:
        """The public SELECT as a view, for joining with private rows; None where it is not select-project-join."""
        if not items or _aggregates(tree) or any(tree.args.get(n) for n in ("distinct", "limit", "offset", "qualify")):
            return None
        try:
            scope = self._scope(items)
            aliases = {e.alias.lower(): e.this for e in tree.expressions if isinstance(e, exp.Alias)}
            if tree.args.get("where") is not None:
                scope.restrict(tree.args["where"].this, aliases)
            return self._view(tree, scope, aliases)
        except QueryNotPrivateError:
            return None

    # aggregation over private rows

    def _aggregation(
        self, tree: exp.Select, scope: Scope, aliases: dict[str, exp.Expr], env: Environment
    ) -> Rows:
        groups = _group_trees(tree, aliases)
        if tree.args.get("distinct"):
            raise refusal("unsupported-syntax", "SELECT DISTINCT of an aggregation is not supported.", tree)
        keys = [_key(group, scope, aliases) for group in groups]
        found = measures(scope, keys, tree, self.schema.policy.unit.name, aliases)
        writer = _Writer(self, found, aliases, env)
        projections, outputs, errors = [], [], []
        for index, projection in enumerate(tree.expressions):
            if isinstance(projection, exp.Star) or isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
                raise refusal("not-in-group-by", "* cannot stand beside aggregates.", projection)
            name = _name_of(projection)
            writer.alias = name
            body = writer.write(projection.unalias())
            writer.alias = None
            error = standard_error(body)
            role = "dimension" if not _measures_in(body) else "estimate" if error is not None else "derived"
            projections.append(exp.alias_(body, name, quoted=True))
            if error is not None:
                errors.append(exp.alias_(error, f"_se{index}", quoted=True))
            outputs.append(Output(name, role, f"_se{index}" if error is not None else None))
        result = exp.Select(expressions=projections + errors)
        having = tree.args.get("having")
        if having is not None:
            result.set("where", exp.Where(this=writer.write(having.this)))
        if tree.args.get("qualify"):
            raise refusal("unsupported-syntax", "QUALIFY is not supported here.", tree, hint="Use an outer SELECT.")
        self._set_tail(result, tree, writer.write_order)
        name = f"{RELEASED}{self._register(found.node)}"
        result.set("from_", exp.From(this=exp.table_(name, quoted=True)))
        return Rows(result, _unique(tuple(outputs), tree))

    def _register(self, node: Node) -> int:
        if not node.measures:
            raise QueryNotPrivateError(
                "no-aggregate",
                "The statement groups private rows, but measures nothing.",
                hint="Add COUNT(*) or COUNT(DISTINCT unit).",
            )
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _set_tail(self, result: exp.Expr, tree: exp.Expr, write_order: object) -> None:
        order = tree.args.get("order")
        if order is not None:
            result.set("order", exp.Order(expressions=[write_order(o) for o in order.expressions]))  # type: ignore[operator]
        for name in ("limit", "offset"):
            if tree.args.get(name) is not None:
                result.set(name, _constant(tree.args[name]))

    # everything public

    def _public(
        self, tree: exp.Select, items: list[tuple[str, Typed, exp.Join | None, exp.Expr]], env: Environment
    ) -> Rows:
        result = tree.copy()
        result.set("with_", None)
        sources: dict[str, tuple[Output, ...]] = {}
        for alias, typed, join, _ in items:
            assert_rows = typed.rows
            if assert_rows is None:
                continue
            shown = alias if not alias.startswith("subquery ") else f"_s{len(sources)}"
            sources[shown] = assert_rows.columns
            item = _from_item(assert_rows, shown)
            if join is None:
                result.args["from_"].set("this", item)
            else:
                result.args["joins"][len(sources) - 2].set("this", item)
        self._inner_queries(result, env, skip=True)
        plain = not (_aggregates(tree) or tree.args.get("distinct") or tree.args.get("group"))
        projections, outputs = _public_projections(result.expressions, sources, keep_errors=plain)
        result.set("expressions", projections)
        return Rows(result, _unique(outputs, tree))

    def _inner_queries(self, tree: exp.Expr, env: Environment, *, skip: bool) -> None:
        """Replace subqueries in expressions by what is left of them after checking."""
        parts = [tree.args.get(n) for n in ("expressions", "where", "having", "group", "order", "qualify", "joins")]
        for part in parts if skip else [tree]:
            for node in part if isinstance(part, list) else [part] if part is not None else []:
                roots = [node.args.get("on")] if isinstance(node, exp.Join) else [node]
                for root in roots:
                    if root is not None:
                        self._replace_queries(root, env)

    def _replace_queries(self, root: exp.Expr, env: Environment) -> None:
        for child in list(root.iter_expressions()):
            if isinstance(child, exp.Query):
                typed = self.query(child, env)
                if typed.rows is None:
                    raise refusal("private-rows", "This subquery would return rows of single customers.", child)
                inner = _visible(typed.rows)
                child.replace(exp.Subquery(this=inner) if isinstance(child, exp.Subquery) else inner)
            else:
                self._replace_queries(child, env)

    def _tail(self, tree: exp.Expr, env: Environment) -> dict[str, exp.Expr]:
        found = {}
        for name in ("order", "limit", "offset"):
            part = tree.args.get(name)
            if part is not None:
                copied = part.copy()
                self._replace_queries(copied, env)
                found[name] = copied
        return found


@dataclass(slots=True)
class _Writer:
    """Rewrites the expressions of an aggregating SELECT over its released table."""

    checker: _Checker
    measures: Measures
    aliases: dict[str, exp.Expr]
    env: Environment
    alias: str | None = None

    def write(self, tree: exp.Expr) -> exp.Expr:
        node = self.measures.node
        if is_aggregate(tree) or isinstance(tree, exp.Filter):
            return self._aggregate(tree)
        if isinstance(tree, exp.Window):
            raise refusal("unsupported-syntax", "Window functions run on results.", tree, hint="Use an outer SELECT.")
        if isinstance(tree, exp.Literal | exp.Boolean | exp.Null | exp.DataType | exp.Var | exp.Interval):
            return tree.copy()
        if isinstance(tree, exp.Query):
            typed = self.checker.query(tree, self.env)
            if typed.rows is None:
                raise refusal("private-rows", "This subquery would return rows of single customers.", tree)
            return exp.Subquery(this=_visible(typed.rows)) if isinstance(tree, exp.Subquery) else _visible(typed.rows)
        value = try_expression(self.measures, tree) if node.keys else None
        if value in node.keys:
            return exp.column(f"k{node.keys.index(value)}", quoted=True)
        if isinstance(tree, exp.Column):
            return self._name(tree)
        return type(tree)(**{name: self._argument(value) for name, value in tree.args.items()})

    def write_order(self, ordered: exp.Expr) -> exp.Expr:
        if isinstance(ordered.this, exp.Literal):
            return ordered.copy()
        return exp.Ordered(**{**ordered.args, "this": self.write(ordered.this)})

    def _argument(self, value: object) -> object:
        if isinstance(value, list):
            return [self._argument(part) for part in value]
        return self.write(value) if isinstance(value, exp.Expr) else value

    def _aggregate(self, tree: exp.Expr) -> exp.Expr:
        number, other = self.measures.measure(tree)
        if self.alias is not None:
            for part in (number, other):
                if part is not None:
                    self.measures.node.aliases.setdefault(part, set()).add(self.alias)
        column = exp.column(f"m{number}", quoted=True)
        if other is None:
            return column
        positive = exp.Nullif(this=exp.Greatest(this=exp.column(f"m{other}", quoted=True), expressions=[_zero()], ignore_nulls=True), expression=_zero())
        return exp.Paren(this=exp.Div(this=exp.cast(column, "DOUBLE"), expression=positive))

    def _name(self, tree: exp.Column) -> exp.Expr:
        name = tree.name.lower()
        if not tree.table and name in self.aliases:
            others = {alias: node for alias, node in self.aliases.items() if alias != name}
            outer, self.aliases = self.aliases, others
            try:
                return exp.Paren(this=self.write(self.aliases_of(outer, name)))
            finally:
                self.aliases = outer
        self.measures.expression(tree)  # an unknown name or the unit is refused as such
        raise refusal(
            "not-in-group-by",
            f"{tree.sql()} is neither grouped by nor aggregated.",
            tree,
            hint=f"Add {tree.sql()} to GROUP BY, or put it into an aggregate.",
        )

    @staticmethod
    def aliases_of(aliases: dict[str, exp.Expr], name: str) -> exp.Expr:
        return aliases[name]


def _zero() -> exp.Expr:
    return exp.Literal.number(0)


def _key(group: exp.Expr, scope: Scope, aliases: dict[str, exp.Expr]) -> Expression:
    if isinstance(group, exp.Column) and isinstance(scope.resolve(group, aliases), UnitColumn):
        raise refusal(
            "group-by-unit",
            "Groups of single customers are not released.",
            group,
            hint="Group by something that many customers share.",
        )
    return scalar(group, lambda column: scope.resolve(column, aliases))


def _group_trees(tree: exp.Select, aliases: dict[str, exp.Expr]) -> list[exp.Expr]:
    """The grouping expressions: written, by ordinal, by alias, or ALL."""
    clause = tree.args.get("group")
    if clause is None:
        return []
    plain = [p.unalias() for p in tree.expressions if not any(is_aggregate(n) for n in walk(p))]
    if clause.args.get("all"):
        return plain
    found = []
    for group in clause.expressions:
        if isinstance(group, exp.Literal) and not group.is_string:
            index = int(group.name) if group.name.isdigit() else 0
            if not 1 <= index <= len(tree.expressions):
                raise refusal("group-by-ordinal", f"There is no column number {group.name[:20]}.", group)
            group = tree.expressions[index - 1].unalias()  # noqa: PLW2901
        found.append(group)
    return found


def _aggregates(tree: exp.Select) -> bool:
    if tree.args.get("group") is not None or tree.args.get("having") is not None:
        return True
    return any(is_aggregate(node) and not isinstance(node.parent, exp.Window) for e in tree.expressions for node in walk(e))


def _projected(
    projection: exp.Expr, scope: Scope, aliases: dict[str, exp.Expr]
) -> list[tuple[str, Expression | UnitColumn]]:
    if isinstance(projection, exp.Star):
        return [pair for item in scope.items for pair in _starred(item)]
    if isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
        named = [item for item in scope.items if item.alias == projection.table.lower()]
        if not named:
            raise refusal("unknown-table", f"There is no table {projection.table} here.", projection)
        return _starred(named[0])
    body, name = projection.unalias(), _name_of(projection)
    others = {alias: tree for alias, tree in aliases.items() if tree is not body}
    if isinstance(body, exp.Column):
        return [(name, scope.resolve(body, others))]
    return [(name, scalar(body, lambda column: scope.resolve(column, others)))]


def _name_of(projection: exp.Expr) -> str:
    """What the result calls a projection: its alias, its column's name, or else its text."""
    if isinstance(projection, exp.Alias | exp.Column):
        return str(projection.alias_or_name).lower()
    return str(projection.sql(dialect="duckdb")).lower()


def _starred(item: Item) -> list[tuple[str, Expression | UnitColumn]]:
    return list(item.columns.items())


def _public_projections(
    projections: list[exp.Expr], sources: dict[str, tuple[Output, ...]], *, keep_errors: bool
) -> tuple[list[exp.Expr], tuple[Output, ...]]:
    """The projections with stars written out, and the standard errors of columns that pass through unchanged."""
    written: list[exp.Expr] = []
    outputs: list[Output] = []
    errors: list[exp.Expr] = []
    for projection in projections:
        for tree, name, origin in _expanded(projection, sources):
            error = None
            if origin is not None and origin[1].error is not None and keep_errors:
                error = f"_se{len(outputs)}"
                errors.append(exp.alias_(exp.column(origin[1].error, table=origin[0], quoted=True), error, quoted=True))
            role = origin[1].role if origin is not None else "derived"
            written.append(exp.alias_(tree, name, quoted=True))
            outputs.append(Output(name, role if error or role == "dimension" else "derived", error))
    return written + errors, tuple(outputs)


def _expanded(
    projection: exp.Expr, sources: dict[str, tuple[Output, ...]]
) -> list[tuple[exp.Expr, str, tuple[str, Output] | None]]:
    star = isinstance(projection, exp.Star)
    if star or isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
        chosen = sources if star else {projection.table.lower(): sources.get(projection.table.lower(), ())}
        return [
            (exp.column(output.name, table=alias, quoted=True), output.name, (alias, output))
            for alias, outputs in chosen.items()
            for output in outputs
        ]
    body = projection.unalias()
    name = _name_of(projection)
    origin = None
    if isinstance(body, exp.Column):
        table = body.table.lower()
        matches = [(a, o) for a, os in sources.items() for o in os if (not table or a == table) and o.name == body.name.lower()]
        origin = matches[0] if len(matches) == 1 else None
    return [(body, name, origin)]


def _renamed(typed: Typed, alias: exp.Expr | None) -> Typed:
    """The query with its columns called as `t(a, b)` says."""
    names = [column.name.lower() for column in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return typed
    view, rows = typed.view, typed.rows
    if view is not None:
        own = list(view.columns)
        view = View(view.relation, {(names[i] if i < len(names) else n): view.columns[n] for i, n in enumerate(own)})
    if rows is not None:
        inner = rows.columns
        renamed = tuple(
            Output(names[i] if i < len(names) else o.name, o.role, o.error) for i, o in enumerate(inner)
        )
        body = exp.select(
            *[exp.alias_(exp.column(o.name, quoted=True), r.name, quoted=True) for o, r in zip(inner, renamed, strict=True)],
            *[exp.column(o.error, quoted=True) for o in inner if o.error],
        ).from_(_from_item(rows, "renamed"))
        rows = Rows(body, renamed)
    return Typed(view, rows)


def _from_item(rows: Rows, alias: str) -> exp.Expr:
    name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    if rows.table is not None:
        table = _public(rows.table)
        table.set("alias", name)
        return table
    return exp.Subquery(this=rows.tree.copy(), alias=name)


def _public(name: str) -> exp.Table:
    return exp.table_(name, db="main", catalog="public", quoted=True)


def _visible(rows: Rows) -> exp.Query:
    """The rows without their hidden columns."""
    if not any(column.error for column in rows.columns):
        return rows.tree
    columns = [exp.column(column.name, quoted=True) for column in rows.columns]
    return exp.select(*columns).from_(_from_item(rows, "visible"))


def _measures_in(tree: exp.Expr) -> bool:
    return any(isinstance(n, exp.Column) and n.name.startswith("m") and n.name[1:].isdigit() for n in walk(tree)) or any(
        isinstance(n, exp.Query) for n in tree.walk()
    )


def _unique(outputs: tuple[Output, ...], tree: exp.Expr) -> tuple[Output, ...]:
    seen = set()
    for output in outputs:
        if output.name in seen:
            raise refusal("duplicate-column", f"Two columns are called {output.name[:100]}.", tree, hint="Give one an alias.")
        seen.add(output.name)
    return outputs


def _plain(role: str) -> str:
    return "derived" if role == "estimate" else role


def _is_inner(join: exp.Join) -> bool:
    return not join.args.get("side") and str(join.args.get("kind") or "").upper() in ("", "INNER", "CROSS")


def _constant(clause: exp.Expr) -> exp.Expr:
    if not isinstance(clause.expression, exp.Literal):
        raise refusal("unsupported-syntax", "LIMIT and OFFSET take a number.", clause)
    return clause.copy()


def _limit(tree: exp.Expr) -> QueryNotPrivateError:
    return refusal(
        "limit-on-private",
        "LIMIT, OFFSET, DISTINCT and QUALIFY on private rows depend on other customers' rows.",
        tree,
        hint="Aggregate first; they are free on the result.",
    )
