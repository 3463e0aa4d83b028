"""What is promised of an account says of whom it holds, and leaves out what nothing limits."""

from __future__ import annotations

from fractions import Fraction

from budgets.ledger import UNLIMITED, Account, Balance
from budgets.meters import BLOCK, LIFETIME, STATIC
from budgets.privacy_loss import ZERO, PrivacyLoss
from queries.policy import load_policy
from service.accounts import cap_of
from service.guarantees import guarantee_document, guarantee_words, promises
from tests.service.fakes import MONTHLY_TEXT, POLICY_TEXT

WHOLE, MONTHLY = load_policy(POLICY_TEXT, "shop"), load_policy(MONTHLY_TEXT, "months")
DATASET = Account("months", "months", "dataset", None, None)


def meters(**caps: PrivacyLoss) -> list[Balance]:
    return [Balance(DATASET, cap, ZERO, ZERO, meter) for meter, cap in caps.items()]


def test_of_whole_units_it_is_the_cap_of_their_lifetime() -> None:
    cap = cap_of(WHOLE, Fraction(1, 2), Fraction(1, 10**7))
    expected = {"unit": "household", "neighbours": "add-or-remove-one", "epsilon": "0.5", "delta": "0.0000009"}
    assert guarantee_document(meters(lifetime=cap), WHOLE) == expected


def test_with_blocks_it_is_of_a_month_and_of_rows_without_one_and_the_lifetime_is_null_without_a_limit() -> None:
    caps = {LIFETIME: UNLIMITED, BLOCK: PrivacyLoss(10**7), STATIC: PrivacyLoss(10**6)}
    found = guarantee_document(meters(**caps), MONTHLY)
    assert (found["epsilon"], found["delta"]) == (None, None)
    assert found["block"] == promises(meters(lifetime=PrivacyLoss(10**7)), WHOLE).whole.document  # type: ignore[union-attr]
    assert found["static"] != found["block"]
    words = guarantee_words(meters(**caps), MONTHLY)
    assert words is not None
    assert "rows of one calendar month, (" in words
    assert "all its rows" not in words


def test_a_limit_of_the_lifetime_beside_blocks_is_promised_too() -> None:
    caps = {LIFETIME: PrivacyLoss(10**9), BLOCK: PrivacyLoss(10**7), STATIC: PrivacyLoss(10**6)}
    assert "one household with all its rows, (" in str(guarantee_words(meters(**caps), MONTHLY))
    assert guarantee_document(meters(**caps), MONTHLY)["epsilon"] is not None


def test_nothing_is_promised_where_nothing_limits() -> None:
    assert guarantee_words(meters(lifetime=UNLIMITED), WHOLE) is None
