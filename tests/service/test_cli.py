"""The command line: each command does its one thing, and refuses in one line without a traceback."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from budgets.evidence.chain import HEAD_TYPE, Chain, sealed_head
from budgets.evidence.receipts import receipt_of, with_receipt
from budgets.evidence.sealed import seal
from budgets.evidence.signing import KeyRing
from queries.vault import SecretKeys
from service.app import create_app, open_api_keys, open_exclusions, open_ledger
from service.cli import app
from service.demo import DATASET
from service.policy_gate import serve_approved
from service.reports.registry_schema import mistakes
from service.settings import Settings
from tests.service.fakes import POLICY_TEXT, FakeAnswering, FakeCatalogue
from tests.service.live import served
from tests.service.simulation_world import settings_in

KVITTO = Path(sys.executable).parent / "kvitto"
SQL = "SELECT department, COUNT(*) AS lines FROM purchases GROUP BY department"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment})


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KVITTO_DATA_DIR", str(tmp_path / "var"))
    return tmp_path


@pytest.fixture
def caller(settings: Settings, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    ledger, catalogue, keys = open_ledger(settings), FakeCatalogue(), open_api_keys(settings)
    people = {"analyst": "analyst", "officer": "officer", "officer2": "officer"}
    texts = {owner: keys.create(owner, role)[1] for owner, role in people.items()}
    answering = FakeAnswering(ledger, catalogue)
    service = create_app(settings, answering=answering, ledger=ledger, catalogue=catalogue, api_keys=keys)
    with served(service) as url:
        monkeypatch.setenv("KVITTO_URL", url)
        monkeypatch.setenv("KVITTO_KEY", texts["analyst"])
        yield texts


def test_a_key_is_made_shown_once_listed_and_revoked(data: Path) -> None:
    made = run("keys", "create", "maria", "--role", "analyst", "--days", "30")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    assert re.fullmatch(r"kvitto_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", text)
    key_id = text.split("_")[1]
    listed = run("keys", "list")
    assert key_id in listed.stdout
    assert text not in listed.output
    assert run("keys", "revoke", key_id).exit_code == 0
    assert run("keys", "revoke", "nothing").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [("Maria", "--role", "analyst"), ("maria", "--role", "root"), ("maria", "--role", "admin", "--days", "0")],
)
def test_an_unfit_key_is_refused(data: Path, arguments: tuple[str, ...]) -> None:
    refused = run("keys", "create", *arguments)
    assert refused.exit_code != 0
    assert "Traceback" not in refused.output


def test_a_policy_is_checked_with_the_line_of_each_mistake(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY_TEXT)
    assert run("policy", "check", str(policy)).exit_code == 0
    policy.write_text(POLICY_TEXT.replace("max_units: 1000", "max_units: none"))
    refused = run("policy", "check", str(policy))
    assert refused.exit_code == 1
    line = POLICY_TEXT.splitlines().index("max_units: 1000") + 1
    assert f"{policy}:{line}: max_units" in refused.output


def _write_purchases(directory: Path) -> Path:
    path = directory / "purchases.csv"
    path.write_text("household_id,day,amount\n1,2017-01-02,3.50\n2,2017-01-03,4.25\n")
    return path


def test_a_draft_comes_from_the_schema(tmp_path: Path) -> None:
    drafted = run("policy", "draft", f"purchases={_write_purchases(tmp_path)}")
    assert drafted.exit_code == 0, drafted.output
    assert "amount" in drafted.stdout
    assert "3.50" not in drafted.stdout


def test_a_load_makes_a_snapshot_and_opens_its_accounts(data: Path) -> None:
    policy = data / "policy.yaml"
    policy.write_text(POLICY_TEXT)
    loaded = run("load", str(policy), f"purchases={_write_purchases(data)}")
    assert loaded.exit_code == 0, loaded.output
    ledger = open_ledger(Settings())
    assert [balance.account.id for balance in ledger.accounts("shop")] == [
        "shop",
        "shop/person/analyst",
        "shop/person/dashboard",
    ]
    ledger.close()
    assert run("load", str(policy), "purchases").exit_code == 1
    assert run("load", str(policy), "purchases=/nothing/here.csv").exit_code == 1


REASON = ("--reason", "Asked for at the service desk")
DECLARED = POLICY_TEXT.replace("    unit_column:", "    line_items: true\n    unit_column:")


@pytest.fixture
def shop(data: Path) -> Path:
    """A loaded dataset of two households."""
    (data / "policy.yaml").write_text(DECLARED)
    assert run("load", str(data / "policy.yaml"), f"purchases={_write_purchases(data)}").exit_code == 0
    return data


def _left_out() -> dict[bytes, set[str]]:
    with closing(open_exclusions(Settings())) as listed:
        found: dict[bytes, set[str]] = {}
        for each in listed.of("shop").left_out:
            found.setdefault(each.pseudonym, set()).add(each.sort)
    return found


def _pseudonyms(*ids: str) -> set[bytes]:
    keys = SecretKeys.open(Settings().keys_dir)
    return {keys.pseudonym(each) for each in ids}


def test_opt_outs_are_read_from_standard_input_a_file_or_arguments(shop: Path) -> None:
    (shop / "ids.txt").write_text("2\r\n\n3\n")
    for arguments, text in (((), "1\n"), (("--file", str(shop / "ids.txt")), ""), (("4",), "")):
        given = CliRunner().invoke(app, ["optout", "shop", *arguments, *REASON], input=text)
        assert given.exit_code == 0, given.output
    assert set(_left_out()) == _pseudonyms("1", "2", "3", "4")


def test_an_opt_out_says_the_same_whatever_the_data_have(shop: Path) -> None:
    told = {run("optout", "shop", *ids, *REASON).output for ids in (("1",), ("1",), ("99",), ("1", "2", "99"))}
    assert told == {"recorded; it is in force from the next load or refresh on\n"}


def test_an_erasure_is_in_force_with_the_next_refresh(shop: Path) -> None:
    snapshots = Settings().vault_root / "shop" / "snapshots"
    (old,) = snapshots.iterdir()
    (shop / "purchases.csv").unlink()
    assert run("optout", "shop", "1", "--erase", *REASON).exit_code == 0
    refreshed = run("refresh", "shop")
    assert refreshed.exit_code == 0, refreshed.output
    (new,) = snapshots.iterdir()
    assert new != old
    assert f"snapshot {new.name} is current" in refreshed.stdout


def test_what_a_refresh_tells_does_not_depend_on_who_is_left_out(shop: Path) -> None:
    def told() -> str:
        return re.sub(r"s_[0-9a-z_]+|[0-9:]{7}", "", run("refresh", "shop").output)

    before = told()
    run("optout", "shop", "1", "--erase", *REASON)
    assert told() == before


def test_a_level_and_a_withdrawal_are_recorded(shop: Path) -> None:
    assert run("optout", "shop", "1", "--level", "line_items", *REASON).exit_code == 0
    assert _left_out() == {next(iter(_pseudonyms("1"))): {"line items"}}
    assert run("optout", "shop", "1", "--withdraw", *REASON).exit_code == 0
    assert _left_out() == {}


def test_who_opts_out_before_the_first_load_is_never_loaded(data: Path) -> None:
    (data / "policy.yaml").write_text(DECLARED)
    assert run("optout", "shop", "1", *REASON).exit_code == 1
    assert run("optout", "other", "1", "--policy", str(data / "policy.yaml"), *REASON).exit_code == 1
    assert run("optout", "shop", "1", "--policy", str(data / "policy.yaml"), *REASON).exit_code == 0
    assert set(_left_out()) == _pseudonyms("1")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--erase", "--withdraw", "1"), ""),
        (("--level", "some", "1"), ""),
        (("4711x",), ""),
        ((), ""),
        ((), "4711 \n"),
        (("4711", "--file", "policy.yaml"), ""),
    ],
)
def test_an_opt_out_that_does_not_fit_is_refused_without_its_ids(
    shop: Path, arguments: tuple[str, ...], text: str
) -> None:
    given = CliRunner().invoke(app, ["optout", "shop", *arguments, *REASON], input=text)
    assert given.exit_code != 0
    assert "4711" not in given.output
    assert "Traceback" not in given.output
    assert _left_out() == {}


def test_an_opt_out_has_a_reason_that_names_no_id(shop: Path) -> None:
    assert run("optout", "shop", "4711").exit_code != 0
    assert run("optout", "shop", "4711", "--reason", "why").exit_code == 1
    assert run("optout", "shop", "4711", "--reason", "4711 asked for it").exit_code == 1
    assert _left_out() == {}


def test_line_items_are_refused_where_the_policy_declares_none(data: Path) -> None:
    (data / "policy.yaml").write_text(POLICY_TEXT)
    refused = run("optout", "shop", "1", "--level", "line_items", "--policy", str(data / "policy.yaml"), *REASON)
    assert refused.exit_code == 1
    assert "declares no table of line items" in refused.output


def test_a_synthetic_retailer_is_written(tmp_path: Path) -> None:
    written = run("synth", str(tmp_path / "synth"), "--lines", "2000")
    assert written.exit_code == 0, written.output
    assert "purchases=" in written.stdout


WORKLOAD = """
-- name: lines in all
SELECT COUNT(*) AS lines FROM purchases;
-- name: spend by day
SELECT day, SUM(amount) AS spend FROM purchases GROUP BY day;
SELECT household_id FROM purchases
"""


@pytest.fixture
def workload(data: Path) -> Path:
    settings_in(data / "var")
    (data / "work.sql").write_text(WORKLOAD)
    (data / "policy.yaml").write_text(POLICY_TEXT)
    return data / "work.sql"


def test_the_accuracy_of_a_workload_is_told_for_a_policy_alone(data: Path, workload: Path) -> None:
    asked = ("accuracy", str(data / "policy.yaml"), "--workload", str(workload), "--units", "40")
    told = run(*asked, "--epsilon", "0.1,10", "--draws", "3", "--rows-per-unit", "30")
    assert told.exit_code == 0, told.output
    for shown in (
        "lines in all", "spend by day", "statement 3", "refused (private-rows)", "Hint:", "synthetic rows",
        "40 units (household) with 30 rows each", "bound of lines: 500 (policy: rows)", "RMSE", "coverage", "clipping",
        "median relative error of every statement",
    ):  # fmt: skip
        assert shown in told.stdout
    assert not list((data / "var").glob(".simulation-*"))
    document = json.loads(run(*asked, "--epsilon", "10", "--draws", "2", "--json").stdout)
    lines, spend, refused = document["statements"]
    assert lines["accuracy"]["prices"][0]["columns"][0]["name"] == "lines"
    assert spend["refusal"] is None
    assert (refused["refusal"]["code"], refused["refusal"]["line"]) == ("private-rows", 1)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--epsilon", "0.1,none"), "must be a decimal number"),
        (("--wanted", "2"), "below 1"),
        (("--on", "public"), "a policy file has no rows"),
        (("--epsilon", ",".join(str(n) for n in range(1, 22))), "at most 20"),
    ],
)
def test_an_unfit_question_for_accuracy_is_refused(data: Path, workload: Path, more: tuple[str, ...], why: str) -> None:
    refused = run("accuracy", str(data / "policy.yaml"), "--workload", str(workload), *more)
    assert (refused.exit_code, why in refused.output) == (1, True), refused.output
    assert "Traceback" not in refused.output


def test_accuracy_needs_a_dataset_or_a_policy(data: Path, workload: Path) -> None:
    refused = run("accuracy", "nothing", "--workload", str(workload))
    assert (refused.exit_code, "there is no dataset nothing" in refused.output) == (1, True)
    refused = run("accuracy", str(workload), "--workload", str(workload))
    assert (refused.exit_code, "is not a policy" in refused.output) == (1, True)


def test_real_rows_are_taken_if_and_only_if_the_loaded_policy_declares_them_public(data: Path, workload: Path) -> None:
    declared = data / "declared.yaml"
    declared.write_text(f"{POLICY_TEXT}public_rows: {{source: rows that a test made up for everybody}}\n")
    asked = ("accuracy", "shop", "--workload", str(workload), "--draws", "2", "--epsilon", "1", "--json")
    assert run("load", str(data / "policy.yaml"), f"purchases={_write_purchases(data)}").exit_code == 0
    assert json.loads(run(*asked).stdout)["simulated_on"]["kind"] == "synthetic"
    refused = run(*asked, "--on", "public")
    assert (refused.exit_code, "are private" in refused.output) == (1, True)
    assert run("load", str(declared), f"purchases={_write_purchases(data)}").exit_code == 0
    assert json.loads(run(*asked).stdout)["simulated_on"]["kind"] == "synthetic"
    with closing(open_ledger(Settings())) as ledger:
        (proposal,) = ledger.proposals("shop")
        for officer in ("officer", "officer2"):
            ledger.decide(proposal.id, "approved", officer, "everybody has them")
        serve_approved(ledger, Settings().vault_root)
    assert json.loads(run(*asked).stdout)["simulated_on"]["kind"] == "public"
    assert json.loads(run(*asked, "--on", "synthetic").stdout)["simulated_on"]["kind"] == "synthetic"


def test_questions_are_asked_and_quoted_over_http(caller: dict[str, str]) -> None:
    asked = run("query", SQL, "--dataset", "shop", "--epsilon", "0.1")
    assert asked.exit_code == 0, asked.output
    assert "GROCERY" in asked.stdout
    document = json.loads(run("query", SQL, "--dataset", "shop", "--json").stdout)
    assert document["status"] == "done"
    assert json.loads(run("quote", SQL, "--dataset", "shop", "--json").stdout)["cost"]


def test_a_quote_shows_errors_bounds_keys_and_prices(caller: dict[str, str]) -> None:
    quoted = run("quote", SQL, "--dataset", "shop", "--epsilon", "0.1")
    assert quoted.exit_code == 0, quoted.output
    for shown in (
        "± 50,000", "from", "earlier release", "scaled", "1.436686", "± 6,250",
        "department: values of department in the public table products", "would be charged: enough is left for 87.",
    ):  # fmt: skip
        assert shown in quoted.stdout


def test_a_notice_of_a_bound_is_shown(caller: dict[str, str]) -> None:
    text = "notice: An earlier release of this question chose about 612 from the data"
    for command in ("quote", "query"):
        asked = run(command, SQL, "--dataset", "shop")
        assert asked.exit_code == 0, asked.output
        assert text in asked.output
        assert text not in run(command, SQL, "--dataset", "shop", "--json").output


def test_a_wanted_error_takes_the_place_of_a_price(caller: dict[str, str]) -> None:
    for command in ("quote", "query"):
        for error in ("50", "50@0.9"):
            asked = run(command, SQL, "--dataset", "shop", "--error", error, "--column", "lines")
            assert asked.exit_code == 0, asked.output
        both = run(command, SQL, "--dataset", "shop", "--error", "50", "--epsilon", "1")
        assert (both.exit_code, "give one of epsilon, rho and target" in both.output) == (1, True)
        confidence = run(command, SQL, "--dataset", "shop", "--error", "50@99")
        assert (confidence.exit_code, "must be from 0.5 to 0.999" in confidence.output) == (1, True)
        without = run(command, SQL, "--column", "lines")
        assert (without.exit_code, "--error" in without.output) == (1, True)


def test_a_refusal_is_one_line_with_its_hint(caller: dict[str, str]) -> None:
    refused = run("query", "SELECT household_id FROM purchases", "--dataset", "shop")
    assert refused.exit_code == 1
    assert "Hint: leave it out" in refused.output
    assert "Traceback" not in refused.output


def test_budgets_are_shown_and_changed_by_an_officer(caller: dict[str, str]) -> None:
    assert "shop/person/analyst" in run("budgets", "list").stdout
    change = ("budgets", "set", "shop/person/analyst", "--epsilon", "5", "--reason", "the study is over")
    assert run(*change).exit_code == 1
    assert run(*change, KVITTO_KEY=caller["officer"]).exit_code == 0
    window = run(*change[:3], "--epsilon", "1", "--meter", "day", "--reason", "slowly", KVITTO_KEY=caller["officer"])
    assert "day:20" in window.stdout
    run("query", SQL, "--dataset", "shop", "--epsilon", "0.1")
    shown = run("budgets", "show", "shop/person/analyst").stdout
    for word in (
        " 5 ",
        "lifetime",
        "day:20",
        "At the pace of the last day, the cap is reached on",
        "more queries like",
    ):
        assert word in shown
    document = json.loads(run("budgets", "show", "shop/person/analyst", "--json").stdout)
    assert document["cap"]["epsilon"] == "5"
    assert [budget["id"] for budget in json.loads(run("budgets", "list", "--json").stdout)] == ["shop/person/analyst"]


def test_what_loosens_goes_through_four_eyes(caller: dict[str, str]) -> None:
    more = ("shop/person/analyst", "--epsilon", "9", "--reason", "one more figure")
    asked = json.loads(run("budgets", "request", *more, "--json").stdout)
    assert "waits until 2 officers approve" in run("budgets", "request", *more).stdout
    waiting = run("approvals", "list", "--state", "waiting", KVITTO_KEY=caller["officer"]).stdout
    assert asked["id"] in waiting
    reason = ("--reason", "as agreed")
    assert run("approvals", "approve", asked["id"], *reason).exit_code == 1
    first = run("approvals", "approve", asked["id"], *reason, KVITTO_KEY=caller["officer"])
    assert "waits until another officer approves" in first.stdout
    made = run("approvals", "approve", asked["id"], *reason, "--json", KVITTO_KEY=caller["officer2"])
    assert json.loads(made.stdout)["state"] == "made"
    assert json.loads(run("budgets", "show", "shop/person/analyst", "--json").stdout)["cap"]["epsilon"] == "9"
    higher = ("budgets", "set", "shop/person/analyst", "--epsilon", "9.5", "--reason", "and more")
    proposed = json.loads(run(*higher, "--json", KVITTO_KEY=caller["officer"]).stdout)
    declined = run("approvals", "decline", proposed["id"], "--reason", "not now", KVITTO_KEY=caller["officer2"])
    assert "officer2: not now" in declined.stdout
    late = run("approvals", "withdraw", proposed["id"], "--reason", "never mind", KVITTO_KEY=caller["officer"])
    assert (late.exit_code, "declined" in late.output) == (1, True)
    assert "declined" in run("approvals", "show", proposed["id"], KVITTO_KEY=caller["officer"]).stdout
    assert json.loads(run("approvals", "list", "--json").stdout)[0]["id"] == asked["id"]


def test_an_officer_freezes_and_two_start_again(caller: dict[str, str]) -> None:
    reason = ("--reason", "a key may have leaked")
    assert run("freeze", "shop", *reason).exit_code == 1
    for wrong in ((), ("shop", "--all")):
        assert "name the dataset, or give --all" in run("freeze", *wrong, *reason).output
    assert "shop" in run("freeze", "shop", *reason, KVITTO_KEY=caller["officer"]).stdout
    everything = json.loads(run("freeze", "--all", *reason, "--json", KVITTO_KEY=caller["officer"]).stdout)
    assert everything == {"everything": True, "datasets": ["shop"]}
    refused = run("query", SQL, "--dataset", "shop")
    assert (refused.exit_code, "stopped" in refused.output) == (1, True)
    for scope in (("shop",), ("--all",)):
        proposed = json.loads(run("unfreeze", *scope, *reason, "--json", KVITTO_KEY=caller["officer"]).stdout)
        run("approvals", "approve", proposed["id"], *reason, KVITTO_KEY=caller["officer2"])
    assert run("query", SQL, "--dataset", "shop").exit_code == 0


def test_a_key_is_made_for_purposes(data: Path) -> None:
    made = run("keys", "create", "maria", "--role", "analyst", "--purpose", "health", "--purpose", "assortment")
    assert made.exit_code == 0, made.output
    assert "health, assortment" in run("keys", "list").stdout


def test_a_looser_policy_waits_and_the_old_snapshot_serves_on(data: Path) -> None:
    policy, sources = data / "policy.yaml", f"purchases={_write_purchases(data)}"
    policy.write_text(POLICY_TEXT)
    assert "is current" in run("load", str(policy), sources).stdout
    policy.write_text(POLICY_TEXT.replace('max_epsilon: "2"', 'max_epsilon: "3"'))
    loaded = run("load", str(policy), sources)
    assert loaded.exit_code == 0, loaded.output
    assert "waits until two officers approve of proposal p_" in loaded.stdout
    assert "loosening: query.max_epsilon: 2 becomes 3" in loaded.stdout
    again = run("load", str(policy), sources)
    assert re.findall(r"p_[0-9a-f]+", again.stdout) == re.findall(r"p_[0-9a-f]+", loaded.stdout)
    policy.write_text(POLICY_TEXT.replace('max_epsilon: "2"', 'max_epsilon: "1"'))
    assert "is current" in run("load", str(policy), sources).stdout


def test_a_sound_ledger_verifies_and_a_changed_one_does_not(caller: dict[str, str], settings: Settings) -> None:
    run("query", SQL, "--dataset", "shop")
    place = {"KVITTO_DATA_DIR": str(settings.data_dir)}
    sound = run("audit", "verify", **place)
    assert sound.exit_code == 0, sound.output
    assert "the ledger holds" in sound.stdout
    assert run("audit", "verify", str(settings.data_dir / "ledger.db")).exit_code == 0
    settings.anchor_file.write_text('{"seq":99999,"hash":"' + "0" * 64 + '"}')
    assert run("audit", "verify", **place).exit_code == 1


def exported(settings: Settings, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An export and the public key, as the commands write them."""
    monkeypatch.setenv("KVITTO_DATA_DIR", str(settings.data_dir))
    made = run("audit", "export", str(directory / "export.zip"))
    assert made.exit_code == 0, made.output
    shown = run("audit", "key")
    assert shown.stdout.startswith("-----BEGIN PUBLIC KEY-----\n")
    (directory / "key.pem").write_text(shown.stdout)
    return directory / "export.zip", directory / "key.pem"


def test_an_export_is_verified_without_settings_data_or_network(
    caller: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("query", SQL, "--dataset", "shop")
    export, key = exported(settings, tmp_path, monkeypatch)
    assert export.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("KVITTO_PORT", "no number: whoever reads settings fails")
    monkeypatch.setenv("KVITTO_DATA_DIR", str(tmp_path / "nothing here"))
    monkeypatch.setattr("socket.socket", None)
    sound = run("audit", "verify", str(export), "--public-key", str(key))
    assert sound.exit_code == 0, sound.output
    assert "the export holds" in sound.stdout
    assert "shop/person/analyst" in sound.stdout
    found = run("audit", "verify", str(export), "--public-key", str(key), "--json")
    assert found.exit_code == 0
    document = json.loads(found.stdout)
    assert document["sound"]
    assert all(check["problems"] == [] for check in document["checks"])
    assert not (tmp_path / "nothing here").exists()


def test_a_changed_export_is_refused_with_the_place(
    caller: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, key = exported(settings, tmp_path, monkeypatch)
    changed = export.read_bytes().replace(b"account-opened", b"account-opener", 1)
    export.write_bytes(changed)
    refused = run("audit", "verify", str(export), "--public-key", str(key))
    assert refused.exit_code == 1
    assert "the export does not hold" in refused.output
    assert "tables/entries.jsonl" in refused.output
    assert "Traceback" not in refused.output
    told = run("audit", "verify", str(export), "--public-key", str(key), "--json")
    assert (told.exit_code, json.loads(told.stdout)["sound"]) == (1, False)


def test_kept_heads_are_checked_against_an_export(
    caller: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing(settings.keys_dir)
    export, key = exported(settings, tmp_path, monkeypatch)
    run("query", SQL, "--dataset", "shop")
    ledger = open_ledger(settings)
    head = sealed_head(Chain(ledger).tree(), ledger.head(), ring)
    ledger.close()
    (tmp_path / "heads.jsonl").write_text(head + "\n")
    verify = ("audit", "verify", str(export), "--public-key", str(key), "--anchors", str(tmp_path / "heads.jsonl"))
    assert "an old copy, or a cut tail" in run(*verify).output
    exported(settings, tmp_path, monkeypatch)
    assert run(*verify).exit_code == 0


def test_an_export_needs_a_key_and_a_ledger_takes_none(
    caller: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, key = exported(settings, tmp_path, monkeypatch)
    assert "--public-key" in run("audit", "verify", str(export)).output
    assert run("audit", "verify", str(export), "--public-key", str(tmp_path / "none")).exit_code == 1
    (tmp_path / "nonsense.pem").write_text("nonsense")
    assert run("audit", "verify", str(export), "--public-key", str(tmp_path / "nonsense.pem")).exit_code == 1
    refused = run("audit", "verify", str(settings.data_dir / "ledger.db"), "--public-key", str(key))
    assert "this is none" in refused.output
    assert run("audit", "verify", str(tmp_path / "missing.db")).exit_code == 1


def test_a_new_signing_key_is_made_and_the_old_one_still_verifies(
    caller: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, old = exported(settings, tmp_path, monkeypatch)
    before = old.read_text()
    made = run("audit", "rotate-key")
    assert made.exit_code == 0, made.output
    assert made.stdout != before
    run("query", SQL, "--dataset", "shop")
    export, new = exported(settings, tmp_path, monkeypatch)
    assert new.read_text() == made.stdout
    old = tmp_path / "old.pem"
    old.write_text(before)
    for key in (old, new):
        assert run("audit", "verify", str(export), "--public-key", str(key)).exit_code == 0


def test_one_answer_receipt_or_head_is_verified_by_itself(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    answer = with_receipt(b'{"id": "q_a", "rows": []}', {"query_id": "q_a"}, ring)
    found = receipt_of(answer)
    assert found is not None
    head = seal("head", {"type": HEAD_TYPE, "tree_size": 0}, ring)
    key, other = tmp_path / "key.pem", tmp_path / "other.pem"
    key.write_text(ring.public.pem)
    other.write_text(KeyRing(tmp_path / "others").public.pem)
    for name, text in (("answer", answer.decode()), ("receipt", found.sealed), ("head", head)):
        file = tmp_path / f"{name}.json"
        file.write_text(f"{text}\n")
        sound = run("audit", "verify", str(file), "--public-key", str(key))
        assert sound.exit_code == 0, sound.output
        assert f"the {name} holds" in sound.stdout
        assert run("audit", "verify", str(file), "--public-key", str(other)).exit_code == 1
        file.write_text(text.replace("q_a", "q_b").replace('"tree_size":0', '"tree_size":1'))
        assert run("audit", "verify", str(file), "--public-key", str(key)).exit_code == 1
    (tmp_path / "unsigned.json").write_text('{"id": "q_a", "rows": []}')
    refused = run("audit", "verify", str(tmp_path / "unsigned.json"), "--public-key", str(key))
    assert "This is no signed answer" in refused.output


def test_reports_are_written_to_files(data: Path) -> None:
    policy = data / "policy.yaml"
    policy.write_text(POLICY_TEXT)
    assert run("load", str(policy), f"purchases={_write_purchases(data)}").exit_code == 0
    written = run("report", "transparency", "--out", str(data / "site"))
    assert written.exit_code == 0, written.output
    assert "No question has been answered yet" in (data / "site" / "transparency.html").read_text()
    assert json.loads((data / "site" / "transparency.json").read_text())["datasets"][0]["dataset"] == "shop"
    record = run("report", "registry")
    assert record.exit_code == 0, record.output
    assert mistakes(YAML(typ="safe").load(record.stdout)) == []
    assert run("report", "registry", "other").exit_code == 1


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVITTO_PORT", "many")
    refused = run("keys", "list")
    assert refused.exit_code == 1
    assert "KVITTO_PORT" in refused.output


class _Service:
    """`kvitto serve --demo` as a child process."""

    def __init__(self, data_dir: Path) -> None:
        environment = {
            **os.environ,
            "KVITTO_DATA_DIR": str(data_dir),
            "KVITTO_PORT": "0",
            "KVITTO_LOG_LEVEL": "warning",
        }
        self.process = subprocess.Popen(
            [KVITTO, "serve", "--demo"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("curl"):
                break

    @property
    def url(self) -> str:
        return next(word for word in self.lines[0].split() if word.startswith("http"))

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


def _paste(line: str) -> httpx.Response:
    """What a shell makes of a curl line, sent without curl."""
    shown = f'curl() {{ {sys.executable} -c "import json, sys; print(json.dumps(sys.argv[1:]))" "$@"; }}\n{line}'
    words = json.loads(subprocess.run(["bash", "-c", shown], capture_output=True, text=True, check=True).stdout)
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    return httpx.post(words[1], headers=headers, content=words[words.index("-d") + 1], timeout=60)


def test_the_demo_serves_stops_cleanly_and_keeps_keys_and_budgets(tmp_path: Path) -> None:
    data_dir = tmp_path / "a place with 'quotes'"
    first = _Service(data_dir)
    answer = _paste(first.lines[-1])
    assert answer.status_code == 201, answer.text
    keys_file = data_dir / "demo-keys.json"
    assert keys_file.stat().st_mode & 0o777 == 0o600
    keys: dict[str, str] = json.loads(keys_file.read_text())
    assert list(keys) == ["analyst", "dashboard", "officer", "officer2", "auditor", "admin"]
    spent = _spent(first.url, keys)
    code, errors = first.stop()
    assert code == 0
    assert "Traceback" not in errors
    started = time.monotonic()
    second = _Service(data_dir)
    assert time.monotonic() - started < 30
    assert json.loads(keys_file.read_text()) == keys
    assert _spent(second.url, keys) == spent
    assert _paste(second.lines[-1]).content == answer.content
    code, errors = second.stop()
    assert code == 0
    assert "Traceback" not in errors


def _spent(url: str, keys: dict[str, str]) -> Any:
    headers = {"Authorization": f"Bearer {keys['auditor']}"}
    return httpx.get(f"{url}/v1/budgets/{DATASET}", headers=headers).json()["spent"]
