"""What holds after opt-outs, erasures and withdrawals, in any order; and ids as the vault writes them."""

from datetime import date, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.errors import ExclusionError
from queries.exclusions import (
    Kind,
    LeftOut,
    Level,
    Recorded,
    Sort,
    check_level,
    check_reason,
    left_out,
    unit_texts,
)
from queries.policy import load_policy
from tests.queries.vault_world import POLICY

DAY = date(2026, 7, 1)
SHOP = load_policy(POLICY)
NUMBERED = load_policy(POLICY.replace("card_id: {type: string}", "card_id: {type: integer}"))
ONE = b"1" * 32


def after(*recorded: tuple[Level, Kind]) -> dict[Sort, date | None]:
    """What is left out of one unit, each thing recorded a day after the one before."""
    days = [Recorded(ONE, level, kind, DAY + timedelta(n)) for n, (level, kind) in enumerate(recorded)]
    return {each.sort: each.first_day for each in left_out(days)}


def test_all_is_about_every_table_and_line_items_about_those_alone() -> None:
    assert after(("all", "opt-out")) == {"line items": None, "other rows": None}
    assert after(("line_items", "opt-out")) == {"line items": None}


def test_what_was_recorded_last_about_a_sort_of_tables_holds() -> None:
    assert after(("all", "opt-out"), ("all", "withdrawal")) == {}
    assert after(("all", "opt-out"), ("line_items", "withdrawal")) == {"other rows": None}
    assert after(("line_items", "opt-out"), ("all", "withdrawal")) == {}
    assert after(("all", "withdrawal"), ("line_items", "opt-out")) == {"line items": None}


def test_what_was_erased_stays_out_and_later_days_may_come_back() -> None:
    first = DAY + timedelta(2)  # the day after the withdrawal
    assert after(("all", "erasure"), ("all", "withdrawal")) == {"line items": first, "other rows": first}
    assert after(("all", "erasure"), ("line_items", "withdrawal")) == {"line items": first, "other rows": None}
    assert after(("line_items", "erasure"), ("all", "withdrawal")) == {"line items": first}


def test_a_later_withdrawal_brings_nothing_back_that_was_erased_before_the_first() -> None:
    both: list[tuple[Level, Kind]] = [("line_items", "erasure"), ("all", "withdrawal")]
    both += [("all", "opt-out"), ("all", "withdrawal")]
    assert after(*both) == {"line items": DAY + timedelta(2)}
    again: list[tuple[Level, Kind]] = [*both, ("line_items", "erasure"), ("line_items", "withdrawal")]
    assert after(*again) == {"line items": DAY + timedelta(6)}


LEVELS: st.SearchStrategy[Level] = st.sampled_from(get_args(Level))
KINDS: st.SearchStrategy[Kind] = st.sampled_from(get_args(Kind))
EVENTS = st.lists(st.tuples(LEVELS, KINDS), max_size=8)


@given(EVENTS, LEVELS, KINDS)
def test_to_record_the_same_again_at_once_changes_nothing(
    events: list[tuple[Level, Kind]], level: Level, kind: Kind
) -> None:
    once = [Recorded(ONE, *event, DAY) for event in [*events, (level, kind)]]
    assert left_out(once) == left_out([*once, once[-1]])


@given(EVENTS)
def test_no_order_of_requests_readmits_a_row_that_was_there_when_it_was_erased(
    events: list[tuple[Level, Kind]],
) -> None:
    held = after(*events)
    for number, (level, kind) in enumerate(events):
        if kind == "erasure":
            for sort in {"all": ("line items", "other rows"), "line_items": ("line items",)}[level]:
                first_day = held[sort]  # type: ignore[index]  # the words above are those of Sort
                assert first_day is None or first_day > DAY + timedelta(number)


@given(EVENTS, EVENTS)
def test_units_do_not_touch_each_other(ones: list[tuple[Level, Kind]], others: list[tuple[Level, Kind]]) -> None:
    first = [Recorded(ONE, *event, DAY) for event in ones]
    second = [Recorded(b"2" * 32, *event, DAY) for event in others]
    mixed = [each for pair in zip(first, second, strict=False) for each in pair]
    mixed += first[len(second) :] + second[len(first) :]
    assert set(left_out(mixed)) == set(left_out(first)) | set(left_out(second))


def test_line_items_need_a_table_of_them() -> None:
    check_level(SHOP, "line_items")
    without = load_policy(POLICY.replace("    line_items: true\n", ""))
    check_level(without, "all")
    with pytest.raises(ExclusionError, match="no table of line items"):
        check_level(without, "line_items")


def test_an_id_is_read_as_the_loading_writes_it() -> None:
    assert unit_texts(SHOP, ["card 1", "007", " x ", 7]) == ("card 1", "007", " x ", "7")
    assert unit_texts(NUMBERED, [7, "-12", "9223372036854775807"]) == ("7", "-12", "9223372036854775807")


@pytest.mark.parametrize("bad", ["007", "1.0", "", " 1", "1e3", "9223372036854775808", "seven", "\u0661"])
def test_what_is_no_integer_is_refused_where_ids_are_integers(bad: str) -> None:
    with pytest.raises(ExclusionError) as refusal:
        unit_texts(NUMBERED, ["4", bad])
    assert not bad or bad not in str(refusal.value)


def test_an_id_has_a_length() -> None:
    for bad in ("", "x" * 201):
        with pytest.raises(ExclusionError):
            unit_texts(SHOP, [bad])


def test_a_reason_names_no_id() -> None:
    check_reason("card 12 asked", ["12", "card 13"])
    with pytest.raises(ExclusionError, match="reason") as refusal:
        check_reason("card 13 asked", ["12", "card 13"])
    assert "13" not in str(refusal.value)


def test_what_is_left_out_says_whose_in_no_text() -> None:
    assert left_out([Recorded(ONE, "line_items", "opt-out", DAY)]) == (LeftOut(ONE, "line items", None),)
