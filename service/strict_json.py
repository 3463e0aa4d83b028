"""One reading of JSON: numbers exact, names unique, nothing that two readers could understand differently."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final, Never

from service.problems import ProblemError

DEPTH_MAX: Final = 50
_NUMBER_LENGTH_MAX: Final = 100


def loads(body: bytes) -> object:
    """The value of one RFC 8259 document, fractions as exact `Decimal`.

    Raises `ProblemError` "bad-request" for anything else, and never repeats a part of the body.
    """
    try:
        value = json.loads(
            body.decode("utf-8", "strict"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_names,
        )
    except UnicodeDecodeError:
        raise ProblemError("bad-request", "The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError("bad-request", f"The body is not one JSON document: {where}.") from None
    except RecursionError:
        raise ProblemError("bad-request", f"The body is nested deeper than {DEPTH_MAX}.") from None
    _check(value)
    return value


def _decimal(text: str) -> Decimal:
    _check_length(text)
    return Decimal(text)


def _integer(text: str) -> int:
    _check_length(text)
    return int(text)


def _check_length(text: str) -> None:
    if len(text) > _NUMBER_LENGTH_MAX:
        raise ProblemError("bad-request", f"A number has more than {_NUMBER_LENGTH_MAX} characters.")


def _refuse_constant(_name: str) -> Never:
    raise ProblemError("bad-request", "NaN and Infinity are not JSON.")


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ProblemError("bad-request", "A name stands twice in one object.")
    return names


def _check(root: object) -> None:
    """Refuse deep nesting and text that databases or terminals could read differently, without recursion."""
    pending: list[tuple[object, int]] = [(root, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > DEPTH_MAX:
            raise ProblemError("bad-request", f"The body is nested deeper than {DEPTH_MAX}.")
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict):
            pending.extend((name, depth) for name in value)
            pending.extend((member, depth + 1) for member in value.values())
        elif isinstance(value, list):
            pending.extend((member, depth + 1) for member in value)


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ProblemError("bad-request", "A string holds a NUL or half of a surrogate pair.")
