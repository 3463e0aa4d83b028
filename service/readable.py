"""Answers for people: each estimate as its display value, how far it may be off, and a mark where it is poor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

POOR: Final = "poor"
Columns = Sequence[Mapping[str, Any]]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Readable:
    """The text of a cell, and whether the figure in it is too uncertain to be relied on."""

    text: str
    poor: bool = False


def names(columns: Columns) -> list[str]:
    """The columns that the statement has; what stands beside estimates is told in their cells."""
    return [str(column["name"]) for column in columns if column.get("of") is None]


def readable(columns: Columns, row: Row) -> dict[str, Readable]:
    """The cells of a row by name, of answers of older versions too."""
    return {
        str(column["name"]): _estimate(column, row) if column.get("role") == "estimate" else _plain(column, row)
        for column in columns
        if column.get("of") is None
    }


def _plain(column: Mapping[str, Any], row: Row) -> Readable:
    value = row.get(column["name"])
    return Readable("" if value is None else f"{value:,.12g}" if isinstance(value, float) else str(value))


def _estimate(column: Mapping[str, Any], row: Row) -> Readable:
    name = column["name"]
    value, shown = row.get(name), row.get(f"{name}_display", row.get(name))
    lower, upper = row.get(f"{name}_lower"), row.get(f"{name}_upper")
    is_poor = row.get(f"{name}_reliability") == POOR
    text = "" if shown is None else _number(shown)
    if value is None or lower is None or upper is None:
        return Readable(f"{text} (no interval)" if text else text)
    below, above = (f"{float(f'{width:.3g}'):,.12g}" for width in (value - lower, upper - value))
    width = f"± {below}" if below == above else f"- {below} + {above}"
    return Readable(f"{text} {width}{' (poor)' if is_poor else ''}", is_poor)


def _number(value: Any) -> str:  # noqa: ANN401  # JSON
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}"
