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
from typer.testing import CliRunner, Result

from service.app import create_app, open_api_keys, open_ledger
from service.cli import app
from service.demo import DATASET
from service.policy_gate import serve_approved
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
    assert "waits until another officer approve" in first.stdout
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
