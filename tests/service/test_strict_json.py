"""JSON is read in one way only, and what is refused is never repeated."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import strict_json
from service.problems import ProblemError

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_every_ordinary_document_is_read_as_json_reads_it(value: object) -> None:
    for ascii_only in (True, False):
        assert strict_json.loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


def test_fractions_are_exact() -> None:
    assert strict_json.loads(b"[0.1, 1e-7]") == [Decimal("0.1"), Decimal("1e-7")]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{} {}", b"canary", b'{"canary": 1, "canary": 2}', b"[NaN]", b"[Infinity]", b"[-Infinity]",
        b'"canary\\u0000"', b'"canary\\ud800"', b'{"\\udfff": 1}', b'"\xff canary"', b"\xef\xbb\xbf{}",
        b"[" * 51 + b"]" * 51, b"[" * 60_000, b'{"a":' * 60 + b"1" + b"}" * 60, b"1" * 5_000, b"1." + b"0" * 200,
        b"[1e]", b"[01]", b"{'a': 1}", b'"tab\there"', b"[1,]", b"nul",
    ],
)  # fmt: skip
def test_what_two_readers_could_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(ProblemError) as refusal:
        strict_json.loads(body)
    assert refusal.value.problem.slug == "bad-request"
    assert "canary" not in refusal.value.problem.detail


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_a_value_or_a_refusal(body: bytes) -> None:
    with contextlib.suppress(ProblemError):
        strict_json.loads(body)


def test_nesting_of_fifty_is_read() -> None:
    assert strict_json.loads(b"[" * 50 + b"]" * 50)
