"""Public rows as SQL that is left over: their columns, their names, and what goes along hidden with each estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum

from sqlglot import exp

from queries.intervals import Estimate, OfRows, Source, role_of_bound
from queries.parse import DIALECT, refusal

Sources = dict[str, tuple["Output", ...]]
Follow = Callable[[exp.Expr, int], "tuple[Hidden, list[exp.Expr]] | None"]  # of the projection at a place
ROWS_LIMIT = 9_000  # nodes
BESIDE = (  # what an answer shows beside each estimate
    *("lower", "upper", "standard_error", "clipping_lower", "clipping_upper", "display", "reliability"),
)
Origin = tuple[str, "Output"]


class Finish(Enum):
    """What is done to a display value at the very end."""

    NOTHING = "nothing"  # sums of displayed cells are exact, and shares of a total add up to one
    ROUND = "round"  # to its own standard error


@dataclass(frozen=True, slots=True)
class Hidden:
    """The hidden columns of an estimate: its standard error, the ends of its clipping part, and its display value.

    `noise` says whose noise is in it, and `own` whether that is its own row's alone. `limits` are those of the values
    that the estimate is a mean of.
    """

    error: str
    low: str
    high: str
    display: str
    noise: frozenset[Source] = field(default=frozenset(), compare=False)
    own: bool = False
    finish: Finish = Finish.NOTHING
    limits: tuple[float, float] | None = None

    @classmethod
    def at(cls, place: int, estimate: Estimate) -> Hidden:
        """The hidden columns of the projection at this place."""
        error, low, high, display = (f"{kind}{place}" for kind in ("_se", "_lo", "_hi", "_d"))
        return cls(error, low, high, display, estimate.noise, estimate.rows is OfRows.OWN)

    @property
    def names(self) -> tuple[str, str, str, str]:
        return self.error, self.low, self.high, self.display

    def finished(self, finish: Finish, limits: tuple[float, float] | None) -> Hidden:
        """The same columns, with what is done to the display value in the end."""
        return replace(self, finish=finish, limits=limits)

    def written(self, estimate: Estimate, display: exp.Expr) -> list[exp.Expr]:
        """The projections that make up the hidden columns."""
        trees = (estimate.error, estimate.low, estimate.high, display)
        return [exp.alias_(tree, name, quoted=True) for tree, name in zip(trees, self.names, strict=True)]


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a public result, with the hidden columns that go along if it is an estimate."""

    name: str
    role: str  # dimension | estimate | derived
    hidden: Hidden | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Public rows: plain SQL over released and public tables, and its columns.

    They are `chosen` if noised values decide which rows there are: a sum over them would be off by more than noise.
    """

    tree: exp.Query
    columns: tuple[Output, ...]
    table: str | None = None  # the public table that this is, unchanged
    chosen: bool = False
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
    if not any(column.hidden for column in rows.columns):
        return rows.tree
    columns = [exp.column(column.name, quoted=True) for column in rows.columns]
    return exp.select(*columns).from_(from_item(rows, "visible"))


def united(left: Rows, right: Rows) -> tuple[tuple[Output, ...], exp.Query, exp.Query]:
    """The columns of the rows of both, called as on the left, and the two queries with the same hidden columns.

    What is an estimate on both sides is one; one noise may be in rows of both.
    """
    outputs, pairs = [], []
    for place, (own, other) in enumerate(zip(left.columns, right.columns, strict=False)):
        both = None if own.hidden is None or other.hidden is None else (own.hidden, other.hidden)
        if both is not None:
            outputs.append(Output(own.name, "estimate", _of_both(*both, place)))
            pairs.append(both)
        else:
            role = "dimension" if own.role == other.role == "dimension" else "derived"
            outputs.append(Output(own.name, role))
    names = [output.hidden.names for output in outputs if output.hidden is not None]
    sides = (_aligned(rows, [pair[side].names for pair in pairs], names) for side, rows in enumerate((left, right)))
    return tuple(outputs), next(sides), next(sides)


def _of_both(own: Hidden, other: Hidden, place: int) -> Hidden:
    error, low, high, display = (f"{kind}{place}" for kind in ("_se", "_lo", "_hi", "_d"))
    finish = Finish.ROUND if Finish.ROUND in (own.finish, other.finish) else Finish.NOTHING
    limits = own.limits if own.limits == other.limits else None
    return Hidden(error, low, high, display, own.noise | other.noise, own=False, finish=finish, limits=limits)


def _aligned(rows: Rows, hidden: Sequence[tuple[str, ...]], names: Sequence[tuple[str, ...]]) -> exp.Query:
    """The rows with those hidden columns, under these names."""
    if not names:
        return visible(rows)
    shown = [exp.column(column.name, quoted=True) for column in rows.columns]
    pairs = [pair for old, new in zip(hidden, names, strict=True) for pair in zip(old, new, strict=True)]
    beside = [exp.alias_(exp.column(old, quoted=True), new, quoted=True) for old, new in pairs]
    return exp.select(*shown, *beside).from_(from_item(rows, "united"))


def renamed(rows: Rows, names: list[str]) -> Rows:
    """The rows with their first columns called as `t(a, b)` says."""
    outputs = tuple(
        replace(output, name=names[place] if place < len(names) else output.name)
        for place, output in enumerate(rows.columns)
    )
    projections = [
        exp.alias_(exp.column(old.name, quoted=True), new.name, quoted=True)
        for old, new in zip(rows.columns, outputs, strict=True)
    ]
    hidden = [exp.column(name, quoted=True) for output in outputs if output.hidden for name in output.hidden.names]
    tree = exp.select(*projections, *hidden).from_(from_item(rows, "renamed"))
    return Rows(tree, outputs, chosen=rows.chosen)


def projections_of(
    trees: list[exp.Expr], names: list[str], sources: Sources, follow: Follow
) -> tuple[list[exp.Expr], tuple[Output, ...]]:
    """The projections with stars written out, and the hidden columns of those that `follow` has an estimate of.

    `names` are what the statement calls the projections.
    """
    written: list[exp.Expr] = []
    outputs: list[Output] = []
    hidden: list[exp.Expr] = []
    for projection, projection_name in zip(trees, names, strict=True):
        for tree, name, origin in _expanded(projection, projection_name, sources):
            role = role_of_bound(tree) or ("derived" if origin is None else origin[1].role)
            found = follow(tree, len(outputs))
            if found is not None:
                hidden += found[1]
            role = "estimate" if found is not None else "derived" if role == "estimate" else role
            written.append(exp.alias_(tree, name, quoted=True))
            outputs.append(Output(name, role, None if found is None else found[0]))
    return written + hidden, tuple(outputs)


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
    """Refuse an answer in which a column is called as one beside an estimate: one of the two would be lost."""
    names = {output.name for output in outputs}
    for output in outputs:
        for end in BESIDE if output.hidden is not None else ():
            if (name := f"{output.name}_{end}") in names:
                reason = f"{name[:100]} is what the answer calls a column that it shows beside {output.name[:100]}."
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
    return [(body, name, origin_of(body, sources))]


def origin_of(body: exp.Expr, sources: Sources) -> Origin | None:
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
