"""The data that accuracy is measured on: the demo's purchases, and a bootstrap with every household twenty times.

Each is loaded under two policies that differ from the demo's in what is stated below: with the bounds of
`declared_bounds.yaml`, and with those that the demo declares, which are none of sums and counts. Kept under
var/bench/accuracy, and made anew when the code that makes them changes.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.datasets import (
    HOME,
    LOADERS,
    Prepared,
    Progress,
    files,
    fingerprint,
    with_declared_bounds,
    write_plain,
)
from queries.sql_text import text_literal
from queries.vault import SecretKeys, current_snapshot, load_snapshot
from service.demo import DATASET, demo_policy, write_demo_tables

COPIES: Final = {"x1": 1, "x20": 20}
_MAKERS: Final = (*LOADERS, "benchmarks/accuracy/datasets.py")
_MEMORY: Final = "3GB"


@dataclass(frozen=True, slots=True)
class BothPolicies:
    """One dataset with declared bounds, and as the demo declares it; the rows are the same."""

    declared: Prepared
    undeclared: Prepared


def prepare(size: str, progress: Progress) -> BothPolicies:
    """The dataset of that size (`x1` or `x20`), made if it is not there as today's code would make it."""
    home = HOME / "accuracy" / size
    print_ = fingerprint(files(_MAKERS))
    mark = home / "made-by"
    if not mark.exists() or mark.read_text() != print_:
        shutil.rmtree(home, ignore_errors=True)
        _make(size, home, progress)
        mark.write_text(print_)
    return BothPolicies(*(_prepared(size, home, name) for name in ("declared", "undeclared")))


def policy_text(copies: int) -> str:
    """The demo's policy, with room for as many households and for queries of ε = 3.

    Each answer has to choose its own bounds: else the first would choose them for all others, free.
    """
    policy = _stated(_stated(demo_policy(), "max_units", 10_000 * (1 if copies == 1 else 10)), "max_epsilon", 10)
    return policy.replace("\nquery:\n", "\nquery:\n  keep_bounds_days: 0\n")


def copied(table: str, copies: int) -> str:
    """SQL for a private table of the demo with every household so many times, under ids of its own."""
    baskets = ", CAST(basket_id AS BIGINT) * {0} + copy AS basket_id" if table == "purchases" else ""
    numbered = f"household_id * {{0}} + copy AS household_id{baskets}".format(copies)
    return f"SELECT rows.* REPLACE ({numbered}) FROM source AS rows, range({copies}) AS copies(copy)"


def _stated(policy: str, name: str, value: int) -> str:
    found, count = re.subn(rf"\b{name}: \d+", f"{name}: {value}", policy)
    if count != 1:
        raise ValueError(f"the policy does not state {name} once")
    return found


def _prepared(size: str, home: Path, name: str) -> Prepared:
    snapshot = current_snapshot(home / name / "vault", DATASET)
    assert snapshot is not None
    return Prepared(size, home / name, snapshot, home / "plain.duckdb")


def _make(size: str, home: Path, progress: Progress) -> None:
    copies = COPIES[size]
    source = home / "source"
    source.mkdir(parents=True, mode=0o700)
    written = _write_copies(write_demo_tables(source), copies)
    undeclared = policy_text(copies)
    for name, policy in {"declared": with_declared_bounds(undeclared), "undeclared": undeclared}.items():
        (home / name).mkdir(mode=0o700)
        keys = SecretKeys.open(home / name / "keys")
        snapshot = load_snapshot(home / name / "vault", policy, written, keys, origin="journey.yaml", progress=progress)
        if name == "declared":
            write_plain(snapshot, keys, home / "plain.duckdb")
    shutil.rmtree(source)


def _write_copies(written: dict[str, str], copies: int) -> dict[str, str]:
    """The private tables many times over; the catalogue as it is."""
    found = dict(written)
    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for table in ("purchases", "customers"):
            target = f"{written[table]}.{copies}.parquet"
            connection.execute(
                f"CREATE OR REPLACE VIEW source AS SELECT * FROM read_parquet({text_literal(written[table])})"
            )
            connection.execute(f"COPY ({copied(table, copies)}) TO {text_literal(target)} (FORMAT parquet)")
            found[table] = target
    return found
