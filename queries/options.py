"""What a caller says besides the question: in the body of the request, in the statement's own clauses, or in both.

Both places know the same options, under GoogleSQL's names. Where both say something, they have to say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import Enum
from fractions import Fraction

from queries.errors import QueryNotPrivateError
from queries.stated import AUTOMATIC, BOUND_NAMES, BY_AGGREGATE, MINIMUM, Question, Said

MOST_GROUPS = 100_000
_LARGEST, _MOST_PLACES = 10**12, 40
_LEAST_PRICE, _LARGEST_PRICE = Fraction(1, 10**9), Fraction(10**6)
_PRICES = ("epsilon", "rho")
_IN_CLAUSES = ("delta", "max_groups_contributed", "group_selection_strategy", "privacy_unit_column")
_STRATEGIES = {"PUBLIC_GROUPS": False, "THRESHOLD": True, "LAPLACE_THRESHOLD": True}
_SYNONYMS = {"kappa": "max_groups_contributed"}  # of the older ANONYMIZATION clause


class Heeded(Enum):
    """Whose bounds are taken. Where there is none left, the release chooses one from the data."""

    ALL = "the caller's, and else the policy's"
    STATED = "the caller's"
    NONE = "nobody's"


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say besides the statement; bounds are in the columns' own units, by output column.

    Those of `automatic` columns are to be chosen from the data, whatever the policy declares.
    """

    delta: Fraction | None = None
    max_groups_contributed: int | None = None
    bounds_per_group: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    bounds_per_row: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    l2_bounds: Mapping[str, Fraction] = field(default_factory=dict)
    automatic: frozenset[str] = frozenset()
    heeded: Heeded = Heeded.ALL
    threshold: bool | None = None  # True: threshold even public keys; False: refuse keys that need one
    unit_column: str | None = None  # only a check: it has to be the policy's
    least_units: int | None = None  # below it, by its noised number of units, a group is left out


def options_of(given: Mapping[str, object]) -> Options:
    """The options of a request; raises QueryNotPrivateError for one that is unknown or not of its kind."""
    _check_known(given, (*_IN_CLAUSES, *BOUND_NAMES, MINIMUM))
    least = given.get(MINIMUM)
    if least is not None and (isinstance(least, bool) or not isinstance(least, int) or not 1 <= least <= _LARGEST):
        raise QueryNotPrivateError("unknown-option", f"{MINIMUM} must be a whole number above 0.")
    groups = given.get("max_groups_contributed")
    whole = isinstance(groups, int) and not isinstance(groups, bool) and 1 <= groups <= MOST_GROUPS
    if groups is not None and not whole:
        reason = f"max_groups_contributed must be a whole number from 1 to {MOST_GROUPS:,}."
        raise QueryNotPrivateError("unknown-option", reason)
    unit_column = given.get("privacy_unit_column")
    if unit_column is not None and not isinstance(unit_column, str):
        raise QueryNotPrivateError("unknown-option", "privacy_unit_column must be the name of a column.")
    numbers, automatic, heeded = _l2_bounds(given.get("l2_bound"))
    return Options(
        delta=None if given.get("delta") is None else _fraction("delta", given["delta"]),
        max_groups_contributed=groups if isinstance(groups, int) else None,
        bounds_per_group=_pairs("contribution_bounds_per_group", given),
        bounds_per_row=_pairs("contribution_bounds_per_row", given),
        l2_bounds=numbers,
        automatic=automatic,
        heeded=heeded,
        threshold=_threshold(given.get("group_selection_strategy")),
        unit_column=None if unit_column is None else unit_column.lower(),
        least_units=least if isinstance(least, int) else None,
    )


def without_bounds(options: Options) -> Options:
    """The same options without any bounds of contributions: all are chosen from the data. Ranges of rows stay."""
    return replace(options, bounds_per_group={}, l2_bounds={}, automatic=frozenset(), heeded=Heeded.NONE)


def merged(options: Options, question: Question) -> Options:
    """The options of the request and of the statement's clauses together; `option-conflict` where they differ."""
    unsaid = Options()
    for written, said in question.options.items():
        name = _SYNONYMS.get(written, written)
        if name in _PRICES:
            continue
        own = _stated(name, said)
        for each in fields(Options):
            value, other = getattr(own, each.name), getattr(options, each.name)
            if value in (getattr(unsaid, each.name), other):
                continue
            if other is not None:
                raise _conflict(f"{written} has two different values in this question.", said)
            options = replace(options, **{each.name: value})
    return options


def price_of(
    question: Question, epsilon: Fraction | None, rho: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """The ε and the ρ of the whole question, of which one at the most is given: by the request or by the statement.

    Raises QueryNotPrivateError (`option-conflict`) where more than one price is stated.
    """
    given = {name: value for name, value in zip(_PRICES, (epsilon, rho), strict=True) if value is not None}
    for name in _PRICES:
        said = question.options.get(name)
        if said is None or said.value is None:
            continue
        price = _price(name, said)
        if given.get(name, price) != price or given.keys() - {name}:
            raise _conflict("The price is stated twice, and differently.", said)
        given[name] = price
    return given.get("epsilon"), given.get("rho")


def _check_known(given: Mapping[str, object], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            hint = BY_AGGREGATE.get(name) or f"The options are {', '.join(sorted(known))}."
            raise QueryNotPrivateError("unknown-option", f"There is no option {name[:60]} here.", hint=hint)


def _stated(name: str, said: Said) -> Options:
    """The option that a clause states, checked as the request's are."""
    try:
        _check_known({name: None}, (*_IN_CLAUSES, *_PRICES, MINIMUM))
        return options_of({name: said.value})
    except QueryNotPrivateError as error:
        line, column = said.place
        raise QueryNotPrivateError(error.code, error.reason, hint=error.hint, line=line, column=column) from None


def _price(name: str, said: Said) -> Fraction:
    value = said.value
    number = Fraction(value) if isinstance(value, int | Fraction) and not isinstance(value, bool) else Fraction(0)
    if _LEAST_PRICE <= number <= _LARGEST_PRICE:
        return number
    line, column = said.place
    reason = f"{name} must be a number from 0.000000001 to 1,000,000."
    raise QueryNotPrivateError("unknown-option", reason, line=line, column=column)


def _conflict(reason: str, said: Said) -> QueryNotPrivateError:
    line, column = said.place
    hint = "State it once: in the statement, or in the request."
    return QueryNotPrivateError("option-conflict", reason, hint=hint, line=line, column=column)


def _threshold(strategy: object) -> bool | None:
    if strategy is None:
        return None
    if not isinstance(strategy, str) or strategy.upper() not in _STRATEGIES:
        raise QueryNotPrivateError("unknown-option", "group_selection_strategy must be PUBLIC_GROUPS or THRESHOLD.")
    return _STRATEGIES[strategy.upper()]


def _fraction(name: str, value: object) -> Fraction:
    if isinstance(value, Fraction):
        number = value
    elif isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise QueryNotPrivateError("unknown-option", f"{name} must be a number.")
    else:
        number = _exact(name, str(value))
    if abs(number) > _LARGEST:
        raise QueryNotPrivateError("unknown-option", f"{name} is out of range.")
    return number


def _exact(name: str, text: str) -> Fraction:
    """The number exactly; its exponent is looked at first, because that of a few letters may be any."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        raise QueryNotPrivateError("unknown-option", f"{name} must be a number.") from None
    if not number.is_finite() or not -_MOST_PLACES <= number.adjusted() <= _MOST_PLACES:
        raise QueryNotPrivateError("unknown-option", f"{name} is out of range.")
    return Fraction(number)


def _l2_bounds(given: object) -> tuple[dict[str, Fraction], frozenset[str], Heeded]:
    """The bounds that are stated, the columns whose bounds are to be chosen, and whose other bounds are taken."""
    if given == AUTOMATIC:
        return {}, frozenset(), Heeded.STATED
    if given is not None and not isinstance(given, Mapping):
        reason = f'l2_bound must map aliases to numbers or "{AUTOMATIC}", or be "{AUTOMATIC}" for all.'
        raise QueryNotPrivateError("unknown-option", reason)
    entries = {str(alias).lower(): value for alias, value in (given or {}).items()}
    automatic = frozenset(alias for alias, value in entries.items() if value == AUTOMATIC)
    found = {alias: _fraction("l2_bound", value) for alias, value in entries.items() if alias not in automatic}
    if any(value <= 0 for value in found.values()):
        raise QueryNotPrivateError("unknown-option", "l2_bound must be above 0.")
    return found, automatic, Heeded.ALL


def _pairs(name: str, given: Mapping[str, object]) -> dict[str, tuple[Fraction, Fraction]]:
    entries = given.get(name) or {}
    if not isinstance(entries, Mapping):
        raise QueryNotPrivateError("unknown-option", f"{name} must map aliases to [lowest, highest].")
    found = {}
    for alias, pair in entries.items():
        if not isinstance(pair, list | tuple) or len(pair) != 2:  # noqa: PLR2004
            raise QueryNotPrivateError("unknown-option", f"{name} must map aliases to [lowest, highest].")
        found[str(alias).lower()] = (_fraction(name, pair[0]), _fraction(name, pair[1]))
    return found
