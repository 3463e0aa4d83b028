"""Typed expression trees over a table of nasty values, for properties of plans and of the SQL that is emitted."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from queries.function_names import Function
from queries.plan import BOOLEAN, DATE, DOUBLE, INTEGER, VARCHAR, Call, Column, Expression, Kind, Literal, Type

CENTS = Type(Kind.DECIMAL, 2)
NANOS = Type(Kind.DECIMAL, 9)
EXACT = (INTEGER, CENTS, NANOS)
TYPES = (BOOLEAN, *EXACT, DOUBLE, VARCHAR, DATE)
COLUMNS: tuple[tuple[str, Type], ...] = (
    ("b", BOOLEAN),
    ("i", INTEGER),
    ("small", INTEGER),
    ("cents", CENTS),
    ("nanos", NANOS),
    ("s", VARCHAR),
    ("kind", VARCHAR),
    ("day", DATE),
)
_INT64 = 2**63
_INTEGERS = (0, 1, -1, 2, 7, 1000, 2**31 - 1, 2**31, -(2**31), 10**18, _INT64 - 1, 1 - _INT64, -_INT64)
_TEXTS = (
    "",
    "a",
    "%",
    "_",
    "\\",
    "'",
    "å",
    "ß",
    "İ",
    "12",
    " 9223372036854775808",
    "1e5",
    "true",
    "[a",
    "😀",
    "a" * 999,
)
_DATES = ("0001-01-01", "9999-12-31", "1970-01-01", "2024-02-29", "2026-12-28")
_DOUBLES = (0.0, -0.0, 0.5, -1.5, 1e308, -1e308, 5e-324, 9.3e18, 1e30, 1 / 3)
_VALUES: dict[Kind, tuple[int | float | str | bool, ...]] = {
    Kind.BOOLEAN: (True, False),
    Kind.INTEGER: _INTEGERS,
    Kind.DECIMAL: _INTEGERS,
    Kind.DOUBLE: _DOUBLES,
    Kind.VARCHAR: _TEXTS,
    Kind.DATE: _DATES,
}
# The vault keeps dates to the years 1 to 9999.
TABLE = f"""
    CREATE TYPE kinds AS ENUM ('', 'a', 'A''%', 'ß');
    CREATE TABLE t (b BOOLEAN, i BIGINT, small INTEGER, cents BIGINT, nanos BIGINT, s VARCHAR, kind kinds, day DATE);
    INSERT INTO t SELECT
        CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN TRUE ELSE FALSE END,
        [NULL, {", ".join(f"({v})::BIGINT" for v in _INTEGERS)}][1 + n % {1 + len(_INTEGERS)}],
        [NULL, 0, -1, 1, 2147483647, -2147483648][1 + n % 6],
        [NULL, {", ".join(f"({v})::BIGINT" for v in _INTEGERS)}][1 + n * 3 % {1 + len(_INTEGERS)}],
        [NULL, {", ".join(f"({v})::BIGINT" for v in _INTEGERS)}][1 + n * 5 % {1 + len(_INTEGERS)}],
        [NULL, {", ".join("'" + text.replace("'", "''") + "'" for text in _TEXTS)}][1 + n * 7 % {1 + len(_TEXTS)}],
        [NULL, '', 'a', 'A''%', 'ß'][1 + n % 5]::kinds,
        [NULL, DATE '0001-01-01', DATE '9999-12-31', DATE '2020-02-29', DATE '2026-12-31'][1 + n * 11 % 5]
    FROM range(420) AS numbers(n)
"""


def literals(type_: Type) -> st.SearchStrategy[Expression]:
    values = st.sampled_from(_VALUES[type_.kind])
    return st.builds(Literal, values | st.none(), st.just(type_))


def columns(type_: Type) -> st.SearchStrategy[Expression]:
    found = [Column(0, name, column) for name, column in COLUMNS if column == type_]
    return st.sampled_from(found) if found else st.nothing()


def expressions(type_: Type, depth: int = 3) -> st.SearchStrategy[Expression]:
    """Expressions of the type, at most so deep; every function that can give the type is drawn."""
    leaves = columns(type_) | literals(type_)
    if depth == 0:
        return leaves
    calls = st.sampled_from(functions_of(type_)).flatmap(lambda function: calls_of(function, type_, depth - 1))
    return st.one_of(calls, calls, leaves)


Arguments = Callable[[int], st.SearchStrategy[tuple[Expression, ...]]]


def calls_of(function: Function, type_: Type, depth: int) -> st.SearchStrategy[Expression]:
    """Calls of the function that give the type."""
    return _arguments(function, type_, depth).map(lambda arguments: Call(function, arguments, type_))


def functions_of(type_: Type) -> list[Function]:
    """The functions whose result may have the type."""
    return sorted(function for function in Function if _gives(function, type_))


_BOOLEAN = {
    *(Function.AND, Function.OR, Function.NOT, Function.IS_NULL, Function.EQUAL, Function.NOT_EQUAL, Function.LESS),
    *(Function.LESS_EQUAL, Function.SAME, Function.IN, Function.LIKE, Function.ILIKE, Function.STARTS_WITH),
    Function.CONTAINS,
}
_ANY = {Function.CASE, Function.COALESCE, Function.NULL_IF, Function.LEAST, Function.GREATEST}
_NUMERIC = {Function.ADD, Function.SUBTRACT, Function.MULTIPLY, Function.NEGATE, Function.ABSOLUTE}
_EXACT = {Function.MODULO, Function.RESCALE, Function.FROM_DOUBLE}
_PARTS = {
    *(Function.YEAR, Function.QUARTER, Function.MONTH, Function.WEEK, Function.DAY, Function.DAY_OF_WEEK),
    *(Function.ISO_DAY_OF_WEEK, Function.DAY_OF_YEAR),
}
_INTEGER = {Function.INTEGER_DIVIDE, Function.TO_INTEGER, Function.LENGTH, Function.DAYS_BETWEEN, *_PARTS}
_VARCHAR = {
    *(Function.TO_VARCHAR, Function.LOWER, Function.UPPER, Function.TRIM, Function.CONCAT, Function.SUBSTRING),
}
_TRUNCATED = {
    Function.TRUNCATE_YEAR,
    Function.TRUNCATE_QUARTER,
    Function.TRUNCATE_MONTH,
    Function.TRUNCATE_WEEK,
}


def _gives(function: Function, type_: Type) -> bool:
    given = set(_ANY)
    if type_ == BOOLEAN:
        given |= _BOOLEAN
    elif type_.exact:
        given |= _NUMERIC | _EXACT | (_INTEGER if type_ == INTEGER else set())
    elif type_ == DOUBLE:
        given |= _NUMERIC | {Function.DIVIDE, Function.TO_DOUBLE}
    elif type_ == VARCHAR:
        given |= _VARCHAR
    else:
        given |= _TRUNCATED | {Function.ADD_DAYS}
    return function in given


def _arguments(function: Function, type_: Type, depth: int) -> st.SearchStrategy[tuple[Expression, ...]]:
    def of(*types: Type) -> st.SearchStrategy[tuple[Expression, ...]]:
        return st.tuples(*(expressions(each, depth) for each in types))

    def of_one(*among: Type, count: int = 1) -> st.SearchStrategy[tuple[Expression, ...]]:
        return st.sampled_from(among).flatmap(lambda each: of(*[each] * count))

    if function in (Function.AND, Function.OR):
        return of(BOOLEAN, BOOLEAN) | of(BOOLEAN, BOOLEAN, BOOLEAN)
    if function is Function.NOT:
        return of(BOOLEAN)
    if function is Function.IS_NULL:
        return of_one(*TYPES)
    if function is Function.IN:
        return of_one(*TYPES, count=3)
    if function in _BOOLEAN:
        return _tests(function, of, of_one)
    if function is Function.CASE:
        return of(BOOLEAN, type_, type_) | of(BOOLEAN, type_, BOOLEAN, type_, type_)
    if function in _ANY:
        return of(type_, type_) if function is Function.NULL_IF else of(type_, type_) | of(type_, type_, type_)
    if type_ == VARCHAR:
        return _texts(function, of, of_one)
    if type_ == DATE:
        days = st.sampled_from((0, 1, -1, 100_000, -100_000, 1_000_000)).map(lambda n: (Literal(n, INTEGER),))
        return st.tuples(of(DATE), days).map(lambda p: p[0] + p[1]) if function is Function.ADD_DAYS else of(DATE)
    return _numbers(function, type_, of, of_one)


Of = Callable[..., st.SearchStrategy[tuple[Expression, ...]]]


def _tests(function: Function, of: Of, of_one: Of) -> st.SearchStrategy[tuple[Expression, ...]]:
    if function in (Function.LIKE, Function.ILIKE):
        return st.tuples(of(VARCHAR), literals(VARCHAR)).map(lambda pair: (*pair[0], pair[1]))
    if function in (Function.STARTS_WITH, Function.CONTAINS):
        return of(VARCHAR, VARCHAR)
    return of_one(*TYPES, count=2)


def _texts(function: Function, of: Of, of_one: Of) -> st.SearchStrategy[tuple[Expression, ...]]:
    if function is Function.TO_VARCHAR:
        return of_one(INTEGER, DATE, BOOLEAN)
    if function is Function.SUBSTRING:
        places = st.tuples(*[st.integers(0, 1000).map(lambda n: Literal(n, INTEGER))] * 2)
        return st.tuples(of(VARCHAR), places).map(lambda pair: (*pair[0], *pair[1]))
    if function is Function.CONCAT:
        return of(VARCHAR, VARCHAR) | of(VARCHAR, VARCHAR, VARCHAR)
    return of(VARCHAR) | of(VARCHAR, VARCHAR) if function is Function.TRIM else of(VARCHAR)


def _numbers(function: Function, type_: Type, of: Of, of_one: Of) -> st.SearchStrategy[tuple[Expression, ...]]:
    if function is Function.MULTIPLY and type_ == NANOS:
        return of(NANOS, INTEGER) | of(INTEGER, NANOS)
    if function is Function.MULTIPLY and type_ == CENTS:
        return of(CENTS, INTEGER)
    if function is Function.INTEGER_DIVIDE:
        return of_one(*EXACT, count=2)
    if function in (Function.NEGATE, Function.ABSOLUTE):
        return of(type_)
    if function is Function.RESCALE or function is Function.TO_DOUBLE:
        return of_one(*EXACT)
    if function is Function.FROM_DOUBLE:
        return of(DOUBLE)
    if function is Function.TO_INTEGER:
        return of_one(VARCHAR, BOOLEAN)
    if function is Function.LENGTH:
        return of(VARCHAR)
    if function is Function.DAYS_BETWEEN:
        return of(DATE, DATE)
    return of(DATE) if function in _PARTS else of(type_, type_)
