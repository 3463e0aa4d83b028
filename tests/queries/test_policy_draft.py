"""Drafts: the schema's names and types, blanks for all else, and no value of any row."""

from pathlib import Path

import duckdb
import pytest

from queries.errors import LoadError, PolicyError
from queries.policy import load_policy
from queries.policy_draft import draft_policy

CANARIES = ("canary", "91827364", "1999-12-24")
ROWS = "SELECT 'canary' AS card, 91827364 AS sku, 918273.64::DECIMAL(12, 2) AS amount, DATE '1999-12-24' AS day"


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str]:
    files = {"lines": tmp_path / "lines.parquet", "texts": tmp_path / "texts.csv", "old": tmp_path / "old.duckdb"}
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({ROWS}) TO '{files['lines']}' (FORMAT parquet)")
        connection.execute(f"COPY ({ROWS}) TO '{files['texts']}' (HEADER)")
        connection.execute(f"ATTACH '{files['old']}' AS old")
        connection.execute(f"CREATE TABLE old.sold AS {ROWS}, 'canary'::ENUM('canary', 'other') AS kind")
    return {name: f"{path}::sold" if name == "old" else str(path) for name, path in files.items()}


def test_no_value_of_a_row_is_in_a_draft(sources: dict[str, str]) -> None:
    draft = draft_policy(sources)
    assert [canary for canary in CANARIES if canary in draft] == []


def test_the_schema_is_in_the_draft(sources: dict[str, str]) -> None:
    draft = draft_policy(sources)
    assert draft.count("card: {type: string") == 3
    assert draft.count("sku: {type: integer") == 3
    assert draft.count("day: {type: date") == 3
    assert "amount: {type: decimal, nullable: FILL_IN, scale: 2, range: FILL_IN}" in draft


def test_every_blank_of_a_draft_is_named_by_the_check(sources: dict[str, str]) -> None:
    draft = draft_policy(sources)
    with pytest.raises(PolicyError) as refusal:
        load_policy(draft)
    named = {problem.line for problem in refusal.value.problems if "blank of the draft" in problem.message}
    written = {n for n, line in enumerate(draft.splitlines(), 1) if "FILL_IN" in line and not line.startswith("#")}
    assert named == written


def test_a_column_whose_name_is_not_allowed_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "headless.csv").write_text("Ann Canary,17\nBo Canary,18\n", encoding="utf-8")
    draft = draft_policy({"people": str(tmp_path / "headless.csv")})
    assert "Canary" not in draft
    assert "column 1 of the file" in draft


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_text("canary", encoding="utf-8")
    for name, place in (("x", "broken.parquet"), ("x", "absent.csv"), ("x: {", "broken.parquet")):
        with pytest.raises(LoadError) as refusal:
            draft_policy({name: str(tmp_path / place)})
        assert "canary" not in str(refusal.value)
