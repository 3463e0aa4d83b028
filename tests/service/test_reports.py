"""What is published says what ledger and policies hold, in words, and nothing that may depend on private rows."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from budgets.ledger import Claim, Outcome
from budgets.privacy_loss import PrivacyLoss
from queries.policy import load_policy
from service.accounts import open_accounts
from service.api import examples
from service.reports.document import Transparency
from service.reports.registry_schema import mistakes, places
from service.reports.transparency import right_percent
from service.settings import Settings
from tests.service.fakes import LIFETIME_TOO, MONTHLY_TEXT, POLICY_TEXT, FakeSnapshot
from tests.service.harness import Harness, open_harness

_MARKUP = '<script>alert("x")</script>'
_SENSITIVE = f"""
description: '{_MARKUP}'
sensitive:
  - {{name: alcohol, label: Alcohol, table: products, column: kind, values: [wine], rule: coarsen, parent: department}}
  - {{name: tests, label: Pregnancy tests, table: products, column: kind, values: [test], rule: deny}}
  - name: medicine
    label: Medicine
    table: products
    column: kind
    values: [pill]
    rule: allow_for
    purposes: [public-health]
"""
_PRODUCTS = """  products:
    visibility: public
    key: product_id
    columns:
      product_id: {type: integer, range: [0, 1000]}
      kind: {type: string, nullable: true}
      department: {type: string, nullable: true}
"""
POLICY = POLICY_TEXT.replace(
    "      day: {type: date",
    "      product_id: {type: integer, references: products.product_id}\n      day: {type: date",
).replace("bounds:\n", f"{_PRODUCTS}bounds:\n")


@pytest.fixture
def published(settings: Settings, logs: io.StringIO) -> Iterator[Harness]:
    named = {
        "publisher_name": "Kvarnen & Sons",
        "publisher_region": "Sweden",
        "publisher_contact": "privacy@kvarnen.example",
    }
    with open_harness(settings.model_copy(update=named), logs) as harness:
        harness.catalogue.snapshots["shop"] = FakeSnapshot(load_policy(POLICY + _SENSITIVE, "shop"))
        yield harness


def report(harness: Harness) -> Any:
    (data,) = harness.send("GET", "/v1/reports/transparency.json", "auditor").json()["datasets"]
    return data


def page(harness: Harness) -> str:
    return harness.send("GET", "/v1/reports/transparency.html", "officer").text


def record(harness: Harness) -> Any:
    return YAML(typ="safe").load(harness.send("GET", "/v1/reports/registry.yaml", "auditor").text)


def test_the_report_tells_what_was_asked_and_spent(published: Harness) -> None:
    assert report(published)["released"]["questions"] == 0
    for number in range(3):
        published.ask(str(number), epsilon="0.5", sql=f"SELECT {number}")
    published.ask("again", sql="SELECT 'repeat'")
    found = report(published)
    assert (found["released"]["questions"], found["released"]["free_repeats"]) == (3, 1)
    assert found["released"]["by_purpose"] == [{"purpose": None, "questions": 4}]
    balance = published.send("GET", "/v1/budgets/shop", "auditor").json()
    assert found["spent"]["loss"] == balance["spent"]
    assert found["cap"]["loss"] == balance["cap"]
    assert 50 < float(found["spent"]["right_percent"]) < float(found["cap"]["right_percent"]) < 100
    assert "3 questions were answered" in page(published)


def test_right_guesses_are_those_of_the_promise() -> None:
    """The table of docs/promise.md: 50.5, 54.4, 58.3, 76.5 and 80.9 percent, at a conversion delta of 8e-7."""
    for rho_nano, right in ((0, "50.0"), (173_228, "50.4"), (12_984_000, "53.3"), (1_519_040_221, "80.9")):
        assert right_percent(PrivacyLoss(rho_nano)) == right


def test_a_decision_is_told_with_its_reason_and_without_the_person(published: Harness) -> None:
    change = {"epsilon": "5", "reason": "Less is asked <now>"}
    assert published.send("PATCH", "/v1/budgets/shop/person/analyst", "officer", json=change).status_code == 200
    found = report(published)["changes"][-1]
    assert (found["what"], found["reason"]) == ("Budget of one person changed: now ε = 5", "Less is asked <now>")
    assert "Less is asked &lt;now&gt;" in page(published)
    for text in (page(published), str(report(published))):
        assert "person/analyst" not in text


def test_questions_that_did_not_finish_count_as_all_others(published: Harness) -> None:
    published.ask("1")
    before = report(published)["released"]
    published.answering.fails_with = Outcome("", 503, b"{}", "application/problem+json")
    published.ask("2")
    after = report(published)["released"]
    assert after == {**before, "questions": 2, "by_purpose": [{"purpose": None, "questions": 2}]}


def test_neither_questions_nor_answers_nor_refusals_are_told(published: Harness) -> None:
    published.ask("1", sql="SELECT canary FROM purchases")
    published.ask("2", sql="SELECT household_id, canary FROM purchases")
    assert report(published)["released"]["questions"] == 1
    for text in (page(published), str(report(published)), str(record(published))):
        assert "canary" not in text
        assert "GROCERY" not in text
        assert "refused" not in str(report(published))


def test_rules_retention_and_opting_out_are_told(published: Harness) -> None:
    found = report(published)
    assert [group["rule"] for group in found["sensitive"]] == [
        "shown only within department",
        "left out of every answer",
        "left out of every answer, but for questions that state one of these purposes: public-health",
    ]
    assert "36,525 days" in found["retention"]
    assert "privacy@kvarnen.example" in found["opting_out"]
    assert found["recorded"] == [{"table": "purchases", "columns": ["household_id", "product_id", "day", "amount"]}]
    assert found["public_tables"] == ["products"]


def test_the_page_needs_no_other_file_and_runs_nothing(published: Harness) -> None:
    sent = published.send("GET", "/v1/reports/transparency.html", "auditor")
    assert _MARKUP not in sent.text
    assert "&lt;script&gt;" in sent.text
    assert "Kvarnen &amp; Sons" in sent.text
    for outside in ("<script", " style=", " src=", "@import", "url(", "http://", "https://"):
        assert outside not in sent.text, outside
    (style,) = re.findall(r"<style>(.*?)</style>", sent.text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in sent.headers["content-security-policy"]
    assert sent.headers["x-content-type-options"] == "nosniff"


def test_the_page_can_be_read_by_everybody(published: Harness) -> None:
    published.ask()
    text = page(published)
    assert '<html lang="en">' in text
    assert '<meta name="viewport"' in text
    assert text.count("<svg ") == text.count('role="img" aria-label="') == 2
    assert text.count("<th ") == text.count('scope="')
    assert text.count("<h1") == 1
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert text.index("What could somebody learn about me?") < text.index("In numbers")


def test_the_evidence_is_the_state_of_the_ledger(published: Harness) -> None:
    published.ask()
    document = published.send("GET", "/v1/reports/transparency.json", "auditor").json()
    head = published.send("GET", "/v1/audit/tree-head", "auditor").json()["head"]
    evidence = document["evidence"]
    assert (evidence["entries"], evidence["root_hash"]) == (head["tree_size"], head["root_hash"])
    assert evidence["root_hash"] in page(published)
    assert evidence["root_hash"] in str(record(published))


def test_the_example_of_a_report_is_one() -> None:
    assert Transparency.model_validate(examples.TRANSPARENCY).model_dump(mode="json") == examples.TRANSPARENCY


def test_the_record_has_the_fields_of_the_registry_and_no_other(published: Harness) -> None:
    published.ask()
    found = record(published)
    assert mistakes(found) == []
    left_out = set(places()) - set(_places(found))
    assert left_out == {
        "deployment/basic/data_product_sector",  # the registry has none of retail
        "deployment/privacy_loss/number_of_privacy_units",  # private
        "deployment/deployment_model/model_name_details",
        "deployment/implementation/additional_information",
        "deployment/administrative/evidence_sources/*/misc/howpublished",
        "deployment/administrative/evidence_sources/*/misc/url",
    }
    assert set(_places(found)) <= set(places())
    parameters = found["deployment"]["privacy_loss"]["privacy_parameters"]
    assert parameters["epsilon"] == 10
    assert float(parameters["delta"]) == 1e-6
    assert parameters["rho"] == 1.519158113


def _places(value: Any, place: str = "") -> Iterator[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict):
        yield place.removeprefix("/").replace("/transparency_report/", "/*/")
        return
    for name, member in value.items():
        yield from _places(member, f"{place}/{name}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found.pop("url_slug"), "url_slug is missing"),
        (lambda found: found.update(more=1), "more is not a field"),
        (lambda found: found["deployment"].pop("basic"), "basic is missing"),
        (lambda found: found["deployment"]["basic"].update(publication_date="1/1/2026"), "is not a date"),
        (lambda found: found["deployment"]["basic"].update(data_product_type="Surprise"), "is not one of"),
        (lambda found: found["deployment"]["basic"].update(data_curators=[]), "must be a list"),
        (lambda found: found["deployment"]["basic"]["data_curators"][0].pop("data_curator_type"), "is missing"),
        (lambda found: found["deployment"]["administrative"].update(tier=0), "is not one of 1, 2, 3"),
        (lambda found: found["deployment"]["administrative"].update(tier=True), "is of another type"),
        (lambda found: found["deployment"]["administrative"].update(registry_authors=[]), "must be a list of texts"),
        (lambda found: found["deployment"]["privacy_loss"]["privacy_parameters"].update(rho="1"), "of another type"),
        (lambda found: found["deployment"]["administrative"]["evidence_sources"].update({"a b": {}}), "is no name"),
    ],
)  # fmt: skip
def test_a_record_that_the_registry_would_not_take_is_found(published: Harness, change: Any, words: str) -> None:
    found = record(published)
    change(found)
    assert any(words in mistake for mistake in mistakes(found)), mistakes(found)


def test_one_of_several_datasets_must_be_named(published: Harness) -> None:
    published.catalogue.snapshots["empty"] = published.catalogue.snapshots["shop"]
    published.problem(published.send("GET", "/v1/reports/registry.yaml", "auditor"), "invalid-request")
    assert published.send("GET", "/v1/reports/registry.yaml?dataset=shop", "auditor").status_code == 200
    published.problem(published.send("GET", "/v1/reports/registry.yaml?dataset=other", "auditor"), "not-found")


def _monthly(harness: Harness, text: str) -> Any:
    """The report on a dataset with blocks, of which two months and the rows without one were asked about."""
    policy = load_policy(text, "months")
    harness.catalogue.snapshots["months"] = FakeSnapshot(policy)
    open_accounts(harness.ledger, policy)
    taken = {"lifetime": 16, "block:2017-01": 1, "block:2017-02": 4, "static": 16}
    claim = Claim(
        account_id="months/person/analyst",
        loss=PrivacyLoss(10**8),
        principal="analyst",
        idempotency_key="1",
        request_digest="",
        query_id="q_months",
        description={"dataset": "months"},
        lease_seconds=60,
        meters={meter: PrivacyLoss(times * 10**7) for meter, times in taken.items()},
    )
    harness.ledger.reserve(claim)
    harness.ledger.begin("q_months")
    found = harness.send("GET", "/v1/reports/transparency.json", "auditor").json()["datasets"]
    return next(data for data in found if data["dataset"] == "months")


def test_with_blocks_the_limit_of_each_month_is_told_and_what_is_used_of_it(published: Harness) -> None:
    found = _monthly(published, MONTHLY_TEXT)
    assert (found["cap"], found["spent_percent"]) == (None, None)
    assert found["spent"]["loss"]["rho"] == "0.16"
    assert found["blocks"]["cap"]["loss"]["epsilon"] == "10"
    touched = [(block["name"], block["spent"]["loss"]["rho"]) for block in found["blocks"]["touched"]]
    assert touched == [("January 2017", "0.01"), ("February 2017", "0.04"), ("Rows without a day", "0.16")]
    budget = published.send("GET", "/v1/budgets/months/person/analyst", "officer").json()
    assert {meter["meter"] for meter in budget["meters"]} == {
        "lifetime",
        "block",
        "block:2017-01",
        "block:2017-02",
        "static",
    }
    assert budget["about_queries_left"] is None
    assert found["changes"][0]["what"].endswith("now ε = 10 for each month, ε = 10 for rows without a day")
    text = page(published)
    assert "All months together have no limit" in text
    assert "February 2017" in text
    assert text.count("<svg ") == text.count('role="img" aria-label="') == 6


def test_a_limit_of_all_months_together_is_told_beside_that_of_each(published: Harness) -> None:
    found = _monthly(published, LIFETIME_TOO)
    assert (found["cap"]["loss"]["epsilon"], found["cap"]["loss"]["delta"]) == ("60", "0.0000042")
    assert found["blocks"]["cap"]["loss"]["epsilon"] == "10"
    assert "ε = 60 in all" in found["changes"][0]["what"]
    assert float(found["spent_percent"]) < float(found["blocks"]["touched"][-1]["spent_percent"])
    assert "All months together have no limit" not in page(published)


def test_with_blocks_the_record_is_of_one_month(published: Harness) -> None:
    _monthly(published, MONTHLY_TEXT)
    sent = published.send("GET", "/v1/reports/registry.yaml?dataset=months", "auditor")
    found = YAML(typ="safe").load(sent.text)
    assert mistakes(found) == []
    loss = found["deployment"]["privacy_loss"]
    assert "in one calendar month" in loss["privacy_unit"]
    assert loss["privacy_parameters"]["epsilon"] == 10
    assert "lost rho 0.16 at most" in loss["privacy_parameters_details"]


def test_texts_of_several_lines_and_dates_are_written_so_that_the_registry_reads_them(published: Harness) -> None:
    text = published.send("GET", "/v1/reports/registry.yaml", "auditor").text
    assert re.search(r"publication_date: '\d{4}-\d\d-\d\d'", text)
    assert "mechanisms: |\n" in text
    assert ": >" not in text
