"""How commands write: results on standard output, progress and refusals on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Never

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from service.settings import Settings

_WIDEST = 10_000
out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def fail(message: str) -> Never:
    """Say what is wrong on standard error and end with exit code 1."""
    err.print(f"kvitto: {message}", style="red")
    raise typer.Exit(1)


def read_settings(**overrides: object) -> Settings:
    """The settings of the environment, with those that the command line gave; ends the command when one is wrong."""
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = (
            f"KVITTO_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors(include_input=False)
        )
        fail("; ".join(wrong))


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error; gives the call that moves it: (what is done now, share done from 0 to 1)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def print_table(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """A table of the members of documents that have these names."""
    print_rows(names, [["" if row.get(name) is None else str(row[name]) for name in names] for row in rows])


def print_rows(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output: cells are text, never markup, folded on a screen and on one line elsewhere."""
    table = Table(*(Column(name, overflow="fold") for name in names))
    for row in rows:
        table.add_row(*row)
    if out.is_terminal:
        out.print(table)
    else:
        Console(file=out.file, highlight=False, markup=False, width=_WIDEST).print(table)
