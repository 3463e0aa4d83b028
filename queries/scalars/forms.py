"""One form for calls that mean the same, so that spellings of a question share a plan, a price and a stored answer.

Two calls get one form only if they give the same value for all values of their columns, NULL included: whoever asks
another question must not get this one's answer. Comparisons are of one total order (DuckDB's, with NaN above all), so
NOT (a < b) is b <= a. Where a condition only selects rows, NULL is FALSE, and more is the same: `selection`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from queries.function_names import Function
from queries.plan import BOOLEAN, TRUE, VARCHAR, Call, Expression, Kind, Literal, Type
from queries.scalars.literals import INT64_LIMIT, exact_type

FALSE = Literal(value=False, type=BOOLEAN)
UNKNOWN = Literal(None, BOOLEAN)
_SWAPPED = {Function.AND: Function.OR, Function.OR: Function.AND}
_ORDERS = {
    Function.EQUAL: lambda a, b: a == b,
    Function.NOT_EQUAL: lambda a, b: a != b,
    Function.LESS: lambda a, b: a < b,
    Function.LESS_EQUAL: lambda a, b: a <= b,
}


def formed(function: Function, type_: Type, *arguments: Expression) -> Expression:
    """The call in its form; its arguments have theirs."""
    form = _FORMS.get(function)
    return Call(function, arguments, type_) if form is None else form(function, type_, arguments)


def conjunction(parts: tuple[Expression, ...]) -> Expression:
    """AND of the parts."""
    return _connected(Function.AND, BOOLEAN, parts)


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """The parts of a conjunction; TRUE has none."""
    if expression == TRUE:
        return ()
    if isinstance(expression, Call) and expression.function is Function.AND:
        return expression.arguments
    return (expression,)


def negated(value: Expression) -> Expression:
    """NOT, moved inwards as far as it goes (De Morgan holds in three-valued logic too)."""
    if isinstance(value, Literal):
        return UNKNOWN if value.value is None else Literal(not value.value, BOOLEAN)
    if isinstance(value, Call):
        match value.function:
            case Function.NOT:
                return value.arguments[0]
            case Function.EQUAL:
                return formed(Function.NOT_EQUAL, BOOLEAN, *value.arguments)
            case Function.NOT_EQUAL:
                return formed(Function.EQUAL, BOOLEAN, *value.arguments)
            case Function.LESS:
                return formed(Function.LESS_EQUAL, BOOLEAN, *value.arguments[::-1])
            case Function.LESS_EQUAL:
                return formed(Function.LESS, BOOLEAN, *value.arguments[::-1])
            case Function.AND | Function.OR:
                parts = tuple(negated(part) for part in value.arguments)
                return _connected(_SWAPPED[value.function], BOOLEAN, parts)
            case _:
                pass
    return Call(Function.NOT, (value,), BOOLEAN)


def selection(condition: Expression) -> Expression:
    """The condition as WHERE, ON and FILTER take it: what keeps the same rows, NULL being as good as FALSE."""
    if isinstance(condition, Literal):
        return FALSE if condition.value is None else condition
    if not isinstance(condition, Call):
        return condition
    arguments = condition.arguments
    match condition.function:
        case Function.AND | Function.OR:
            return _connected(condition.function, BOOLEAN, tuple(selection(part) for part in arguments))
        case Function.SAME if arguments[1] == TRUE:
            return selection(arguments[0])
        case Function.SAME if arguments[1] == FALSE:
            return selection(negated(arguments[0]))
        case Function.EQUAL if arguments[0] == arguments[1]:
            return negated(formed(Function.IS_NULL, BOOLEAN, arguments[0]))
        case Function.COALESCE if arguments[1:] == (FALSE,):
            return selection(arguments[0])
        case Function.CASE if arguments[2:] in ((FALSE,), (UNKNOWN,)):
            return conjunction((arguments[0], selection(arguments[1])))
        case _:
            return condition


def summed(value: Expression) -> Expression:
    """The value as a sum takes it: what adds up to the same, NULL being as good as zero."""
    if not isinstance(value, Call):
        return value
    zero, arguments = Literal(0, exact_type(value.type.scale)), value.arguments
    if value.function is Function.TO_INTEGER and arguments[0].type == BOOLEAN:
        return formed(Function.CASE, value.type, arguments[0], Literal(1, value.type), zero)
    if value.function is Function.COALESCE and arguments[1:] == (zero,):
        return summed(arguments[0])
    if value.function is Function.CASE:
        return formed(Function.CASE, value.type, *_with_values(value, lambda part: zero if _is_null(part) else part))
    return value


def is_present(value: Expression, never_null: Callable[[Expression], bool]) -> Expression:
    """The condition that the value is not NULL; `never_null` knows of columns."""
    if isinstance(value, Literal):
        return Literal(value.value is not None, BOOLEAN)
    if never_null(value):
        return TRUE
    if isinstance(value, Call) and value.function is Function.CASE:
        return formed(Function.CASE, BOOLEAN, *_with_values(value, lambda part: is_present(part, never_null)))
    return negated(formed(Function.IS_NULL, BOOLEAN, value))


def _with_values(case: Call, change: Callable[[Expression], Expression]) -> list[Expression]:
    """The arguments of a CASE with its values changed, and its conditions as they are."""
    last = len(case.arguments) - 1
    return [a if place % 2 == 0 and place != last else change(a) for place, a in enumerate(case.arguments)]


def _is_null(value: Expression) -> bool:
    return isinstance(value, Literal) and value.value is None


def _connected(function: Function, _: Type, parts: tuple[Expression, ...]) -> Expression:
    """AND or OR of the parts: flat, sorted, without repeats, neutral constants, and what another part implies."""
    neutral, zero = (TRUE, FALSE) if function is Function.AND else (FALSE, TRUE)
    flat: dict[Expression, None] = {}
    for part in parts:
        nested = part.arguments if isinstance(part, Call) and part.function is function else (part,)
        flat.update(dict.fromkeys(nested))
    flat.pop(neutral, None)
    if zero in flat:
        return zero
    found = _with_lists(function, [part for part in flat if not _is_absorbed(part, flat, _SWAPPED[function])])
    if len(found) <= 1:
        return found[0] if found else neutral
    return Call(function, tuple(sorted(found, key=repr)), BOOLEAN)


def _is_absorbed(part: Expression, others: dict[Expression, None], inner: Function) -> bool:
    """`a AND (a OR b)` is a, and `a OR (a AND b)` too."""
    if not isinstance(part, Call) or part.function is not inner:
        return False
    return any(argument in others for argument in part.arguments)


def _with_lists(function: Function, parts: list[Expression]) -> list[Expression]:
    """`x = 1 OR x IN (2, 3)` as one list, and `x <> 1 AND x NOT IN (2, 3)` as one that is negated."""
    lists: dict[Expression, list[Expression]] = {}
    rest = []
    for part in parts:
        member = _member(function, part)
        if member is None:
            rest.append(part)
        else:
            lists.setdefault(member[0], []).extend(member[1])
    for value, options in lists.items():
        found = _list(Function.IN, BOOLEAN, (value, *options))
        rest.append(found if function is Function.OR else negated(found))
    return rest


def _member(function: Function, part: Expression) -> tuple[Expression, tuple[Expression, ...]] | None:
    """The value and the constants that it is in, or in a conjunction those that it is not in."""
    if isinstance(part, Call) and function is Function.AND and part.function is Function.NOT:
        part, known = part.arguments[0], {Function.IN}
    else:
        known = {Function.EQUAL, Function.IN} if function is Function.OR else {Function.NOT_EQUAL}
    if not isinstance(part, Call) or part.function not in known:
        return None
    value, *options = part.arguments
    constant = all(isinstance(option, Literal) for option in options)
    return (value, tuple(options)) if constant and not isinstance(value, Literal) else None


def _list(function: Function, _: Type, arguments: tuple[Expression, ...]) -> Expression:
    """A list of one is an equality."""
    value, *options = arguments
    distinct = sorted(set(options), key=repr)
    if len(distinct) == 1:
        return formed(Function.EQUAL, BOOLEAN, value, distinct[0])
    return Call(function, (value, *distinct), BOOLEAN)


def _comparison(function: Function, _: Type, arguments: tuple[Expression, ...]) -> Expression:
    left, right = arguments
    if _is_null(left) or _is_null(right):
        return UNKNOWN
    if isinstance(left, Literal) and isinstance(right, Literal):
        return Literal(_ORDERS[function](left.value, right.value), BOOLEAN)
    if function is Function.LESS:
        return _strict(left, right)
    if function is Function.LESS_EQUAL:
        return Call(function, (left, right), BOOLEAN)
    left, right = sorted((left, right), key=repr)
    if right.type == BOOLEAN and isinstance(right, Literal):
        return left if right.value is (function is Function.EQUAL) else negated(left)
    return Call(function, (left, right), BOOLEAN)


def _strict(left: Expression, right: Expression) -> Expression:
    """`x < 3` is `x <= 2`, and `3 < x` is `4 <= x`: of whole numbers, of decimals in their last place, and of dates."""
    below, above = _neighbour(right, -1), _neighbour(left, 1)
    if below is not None:
        return Call(Function.LESS_EQUAL, (left, below), BOOLEAN)
    if above is not None:
        return Call(Function.LESS_EQUAL, (above, right), BOOLEAN)
    return Call(Function.LESS, (left, right), BOOLEAN)


def _neighbour(value: Expression, step: int) -> Literal | None:
    """The constant that comes next; None where there is none, or no constant."""
    if not isinstance(value, Literal):
        return None
    if value.type.exact and isinstance(value.value, int):
        return _whole(value.value + step, value.type)
    if value.type.kind is Kind.DATE and isinstance(value.value, str):
        try:
            return Literal((date.fromisoformat(value.value) + timedelta(step)).isoformat(), value.type)
        except OverflowError:
            return None
    return None


def _whole(value: int, type_: Type) -> Literal | None:
    return Literal(value, type_) if abs(value) < INT64_LIMIT else None


def _same(function: Function, _: Type, arguments: tuple[Expression, ...]) -> Expression:
    left, right = sorted(arguments, key=repr)
    if _is_null(left) or _is_null(right):
        return formed(Function.IS_NULL, BOOLEAN, left if _is_null(right) else right)
    if isinstance(left, Literal) and isinstance(right, Literal):
        return Literal(left.value == right.value, BOOLEAN)
    return Call(function, (left, right), BOOLEAN)


def _is_missing(function: Function, _: Type, arguments: tuple[Expression, ...]) -> Expression:
    (value,) = arguments
    return Literal(value.value is None, BOOLEAN) if isinstance(value, Literal) else Call(function, arguments, BOOLEAN)


def _pattern(function: Function, type_: Type, arguments: tuple[Expression, ...]) -> Expression:
    """A pattern without wildcards is a text; with one at its end, a beginning; with one at each end, a part."""
    text, pattern = arguments
    written = pattern.value if isinstance(pattern, Literal) else None
    if not isinstance(written, str) or "\\" in written or "_" in written:
        return Call(function, arguments, type_)
    inner = written.strip("%")
    plain = Literal(inner, VARCHAR)
    if "%" not in written:
        return formed(Function.EQUAL, BOOLEAN, text, plain)
    if not inner or "%" in inner or written not in (f"{inner}%", f"%{inner}%"):
        return Call(function, arguments, type_)
    return Call(Function.STARTS_WITH if written[0] != "%" else Function.CONTAINS, (text, plain), BOOLEAN)


def _case(function: Function, type_: Type, arguments: tuple[Expression, ...]) -> Expression:
    """CASE with arms that can be reached alone; what COALESCE or the condition itself says, said so."""
    arms: list[Expression] = []
    otherwise = arguments[-1]
    for condition, value in zip(arguments[:-1:2], arguments[1::2], strict=True):
        chosen = selection(condition)
        if chosen == TRUE:
            otherwise = value
            break
        if chosen != FALSE:
            arms += [chosen, value]
    if not arms:
        return otherwise
    if len(arms) == 2:  # noqa: PLR2004
        return _choice(arms[0], arms[1], otherwise)
    return Call(function, (*arms, otherwise), type_)


def _choice(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    if (then, otherwise) == (TRUE, FALSE):
        return formed(Function.SAME, BOOLEAN, condition, TRUE)
    if (then, otherwise) == (FALSE, TRUE):
        return negated(formed(Function.SAME, BOOLEAN, condition, TRUE))
    if condition == Call(Function.IS_NULL, (otherwise,), BOOLEAN):
        return formed(Function.COALESCE, otherwise.type, otherwise, then)
    if condition == negated(Call(Function.IS_NULL, (then,), BOOLEAN)):
        return formed(Function.COALESCE, then.type, then, otherwise)
    return Call(Function.CASE, (condition, then, otherwise), then.type)


def _coalesce(function: Function, type_: Type, arguments: tuple[Expression, ...]) -> Expression:
    """Flat, without NULLs and repeats, and up to the first constant."""
    flat: dict[Expression, None] = {}
    for argument in arguments:
        nested = argument.arguments if isinstance(argument, Call) and argument.function is function else (argument,)
        flat.update(dict.fromkeys(part for part in nested if not _is_null(part)))
    found: list[Expression] = []
    for part in flat:
        found.append(part)
        if isinstance(part, Literal):
            break
    if len(found) <= 1:
        return found[0] if found else arguments[0]
    return Call(function, tuple(found), type_)


def _commutative(function: Function, type_: Type, arguments: tuple[Expression, ...]) -> Expression:
    left, right = arguments
    if type_.exact and isinstance(left, Literal) and isinstance(right, Literal):
        return _folded(function, type_, left, right)
    return Call(function, tuple(sorted(arguments, key=repr)), type_)


def _difference(function: Function, type_: Type, arguments: tuple[Expression, ...]) -> Expression:
    """`x - 1` is `x + -1`."""
    left, right = arguments
    number = right.value if isinstance(right, Literal) and type_.exact else None
    opposite = _whole(-number, right.type) if isinstance(number, int) else None
    return Call(function, arguments, type_) if opposite is None else formed(Function.ADD, type_, left, opposite)


def _folded(function: Function, type_: Type, left: Literal, right: Literal) -> Expression:
    """The sum or the product of two constants; NULL beyond 64 bits, as it would be of columns."""
    if not isinstance(left.value, int) or not isinstance(right.value, int):
        return Literal(None, type_)
    value = left.value + right.value if function is Function.ADD else left.value * right.value
    return Literal(value if -INT64_LIMIT <= value < INT64_LIMIT else None, type_)


def _unordered(function: Function, type_: Type, arguments: tuple[Expression, ...]) -> Expression:
    return Call(function, tuple(sorted(arguments, key=repr)), type_)


_Form = Callable[[Function, Type, tuple[Expression, ...]], Expression]
_FORMS: dict[Function, _Form] = {
    Function.AND: _connected,
    Function.OR: _connected,
    Function.NOT: lambda _, __, arguments: negated(arguments[0]),
    **dict.fromkeys(_ORDERS, _comparison),
    Function.SAME: _same,
    Function.IS_NULL: _is_missing,
    Function.IN: _list,
    Function.LIKE: _pattern,
    Function.CASE: _case,
    Function.COALESCE: _coalesce,
    Function.ADD: _commutative,
    Function.MULTIPLY: _commutative,
    Function.SUBTRACT: _difference,
    Function.GREATEST: _unordered,
    Function.LEAST: _unordered,
}
