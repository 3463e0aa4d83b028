"""The client against a live server: answers, errors with their hints, and retries that are charged once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import httpx
import pytest

from budgets.ledger import Outcome
from queries.errors import EngineUnavailableError
from queries.targets import Target
from service import client_errors
from service.api import examples
from service.app import create_app, open_api_keys, open_ledger
from service.client import Client, Quote, Result, connect, error_text
from service.problems import PROBLEM_TYPES
from service.settings import Settings
from tests.service.fakes import ROWS, FakeAnswering, FakeCatalogue
from tests.service.live import served

SQL = "SELECT department, COUNT(*) AS lines FROM purchases GROUP BY department"


@dataclass
class Live:
    url: str
    answering: FakeAnswering
    client: Client
    officer: Client
    second: Client

    def spent(self) -> str:
        return str(self.client.budget()[0]["spent"]["rho"])


@pytest.fixture
def live(settings: Settings, logs: io.StringIO) -> Iterator[Live]:
    ledger, catalogue, keys = open_ledger(settings), FakeCatalogue(), open_api_keys(settings)
    people = (("analyst", "analyst"), ("officer", "officer"), ("officer2", "officer"))
    analyst, officer, second = (keys.create(owner, role)[1] for owner, role in people)
    answering = FakeAnswering(ledger, catalogue)
    app = create_app(settings, answering=answering, ledger=ledger, catalogue=catalogue, api_keys=keys)
    with (
        served(app) as url,
        connect(url, analyst) as client,
        connect(url, officer) as overseer,
        connect(url, second) as another,
    ):
        yield Live(url, answering, client, overseer, another)


GREY = {"lines": 12, "lines_lower": -18, "lines_upper": 42, "lines_reliability": "poor"}


def test_an_answer_comes_as_rows_arrow_and_pandas(live: Live) -> None:
    result = live.client.query(SQL, epsilon=0.1, dataset="shop")
    assert result.rows == ROWS
    assert result.to_arrow().to_pylist() == ROWS
    frame = result.to_pandas()
    assert list(frame.columns) == ["department", "lines", "lines_lower"]
    assert frame["lines"].iloc[0] == 12
    assert frame.attrs["columns"] == result.columns
    assert [row["lines"] for row in result.readable()] == ["12 (no interval)", "-3 (no interval)", ""]
    assert result.cost["epsilon"] == "0.1"
    assert result.receipt["query_id"] == result.id
    assert live.client.result(result.id) == result


def test_a_notebook_shows_a_table_that_runs_nothing(live: Live) -> None:
    live.answering.refusal = None
    html = live.client.query(SQL, dataset="shop")._repr_html_()
    assert html.startswith("<table>")
    assert "=cmd()" in html
    assert "gray" not in html
    poor = {"name": "lines_reliability", "type": "VARCHAR", "role": "reliability", "of": "lines"}
    body = {**live.client.query(SQL, dataset="shop").body, "rows": [{"department": "<b>", **GREY}]}
    body["columns"] = [*body["columns"], poor]
    assert '<td style="color: gray">12 ± 30 (poor)</td>' in Result(body)._repr_html_()
    body = {**live.client.query(SQL, dataset="shop").body, "rows": [{"department": "<script>"}]}
    assert "<script>" not in type(live.client.query(SQL, dataset="shop"))(body)._repr_html_()


def test_notices_stand_below_the_table_and_run_nothing(live: Live) -> None:
    text = "An earlier release of this question chose about 612"
    result, quote = live.client.query(SQL, dataset="shop"), live.client.quote(SQL, dataset="shop")
    for shown in (result, quote):
        assert [notice["code"] for notice in shown.notices] == ["bound-too-high"]
        assert f"</table><p>{text}" in shown._repr_html_()
    hostile = [{**quote.notices[0], "text": "<script>"}]
    assert "<script>" not in Quote({**quote, "notices": hostile})._repr_html_()
    assert "<script>" not in Result({**result.body, "notices": hostile})._repr_html_()
    older = {name: value for name, value in result.body.items() if name != "notices"}
    assert Result(older).notices == []


def test_quote_datasets_budget_and_history(live: Live) -> None:
    assert live.client.quote(SQL, dataset="shop", epsilon="0.2")["cost"]
    assert live.spent() == "0"
    live.client.query(SQL, dataset="shop", rho="0.001")
    assert [item["sql"] for item in live.client.history()] == [SQL]
    assert [item["name"] for item in live.client.datasets()] == ["shop"]
    assert live.client.dataset("shop")["unit"]["name"] == "household"
    assert live.spent() == "0.001"
    changed = live.officer.set_budget("shop/person/analyst", epsilon=3, reason="the study is over")
    assert changed["cap"]["epsilon"] == "3"
    assert live.client.budget("shop/person/analyst")[0]["cap"]["epsilon"] == "3"


def test_four_eyes_and_the_kill_switch(live: Live) -> None:
    account, why = "shop/person/analyst", "one more figure"
    asked = live.client.request_budget(account, epsilon=9, reason=why)
    assert live.client.approvals() == [asked]
    assert live.officer.approve(asked["id"], reason="as agreed")["state"] == "waiting"
    assert live.second.approve(asked["id"], reason="as agreed")["state"] == "made"
    assert live.client.approvals(state="waiting", dataset="shop") == []
    assert live.client.approval(asked["id"])["state"] == "made"
    proposed = live.officer.set_budget(account, epsilon="9.5", reason=why, meter="lifetime")
    with pytest.raises(client_errors.FourEyesError):
        live.officer.approve(proposed["id"], reason="my own")
    assert live.second.decline(proposed["id"], reason="not now")["state"] == "declined"
    with pytest.raises(client_errors.FourEyesError):
        live.officer.withdraw(proposed["id"], reason="too late")
    assert live.officer.freeze("shop", reason="a leak?") == {"everything": False, "datasets": ["shop"]}
    with pytest.raises(client_errors.FrozenError):
        live.client.query(SQL, dataset="shop")
    started = live.officer.unfreeze("shop", reason="no leak")
    live.second.approve(started["id"], reason="no leak")
    assert live.client.frozen() == {"everything": False, "datasets": []}
    assert live.officer.freeze(None, reason="all of it")["everything"]
    assert live.officer.unfreeze(None, reason="all of it")["dataset"] is None


def test_a_target_is_sent_and_a_quote_shows_itself_as_a_table_that_runs_nothing(live: Live) -> None:
    quote = live.client.quote(SQL, dataset="shop", target={"error": 50, "column": "spend"})
    (request,) = live.answering.requests
    assert request.target == Target(Fraction(50), Fraction(95, 100), "spend")
    assert quote["affordable"] is True
    assert quote.cost == quote["cost"]
    assert quote.errors() == {"spend": "± 12,500 to ± 50,000, by group"}
    assert quote.prices[0]["interval_half_widths"] == {"spend": 17677.6696394}
    html = quote._repr_html_()
    assert html.startswith("<table><caption>ε 0.1 would be charged")
    hostile = Quote({**quote, "columns": [{**quote.columns[1], "name": "<script>"}]})
    assert "<script>" not in hostile._repr_html_()


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({}, "± 12,500 to ± 50,000, by group"),
        ({"largest_interval_half_width": 12500.0000776}, "± 12,500"),
        ({"largest_interval_half_width": 123456.7}, "± 12,500 to ± 123,457, by group"),
        ({"largest_interval_half_width": None}, "± 12,500 and more in subtotals"),
        ({"interval_half_width": None, "unknown": "depends-on-data"}, "depends on data"),
    ],
)
def test_an_error_is_told_in_words(members: dict[str, object], text: str) -> None:
    assert error_text({**examples.QUOTE["columns"][1], **members}) == text


def test_a_long_history_is_read_to_its_end(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client._PAGE", 3)
    for _ in range(7):
        live.client.query("SELECT 'repeat'", dataset="shop")
    assert len(live.client.history(dataset="shop")) == 7


def test_a_refusal_raises_with_its_hint_and_position(live: Live) -> None:
    with pytest.raises(client_errors.QueryNotPrivateError) as refusal:
        live.client.query("SELECT household_id FROM purchases", dataset="shop")
    assert refusal.value.hint == "leave it out"
    assert (refusal.value.code, refusal.value.line, refusal.value.column) == ("unit-in-output", 1, 8)
    assert "Hint: leave it out" in str(refusal.value)


def test_each_kind_of_problem_raises_its_own_error(live: Live) -> None:
    with pytest.raises(client_errors.BudgetExhaustedError):
        live.client.query(SQL, dataset="shop", epsilon=9)
    with pytest.raises(client_errors.NotFoundError):
        live.client.query(SQL, dataset="nothing")
    with pytest.raises(client_errors.InvalidRequestError):
        live.client.query(SQL, dataset="shop", epsilon=0)
    with pytest.raises(client_errors.AccessRefusedError):
        live.officer.query(SQL, dataset="shop")
    with connect(live.url, "nonsense") as stranger, pytest.raises(client_errors.AccessRefusedError):
        stranger.datasets()


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_every_problem_becomes_an_error_of_the_client(slug: str) -> None:
    error = client_errors.error_of({"type": f"/problems/{slug}", "detail": "x", "status": 400})
    assert isinstance(error, client_errors.KvittoError)
    assert error.slug == slug


def test_a_free_engine_is_waited_for_and_the_answer_charged_once(live: Live) -> None:
    tries: list[int] = []

    def busy_twice() -> None:
        tries.append(1)
        live.answering.refusal = EngineUnavailableError() if len(tries) < 2 else None

    real_refuse = live.answering._refuse

    def refuse(request: object) -> None:
        busy_twice()
        real_refuse(request)  # type: ignore[arg-type]  # Passed on as it came.

    live.answering._refuse = refuse  # type: ignore[method-assign]  # The fake is made busy.
    assert live.client.query(SQL, dataset="shop", rho="0.001").rows == ROWS
    assert len(tries) == 2
    assert live.spent() == "0.001"


def test_a_lost_connection_is_tried_again_with_the_same_key(live: Live) -> None:
    real = live.client._http
    lost: list[httpx.Response] = []

    class Losing(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = real.send(
                httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            )
            if not lost:
                lost.append(response)
                raise httpx.ReadError("lost on the way back")
            return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    headers = {"Authorization": real.headers["Authorization"]}
    live.client._http = httpx.Client(base_url=real.base_url, headers=headers, transport=Losing())
    result = live.client.query(SQL, dataset="shop", rho="0.001")
    live.client._http.close()
    live.client._http = real
    assert result.id == lost[0].json()["id"]
    assert live.spent() == "0.001"


def test_a_failed_release_is_not_tried_again(live: Live) -> None:
    body = b'{"type":"/problems/release-failed","status":503,"detail":"charged"}'
    live.answering.fails_with = Outcome("q_x", 503, body, "application/problem+json")
    with pytest.raises(client_errors.ReleaseFailedError):
        live.client.query(SQL, dataset="shop", rho="0.001")
    assert live.spent() == "0.001"
    assert len(live.client.history()) == 1


def test_a_service_that_is_not_there_is_told() -> None:
    with (
        connect("http://127.0.0.1:9", "key", retries=0) as client,
        pytest.raises(client_errors.ServiceUnavailableError, match="can't be reached"),
    ):
        client.datasets()
