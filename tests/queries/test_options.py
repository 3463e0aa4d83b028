"""Options of the request and of the statement: the same, from either place, and never two that differ."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from queries.errors import QueryNotPrivateError
from queries.options import Heeded, Options, merged, options_of, price_of, without_bounds
from queries.stated import read

HALF, ONE = Fraction(1, 2), Fraction(1)


def _with(options: str) -> str:
    return f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS({options}) COUNT(*) AS n FROM lines"


def _merged(sql: str, given: dict[str, object]) -> Options:
    return merged(options_of(given), read(sql, {}))


ALL = {
    "delta": "1e-6",
    "max_groups_contributed": 5,
    "group_selection_strategy": "PUBLIC_GROUPS",
    "privacy_unit_column": "household_id",
}
ALL_IN_TEXT = (
    "delta = 1e-6, max_groups_contributed = 5, group_selection_strategy = public_groups, "
    "privacy_unit_column = Household_ID, epsilon = 1"
)


def test_both_places_know_the_same_options() -> None:
    assert _merged(_with(ALL_IN_TEXT), {}) == options_of(ALL)
    assert _merged(_with(ALL_IN_TEXT), ALL) == options_of(ALL)
    assert _merged("SELECT 1", ALL) == options_of(ALL)


@pytest.mark.parametrize("name", ALL)
def test_an_option_of_the_request_stands_beside_others_of_the_text(name: str) -> None:
    rest = {other: value for other, value in ALL.items() if other != name}
    assert _merged(_with(ALL_IN_TEXT), {name: ALL[name]}) == options_of(ALL)
    assert _merged(_with("epsilon = 1"), rest) == options_of(rest)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("delta = 1e-7", {"delta": "1e-6"}),
        ("max_groups_contributed = 6", {"max_groups_contributed": 5}),
        ("kappa = 6", {"max_groups_contributed": 5}),
        ("kappa = 6, max_groups_contributed = 5", {}),
        ("group_selection_strategy = THRESHOLD", {"group_selection_strategy": "PUBLIC_GROUPS"}),
        ("group_selection_strategy = PUBLIC_GROUPS", {"group_selection_strategy": "THRESHOLD"}),
    ],
)
def test_options_that_differ_are_a_conflict_with_a_place(text: str, given: dict[str, object]) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        _merged(_with(text), given)
    assert refusal.value.code == "option-conflict"
    assert refusal.value.line == 1


def test_a_bound_is_a_number_or_to_be_chosen() -> None:
    some = options_of({"l2_bound": {"S": "auto", "t": "2.5"}})
    assert some == Options(automatic=frozenset({"s"}), l2_bounds={"t": Fraction(5, 2)})
    every = options_of({"l2_bound": "auto"})
    assert every == Options(heeded=Heeded.STATED)
    for given in ("automatic", 3, ["auto"], {"s": "AUTO"}, {"s": None}):
        with pytest.raises(QueryNotPrivateError):
            options_of({"l2_bound": given})


def test_bounds_that_are_to_be_chosen_stand_beside_options_of_the_text() -> None:
    both: list[dict[str, object]] = [{"l2_bound": "auto"}, {"l2_bound": {"n": "auto"}}]
    for given in both:
        assert _merged(_with("max_groups_contributed = 3"), given) == options_of({**given, "max_groups_contributed": 3})


def test_nothing_but_ranges_of_rows_is_left_without_bounds() -> None:
    pairs = {"s": [0, 1]}
    rows = {"contribution_bounds_per_row": pairs, "max_groups_contributed": 3}
    every = {"l2_bound": {"t": 3, "u": "auto"}, "contribution_bounds_per_group": pairs, **rows}
    assert without_bounds(options_of(every)) == replace(options_of(rows), heeded=Heeded.NONE)


def test_an_option_that_is_null_says_nothing() -> None:
    assert _merged(_with("max_groups_contributed = NULL, epsilon = NULL"), {"max_groups_contributed": 5}) == options_of(
        {"max_groups_contributed": 5}
    )


@pytest.mark.parametrize(
    ("text", "epsilon", "rho", "price"),
    [
        ("delta = 1e-6", None, None, (None, None)),
        ("delta = 1e-6", ONE, None, (ONE, None)),
        ("epsilon = 1", None, None, (ONE, None)),
        ("epsilon = 1.0", ONE, None, (ONE, None)),
        ("rho = 0.5", None, None, (None, HALF)),
        ("rho = 0.5", None, HALF, (None, HALF)),
        ("epsilon = NULL", None, HALF, (None, HALF)),
    ],
)
def test_a_price_is_stated_in_one_place_or_the_same_in_both(
    text: str, epsilon: Fraction | None, rho: Fraction | None, price: tuple[Fraction | None, Fraction | None]
) -> None:
    assert price_of(read(_with(text), {}), epsilon, rho) == price


@pytest.mark.parametrize(
    ("text", "epsilon", "rho"),
    [
        ("epsilon = 1", HALF, None),
        ("epsilon = 1", None, HALF),
        ("rho = 1", None, HALF),
        ("rho = 1", ONE, None),
        ("rho = 1, epsilon = 1", None, None),
    ],
)
def test_two_prices_are_a_conflict(text: str, epsilon: Fraction | None, rho: Fraction | None) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        price_of(read(_with(text), {}), epsilon, rho)
    assert refusal.value.code == "option-conflict"
    assert refusal.value.line == 1


@pytest.mark.parametrize("text", ["0", "-1", "1e-10", "1e7", "TRUE", "'1'", "one"])
@pytest.mark.parametrize("name", ["epsilon", "rho"])
def test_a_price_out_of_range_is_refused(name: str, text: str) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        price_of(read(_with(f"{name} = {text}"), {}), None, None)
    assert (refusal.value.code, refusal.value.line) == ("unknown-option", 1)


@pytest.mark.parametrize(
    "value", ["1e999999999", "1e-999999999", "1e9999999999999999999", "sNaN", "-Infinity", float("nan")]
)
def test_a_number_of_any_exponent_is_refused_at_once(value: object) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        options_of({"delta": value})
    assert refusal.value.code == "unknown-option"


def test_an_unknown_option_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        options_of({"colour": 1})
    assert all(name in str(refusal.value.hint) for name in (*ALL, "l2_bound"))
