"""A bar chart for terminals: the noised value, its interval, and the exact value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

WIDTH = 32
LEGEND = "█ noised   ▒─ 95% interval   ◆ exact"
_BAR, _INTERVAL, _BOTH, _EXACT = "█", "─", "▒", "◆"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the chart."""

    label: str
    value: float
    low: float
    high: float
    exact: float


def chart(bars: Sequence[Bar]) -> Table:
    """The bars with their figures, on one scale from zero."""
    most = max(max(bar.high, bar.exact) for bar in bars)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("", min_width=WIDTH)
    for name in ("noised", "± 95%", "exact"):
        table.add_column(name, justify="right", no_wrap=True)
    for bar in bars:
        figures = (bar.value, (bar.high - bar.low) / 2, bar.exact)
        table.add_row(bar.label, _drawn(bar, most), *(f"{figure:,.0f}" for figure in figures))
    return table


def drawing(bar: Bar, most: float) -> str:
    """The bar as characters, where `most` is at the right end.

    >>> drawing(Bar("", 50, 25, 75, 60), 100)
    '████████▒▒▒▒▒▒▒▒───◆────        '
    """
    value, low, high, exact = (_place(x, most) for x in (bar.value, bar.low, bar.high, bar.exact))
    cells = [_cell(place < value, low <= place <= high) for place in range(WIDTH)]
    cells[exact] = _EXACT
    return "".join(cells)


def _drawn(bar: Bar, most: float) -> Text:
    text = Text(drawing(bar, most), style="cyan")
    text.highlight_regex(f"[{_INTERVAL}{_BOTH}]", "yellow")
    text.highlight_regex(_EXACT, "bold magenta")
    return text


def _cell(filled: bool, inside: bool) -> str:  # noqa: FBT001  # The two things that a cell shows.
    if filled:
        return _BOTH if inside else _BAR
    return _INTERVAL if inside else " "


def _place(value: float, most: float) -> int:
    return min(WIDTH - 1, max(0, round(value / most * (WIDTH - 1))))
