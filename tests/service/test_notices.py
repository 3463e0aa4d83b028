"""Somebody's guess of a bound is noticed: in the quote where a release tells, and in the answer at the latest."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest

from budgets.ledger import StoredRelease
from queries.errors import QueryNotPrivateError
from service.notices import knowledge_of
from service.responses import Notice
from tests.queries.retailer import POLICY_TEXT, Retailer, planned
from tests.service.test_answering import ANALYST, World, document

# At these prices forty households are enough for bounds to be chosen by their rows.
PRICE, LESS = Fraction(40), Fraction(10)
POLICY = f"{POLICY_TEXT}\npersons: {{analyst: {{epsilon: 100}}}}\n"
PIECES = "SELECT SUM(pieces) AS s FROM lines WHERE pieces <> {}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    sources = Retailer(tmp_path_factory.mktemp("sources"))
    paths = {table: str(path) for table, path in sources.paths.items()}
    sources.close()
    world = World(tmp_path_factory.mktemp("noticed"), paths, POLICY)
    yield world
    world.answering.close()
    world.ledger.close()


def quoted(world: World, sql: str, **options: object) -> list[Notice]:
    return world.answering.quote(ANALYST, world.request(sql, epsilon=PRICE, options=options)).notices


def codes(notices: list[Notice]) -> list[str]:
    return [notice.code for notice in notices]


def test_a_quote_says_that_nothing_is_known_then_compares_with_what_was_chosen(world: World) -> None:
    sql = PIECES.format(71)
    (unknown,) = quoted(world, sql)
    assert (unknown.code, unknown.bound_source, unknown.columns) == ("bound-unchecked", "policy: lines.pieces", ["s"])
    assert unknown.options == {"l2_bound": {"s": "auto"}}
    assert unknown.choice_share == 0.15
    assert quoted(world, sql, **unknown.options) == []

    answer = document(world.answer(sql, epsilon=PRICE, options=unknown.options))
    assert answer["notices"] == []
    (release,) = answer["receipt"]["releases"]
    chosen = float(release["measures"][0]["l2_bound"])
    (found,) = quoted(world, sql)
    assert (found.code, found.query) == ("bound-too-high", answer["id"])
    assert found.expected_l2_bound == pytest.approx(chosen, rel=1e-4)
    assert found.factor == pytest.approx(10_000 / chosen, rel=1e-4)
    assert found.options == unknown.options
    for factor, expected in ((10, ["bound-too-high"]), (2, []), (1, []), (0.5, []), (0.1, ["bound-too-low"])):
        notices = quoted(world, sql, l2_bound={"s": str(round(chosen * factor))})
        assert codes(notices) == expected, factor
        assert all(notice.options is None for notice in notices)
    assert codes(quoted(world, sql, l2_bound={"s": str(round(chosen / 10))})) == ["bound-too-low"]


@pytest.mark.parametrize(
    ("bound", "expected"), [("2", "bound-too-low"), (None, "bound-may-be-high")], ids=["too low", "too high"]
)
def test_a_guess_that_was_released_is_noticed_in_its_answer_and_in_the_next_quote(
    world: World, bound: str | None, expected: str
) -> None:
    sql, options = PIECES.format(72), {} if bound is None else {"l2_bound": {"s": bound}}
    (before,) = quoted(world, sql, **options)
    assert before.code == ("bound-below-row" if bound else "bound-unchecked")
    answer = document(world.answer(sql, epsilon=LESS, options=options))
    assert [notice["code"] for notice in answer["notices"]] == [expected]
    assert answer["notices"][0]["query"] == answer["id"]
    free = document(world.answer(sql, epsilon=LESS, options=options))
    assert (free["cost"]["rho"], free["notices"]) == ("0", answer["notices"])
    # what noise would be at the price of the quote is less than it was
    request = world.request(sql, epsilon=LESS, options=options, reuse="never")
    assert [notice.model_dump(mode="json") for notice in world.answering.quote(ANALYST, request).notices] == answer[
        "notices"
    ]


def test_nothing_is_looked_up_once_private_rows_may_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that fails then would cost the asker an answer that is paid for."""
    began = []
    begin, latest = world.ledger.begin, world.ledger.latest_release

    def begun(reservation_id: str) -> None:
        began.append(reservation_id)
        begin(reservation_id)

    def looked_up(*asked: Any) -> StoredRelease | None:
        assert not began, "looked up after the release has begun"
        return latest(*asked)

    monkeypatch.setattr(world.ledger, "begin", begun)
    monkeypatch.setattr(world.ledger, "latest_release", looked_up)
    assert world.answer(PIECES.format(73), epsilon=Fraction(1, 10)).outcome.status == 201
    assert began


class Releases:
    """A ledger that has one release, and notes what it is asked."""

    def __init__(self, digest: str, release: StoredRelease | None) -> None:
        self._digest, self._release = digest, release
        self.asked: list[str] = []

    def latest_release(self, dataset: str, digest: str, within: timedelta) -> StoredRelease | None:
        assert dataset == "retailer"
        assert within >= timedelta(days=90)
        self.asked.append(digest)
        return self._release if digest == self._digest else None


def streamed(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_a_ledger_is_asked_once_for_each_question(world: World) -> None:
    sql = "SELECT SUM(pieces) AS s, COUNT(*) AS n FROM lines"
    given, free = planned(sql), planned(sql, options={"l2_bound": "auto"})
    (node,) = given.nodes
    stored = StoredRelease("d", "s", 1, "q_1", "retailer", streamed(pa.table({"m0": [1], "m1": [1]})))
    releases: Any = Releases(node.aggregation.digest, stored)
    known = knowledge_of(given, lambda: free, "retailer", releases)
    assert len(releases.asked) == len(set(releases.asked)) > 3
    assert all(earlier.own is not None and earlier.own.query == "q_1" for earlier in known.values())


def test_no_plan_without_bounds_is_made_where_nobody_gave_any(world: World) -> None:
    def never() -> Any:
        raise AssertionError("nothing to compare with")

    releases: Any = Releases("", None)
    assert knowledge_of(planned("SELECT SUM(LENGTH(note)) AS s FROM lines"), never, "retailer", releases) == {}
    assert releases.asked == []


def test_a_statement_that_needs_its_bounds_is_still_told_what_is_known(world: World) -> None:
    def refused() -> Any:
        raise QueryNotPrivateError("bound-out-of-range", "not without")

    given = planned("SELECT SUM(pieces) AS s FROM lines")
    releases: Any = Releases("", None)
    known = knowledge_of(given, refused, "retailer", releases)
    assert [earlier.choice_share for earlier in known.values()] == [None]
