"""What the documents show can be typed as it stands: every example is asked of a running service."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from budgets.privacy_loss import rho_of_epsilon
from queries.options import options_of
from queries.plan import Axis
from queries.planner import plan, price
from queries.policy import load_policy
from queries.refusals import REFUSALS
from queries.schema import Schema
from queries.vault import SecretKeys
from service.app import create_app, open_api_keys
from service.client import Client, connect
from service.client_errors import BudgetExhaustedError, NotFoundError, QueryNotPrivateError
from service.demo import demo_policy, ensure_demo
from service.demo_keys import ensure_demo_keys
from service.logs import configure_logs
from service.settings import Settings
from tests.architecture.source_tree import ROOT
from tests.service.live import served

_README = (ROOT / "README.md").read_text(encoding="utf-8")
_SQL = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
_ADDRESS = "http://localhost:8000"
_MOST_EPSILON = 2
_LEAST_EXAMPLES = 30
_LEAST_ROWS = 6
_NEEDS_THE_NETWORK = ("make", "docker")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [found.strip() for found in re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)]


def _section(title: str) -> str:
    return _SQL.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


STATEMENTS = blocks(_SQL, "sql")
REQUESTS: list[dict[str, Any]] = [json.loads(text) for text in blocks(_SQL, "json")]
NOT_ANSWERED = re.findall(r"^\| [^|]+ \| `(SELECT [^`]+)` \| `([a-z-]+)` \|", _SQL, flags=re.MULTILINE)
FOR_REAL = (STATEMENTS[0], STATEMENTS[3], next(s for s in STATEMENTS if "OVER ()" in s))


@dataclass(frozen=True)
class Demo:
    """A running demo, and its files in a folder as `make run` leaves them."""

    url: str
    folder: Path
    keys: dict[str, str]

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run it where a reader would, with the service's real address in place of the usual one."""
        environment = {**os.environ, "KVITTO_URL": self.url, "COLUMNS": "200"}
        return subprocess.run(
            [part.replace(_ADDRESS, self.url).replace(_ADDRESS.partition("//")[2], self.url) for part in command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    settings = Settings(data_dir=folder / "var", response_grid_ms=0)
    ensure_demo(settings.data_dir, settings.vault_root, SecretKeys.open(settings.keys_dir))
    store = open_api_keys(settings)
    keys = ensure_demo_keys(settings.data_dir / "demo-keys.json", store)
    store.close()
    configure_logs("error", "json")
    with served(create_app(settings)) as url:
        yield Demo(url, folder, keys)


@pytest.fixture(scope="module")
def analyst(demo: Demo) -> Iterator[Client]:
    with connect(demo.url, demo.keys["analyst"]) as client:
        yield client


def test_the_pages_have_examples_enough() -> None:
    assert len(STATEMENTS) >= _LEAST_EXAMPLES
    assert len(NOT_ANSWERED) >= _LEAST_EXAMPLES // 2


@pytest.mark.parametrize("sql", STATEMENTS)
def test_an_example_can_be_asked(sql: str, analyst: Client) -> None:
    assert analyst.quote(sql)["affordable"]


@pytest.mark.parametrize("request_body", REQUESTS, ids=lambda body: str(sorted(body.keys() - {"dataset", "sql"})))
def test_an_example_with_options_can_be_asked(request_body: dict[str, Any], analyst: Client) -> None:
    assert analyst.quote(**request_body)["affordable"]


@pytest.mark.parametrize("sql", FOR_REAL)
def test_an_example_is_answered(sql: str, analyst: Client) -> None:
    result = analyst.query(sql, epsilon=_MOST_EPSILON)
    assert result.rows
    estimates = [column["name"] for column in result.columns if column["role"] == "estimate"]
    shown = [(row, name) for row in result.rows for name in estimates if row[name] is not None]
    assert all(row[f"{name}_lower"] <= row[name] <= row[f"{name}_upper"] for row, name in shown)


@pytest.mark.parametrize(("sql", "code"), NOT_ANSWERED)
def test_what_is_not_answered_is_refused_as_the_page_says(sql: str, code: str, analyst: Client) -> None:
    with pytest.raises(QueryNotPrivateError) as raised:
        analyst.quote(sql)
    assert raised.value.code == code


def test_a_purpose_that_the_policy_does_not_name_is_refused_as_the_page_says(analyst: Client) -> None:
    refusal = REFUSALS["unknown-purpose"]
    with pytest.raises(QueryNotPrivateError) as raised:
        analyst.quote(refusal.sql, purpose=refusal.members["purpose"])
    assert raised.value.code == "unknown-purpose"


def test_a_person_without_a_budget_asks_nothing_as_the_readme_says(demo: Demo) -> None:
    store = open_api_keys(Settings(data_dir=demo.folder / "var"))
    _, key = store.create("newcomer", "analyst")
    store.close()
    with connect(demo.url, key) as newcomer, pytest.raises(BudgetExhaustedError) as raised:
        newcomer.quote(STATEMENTS[0])
    assert raised.value.slug == "no-budget-account"


def test_a_dataset_that_is_not_there_is_not_found_as_the_page_says(analyst: Client) -> None:
    refusal = REFUSALS["unknown-dataset"]
    with pytest.raises(NotFoundError):
        analyst.quote(refusal.sql, dataset=str(refusal.members["dataset"]))


def _console_lines() -> list[str]:
    """The README's command lines in order, continuation lines included, but for those that install or build."""
    found = []
    for block in blocks(_README, "console"):
        lines = [line.strip() for line in re.split(r"^\$ ", block, flags=re.MULTILINE)]
        found += [line for line in lines if line and not line.startswith(_NEEDS_THE_NETWORK)]
    return found


def test_the_command_lines_of_the_readme_work_in_order(demo: Demo) -> None:
    lines = _console_lines()
    assert [line for line in lines if line.startswith("curl")]
    assert [line for line in lines if "kvitto query" in line]
    done = demo.run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)])
    assert done.returncode == 0, done.stdout + done.stderr
    answer, _ = json.JSONDecoder().raw_decode(done.stdout)
    assert answer["status"] == "done"
    assert "the ledger holds" in done.stdout


def test_the_python_of_the_readme_works_as_it_stands(demo: Demo) -> None:
    client, notebook = blocks(_README, "python")
    program = f"{client}\n{notebook.replace('band + ', 'drawn = band + ')}\nprint(sorted(drawn.to_dict()))\n"
    done = demo.run([str(ROOT / ".venv" / "bin" / "python"), "-c", program])
    assert done.returncode == 0, done.stderr
    assert "'layer'" in done.stdout
    assert "'epsilon': '0.5'" in done.stdout


def test_the_commands_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in re.findall(r"make [a-z-]+", _README)}
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)} == set()


# What the table of functions names, each in a statement on private rows.
_ON_ROWS = {
    **{name: f"hour {name} 3" for name in ("=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "//", "%")},
    **{name: f"department {name} 'MEAT'" for name in ("IS DISTINCT FROM", "LIKE", "ILIKE")},
    **{name: f"{name}(department, 'ME')" for name in ("STARTS_WITH", "CONTAINS", "NULLIF", "CONCAT", "COALESCE")},
    **{name: f"{name}(department)" for name in ("LOWER", "UPPER", "TRIM", "LENGTH")},
    **{name: f"{name}(hour)" for name in ("ABS", "ROUND")},
    **{name: f"{name}(hour, 3)" for name in ("GREATEST", "LEAST")},
    **{
        name: f"{name}(day)" for name in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFWEEK", "ISODOW", "DAYOFYEAR")
    },
    "BETWEEN": "hour BETWEEN 1 AND 3",
    "IN (…)": "hour IN (1, 2)",
    "IS NULL": "department IS NULL",
    "AND": "hour = 1 AND week = 1",
    "OR": "hour = 1 OR week = 1",
    "NOT": "NOT hour = 1",
    "CASE": "CASE hour WHEN 1 THEN 'one' ELSE 'other' END",
    "IF": "IF(hour = 1, 'one', 'other')",
    "LEFT": "LEFT(department, 2)",
    "SUBSTRING": "SUBSTRING(department, 2, 3)",
    "||": "department || brand",
    "EXTRACT": "EXTRACT(month FROM day)",
    "DATE_TRUNC": "DATE_TRUNC('quarter', day)",
    "DATE_DIFF": "DATE_DIFF('day', DATE '2017-01-01', day)",
    "CAST": "CAST(hour AS VARCHAR)",
    "TRY_CAST": "TRY_CAST(department AS BIGINT)",
    **{name: f"CAST(hour AS {name})" for name in ("DECIMAL", "DOUBLE", "VARCHAR")},
    "DATE": "CAST(day AS DATE)",
    "BOOLEAN": "CAST(hour = 1 AS BOOLEAN)",
}
_ON_RESULTS = {
    **{
        name: f"{name}(lines)"
        for name in ("FLOOR", "CEIL", "EXP", "SIGN", "MIN", "MAX", "MEDIAN", "STDDEV", "VARIANCE")
    },
    **{name: f"{name}(ABS(lines) + 1)" for name in ("SQRT", "LN")},
    **{name: f"{name}() OVER (ORDER BY lines)" for name in ("ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK")},
    **{name: f"{name}(lines) OVER (ORDER BY week)" for name in ("LAG", "LEAD")},
    "POWER": "POWER(lines, 2)",
    "STRFTIME": "STRFTIME(DATE '2017-01-31', '%Y')",
    "OVER (…)": "SUM(lines) OVER ()",
}


def _no_sizes(_: Axis) -> int:
    return 1


def _named(text: str) -> set[str]:
    return {name.replace("\\|", "|") for name in re.findall(r"`([^`]+)`", text)}


def test_the_functions_of_the_page_are_those_that_are_tried() -> None:
    rows, _, results = _section("Functions").partition("\nA division by zero")
    assert _named(rows.partition("```sql")[0]) == _ON_ROWS.keys()
    assert _named(results) == _ON_RESULTS.keys()


@pytest.mark.parametrize("name", _ON_ROWS)
def test_a_function_of_the_page_may_stand_on_private_rows(name: str) -> None:
    schema = Schema(load_policy(demo_policy()))
    sql = f"SELECT {_ON_ROWS[name]} AS key, COUNT(*) AS n FROM purchases JOIN products USING (product_id) GROUP BY key"
    assert plan(sql, {}, schema, price(schema, None, None, None), options_of({}), _no_sizes).nodes


@pytest.mark.parametrize("name", _ON_RESULTS)
def test_a_function_of_the_page_may_stand_on_results(name: str, analyst: Client) -> None:
    weeks = "SELECT week, COUNT(*) AS lines FROM purchases GROUP BY week"
    assert analyst.quote(f"SELECT {_ON_RESULTS[name]} AS value FROM ({weeks}) AS weeks")["releases"]


def test_the_attackers_table_is_right_and_rounded_up() -> None:
    """Right with probability Φ(√(2ρ)/2), by the Gaussian trade-off function (Dong, Roth and Su, arXiv:1905.02383)."""
    promise = (ROOT / "docs" / "promise.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([0-9.]+) \| ([0-9.]+)% \|", promise, flags=re.MULTILINE)
    assert len(rows) >= _LEAST_ROWS
    delta = load_policy(demo_policy()).budget.conversion_delta
    for epsilon, percent in rows:
        rho = float(rho_of_epsilon(Fraction(epsilon), delta))
        right = 100 * NormalDist().cdf(math.sqrt(2 * rho) / 2)
        assert float(percent) == math.ceil(10 * right) / 10, epsilon


def test_blocks_are_found_by_language() -> None:
    text = "```sql\nSELECT 1\n```\n```json\n{}\n```\n```sql\nSELECT\n 2\n```\n"
    assert blocks(text, "sql") == ["SELECT 1", "SELECT\n 2"]
