"""Workloads: statements from SQL or YAML, named or numbered."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from service.simulation.errors import SimulationError
from service.simulation.workload import Question, read_workload


def read(directory: Path, text: str, name: str = "work.sql") -> list[Question]:
    (directory / name).write_text(text, encoding="utf-8")
    return read_workload(directory / name, "shop")


def test_statements_end_at_semicolons_outside_of_texts_and_comments(tmp_path: Path) -> None:
    text = """
    -- name: first; of all
    SELECT COUNT(*) AS n FROM lines WHERE note = 'a;''b' /* ; */ AND "x;y" = `z;` -- ;
    ;
    SELECT 2;; -- nothing follows
    """
    first, second = read(tmp_path, text)
    assert first.name == "first; of all"
    assert first.statement.sql.endswith("-- ;")
    assert (second.name, second.statement.sql) == ("statement 2", "SELECT 2")


def test_yaml_may_hold_statements_with_parameters_and_options(tmp_path: Path) -> None:
    text = """
- SELECT 1
- name: of some stores
  sql: SELECT COUNT(*) AS n FROM lines WHERE store_id IN $stores
  params: {stores: [1, 2]}
  options: {l2_bound: {n: 2.5}}
  purpose: a study
"""
    first, second = read(tmp_path, text, "work.yaml")
    assert (first.name, first.statement.sql) == ("statement 1", "SELECT 1")
    assert second.name == "of some stores"
    assert second.statement.params == {"stores": [1, 2]}
    assert second.statement.options == {"l2_bound": {"n": Fraction(5, 2)}}
    assert second.statement.purpose == "a study"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.sql", " -- nothing\n;;", "no statement"),
        ("a.sql", "SELECT 1;" * 201, "at most 200"),
        ("a.yaml", "sql: SELECT 1", "a list"),
        ("a.yaml", "- {sql: SELECT 1, price: 3}", "price"),
        ("a.yaml", "- {sql: SELECT 1, sql: SELECT 2}", "stands twice"),
        ("a.yaml", "- &a x", "anchors"),
        ("a.yaml", "- 7", "sql"),
    ],
)
def test_an_unfit_workload_is_refused_with_the_reason(tmp_path: Path, name: str, text: str, why: str) -> None:
    with pytest.raises(SimulationError, match=why):
        read(tmp_path, text, name)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(SimulationError, match="UTF-8"):
        read_workload(tmp_path / "a.sql", "shop")
