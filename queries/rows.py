"""Public rows as SQL that is left over: their columns, their names, and the hidden standard errors that go along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sqlglot import exp

from queries.intervals import bound, is_bound, role_of_bound
from queries.parse import DIALECT, refusal, walk

Sources = dict[str, tuple["Output", ...]]
ROWS_LIMIT = 3_000  # nodes
BOUNDS = ("lower", "upper", "standard_error")  # what an answer shows beside each estimate
Origin = tuple[str, "Output"]


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
    size: int = field(init=False, repr=False, compare=False)  # in nodes of the tree

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(1 for _ in self.tree.walk()))


def check_size(parts: Iterable[Rows], tree: exp.Expr) -> None:
    """Refuse to put together what is too large: a CTE that is used twice in the next doubles with each."""
    if sum(part.size for part in parts) > ROWS_LIMIT:
        raise refusal("too-complex", "This stands for too large a statement.", tree, hint="Use each subquery once.")


def public_table(name: str, columns: Mapping[str, int]) -> Rows:
    """All of a public table; `columns` are its names, each with its number of decimals as stored."""
    tree = exp.select(*[_shown(column, scale) for column, scale in columns.items()]).from_(_table(name))
    outputs = tuple(Output(column, "dimension") for column in columns)
    return Rows(tree, outputs, table=None if any(columns.values()) else name)


def from_item(rows: Rows, alias: str) -> exp.Expr:
    """The rows as an item of FROM."""
    name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    if rows.table is not None:
        table = _table(rows.table)
        table.set("alias", name)
        return table
    return exp.Subquery(this=rows.tree.copy(), alias=name)


def visible(rows: Rows) -> exp.Query:
    """The rows without their hidden columns."""
    if not any(column.error for column in rows.columns):
        return rows.tree
    columns = [exp.column(column.name, quoted=True) for column in rows.columns]
    return exp.select(*columns).from_(from_item(rows, "visible"))


def renamed(rows: Rows, names: list[str]) -> Rows:
    """The rows with their first columns called as `t(a, b)` says."""
    outputs = tuple(
        Output(names[place] if place < len(names) else output.name, output.role, output.error)
        for place, output in enumerate(rows.columns)
    )
    projections = [
        exp.alias_(exp.column(old.name, quoted=True), new.name, quoted=True)
        for old, new in zip(rows.columns, outputs, strict=True)
    ]
    errors = [exp.column(output.error, quoted=True) for output in rows.columns if output.error]
    return Rows(exp.select(*projections, *errors).from_(from_item(rows, "renamed")), outputs)


def projections_of(
    trees: list[exp.Expr], names: list[str], sources: Sources, *, keep_errors: bool
) -> tuple[list[exp.Expr], tuple[Output, ...]]:
    """The projections with stars written out, and the standard errors of columns that pass through unchanged.

    `names` are what the statement calls the projections.
    """
    written: list[exp.Expr] = []
    outputs: list[Output] = []
    errors: list[exp.Expr] = []
    for projection, projection_name in zip(trees, names, strict=True):
        for tree, name, origin in _expanded(projection, projection_name, sources):
            role, error = role_of_bound(tree) or "derived", None
            if origin is not None:
                role = origin[1].role
                if origin[1].error is not None and keep_errors:
                    error = f"_se{len(outputs)}"
                    hidden = exp.column(origin[1].error, table=origin[0], quoted=True)
                    errors.append(exp.alias_(hidden, error, quoted=True))
            written.append(exp.alias_(tree, name, quoted=True))
            outputs.append(Output(name, "derived" if role == "estimate" and error is None else role, error))
    return written + errors, tuple(outputs)


def with_bounds(tree: exp.Select, sources: Sources) -> None:
    """Write the ends of intervals in a SELECT over released rows out, subqueries left out.

    They are of columns that pass through unchanged: the hidden standard error goes along. Raises QueryNotPrivateError
    where there is none.
    """
    aliases = {part.alias.lower(): part.this for part in tree.expressions if isinstance(part, exp.Alias)}
    parts = [*tree.expressions, *(tree.args.get(name) for name in ("where", "having", "qualify", "order", "group"))]
    for node in [node for part in parts if part is not None for node in walk(part) if is_bound(node)]:
        inner = node.this
        named = isinstance(inner, exp.Column) and not inner.table and inner.name.lower() in aliases
        column = aliases[inner.name.lower()] if named else inner
        table, output = _origin(column, sources) or ("", Output("", "derived"))
        error = exp.column(output.error, table=table, quoted=True) if output.error is not None else None
        node.replace(bound(node, column, error))


def name_of(projection: exp.Expr) -> str:
    """What the result calls a projection: its alias, its column's name, or else its text."""
    if isinstance(projection, exp.Alias | exp.Column):
        return str(projection.alias_or_name).lower()
    return str(projection.sql(dialect=DIALECT)).lower()


def is_star(projection: exp.Expr) -> bool:
    """Whether this is * or t.*."""
    return isinstance(projection, exp.Star) or (
        isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
    )


def star_table(projection: exp.Expr) -> str:
    """The table of t.*, and nothing for *."""
    return str(projection.table).lower() if isinstance(projection, exp.Column) else ""


def distinct_names(outputs: tuple[Output, ...], tree: exp.Expr) -> tuple[Output, ...]:
    """The outputs; refused if two have one name, because rows are objects by name."""
    seen: set[str] = set()
    for output in outputs:
        if output.name in seen:
            reason = f"Two columns are called {output.name[:100]}."
            raise refusal("duplicate-column", reason, tree, hint="Give one an alias.")
        seen.add(output.name)
    return outputs


def check_answer_names(outputs: tuple[Output, ...], tree: exp.Expr) -> None:
    """Refuse an answer in which a column is called as a bound of an estimate: one of the two would be lost."""
    names = {output.name for output in outputs}
    for output in outputs:
        for end in BOUNDS if output.error is not None else ():
            if (name := f"{output.name}_{end}") in names:
                reason = f"{name[:100]} is what the answer calls a bound of {output.name[:100]}."
                raise refusal("duplicate-column", reason, tree, hint="Give one another alias.")


def _expanded(projection: exp.Expr, name: str, sources: Sources) -> list[tuple[exp.Expr, str, Origin | None]]:
    if is_star(projection):
        table = star_table(projection)
        if table and table not in sources:
            raise refusal("unknown-table", f"There is no table {table[:100]} here.", projection)
        return [
            (exp.column(output.name, table=alias, quoted=True), output.name, (alias, output))
            for alias, outputs in sources.items()
            if table in ("", alias)
            for output in outputs
        ]
    body = projection.unalias()
    return [(body, name, _origin(body, sources))]


def _origin(body: exp.Expr, sources: Sources) -> Origin | None:
    """The one source column that the projection passes on, if that is all it does."""
    if not isinstance(body, exp.Column):
        return None
    table, name = str(body.table).lower(), str(body.name).lower()
    found = [
        (alias, output)
        for alias, outputs in sources.items()
        for output in outputs
        if table in ("", alias) and output.name == name
    ]
    return found[0] if len(found) == 1 else None


def _shown(name: str, scale: int) -> exp.Expr:
    """The stored column in its own units: decimals are stored as integers of the last place."""
    column = exp.column(name, quoted=True)
    if scale == 0:
        return column
    place = exp.cast(exp.Literal.string(f"{Decimal(1).scaleb(-scale):f}"), f"DECIMAL({scale + 1}, {scale})")
    value = exp.cast(exp.Mul(this=exp.cast(column, "DECIMAL(19, 0)"), expression=place), f"DECIMAL(19, {scale})")
    return exp.alias_(value, name, quoted=True)


def _table(name: str) -> exp.Table:
    return exp.table_(name, db="main", catalog="public", quoted=True)
