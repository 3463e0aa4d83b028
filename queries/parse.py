"""One statement of an analyst's, as a syntax tree of allowed nodes only.

What is not on the list is refused by name and position, before anything else looks at it. The list holds for the whole
statement; what may touch private rows is narrower still (`scalars/`, `relations.py`).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from queries.errors import QueryNotPrivateError, SqlSyntaxError
from queries.google_sql import Bounded, GoogleSQL, IntervalHigh, IntervalLow, ListParameter, Named, PrivacyClause
from queries.hints import NAME_KEY, called, called_with, general_hint, hint
from queries.parameters import ITEMS_LIMIT, literal, literals

SQL_BYTES_LIMIT = 16 * 1024
NESTING_LIMIT = 50
LITERALS_LIMIT = 1_000
TOKENS_LIMIT = 6_000
NAME_LIMIT = 128
COLUMNS_LIMIT = 500  # of one SELECT
DIALECT = "duckdb"
_FRAMES = 3_000  # of Python; fifty levels of `NOT (` take 1,700

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # its warnings quote the statement
# What is nested too deeply is decided by NESTING_LIMIT, and not by how deep the caller stands in his own calls.
sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))

_READER = GoogleSQL()
_READER.ORIGINAL_NAME_META_KEY = NAME_KEY
_FLATTENED = (exp.And, exp.Or, exp.DPipe)  # however many stand in a row, they are one level
_QUERY = "hint with_ expressions from_ joins where group having qualify order limit offset distinct"
_PLAIN = "this expression expressions"

# node -> the arguments that may be set on it
_ALLOWED: dict[type[exp.Expr], frozenset[str]] = {
    node: frozenset(arguments.split())
    for arguments, nodes in {
        _QUERY: (exp.Select,),
        "this alias with_ order limit offset": (exp.Subquery,),
        "this expression distinct with_ order limit offset by_name": (exp.Union, exp.Intersect, exp.Except),
        "expressions": (*(exp.With, exp.Tuple, exp.Distinct, exp.Rollup, exp.Cube, exp.GroupingSets, PrivacyClause),),
        "this alias materialized": (exp.CTE,),
        "this columns": (exp.TableAlias,),
        "this unit": (exp.Interval,),
        "this": (
            *(exp.From, exp.Where, exp.Having, exp.Qualify, exp.Paren, exp.Not, exp.Neg, exp.Exists, exp.Boolean),
            *(exp.Var, exp.Abs, exp.Lower, exp.Upper, exp.Length, exp.Floor, exp.Sqrt, exp.Ln, exp.Exp, exp.Sign),
            *(exp.Year, exp.Quarter, exp.Month, exp.Week, exp.Day, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear),
            *(
                exp.Avg,
                exp.Sum,
                exp.Min,
                exp.Max,
                exp.Median,
                exp.LogicalAnd,
                exp.LogicalOr,
                exp.Stddev,
                exp.StddevPop,
                exp.StddevSamp,
            ),
            *(exp.Variance, exp.VariancePop, exp.CountIf, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank),
            *(exp.FirstValue, exp.LastValue, exp.ApproxDistinct),
        ),
        "this alias": (exp.Table, exp.Alias),
        "this on side kind using": (exp.Join,),
        "expressions all": (exp.Group,),
        "this desc nulls_first": (exp.Ordered,),
        "expression": (exp.Limit, exp.Offset),
        "this table": (exp.Column,),
        "this quantile": (exp.Quantile, exp.ApproxQuantile),
        "this quoted": (exp.Identifier,),
        "this is_string": (exp.Literal,),
        "": (exp.Null, exp.Star),
        "this big_int expressions": (exp.Count,),
        "this expressions query": (exp.In,),
        "this low high": (exp.Between,),
        "this to safe": (exp.Cast, exp.TryCast),
        "this nested expressions": (exp.DataType, exp.DataTypeParam),
        "this ifs default": (exp.Case,),
        "this true false": (exp.If,),
        "this expressions ignore_nulls": (exp.Coalesce, exp.Greatest, exp.Least),
        "expressions safe coalesce": (exp.Concat,),
        "this start length": (exp.Substring,),
        "this expressions": (exp.Order, Bounded),
        "this expression": (
            *(exp.Trim, exp.PercentileCont, exp.PercentileDisc, exp.WithinGroup, Named, IntervalLow, IntervalHigh),
        ),
        "this unit input_type_preserved": (exp.DateTrunc, exp.TimestampTrunc),
        "this expression unit date_part_boundary": (exp.DateDiff,),
        "this decimals": (exp.Round, exp.Ceil),
        "this partition_by order spec over": (exp.Window,),
        "kind start start_side end end_side": (exp.WindowSpec,),
        "this expression offset default": (exp.Lag, exp.Lead),
        "this format": (exp.TimeToStr,),
        f"{_PLAIN} negate": (exp.Like, exp.ILike),
        f"{_PLAIN} typed safe": (
            *(exp.And, exp.Or, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.NullSafeEQ),
            *(exp.NullSafeNEQ, exp.StartsWith, exp.Contains, exp.DPipe, exp.Add, exp.Sub, exp.Mul),
            *(exp.Div, exp.IntDiv, exp.Mod, exp.Filter, exp.Extract, exp.Nullif, exp.Left, exp.Right, exp.Pow),
        ),
    }.items()
    for node in nodes
}


def parse(sql: str, params: Mapping[str, object]) -> exp.Query:
    """The statement's tree, parameters bound, all nodes allowed.

    Raises SqlSyntaxError for text that is not one readable SELECT and QueryNotPrivateError for what is not allowed.
    """
    _check_text(sql)
    try:
        tokens = _READER.tokenize(sql)
        _check_tokens(tokens)
        statements = _READER.parser().parse(tokens, sql)
    except RecursionError:
        raise SqlSyntaxError("the statement is nested too deeply") from None
    except SqlglotError as error:
        raise _syntax_error(error) from None
    found = [statement for statement in statements if statement is not None]
    if len(found) != 1:
        raise SqlSyntaxError("write exactly one statement" if found else "the statement is empty")
    tree = found[0]
    if not isinstance(tree, exp.Query) or isinstance(tree, exp.Table):
        raise refusal("not-a-select", "Only SELECT statements are answered.", tree)
    _check_tree(tree)
    _bind(tree, params)
    return tree


def refusal(code: str, reason: str, node: exp.Expr | None = None, hint: str | None = None) -> QueryNotPrivateError:
    """A refusal that points at `node`, with what helps against all of its code where `hint` says nothing better."""
    line, column = position(node)
    return QueryNotPrivateError(code, reason, hint=hint or general_hint(code), line=line, column=column)


def position(node: exp.Expr | None) -> tuple[int | None, int | None]:
    """Line and column, from 1, of the first token known below the node, or else around it; None for no node."""
    if node is None:
        return None, None
    places = [
        (n.meta["line"], n.meta["col"] - (n.meta["end"] - n.meta["start"])) for n in node.walk() if "line" in n.meta
    ]
    return min(places) if places else position(node.parent) if node.parent is not None else (1, 1)


def _check_text(sql: str) -> None:
    if len(sql.encode("utf-8", "replace")) > SQL_BYTES_LIMIT:
        raise SqlSyntaxError(f"the statement is longer than {SQL_BYTES_LIMIT:,} bytes")
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", sql):
        raise SqlSyntaxError("the statement has a control character")


def _check_tokens(tokens: list[Token]) -> None:
    if len(tokens) > TOKENS_LIMIT:
        raise SqlSyntaxError(f"the statement has more than {TOKENS_LIMIT:,} words")
    depth = prefixes = literals = 0
    for token in tokens:
        opens = token.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE)
        closes = token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END)
        depth += opens - closes
        prefixes = (
            prefixes + 1 if token.token_type in (TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE) else 0
        )
        literals += token.token_type in (TokenType.NUMBER, TokenType.STRING)
        if max(depth, prefixes) > NESTING_LIMIT:
            raise SqlSyntaxError(f"the statement is nested more than {NESTING_LIMIT} deep", token.line, token.col)
        if literals > LITERALS_LIMIT:
            raise SqlSyntaxError(f"the statement has more than {LITERALS_LIMIT:,} literals", token.line, token.col)


def _syntax_error(error: SqlglotError) -> SqlSyntaxError:
    details = getattr(error, "errors", None) or [{}]
    description = str(details[0].get("description") or "the statement cannot be read")
    description = re.sub(r"<Token token_type: TokenType\.SENTINEL.*", "the end", description)
    description = re.sub(r"<Token .*?text: (.*?),.*>", r"\1", description)
    description = re.sub(r" for <class '.*?(\w+)'>", r" in \1", description).rstrip(".")
    return SqlSyntaxError(description[:200], int(details[0].get("line") or 1), int(details[0].get("col") or 1))


def _check_tree(tree: exp.Expr) -> None:
    stack: list[tuple[exp.Expr, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > 4 * NESTING_LIMIT:
            raise SqlSyntaxError("the statement is nested too deeply, or computes too much in a row")
        _check_node(node)
        for child in node.iter_expressions():
            in_a_row = isinstance(node, _FLATTENED) and type(child) is type(node)
            stack.append((child, depth if in_a_row else depth + 1))


def _check_node(node: exp.Expr) -> None:
    if isinstance(node, exp.Placeholder | exp.Parameter):
        return
    if isinstance(node, exp.Select) and not 0 < len(node.expressions) <= COLUMNS_LIMIT:
        line, column = position(node)
        many = f"a SELECT has more than {COLUMNS_LIMIT} columns" if node.expressions else "a SELECT names no columns"
        raise SqlSyntaxError(many, line or 1, column or 1)
    allowed = _ALLOWED.get(type(node))
    if allowed is None:
        raise refusal("unsupported-syntax", f"{called(node)} is not supported.", node, hint(node))
    for name, value in node.args.items():
        if value not in (None, False, []) and name not in allowed:
            reason = f"{called_with(node, name)} is not supported."
            raise refusal("unsupported-syntax", reason, node, hint(node, name))
    if isinstance(node, exp.Identifier) and (node.name.startswith("_") or len(node.name) > NAME_LIMIT):
        raise refusal("reserved-name", "Names may not start with an underscore or be longer than 128 characters.", node)
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        raise refusal("unsupported-syntax", "Table functions are not supported.", node)


def _bind(tree: exp.Expr, params: Mapping[str, object]) -> None:
    used = set()
    positional = items = 0
    for node in sorted(tree.find_all(exp.Placeholder, exp.Parameter), key=lambda found: found.meta.get("start", 0)):
        name = node.this.name if isinstance(node.this, exp.Expr) else node.this
        positional += name is None
        key = str(positional if name is None else name)
        if key not in params:
            raise refusal("unknown-parameter", f"No value was given for the parameter {key[:60]}.", node)
        used.add(key)
        if isinstance(node, ListParameter):
            found = literals(key, params[key], position(node))
            items += len(found)
            if items > ITEMS_LIMIT:
                reason = f"The lists of all parameters together have more than {ITEMS_LIMIT:,} values."
                raise refusal("unknown-parameter", reason, node)
            node.replace(found)
        else:
            node.replace(literal(key, params[key], position(node)))
    for key in params:
        if key not in used:
            raise QueryNotPrivateError("unknown-parameter", "A parameter was given that the statement does not name.")


def walk(node: exp.Expr) -> Iterator[exp.Expr]:
    """All nodes below and including this one, without entering subqueries."""
    yield node
    for child in node.iter_expressions():
        if not isinstance(child, exp.Query):
            yield from walk(child)
