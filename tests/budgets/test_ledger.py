"""The rules without a database: balances, states, canonical JSON and the hash of an entry."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.errors import BudgetExhaustedError, InvalidTransitionError
from budgets.ledger import STATES, Balance, canonical_json, entry_hash, lost_outcome, require_transition
from budgets.privacy_loss import ZERO, PrivacyLoss
from tests.budgets.ledger_samples import DATASET

amounts = st.integers(0, 1000)
losses = st.builds(PrivacyLoss, amounts, amounts)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(losses, losses, losses, losses)
def test_a_claim_is_admitted_exactly_when_the_whole_stays_within_the_cap(
    cap: PrivacyLoss, spent: PrivacyLoss, reserved: PrivacyLoss, loss: PrivacyLoss
) -> None:
    balance = Balance(DATASET, cap, spent, reserved)
    if (spent + reserved + loss).fits_within(cap):
        assert balance.after("reserved", loss).reserved == reserved + loss
        assert balance.after("reserved", loss).remaining == balance.remaining.minus(loss)
    else:
        with pytest.raises(BudgetExhaustedError):
            balance.after("reserved", loss)


@given(losses, losses)
def test_void_undoes_reserve_and_nothing_undoes_begin(cap: PrivacyLoss, loss: PrivacyLoss) -> None:
    fresh = Balance(DATASET, cap + loss, ZERO, ZERO)
    reserved = fresh.after("reserved", loss)
    assert reserved.after("voided", loss) == fresh
    begun = reserved.after("begun", loss)
    assert (begun.spent, begun.reserved) == (loss, ZERO)
    for state in ("settled", "failed", "reused"):
        assert begun.after(state, loss) == begun


@pytest.mark.parametrize("present", list(STATES))
@pytest.mark.parametrize("state", list(STATES))
def test_a_state_is_reached_from_the_one_before_alone(present: str, state: str) -> None:
    if (present, state) in {("reserved", "begun"), ("reserved", "voided"), ("begun", "settled"), ("begun", "failed")}:
        require_transition(present, state)
    else:
        with pytest.raises(InvalidTransitionError):
            require_transition(present, state)


@given(json_values)
def test_canonical_json_is_one_ascii_text_a_value(value: object) -> None:
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


def test_canonical_json_does_not_depend_on_the_order_of_insertion() -> None:
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1}) == '{"a":2,"b":1}'


@given(
    st.integers(1), st.text(), st.text(), st.text(), st.dictionaries(st.text(), json_values, max_size=3), st.text("0f")
)
def test_the_hash_of_an_entry_covers_all_of_it(
    seq: int, at: str, kind: str, actor: str, payload: dict[str, object], prev_hash: str
) -> None:
    rest = canonical_json({"seq": seq, "at": at, "kind": kind, "actor": actor, "payload": payload})
    expected = hashlib.sha256((prev_hash + rest).encode()).hexdigest()
    assert entry_hash(seq, at, kind, actor, canonical_json(payload), prev_hash) == expected


def test_the_hash_of_an_entry_never_changes_between_versions() -> None:
    digest = entry_hash(1, "2026-11-23T08:00:00.000000Z", "reserved", "ada", '{"a":"\\u00e9"}', "0" * 64)
    assert (
        digest
        == hashlib.sha256(
            b"0" * 64
            + rb'{"actor":"ada","at":"2026-11-23T08:00:00.000000Z","kind":"reserved","payload":{"a":"\u00e9"},"seq":1}'
        ).hexdigest()
    )


def test_the_error_of_a_lost_query_says_nothing_but_its_id() -> None:
    one, two = lost_outcome("q_1"), lost_outcome("q_2")
    assert one.body.replace(b"q_1", b"q_2") == two.body
    assert one.status == 503
