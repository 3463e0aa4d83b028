"""How statements are read: DuckDB's SQL, and what analysts bring along from GoogleSQL.

That is `SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(…)`, named arguments of aggregates, `DP_INTERVAL_LOW` and `_HIGH`,
`@parameters`, names in backquotes, and some functions. What one text means does not change by it: a form that both
dialects have keeps DuckDB's meaning, and of `DATE_TRUNC` and `DATE_DIFF`, whose arguments stand in another order, the
place of the part tells which one is meant. All that is new here is a node of its own, which no generator can write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.dialect import date_trunc_to_time
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.parsers.duckdb import DuckDBParser
from sqlglot.tokenizer_core import TokenType

from queries.hints import NAME_KEY


class PrivacyClause(exp.Expression):
    """`WITH DIFFERENTIAL_PRIVACY OPTIONS(…)`, between SELECT and its columns: a list of `Named`."""

    arg_types: ClassVar[dict[str, bool]] = {"expressions": False}


class Named(exp.Expression):
    """`name = value` in a clause, or `name => value` in an aggregate."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": True}


class Bounded(exp.Expression):
    """An aggregate with named arguments."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expressions": True}


class IntervalLow(exp.Expression, exp.Func):
    """The lower end of an estimate's interval, at a confidence."""

    _sql_names: ClassVar[list[str]] = ["DP_INTERVAL_LOW"]
    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": False}


class IntervalHigh(exp.Expression, exp.Func):
    """The upper end of an estimate's interval, at a confidence."""

    _sql_names: ClassVar[list[str]] = ["DP_INTERVAL_HIGH"]
    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expression": False}


class ListParameter(exp.Placeholder):
    """A parameter that stands for all values of an `IN`."""


_CLAUSES = frozenset({"DIFFERENTIAL_PRIVACY", "ANONYMIZATION"})
_PARTS = {"DAY": "DAY", "ISOWEEK": "WEEK", "MONTH": "MONTH", "QUARTER": "QUARTER", "YEAR": "YEAR"}
_DAYS_AND_MORE = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
_AGGREGATES = (
    *("COUNT", "COUNT_IF", "COUNTIF", "SUM", "AVG", "MEDIAN", "STDDEV", "STDDEV_POP", "STDDEV_SAMP"),
    *("VARIANCE", "VAR_POP", "VAR_SAMP", "VARIANCE_POP", "VARIANCE_SAMP", "APPROX_COUNT_DISTINCT"),
)
_QUANTILES: dict[str, Callable[[list[Any]], exp.Expr]] = {
    "APPROX_QUANTILE": exp.ApproxQuantile.from_arg_list,
    "QUANTILE": exp.Quantile.from_arg_list,
    "QUANTILE_CONT": exp.PercentileCont.from_arg_list,
    "QUANTILE_DISC": exp.PercentileDisc.from_arg_list,
}


def _part(node: exp.Expr | None) -> exp.Expr | None:
    """The part of a date that a bare word names; GoogleSQL's WEEK begins on Sunday, which has a node of its own."""
    if not isinstance(node, exp.Column) or node.table or not isinstance(node.this, exp.Identifier) or node.this.quoted:
        return None
    if node.name.upper() == "WEEK":
        return exp.WeekStart(this=exp.var("SUNDAY")).update_positions(node.this)
    name = _PARTS.get(node.name.upper())
    return None if name is None else exp.var(name)


def _is_text(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _wrapped(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node) if isinstance(node, exp.Binary | exp.Unary) else node


def _date_trunc(args: list[Any]) -> exp.Expr:
    """DATE_TRUNC('month', day) is DuckDB's, DATE_TRUNC(day, MONTH) GoogleSQL's, which gives a date."""
    part = None if _is_text(args[0] if args else None) else _part(args[-1] if args else None)
    if part is None or len(args) != 2:  # noqa: PLR2004
        return date_trunc_to_time(args)
    return exp.cast(date_trunc_to_time([part, args[0]]), "DATE")


def _date_diff(args: list[Any]) -> exp.Expr:
    """DATE_DIFF('day', earlier, later) is DuckDB's, DATE_DIFF(later, earlier, DAY) GoogleSQL's."""
    part = None if _is_text(args[0] if args else None) else _part(args[-1] if args else None)
    google = part is not None and len(args) == 3  # noqa: PLR2004
    found: exp.Expr = DuckDBParser.FUNCTIONS["DATE_DIFF"]([part, args[1], args[0]] if google else args)
    return found


def _safe_divide(args: list[Any]) -> exp.Expr:
    if len(args) != 2:  # noqa: PLR2004
        return exp.SafeDivide.from_arg_list(args)
    divisor = exp.Nullif(this=args[1], expression=exp.Literal.number(0))
    return exp.Paren(this=exp.Div(this=_wrapped(args[0]), expression=divisor, typed=False, safe=False))


def _moved(operator: type[exp.Expr], otherwise: Callable[[list[Any]], exp.Expr]) -> Callable[[list[Any]], exp.Expr]:
    """DATE_ADD(day, INTERVAL n DAY) and DATE_SUB, which give a date."""

    def build(args: list[Any]) -> exp.Expr:
        unit = str(args[1].args.get("unit") or "").upper() if len(args) > 1 and type(args[1]) is exp.Interval else ""
        if unit not in _DAYS_AND_MORE or len(args) != 2:  # noqa: PLR2004
            return otherwise(args)
        return exp.cast(operator(this=_wrapped(args[0]), expression=args[1]), "DATE")

    return build


def _anonymous(name: str) -> Callable[[list[Any]], exp.Expr]:
    return lambda args: exp.Anonymous(this=name, expressions=args)


class _Parser(DuckDBParser):
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {
        **DuckDBParser.FUNCTIONS,
        "DATE_ADD": _moved(exp.Add, DuckDBParser.FUNCTIONS["DATE_ADD"]),
        "DATE_SUB": _moved(exp.Sub, _anonymous("DATE_SUB")),
        "DATE_DIFF": _date_diff,
        "DATE_TRUNC": _date_trunc,
        "DP_INTERVAL_HIGH": IntervalHigh.from_arg_list,
        "DP_INTERVAL_LOW": IntervalLow.from_arg_list,
        "SAFE_DIVIDE": _safe_divide,
    }
    FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        **DuckDBParser.FUNCTION_PARSERS,
        **dict.fromkeys((*_AGGREGATES, *_QUANTILES), lambda self: self._parse_aggregate()),
    }
    LAMBDAS: ClassVar[dict[TokenType, Callable[..., Any]]] = {
        **DuckDBParser.LAMBDAS,
        TokenType.FARROW: lambda self, names: self._parse_arrow(names),
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
        **DuckDBParser.NO_PAREN_FUNCTION_PARSERS,
        "@": lambda self: self._parse_at(),
    }

    def _parse_hint(self) -> Any:  # noqa: ANN401  # sqlglot's own is of another node, and may be absent.
        """The clause stands where other dialects have hints, of which there are none here."""
        token, named = self._curr, self._next
        if not (self._is(TokenType.WITH) and named.token_type == TokenType.VAR and named.text.upper() in _CLAUSES):
            return None
        self._advance(2)
        options: list[exp.Expr] = []
        if self._is(TokenType.VAR, "OPTIONS"):
            self._advance()
            options = self._parse_wrapped_csv(self._parse_option)
        return self.expression(PrivacyClause(expressions=options), token=token)

    def _is(self, kind: TokenType, text: str | None = None) -> bool:
        return bool(self._curr.token_type == kind) and text in (None, self._curr.text.upper())

    def _parse_arrow(self, names: list[exp.Expr | None]) -> exp.Expr:
        """A named argument of what takes none: refused by its node, unless there is no single name."""
        if len(names) != 1 or names[0] is None:
            self.raise_error("Expected one name before =>")
        found: exp.Expr = DuckDBParser.LAMBDAS[TokenType.FARROW](self, names)
        return found

    def _parse_option(self) -> exp.Expr | None:
        if self._is(TokenType.R_PAREN):
            return None
        return self._parse_named((TokenType.EQ, TokenType.FARROW))

    def _parse_named(self, between: Sequence[TokenType]) -> exp.Expr:
        """`name = value`; what the value may be is decided once parameters are bound."""
        token = self._curr
        if not self._match(TokenType.VAR) or not self._match_set(between):
            self.raise_error("Expected name and value")
        value = self._parse_bitwise()
        if value is None:
            self.raise_error("Expected a value")
        return self.expression(Named(this=exp.var(token.text), expression=value), token=token)

    def _names(self, ahead: int) -> bool:
        """Whether a named argument follows, after so many words."""
        words = self._tokens[self._index + ahead : self._index + ahead + 2]
        return len(words) == 2 and words[0].token_type == TokenType.VAR and words[1].token_type == TokenType.FARROW  # noqa: PLR2004

    def _parse_aggregate(self) -> exp.Expr:
        """An aggregate as sqlglot reads it, and the named arguments after those that have no name."""
        token = self._tokens[self._index - 2]
        args, named = self._parse_arguments()
        if not self._is(TokenType.R_PAREN):
            self.raise_error("Expecting )")
        name = token.text.upper()
        if name in _QUANTILES and args and isinstance(args[0], exp.Distinct):  # DISTINCT takes the first alone
            first, *rest = args[0].expressions
            args = [exp.Distinct(expressions=[first]), *rest, *args[1:]]
        build = _QUANTILES.get(name) or self.FUNCTIONS[name]
        call: exp.Expr = self.validate_expression(build(args), args)
        call.update_positions(token).meta[NAME_KEY] = token.text
        return self.expression(Bounded(this=call, expressions=named)) if named else call

    def _parse_arguments(self) -> tuple[list[exp.Expr], list[exp.Expr]]:
        args: list[exp.Expr] = []
        named: list[exp.Expr] = []
        more = True
        while more:
            if self._names(0):
                named.append(self._parse_named((TokenType.FARROW,)))
            elif named:
                self.raise_error("Arguments without a name come first")
            elif (argument := self._parse_argument()) is not None:
                args.append(argument)
            more = bool(self._match(TokenType.COMMA))
        return args, named

    def _parse_argument(self) -> exp.Expr | None:
        if not self._match(TokenType.DISTINCT):
            argument: exp.Expr | None = self._parse_lambda()
            return argument
        values = [self._parse_disjunction()]
        while not self._names(1) and self._match(TokenType.COMMA):
            values.append(self._parse_disjunction())
        return self.expression(exp.Distinct(expressions=[value for value in values if value is not None]))

    def _parse_at(self) -> exp.Expr | None:
        """`@name` is a parameter; `@ x` and `@(x)` are DuckDB's absolute value."""
        if not self._is_connected() or not self._match_set(self.ID_VAR_TOKENS):
            return self.expression(exp.Abs(this=self._parse_bitwise()))
        return self.expression(exp.Placeholder(this=self._prev.text), token=self._prev)

    def _parse_placeholder(self) -> exp.Expr | None:
        token = self._curr
        found = super()._parse_placeholder()
        return found.update_positions(token) if isinstance(found, exp.Placeholder) and token else found

    def _parse_in(self, this: exp.Expr | None, alias: bool = False) -> exp.In:  # noqa: FBT001, FBT002  # sqlglot's.
        """`IN $list` and `IN UNNEST(@list)` have one shape."""
        found = super()._parse_in(this, alias)
        listed = found.args.get("field")
        unnested = found.args.get("unnest")
        if isinstance(unnested, exp.Unnest) and len(unnested.expressions) == 1 and not unnested.args.get("offset"):
            listed = unnested.expressions[0]
        if not isinstance(listed, exp.Placeholder):
            return found
        all_of_it = ListParameter(this=listed.this).update_positions(listed)
        return exp.In(this=found.this, expressions=[all_of_it])

    def _parse_extract(self) -> exp.Extract | exp.Anonymous:
        found = super()._parse_extract()
        if isinstance(found, exp.Extract) and found.name.upper() == "ISOWEEK":
            found.set("this", exp.var("WEEK"))
        return found


class _Tokenizer(DuckDB.Tokenizer):
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ['"', "`"]
    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        # `x <@last` compares with a parameter: the two are operators on lists, of which there are none.
        **{word: kind for word, kind in DuckDB.Tokenizer.KEYWORDS.items() if word not in ("<@", "@>")},
        "FLOAT64": TokenType.DOUBLE,
    }


class GoogleSQL(DuckDB):
    """DuckDB's dialect with GoogleSQL's additions."""

    Tokenizer = _Tokenizer
    Parser = _Parser
