"""The same rows in every format, and no cell that a spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.formats import encode, to_csv, to_table
from tests.service.fakes import COLUMNS, ROWS

BODY = json.dumps({"columns": COLUMNS, "rows": ROWS}).encode()
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def test_parquet_and_arrow_hold_the_rows_with_their_types() -> None:
    tables = [pq.read_table(io.BytesIO(encode(BODY, "parquet"))), pa.ipc.open_stream(encode(BODY, "arrow")).read_all()]
    for table in tables:
        assert table.to_pylist() == ROWS
        assert [str(kind) for kind in table.schema.types] == ["string", "int64", "double"]
        assert table.schema.field("lines_lower").metadata[b"of"] == b"lines"
        assert table.schema.field("lines_lower").metadata[b"role"] == b"lower"


def test_csv_holds_the_rows_and_runs_nothing() -> None:
    rows = list(csv.reader(io.StringIO(encode(BODY, "csv").decode(), newline="")))
    assert rows == [
        ["department", "lines", "lines_lower"],
        ["GROCERY", "12", "9.5"],
        ["'=cmd()", "-3", "-6.25"],
        ["", "", ""],
    ]


@given(_TEXT)
def test_no_text_cell_starts_a_formula(text: str) -> None:
    cell = next(iter(csv.reader(io.StringIO(to_csv([{"name": text}], []).decode(), newline=""))), [""])
    assert not "".join(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "".join(cell).removeprefix("'") in {text, text.removeprefix("'")}


@given(st.lists(st.fixed_dictionaries({"a": st.none() | _TEXT, "b": st.none() | st.integers(-(2**63), 2**63 - 1)})))
def test_every_row_comes_back_from_parquet(rows: list[dict[str, Any]]) -> None:
    columns = [{"name": "a", "type": "VARCHAR"}, {"name": "b", "type": "BIGINT"}]
    body = json.dumps({"columns": columns, "rows": rows}).encode()
    assert pq.read_table(io.BytesIO(encode(body, "parquet"))).to_pylist() == rows


@pytest.mark.parametrize(
    ("kind", "values", "read"),
    [
        ("DATE", ["2017-01-02", None], [date(2017, 1, 2), None]),
        ("BOOLEAN", [True, None], [True, None]),
        ("DECIMAL(18,2)", [1, 2.5], [1.0, 2.5]),
        ("HUGEINT", [2**70, None], [2**70, None]),
        ("DOUBLE", [None, None], [None, None]),
    ],
)
def test_each_declared_type_is_read(kind: str, values: list[Any], read: list[Any]) -> None:
    table = to_table([{"name": "x", "type": kind}], [{"x": value} for value in values])
    assert table.column("x").to_pylist() == read
