"""What a statement's own text says of its price, options and bounds; read from the tree, and taken out of it.

What is left is plain SQL. Where something was said is kept, because it has to take effect there: a clause belongs to a
SELECT that releases something or to the outermost one, a bound to an aggregate of private rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.google_sql import Bounded, PrivacyClause
from queries.parse import parse, position, refusal

BOUND_NAMES = ("contribution_bounds_per_group", "contribution_bounds_per_row", "l2_bound")
MINIMUM = "min_privacy_units_per_group"
AUTOMATIC = "auto"  # in place of a bound: it is to be chosen from the data
_BOUNDS, _CLAUSE, _LEAST_UNITS = "bounds", "clause", "least_units"  # keys of a node's meta data
_LARGEST, _MOST_PLACES = Decimal(10) ** 12, 40
BY_AGGREGATE = {  # for options that belong to one aggregate
    **{name: f"Give it to the aggregate: SUM(…, {name} => (…, …))." for name in BOUND_NAMES[:2]},
    "l2_bound": "Give it to the aggregate: SUM(…, l2_bound => …).",
}
Place = tuple[int | None, int | None]  # line and column
Pair = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Said:
    """A value of an option, as it was written: a number, a name or a text; and where."""

    value: int | Fraction | str | bool | None
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is stated of one aggregate's contributions, in the units of its value.

    An `automatic` bound is to be chosen from the data, whatever the policy declares.
    """

    per_group: Pair | None = None
    per_row: Pair | None = None
    l2: Fraction | None = None
    automatic: bool = False
    place: Place = field(default=(None, None), compare=False)


@dataclass(frozen=True, slots=True)
class Question:
    """A statement that was read: its tree in plain SQL, and the options of its clauses by name, in lower case.

    `places` are where something was said that has to take effect there.
    """

    tree: exp.Query
    options: Mapping[str, Said]
    places: frozenset[Place]


def read(sql: str, params: Mapping[str, object]) -> Question:
    """The statement's tree and what it states; raises SqlSyntaxError or QueryNotPrivateError."""
    tree = parse(sql, params)
    bounds = _take_bounds(tree)
    options: dict[str, Said] = {}
    places: set[Place] = set()
    outermost = tree.unnest() if isinstance(tree, exp.Subquery) else tree
    for select in list(tree.find_all(exp.Select)):
        clause = select.args.get("hint")
        if isinstance(clause, PrivacyClause):
            select.set("hint", None)
            _state(clause, select, options)
            if select is not outermost or _LEAST_UNITS in select.meta:
                places.add(position(clause))
    return Question(tree, options, frozenset(places | bounds))


def state_least_units(question: Question, count: int) -> None:
    """Let the minimum of a request hold for every SELECT of the statement that releases something."""
    for select in question.tree.find_all(exp.Select):
        if select.meta.get(_LEAST_UNITS, count) != count:
            reason = f"{MINIMUM} has two different values in this question."
            raise refusal("option-conflict", reason, select, "State it once: in the statement, or in the request.")
        select.meta[_LEAST_UNITS] = count


def bounds_of(call: exp.Expr) -> Bounds | None:
    """The bounds that an aggregate states."""
    found = call.meta.get(_BOUNDS)
    return found if isinstance(found, Bounds) else None


def clause_of(select: exp.Expr) -> Place | None:
    """Where the SELECT has a clause, if it has one."""
    found = select.meta.get(_CLAUSE)
    return found if isinstance(found, tuple) else None


def least_units(select: exp.Expr) -> int | None:
    """The number of units below which the SELECT's clause leaves a group out."""
    found = select.meta.get(_LEAST_UNITS)
    return found if isinstance(found, int) else None


def _state(clause: PrivacyClause, select: exp.Expr, options: dict[str, Said]) -> None:
    """Put the clause's options to those of the others; a clause says each once, and the same as the others."""
    select.meta[_CLAUSE] = position(clause)
    own: set[str] = set()
    for entry in clause.expressions:
        name = entry.name.lower()
        said = Said(_value(entry), position(entry))
        if name in own or options.get(name, said) != said:
            reason = f"{name[:60]} is stated twice, and holds for the whole statement."
            raise refusal("option-conflict", reason, entry, hint="State it once, or the same each time.")
        own.add(name)
        if name == MINIMUM:
            select.meta[_LEAST_UNITS] = _units(said, entry)
        else:
            options[name] = said


def _units(said: Said, entry: exp.Expr) -> int:
    if isinstance(said.value, bool) or not isinstance(said.value, int) or not 1 <= said.value <= _LARGEST:
        raise refusal("unknown-option", f"{MINIMUM} must be a whole number above 0.", entry)
    return said.value


def _value(entry: exp.Expr) -> int | Fraction | str | bool | None:
    value = entry.args["expression"]
    if isinstance(value, exp.Null):
        return None
    if isinstance(value, exp.Boolean):
        return bool(value.this)
    if isinstance(value, exp.Column) and not value.table and isinstance(value.this, exp.Identifier):
        return str(value.name)
    if isinstance(value, exp.Literal) and value.args.get("is_string"):
        return str(value.name)
    return _number(value, entry)


def _number(node: exp.Expr, entry: exp.Expr) -> int | Fraction:
    """A number that is written out; whole ones without a point are integers."""
    sign = -1 if isinstance(node, exp.Neg) else 1
    written = node.this if isinstance(node, exp.Neg) else node
    text = written.name if isinstance(written, exp.Literal) and not written.args.get("is_string") else ""
    try:
        number = Decimal(text)
    except ArithmeticError:
        reason = f"The value of {entry.name[:60]} must be a number or a name that is written here, or a parameter."
        in_clause = isinstance(entry.parent, PrivacyClause)
        hint = BY_AGGREGATE.get(entry.name.lower()) if in_clause else None
        raise refusal("unknown-option", reason, entry, hint) from None
    if not number.is_finite() or not -_MOST_PLACES <= number.adjusted() <= _MOST_PLACES or abs(number) > _LARGEST:
        raise refusal("unknown-option", f"The value of {entry.name[:60]} is out of range.", entry)
    return sign * (int(text) if text.isdecimal() else Fraction(number))


def _take_bounds(tree: exp.Expr) -> set[Place]:
    """Put the bounds of aggregates into their meta data, and the aggregates in the place of what bounded them."""
    places = set()
    for node in list(tree.find_all(Bounded)):
        call = node.this
        call.meta[_BOUNDS] = bounds = _bounds(node)
        places.add(bounds.place)
        node.replace(call)
    return places


def _bounds(node: Bounded) -> Bounds:
    given: dict[str, exp.Expr] = {}
    for entry in node.expressions:
        name = entry.name.lower()
        if name not in BOUND_NAMES:
            reason = f"Aggregates have no argument {entry.name[:60]}."
            raise refusal("unknown-option", reason, entry, hint=f"There are {', '.join(BOUND_NAMES)}.")
        if name in given:
            raise refusal("option-conflict", f"{name} is stated twice.", entry, hint="State it once.")
        given[name] = entry
    if "l2_bound" in given and "contribution_bounds_per_group" in given:
        reason = "Bounds by group take the place of an l2_bound."
        raise refusal("option-conflict", reason, given["l2_bound"], hint="State one of the two.")
    group, row, norm = (given.get(name) for name in BOUND_NAMES)
    automatic = norm is not None and _is_automatic(norm)
    return Bounds(
        None if group is None else _pair(group),
        None if row is None else _pair(row),
        None if norm is None or automatic else _norm(norm),
        automatic,
        position(node.expressions[0]),
    )


def _is_automatic(entry: exp.Expr) -> bool:
    value = entry.args["expression"]
    return isinstance(value, exp.Column) and not value.table and value.name.lower() == AUTOMATIC


def _pair(entry: exp.Expr) -> Pair:
    value = entry.args["expression"]
    if not isinstance(value, exp.Tuple) or len(value.expressions) != 2:  # noqa: PLR2004
        raise refusal("unknown-option", f"{entry.name} is a pair: (lowest, highest).", entry)
    low, high = (Fraction(_number(part, entry)) for part in value.expressions)
    if low > high:
        raise refusal("bound-out-of-range", "A lower bound is above its upper bound.", entry)
    return low, high


def _norm(entry: exp.Expr) -> Fraction:
    value = Fraction(_number(entry.args["expression"], entry))
    if value <= 0:
        raise refusal("unknown-option", "l2_bound must be above 0.", entry)
    return value


def misplaced(place: Place) -> QueryNotPrivateError:
    """The refusal of what was said where it has no effect."""
    line, column = place
    return QueryNotPrivateError(
        "option-misplaced",
        "Options and bounds belong to an aggregation of private rows, and this is none.",
        hint="Give bounds to COUNT, SUM or AVG over many customers; the clause may also stand at the outermost SELECT.",
        line=line,
        column=column,
    )
