"""What the analyst called something that is refused, and what to write in its place.

A hint names SQL that is really accepted: for each there is a statement in `tests/sql/refused` whose `instead` the tests
plan. An ellipsis stands for what only the analyst knows.
"""

from __future__ import annotations

import re

from sqlglot import exp

NAME_KEY = "written"  # the parser keeps a call's name in the statement under it
_SHOWN = 40  # characters of the analyst's text in a hint
_DIALECT = "duckdb"

_QUANTILES = "Ask for each by itself: QUANTILE_CONT({x}, 0.25) AS low, QUANTILE_CONT({x}, 0.75) AS high."
_SINGLE_VALUES = "It would show values of single customers. Group by them: SELECT {x}, COUNT(*) … GROUP BY {x}."
_WINDOW = (
    "Aggregate first, and put it into an outer SELECT: "
    "SELECT …, RANK() OVER (ORDER BY n) … FROM (SELECT …, COUNT(*) AS n … GROUP BY …) AS t."
)
_OF_AGGREGATE = "Conditions on aggregates stand in HAVING, and aggregates of aggregates in an outer SELECT."
_PRODUCTS = "Ask for AVG({x}), AVG({y}) and AVG({x} * {y}) AS product, with an l2_bound for product."
_FLOOR = "ROUND({x}) rounds. Down it is CAST({x} AS INTEGER) - IF(CAST({x} AS INTEGER) > {x}, 1, 0)."
_CEILING = "ROUND({x}) rounds. Up it is CAST({x} AS INTEGER) + IF(CAST({x} AS INTEGER) < {x}, 1, 0)."
_ON_RESULTS = "Compare {x} itself with a number that you have computed. On results the function is possible."
_PATTERN = "Use {x} LIKE '%…%', ILIKE, CONTAINS({x}, '…') or STARTS_WITH({x}, '…')."
_ENDING = "{x} LIKE '%…' finds how a text ends."
_DAY = "Write the day itself: DATE '2017-01-31'."
_COLUMNS = "Name the columns."
_PARTS = "Group by EXTRACT(month FROM {x}) or DATE_TRUNC('month', {x}), and write it out in an outer SELECT."
_JOIN = "It can stand in WHERE. Here use JOIN … USING (…), and put the subquery's condition into WHERE."
_FIGURE = "Join tables in FROM. A figure has to be asked for first: write it here as a number."
_WEEKS = "GoogleSQL's weeks begin on Sunday. From Monday on: DATE_TRUNC(…, ISOWEEK), or DATE_TRUNC('week', …)."
_NAMED = "They are of COUNT, SUM and AVG: SUM(…, l2_bound => 100)."
_DISTINCT = "Count one column or expression: COUNT(DISTINCT {x})."
_ALL_ROWS = "Leave it out: a sample costs no less than all rows."

_BY_NODE: dict[str, tuple[type[exp.Expr], ...]] = {
    _QUANTILES: (exp.ApproxQuantiles, exp.PercentileCont, exp.PercentileDisc),
    "Order by one column: QUANTILE_CONT({x}, 0.9).": (exp.WithinGroup,),
    "Extremes are single purchases. What few are below is QUANTILE_CONT({x}, 0.05).": (exp.Min,),
    "Extremes are single purchases. What few are above is QUANTILE_CONT({x}, 0.95).": (exp.Max,),
    _SINGLE_VALUES: (
        *(exp.ArrayAgg, exp.GroupConcat, exp.First, exp.Last, exp.AnyValue, exp.IgnoreNulls, exp.ArgMax, exp.ArgMin),
    ),
    "Group by it, and take the first: SELECT {x}, COUNT(*) … GROUP BY {x} ORDER BY COUNT(*) DESC LIMIT 1.": (exp.Mode,),
    "Count the rows for which it holds: COUNT_IF({x}).": (exp.LogicalAnd, exp.LogicalOr),
    _PRODUCTS: (exp.Corr, exp.CovarPop, exp.CovarSamp),
    _DISTINCT: (exp.Distinct,),
    _OF_AGGREGATE: (exp.Count, exp.CountIf, exp.Sum, exp.Avg),
    _WINDOW: (exp.Window,),
    _FLOOR: (exp.Floor, exp.Trunc),
    _CEILING: (exp.Ceil,),
    _ON_RESULTS: (exp.Sqrt, exp.Ln, exp.Exp),
    "Multiply: {x} * {x}.": (exp.Pow,),
    "Write CASE WHEN {x} > 0 THEN 1 WHEN {x} < 0 THEN -1 ELSE 0 END.": (exp.Sign,),
    _PARTS: (exp.TimeToStr,),
    _PATTERN: (exp.RegexpLike, exp.SimilarTo, exp.Glob, exp.StrPosition),
    "CONTAINS({x}, '…') and STARTS_WITH({x}, '…') take every character as it is.": (exp.Escape,),
    _ENDING: (exp.Right, exp.EndsWith),
    _DAY: (exp.CurrentDate, exp.CurrentTimestamp),
    _COLUMNS: (exp.Columns,),
    _FIGURE: (exp.Subquery,),
    _JOIN: (exp.Exists, exp.In),
    "Compare one by one, with AND between.": (exp.Tuple,),
    "Join a subquery: JOIN (SELECT …) AS t ON ….": (exp.Lateral,),
    "A column that is totalled is NULL: SELECT {x} IS NULL AS total …, around the result.": (exp.Grouping,),
    _ALL_ROWS: (exp.TableSample,),
    _WEEKS: (exp.WeekStart,),
    _NAMED: (exp.Kwarg, exp.PropertyEQ),
    "Use an outer SELECT with CASE, or one measure for each column with FILTER (WHERE …).": (exp.Pivot,),
}
_OF_NODE = {node: text for text, nodes in _BY_NODE.items() for node in nodes}

# by node and the argument that is too much: what it is called, and the hint
_OF_CLAUSE: dict[tuple[type[exp.Expr], str], tuple[str, str | None]] = {
    (exp.Table, "db"): ("A schema before a table", "Write the table's name alone."),
    (exp.Table, "sample"): ("TABLESAMPLE", _ALL_ROWS),
    (exp.Select, "sample"): ("USING SAMPLE", _ALL_ROWS),
    (exp.Select, "locks"): ("FOR UPDATE", "Leave it out."),
    (exp.Select, "into"): ("SELECT INTO", "Leave it out: the answer is stored anyway."),
    (exp.Join, "method"): ("NATURAL, ASOF or POSITIONAL JOIN", "Name the columns: JOIN … USING (…)."),
    (exp.With, "recursive"): ("WITH RECURSIVE", "Write each step as a subquery of its own."),
    (exp.Star, "except_"): ("* EXCLUDE", _COLUMNS),
    (exp.Star, "replace"): ("* REPLACE", _COLUMNS),
    (exp.Star, "rename"): ("* RENAME", _COLUMNS),
    (exp.Limit, "limit_options"): ("LIMIT in percent", "Give a number of rows."),
    (exp.Trim, "position"): ("TRIM of one side", "TRIM({x}) takes spaces from both sides."),
}

# by code: where nothing better is said
_OF_CODE = {
    "not-a-select": "Write one SELECT … FROM …, with or without WITH before it.",
    "unsupported-syntax": "Leave it out. “SQL for analysts” lists what can be written.",
    "unsupported-expression": "“SQL for analysts” lists the functions that can stand here. On results there are more.",
    "number-out-of-range": "Write a number below 1e30.",
    "group-by-ordinal": "Count the columns of the SELECT from 1, or name one.",
    "reserved-name": "Choose another name.",
    "unknown-option": "“SQL for analysts” lists the options, and what they take.",
    "bound-out-of-range": "Give the lowest and then the highest value, of the size of what they bound.",
    "unknown-parameter": "Give a value for it in params.",
    "unit-in-expression": "Units are only joined on and counted: COUNT(DISTINCT …).",
    "not-in-group-by": "Name the columns, and group by them.",
    "unknown-column": "Name a column that both sides have, or join ON a.x = b.y.",
    "unknown-table": "Name a table of this FROM before the dot.",
    "count-distinct": "Use JOIN, or count the customers of the left side.",
}
_OF_NAME = {
    "DATE_PART": "Use EXTRACT: EXTRACT(month FROM …).",
    "NOW": _DAY,
    "TODAY": _DAY,
    "SUFFIX": _ENDING,
}
_CALLED: dict[type[exp.Expr], str] = {
    exp.PercentileCont: "QUANTILE_CONT",
    exp.PercentileDisc: "QUANTILE_DISC",
    exp.GroupConcat: "STRING_AGG",
    exp.StrPosition: "POSITION",
    exp.RegexpLike: "REGEXP_MATCHES",
    exp.Collate: "COLLATE",
    exp.Array: "A list",
    exp.Struct: "A struct",
    exp.Bracket: "A subscript",
    exp.Exists: "EXISTS",
    exp.Subquery: "A subquery as a value",
    exp.Tuple: "A row of several values",
    exp.WeekStart: "WEEK",
    exp.Kwarg: "A named argument",
    exp.PropertyEQ: "A named argument",
}


def called(node: exp.Expr) -> str:
    """What the analyst calls the function or the clause, in capitals."""
    written = node.meta.get(NAME_KEY) or (node.this if isinstance(node, exp.Anonymous) else None)
    if isinstance(written, str):
        return written[:60].upper()
    if isinstance(node, exp.Window):
        return f"{called(node.this)} OVER (…)"
    if isinstance(node, exp.WithinGroup):
        return f"{called(node.this)} WITHIN GROUP"
    if type(node) in _CALLED:
        return _CALLED[type(node)]
    if isinstance(node, exp.Func):
        return str(node.sql_name())
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def called_with(node: exp.Expr, argument: str) -> str:
    """What the analyst calls an argument of a node that may not be set."""
    found = _OF_CLAUSE.get((type(node), argument))
    if found is None:
        return f"{called(node)} with {argument.strip('_').upper()}"
    return called(node) if NAME_KEY in node.meta else found[0]


def hint(node: exp.Expr, argument: str | None = None) -> str | None:
    """What to write in place of the node, or of its argument; None where there is nothing to say."""
    if isinstance(node, exp.Array) and type(node.parent) in _OF_NODE:  # the list of a quantile
        node = node.parent or node
    if argument is not None:
        text = _OF_CLAUSE.get((type(node), argument), (None, None))[1]
    elif isinstance(node, exp.Anonymous):
        text = _OF_NAME.get(called(node))
    else:
        text = _OF_NODE.get(type(node))
    return None if text is None else text.format(x=_operand(node), y=_text(node.args.get("expression")))


def general_hint(code: str) -> str | None:
    """What helps against any refusal of the code; None where that differs."""
    return _OF_CODE.get(code)


def _operand(node: exp.Expr) -> str:
    """The first column that the node is about, as the analyst wrote it."""
    if isinstance(node, exp.WithinGroup):
        node = node.expression
    return _text(node.find(exp.Column))


def _text(node: exp.Expr | None) -> str:
    text = node.sql(dialect=_DIALECT) if isinstance(node, exp.Column) else ""
    return text if 0 < len(text) <= _SHOWN else "…"
