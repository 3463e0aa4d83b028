"""The life of a query on a small vault with real workers and a real ledger that keeps a diary of its calls."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from budgets.errors import BudgetExhaustedError, TooManyFailuresError
from budgets.evidence.export import export
from budgets.evidence.signing import KeyRing
from budgets.evidence.verification import verify_export
from budgets.ledger import Claim, Ledger, Outcome, Reservation, StoredRelease
from queries.errors import PostprocessError, PriceError, QueryNotPrivateError, ReleaseFailedError
from queries.rows import BESIDE
from queries.targets import Target
from queries.vault import SecretKeys, load_snapshot
from queries.worker_process import WorkerProcess
from service.accounts import open_accounts
from service.answering import Answered, Answering, Person, QueryRequest
from service.app import open_ledger
from service.catalogue import VaultCatalogue
from service.settings import Settings
from tests.queries.retailer import POLICY_TEXT, Retailer

ANALYST = Person("analyst", "analyst")
BY_DEPARTMENT = "SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY department"
ACCOUNT = "retailer/person/analyst"
POLICY = f"{POLICY_TEXT.replace('max_epsilon: 100', 'max_epsilon: 2')}\npersons: {{analyst: {{epsilon: 8}}}}\n"


class Diary:
    """Passes every call on to a ledger and notes those that move money."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.steps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def reserve(self, claim: Claim) -> Reservation:
        self.steps.append("reserve")
        return self._ledger.reserve(claim)

    def begin(self, reservation_id: str) -> None:
        self.steps.append("begin")
        self._ledger.begin(reservation_id)

    def settle(self, reservation_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...]) -> None:
        self.steps.append("settle")
        self._ledger.settle(reservation_id, outcome, releases)

    def fail(self, reservation_id: str, outcome: Outcome) -> None:
        self.steps.append("fail")
        self._ledger.fail(reservation_id, outcome)

    def record_reuse(self, claim: Claim, outcome: Outcome) -> None:
        self.steps.append("reuse")
        self._ledger.record_reuse(claim, outcome)


class World:
    """An answering over the retailer, with its diary."""

    def __init__(self, directory: Path, sources: dict[str, str], policy: str = POLICY) -> None:
        self.settings = Settings(data_dir=directory, response_grid_ms=0)
        load_snapshot(self.settings.vault_root, policy, sources, SecretKeys.open(self.settings.keys_dir))
        self.ledger = open_ledger(self.settings)
        catalogue = VaultCatalogue(self.settings.vault_root)
        snapshot = catalogue.snapshot("retailer")
        assert snapshot is not None
        open_accounts(self.ledger, snapshot.policy)
        self.diary = Diary(self.ledger)
        self.answering = Answering(self.diary, catalogue, self.settings)
        self._number = 0

    def request(self, sql: str, **changes: Any) -> QueryRequest:
        given = {"params": {}, "epsilon": Fraction(1, 100), "rho": None, "max_epsilon": None}
        rest: dict[str, Any] = {"reuse": "prefer", "purpose": None, "options": {}}
        return QueryRequest(dataset="retailer", sql=sql, **{**given, **rest, **changes})

    def answer(self, sql: str, **changes: Any) -> Answered:
        self._number += 1
        key = f"key-{self._number}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.answering.answer(ANALYST, self.request(sql, **changes), key, digest)

    def spent(self) -> int:
        balance = self.ledger.balance(ACCOUNT)
        return balance.spent.rho_nano + balance.reserved.rho_nano


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    sources = Retailer(tmp_path_factory.mktemp("sources"))
    paths = {t: str(p) for t, p in sources.paths.items()}
    sources.close()
    world = World(tmp_path_factory.mktemp("answering"), paths)
    yield world
    world.answering.close()
    world.ledger.close()


@pytest.fixture
def world(shared: World) -> World:
    shared.diary.steps.clear()
    return shared


def document(answered: Answered) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered.outcome.body)
    return found


def test_an_answer_is_reserved_begun_and_settled_in_this_order_and_charged_as_its_receipt_says(world: World) -> None:
    before = world.spent()
    answered = world.answer(BY_DEPARTMENT, reuse="never")
    body = document(answered)
    assert world.diary.steps == ["reserve", "begin", "settle"]
    assert answered.touched_private_rows
    assert world.spent() - before == Fraction(body["receipt"]["charged"]["rho"]) * 10**9
    assert body["cost"]["rho"] == body["receipt"]["charged"]["rho"]
    assert {"department", "n", *(f"n_{name}" for name in BESIDE)} == set(body["rows"][0])


def test_a_repeat_is_free_and_says_where_it_was_bought(world: World) -> None:
    first = document(world.answer(BY_DEPARTMENT, reuse="never"))
    before = world.spent()
    world.diary.steps.clear()
    again = world.answer(f"{BY_DEPARTMENT} HAVING TRUE ORDER BY n DESC")
    assert world.diary.steps == ["reuse"]
    assert not again.touched_private_rows
    assert world.spent() == before
    assert document(again)["cost"]["rho"] == "0"
    rows = {row["department"]: row["n"] for row in document(again)["rows"]}
    assert document(again)["cost"]["reused_from"] is not None
    assert set(rows) == {row["department"] for row in first["rows"]}


def test_a_repeat_with_its_columns_in_another_order_gets_the_same_figures(world: World) -> None:
    bought = "SELECT COUNT(*) AS n, SUM(amount) AS spend FROM lines WHERE pieces = 1"
    swapped = "SELECT SUM(amount) AS spend, COUNT(*) AS n FROM lines WHERE pieces = 1"
    first, again = document(world.answer(bought)), document(world.answer(swapped))
    assert world.diary.steps == ["reserve", "begin", "settle", "reuse"]
    assert again["rows"] == first["rows"]


def test_two_orders_of_columns_in_one_statement_get_the_same_figures(world: World) -> None:
    where = "FROM lines WHERE pieces = 4"
    rows = document(
        world.answer(
            f"WITH a AS (SELECT COUNT(*) AS n, SUM(amount) AS spend {where}), "
            f"b AS (SELECT SUM(amount) AS spend, COUNT(*) AS n {where}) "
            "SELECT a.n AS n, b.n AS m, a.spend AS s, b.spend AS t FROM a CROSS JOIN b"
        )
    )["rows"]
    assert (rows[0]["n"], rows[0]["s"]) == (rows[0]["m"], rows[0]["t"])
    assert rows[0]["n"] != rows[0]["s"]


def test_a_stored_answer_of_less_accuracy_does_not_do(world: World) -> None:
    sql = "SELECT COUNT(*) AS n FROM lines WHERE pieces = 2"
    world.answer(sql, epsilon=Fraction(1, 1000))
    world.diary.steps.clear()
    world.answer(sql, epsilon=Fraction(1, 100))
    assert world.diary.steps == ["reserve", "begin", "settle"]
    world.diary.steps.clear()
    world.answer(sql, epsilon=Fraction(1, 1000))
    assert world.diary.steps == ["reuse"]


@pytest.mark.parametrize(
    ("sql", "changes", "error"),
    [
        ("SELECT * FROM lines", {}, QueryNotPrivateError),
        (BY_DEPARTMENT, {"epsilon": Fraction(3)}, PriceError),
        (BY_DEPARTMENT, {"options": {"nonsense": 1}}, QueryNotPrivateError),
        (BY_DEPARTMENT, {"purpose": "no-such-purpose"}, QueryNotPrivateError),
        (f"SELECT missing FROM ({BY_DEPARTMENT}) AS t", {}, QueryNotPrivateError),
        (f"SELECT UPPER(1) AS x FROM ({BY_DEPARTMENT}) AS t", {}, PostprocessError),
        (f"SELECT INTERVAL 1 DAY AS x FROM ({BY_DEPARTMENT}) AS t", {}, PostprocessError),
    ],
)
def test_a_refusal_moves_no_money(world: World, sql: str, changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        world.answer(sql, **changes)
    with pytest.raises(error):
        world.answering.quote(ANALYST, world.request(sql, **changes))
    assert world.diary.steps == []


def test_a_quote_moves_no_money_and_tells_the_noise_of_the_answer(world: World) -> None:
    quote = world.answering.quote(ANALYST, world.request(BY_DEPARTMENT, reuse="never"))
    body = document(world.answer(BY_DEPARTMENT, reuse="never"))
    (measure,) = quote.releases[0].measures
    assert quote.cost.model_dump() == body["cost"]
    assert measure.columns == ["n"]
    assert measure.standard_error == pytest.approx(body["rows"][0]["n_standard_error"], rel=1e-9)


@pytest.mark.parametrize("confidence", [Fraction(1, 2), Fraction(95, 100), Fraction(999, 1000)])
def test_a_target_is_charged_as_it_is_quoted_and_kept_by_the_answer(world: World, confidence: Fraction) -> None:
    sql = "SELECT department, COUNT(*) AS n, AVG(pieces) AS m FROM lines JOIN products USING (product_id) GROUP BY ALL"
    asked = {"target": Target(Fraction(10**6), confidence, "n"), "epsilon": None, "reuse": "never"}
    quote = world.answering.quote(ANALYST, world.request(sql, **asked))
    before = world.spent()
    body = document(world.answer(sql, **asked))
    assert world.spent() - before == Fraction(quote.cost.rho) * 10**9 > 0
    assert quote.cost.model_dump() == body["cost"]
    (column,) = (column for column in quote.columns if column.name == "n")
    error = body["rows"][0]["n_standard_error"]
    assert column.standard_error == pytest.approx(error, rel=1e-9)
    assert 0.99 * 10**6 < NormalDist().inv_cdf((1 + float(confidence)) / 2) * error <= 10**6
    shown = {column["name"]: column.get("confidence") for column in body["columns"]}
    assert shown["n"] == 0.95, "the intervals of an answer are at 95% whatever the target's confidence is"


def test_a_stored_answer_that_is_exact_enough_meets_a_target_for_nothing(world: World) -> None:
    sql = "SELECT COUNT(*) AS n, SUM(amount) AS s FROM lines WHERE pieces = 5"
    bought = document(world.answer(sql, epsilon=Fraction(1, 20)))
    error = bought["rows"][0]["n_standard_error"] * 1.96
    for factor, steps in ((Fraction(2), ["reuse"]), (Fraction(9, 10), ["reserve", "begin", "settle"])):
        world.diary.steps.clear()
        target = Target(Fraction(error) * factor, column="n")
        quote = world.answering.quote(ANALYST, world.request(sql, epsilon=None, target=target))
        answered = document(world.answer(sql, epsilon=None, target=target))
        assert world.diary.steps == steps
        assert (quote.stored.complete, quote.repeats is None) == (steps == ["reuse"],) * 2
        assert quote.cost.model_dump() == answered["cost"]
        (column,) = (column for column in quote.columns if column.name == "n")
        assert column.standard_error == pytest.approx(answered["rows"][0]["n_standard_error"], rel=1e-6)


@pytest.mark.parametrize(
    ("sql", "target", "error"),
    [
        (BY_DEPARTMENT, Target(Fraction(1, 1000)), PriceError),
        (BY_DEPARTMENT, Target(Fraction(10**6), column="m"), QueryNotPrivateError),
        ("SELECT AVG(amount) AS m FROM lines", Target(Fraction(10**6)), QueryNotPrivateError),
    ],
)
def test_a_target_that_cannot_be_met_moves_no_money(
    world: World, sql: str, target: Target, error: type[Exception]
) -> None:
    for ask in (world.answer, lambda sql, **more: world.answering.quote(ANALYST, world.request(sql, **more))):
        with pytest.raises(error):
            ask(sql, epsilon=None, target=target)
    assert world.diary.steps == []


def test_the_callers_own_limit_caps_a_target(world: World) -> None:
    target = Target(Fraction(10**6))
    quote = world.answering.quote(ANALYST, world.request(BY_DEPARTMENT, epsilon=None, target=target, reuse="never"))
    cost = Fraction(str(quote.cost.epsilon))
    for share, kept in ((Fraction(101, 100), True), (Fraction(98, 100), False)):
        request = world.request(BY_DEPARTMENT, epsilon=None, target=target, reuse="never", max_epsilon=cost * share)
        if kept:
            assert world.answering.quote(ANALYST, request).cost == quote.cost
        else:
            with pytest.raises(PriceError, match="takes an epsilon of"):
                world.answering.quote(ANALYST, request)


def test_what_fails_after_the_release_is_charged_and_its_release_is_stored(world: World) -> None:
    sql = "SELECT department, n, CAST(department AS BIGINT) AS x FROM ({}) AS t"
    counted = BY_DEPARTMENT.replace("COUNT(*)", "COUNT_IF(pieces > 0)")
    failed = world.answer(sql.format(counted), epsilon=Fraction(1, 2000))
    assert failed.outcome.status == 422
    assert world.diary.steps == ["reserve", "begin", "settle"]
    world.diary.steps.clear()
    corrected = world.answer(counted, epsilon=Fraction(1, 2000))
    assert corrected.outcome.status == 201
    assert world.diary.steps == ["reuse"]


def test_a_release_that_fails_is_charged_in_full_and_told_in_constant_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise ReleaseFailedError

    monkeypatch.setattr(WorkerProcess, "release", broken)
    before = world.spent()
    outcome = world.answer(BY_DEPARTMENT, epsilon=Fraction(1, 3000), reuse="never").outcome
    assert world.diary.steps == ["reserve", "begin", "fail"]
    assert world.spent() > before
    problem = json.loads(outcome.body)
    assert outcome.status == 503
    assert problem["type"] == "/problems/release-failed"
    assert world.ledger.outcome(outcome.query_id) == outcome


def test_a_person_with_too_many_failed_releases_is_refused_until_the_day_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.ledger, "failures", lambda *_: world.settings.failures_per_day)
    before = world.spent()
    with pytest.raises(TooManyFailuresError):
        world.answer(BY_DEPARTMENT, epsilon=Fraction(1, 2500), reuse="never")
    assert world.spent() == before
    monkeypatch.setattr(world.ledger, "failures", lambda *_: world.settings.failures_per_day - 1)
    assert world.answer(BY_DEPARTMENT, epsilon=Fraction(1, 2500), reuse="never").outcome.status == 201


def test_a_fault_of_ours_after_begin_is_charged_and_stored_as_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> bytes:
        raise KeyError("a fault")

    monkeypatch.setattr(WorkerProcess, "release", faulty)
    with pytest.raises(KeyError):
        world.answer(BY_DEPARTMENT, epsilon=Fraction(1, 3000), reuse="never")
    assert world.diary.steps == ["reserve", "begin", "fail"]


def test_a_person_whose_budget_is_spent_is_refused_before_anything_is_begun(world: World) -> None:
    sql = "SELECT COUNT(*) AS n FROM lines WHERE pieces = 3"
    left = world.ledger.balance(ACCOUNT).remaining.rho_nano
    limit = world.answering.quote(ANALYST, world.request(sql, epsilon=Fraction(2), reuse="never"))
    assert limit.repeats == left // int(Fraction(limit.cost.rho) * 10**9)
    for _ in range(limit.repeats):
        world.answer(sql, epsilon=Fraction(2), reuse="never")
    world.diary.steps.clear()
    with pytest.raises(BudgetExhaustedError):
        world.answer(sql, epsilon=Fraction(2), reuse="never")
    assert world.diary.steps == ["reserve"]


FAILING = {
    "a date that JSON cannot show": "DATE '9999-01-01' + CAST(ABS(n) AS INTEGER) + 1000",
    "a time without end": "CAST(CASE WHEN n IS NULL THEN '2020-01-01' ELSE 'infinity' END AS TIMESTAMP)",
    "a text that is no number": "CAST('n' || n AS INTEGER)",
}


@pytest.mark.parametrize("expression", FAILING.values(), ids=FAILING)
def test_what_fails_after_the_release_leaves_the_release_for_a_corrected_statement(
    world: World, expression: str
) -> None:
    inner = f"SELECT COUNT(*) AS n FROM lines WHERE pieces < {len(expression)}"
    answered = world.answer(f"SELECT {expression} AS x FROM ({inner}) AS t")
    assert (answered.outcome.status, answered.touched_private_rows) == (422, True)
    detail = json.loads(answered.outcome.body)["detail"]
    assert detail.startswith("The releases are stored: the corrected statement is free.")
    assert world.diary.steps == ["reserve", "begin", "settle"]
    assert world.answer(f"SELECT n FROM ({inner}) AS t").outcome.status == 201
    assert world.diary.steps == ["reserve", "begin", "settle", "reuse"]


def test_a_public_value_that_cannot_be_shown_is_told_and_stored(world: World) -> None:
    answered = world.answer("SELECT CAST('infinity' AS DATE) AS x")
    assert answered.outcome.status == 422
    assert json.loads(answered.outcome.body)["detail"].startswith("x holds a date outside")
    assert world.diary.steps == ["reuse"]


IN_TEXT = "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS({}) COUNT(*) AS n, SUM(pieces) AS s FROM lines"
IN_BODY = "SELECT COUNT(*) AS n, SUM(pieces) AS s FROM lines"


@pytest.mark.parametrize(
    ("options", "changes", "other"),
    [
        ("epsilon = 0.02", {"epsilon": None}, {"epsilon": Fraction(2, 100)}),
        ("epsilon = 0.02", {"epsilon": Fraction(2, 100)}, {"epsilon": Fraction(2, 100)}),
        ("rho = 0.0001", {"epsilon": None}, {"epsilon": None, "rho": Fraction(1, 10_000)}),
        ("delta = 1e-6", {"epsilon": Fraction(3, 100)}, {"epsilon": Fraction(3, 100)}),
        ("delta = NULL", {"epsilon": None}, {"epsilon": None}),
    ],
)
def test_a_price_in_the_text_is_the_price_in_the_request(
    world: World, options: str, changes: dict[str, Any], other: dict[str, Any]
) -> None:
    own = {"reuse": "never", "max_epsilon": Fraction(2)}
    stated = world.answering.quote(ANALYST, world.request(IN_TEXT.format(options), **own, **changes))
    plain = world.answering.quote(ANALYST, world.request(IN_BODY, **own, **other))
    assert stated.cost == plain.cost
    assert stated.releases == plain.releases


def test_one_statement_at_two_prices_is_planned_twice(world: World) -> None:
    """A plan that is remembered is one of the same request: the text alone is not all of it."""
    sql = IN_TEXT.format("delta = 1e-6")
    costs = [
        world.answering.quote(ANALYST, world.request(sql, reuse="never", **changes)).cost
        for changes in ({}, {"epsilon": Fraction(2, 100)}, {"epsilon": None, "rho": Fraction(1, 10_000)}, {})
    ]
    assert costs[0] == costs[3]
    assert len({cost.model_dump_json() for cost in costs}) == 3


@pytest.mark.parametrize(
    ("options", "changes", "code"),
    [
        ("epsilon = 0.02", {"epsilon": Fraction(3, 100)}, "option-conflict"),
        ("epsilon = 0.02", {"epsilon": None, "rho": Fraction(1, 100)}, "option-conflict"),
        ("rho = 0.02, epsilon = 0.02", {"epsilon": None}, "option-conflict"),
        ("epsilon = 1", {"epsilon": None, "max_epsilon": Fraction(1, 2)}, "max-epsilon-exceeded"),
        ("epsilon = 3", {"epsilon": None}, "max-epsilon-exceeded"),
        ("epsilon = NaN", {"epsilon": None}, "unknown-option"),
        ("max_groups_contributed = 3", {"options": {"max_groups_contributed": 4}}, "option-conflict"),
    ],
)
def test_a_price_that_cannot_be_is_refused_and_moves_no_money(
    world: World, options: str, changes: dict[str, Any], code: str
) -> None:
    before = world.spent()
    for _ in range(2):  # nothing of a refusal is remembered as a plan
        with pytest.raises((QueryNotPrivateError, PriceError)) as refused:
            world.answer(IN_TEXT.format(options), **changes)
        assert getattr(refused.value, "code", None) == code
    assert (world.spent(), world.diary.steps) == (before, [])


def test_a_question_in_googles_words_is_answered_and_is_free_in_others(world: World) -> None:
    stated = (
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 0.05, max_groups_contributed = 3, "
        "privacy_unit_column = household_id) `pieces`, "
        "SUM(amount, contribution_bounds_per_group => (@low, 40)) AS s, DP_INTERVAL_LOW(s) AS low "
        "FROM lines WHERE product_id IN UNNEST(@some) AND day >= @day GROUP BY pieces ORDER BY DP_INTERVAL_HIGH(s)"
    )
    day = {"type": "DATE", "value": "2026-01-10"}
    params: dict[str, Any] = {"low": -40, "some": list(range(1, 40)), "day": day}
    first = document(world.answer(stated, epsilon=None, params=params))
    assert all(row["low"] == row["s_lower"] for row in first["rows"])
    assert [column["role"] for column in first["columns"] if column["name"] in ("s", "low")] == ["estimate", "lower"]
    assert first["receipt"]["sql"] == stated
    where = f"day >= '2026-01-10' AND product_id IN ({', '.join(map(str, range(1, 40)))})"
    second = document(
        world.answer(
            f"SELECT pieces, SUM(amount) AS s FROM lines WHERE {where} GROUP BY 1",
            epsilon=Fraction(5, 100),
            options={
                "max_groups_contributed": 3,
                "contribution_bounds_per_group": {"s": [Fraction(-40), Fraction(40)]},
            },
        )
    )
    assert second["cost"] == {**second["cost"], "rho": "0", "reused_from": first["id"]}


LENGTHS = "SELECT store_id, SUM(LENGTH(note)) AS s FROM lines WHERE pieces <> {} GROUP BY store_id"
CHOSEN = "chosen from the data, at a part of the price"


def _measure(found: Any) -> Any:
    (release,) = found["releases"]
    (measure,) = release["measures"]
    return measure


def test_a_question_without_a_declared_bound_is_answered_and_tells_its_bound(world: World) -> None:
    sql = LENGTHS.format(51)
    quote = world.answering.quote(ANALYST, world.request(sql)).model_dump()
    assert _measure(quote)["l2_bound"] is None
    assert _measure(quote)["bound_source"] == CHOSEN
    (column,) = (column for column in quote["columns"] if column["name"] == "s")
    assert (column["standard_error"], column["unknown"]) == (None, "bound-not-chosen")
    answer = document(world.answer(sql))
    told = _measure(answer["receipt"])
    assert float(Fraction(told["l2_bound"])) > 0
    errors = [row["s_standard_error"] for row in answer["rows"]]
    assert (told["standard_error"], told["largest_standard_error"]) == pytest.approx((min(errors), max(errors)))
    for row in answer["rows"]:  # so few households may have lost more than is left: then one end is open
        assert row["s_lower"] is None or row["s_lower"] <= row["s"]
        assert row["s_upper"] is None or row["s"] <= row["s_upper"]


def test_from_then_on_the_error_is_known_and_smaller_at_the_same_price(world: World) -> None:
    sql = LENGTHS.format(52)
    first = document(world.answer(sql))
    again = world.request(sql, reuse="never")
    quote = world.answering.quote(ANALYST, again).model_dump()
    assert _measure(quote)["bound_source"] == "chosen at an earlier release, used again at no price"
    second = document(world.answer(sql, reuse="never"))
    assert second["cost"]["rho"] == first["cost"]["rho"]
    (column,) = (column for column in quote["columns"] if column["name"] == "s")
    errors = [row["s_standard_error"] for row in second["rows"]]
    assert column["standard_error"] == pytest.approx(min(errors), rel=1e-6)
    assert max(errors) < max(row["s_standard_error"] for row in first["rows"])
    assert _measure(second["receipt"])["l2_bound"] == _measure(first["receipt"])["l2_bound"]


def test_a_target_needs_a_bound_that_is_known(world: World) -> None:
    sql = LENGTHS.format(53)
    target = Target(Fraction(10**6), column="s")
    with pytest.raises(QueryNotPrivateError) as refused:
        world.answering.quote(ANALYST, world.request(sql, epsilon=None, target=target))
    assert refused.value.code == "target-not-plain"
    bought = document(world.answer(sql))
    largest = max(row["s_standard_error"] for row in bought["rows"])
    target = Target(Fraction(largest) * 3, column="s")
    quote = world.answering.quote(ANALYST, world.request(sql, epsilon=None, target=target, reuse="never"))
    assert quote.target is not None
    assert quote.target.interval_half_width is not None
    assert quote.target.interval_half_width <= largest * 3 * (1 + 1e-9)


def test_a_policy_may_want_bounds_to_be_chosen_anew(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    sources = Retailer(tmp_path / "sources")
    policy = POLICY.replace("max_epsilon: 2", "max_epsilon: 2, keep_bounds_days: 0")
    world = World(tmp_path / "answering", {t: str(p) for t, p in sources.paths.items()}, policy)
    sources.close()
    try:
        document(world.answer(LENGTHS.format(60)))
        quote = world.answering.quote(ANALYST, world.request(LENGTHS.format(60), reuse="never")).model_dump()
        assert _measure(quote)["bound_source"] == CHOSEN
    finally:
        world.answering.close()
        world.ledger.close()


def test_a_receipt_names_plan_noise_place_and_tables_and_a_stranger_verifies_all_of_it(
    world: World, tmp_path: Path
) -> None:
    own = BY_DEPARTMENT.replace("GROUP BY", "WHERE pieces <> 7 GROUP BY")
    first = document(world.answer(f"{own} HAVING n <> 1", reuse="never"))
    again = document(world.answer(f"{own} HAVING n <> 2"))
    total = "SELECT COUNT(*) AS m FROM lines WHERE pieces <> 8"
    mixed = document(world.answer(f"SELECT n, m FROM ({own}) CROSS JOIN ({total})"))
    (release,) = first["receipt"]["releases"]
    assert release["reads"] == ["lines", "products"]
    assert release["key_sources"] == ["values of department in the public table products"]
    assert release["noise"]["distribution"] == "discrete Gaussian"
    assert [float(scale) > 1 for scale in release["noise"]["scales"]] == [True]
    assert first["receipt"]["ledger"]["entry"] == "begun"
    assert release["released_by"]["query_id"] == first["id"]
    (reused,) = again["receipt"]["releases"]
    assert again["receipt"]["ledger"]["entry"] == "head"
    assert (reused["stored"], reused["table_sha256"]) == (True, release["table_sha256"])
    assert {release["stored"] for release in mixed["receipt"]["releases"]} == {True, False}
    assert problems_of_export(world, tmp_path) == []


def problems_of_export(world: World, directory: Path) -> list[str]:
    """What somebody finds in an export of the ledger who has the public key and nothing else."""
    keys = KeyRing(world.settings.keys_dir)
    path = directory / "export.zip"
    path.write_bytes(b"".join(export(world.ledger, keys).chunks()))
    found = verify_export(path, keys.public)
    assert {check.name.split(":")[0] for check in found.checks} >= {"entries", "receipts"}
    return [problem for check in found.checks for problem in check.problems]


def test_a_question_is_paid_on_the_path_of_its_purpose_or_of_the_team(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    sources = Retailer(tmp_path / "sources")
    shared_budgets = """purposes: {health: {label: studies}, shelves: {label: assortments}}
accounts:
  marketing: {kind: team, epsilon: 4}
  studies: {kind: purpose, purpose: health, epsilon: 4, windows: {month: {epsilon: "0.05"}}}
"""
    declared = POLICY.replace("{analyst: {epsilon: 8}}", "{analyst: {epsilon: 4, under: [marketing, studies]}}")
    world = World(tmp_path / "answering", {t: str(p) for t, p in sources.paths.items()}, declared + shared_budgets)
    sources.close()
    try:
        team, study = "retailer/team/marketing", "retailer/purpose/studies"

        def spent() -> dict[str, int]:
            return {balance.account.id: balance.spent.rho_nano for balance in world.ledger.accounts()}

        first = document(world.answer(BY_DEPARTMENT))
        assert first["receipt"]["account"] == f"{team}/person/analyst"
        price = spent()["retailer"]
        paid = {name for name, rho_nano in spent().items() if rho_nano == price > 0}
        assert paid == {"retailer", team, f"{team}/person/analyst"}
        question = f"{BY_DEPARTMENT} HAVING COUNT(*) > 3"
        other = document(world.answer(question, purpose="shelves", reuse="never"))
        assert other["receipt"]["account"].startswith(team)
        second = document(world.answer(question, purpose="health", reuse="never"))
        assert second["receipt"]["account"] == f"{study}/person/analyst"
        record = world.ledger.query(second["id"])
        assert record is not None
        assert record.description["purpose"] == "health"
        assert spent()[study] == spent()[f"{study}/person/analyst"] > 0
        request = world.request("SELECT COUNT(*) AS n FROM lines", purpose="health", epsilon=Fraction(1, 10))
        quote = world.answering.quote(ANALYST, request)
        assert (quote.affordable, quote.repeats) == (False, 0)
        with pytest.raises(BudgetExhaustedError) as refused:
            world.answer("SELECT COUNT(*) AS n FROM lines", purpose="health", epsilon=Fraction(1, 10))
        assert refused.value.account_id == study
        assert refused.value.meter.startswith("month:")
    finally:
        world.answering.close()
        world.ledger.close()
