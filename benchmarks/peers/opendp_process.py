"""OpenDP's Polars group-by in a process and an environment of its own; imports nothing of this project.

`python -m benchmarks.peers.opendp_process LINES.parquet`, one JSON line each way. Rows are first added up to one for
each household and group, with plain Polars and within the time that is told: then keeping so many rows of a household
keeps so many groups, drawn at random. OpenDP's own `truncate_num_groups(keep="sample")` fails in 0.16.0 on the Polars
that it asks for ("multiple fields with name"); it is tried for the medians, which need lines, before `keep="first"`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import opendp.prelude as dp
import polars as pl
from opendp.extras.polars import Margin, dp_len

_MOST_LINES, _MOST_GROUPS = 10_000_000, 1_000_000  # public guesses, far above what there is
_SUMS = {"lines": ["lines"], "products": ["lines"], "spend": ["cents"], "mean": ["cents", "lines"]}


def main(file: str) -> None:
    """Answer requests until the input ends."""
    warnings.simplefilter("ignore")
    dp.enable_features("contrib")
    lines = pl.read_parquet(file).with_columns(pl.col("household_id").cast(pl.Int64))
    for line in sys.stdin:
        try:
            reply = answer(lines, json.loads(line))
        except Exception as error:  # noqa: BLE001  # what it cannot do is a result too
            reply = {"cannot": f"{type(error).__name__}: {error}"[:400]}
        print(json.dumps(reply), flush=True)


def answer(lines: pl.DataFrame, asked: dict[str, Any]) -> dict[str, Any]:
    """The seconds, the rows (keys…, answer), and what was done otherwise than asked."""
    keys, note = asked["keys"], ""
    public = lines.select(keys).unique()
    if asked["kind"] == "median":
        note = why_no_sample(lines, public, asked)
    started = time.perf_counter()
    if asked["kind"] == "median":
        released = medians(lines, public, asked, "first" if note else "sample")
    else:
        released = sums(lines, public, asked)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "rows": [list(row) for row in released.iter_rows()], "note": note}


def sums(lines: pl.DataFrame, public: pl.DataFrame, asked: dict[str, Any]) -> pl.DataFrame:
    """Counts and sums of at most so much in each of so many groups a household."""
    keys, kind = asked["keys"], asked["kind"]
    groups = (
        lines.lazy()
        .group_by("household_id", *keys)
        .agg(pl.len().cast(pl.Int64).alias("lines"), pl.col("cents").cast(pl.Int64).sum())
    )
    bounds = dict(zip(_SUMS.get(kind, []), asked["bounds"], strict=False))
    measures = [pl.col(name).dp.sum((0, minor(name, bound))) for name, bound in bounds.items()]
    if kind in {"households", "products"}:
        measures.append(dp_len(signed=True).alias("households"))
    bounded = (
        context(groups.collect().lazy(), asked)
        .query()
        .truncate_per_group(1, by=keys)
        .truncate_per_group(asked["groups"])
        .group_by(*keys)
        .agg(*measures)
    )
    found = (bounded if kind == "products" else bounded.with_keys(public)).release().collect()
    return found.select(*keys, result(kind))


def result(kind: str) -> Any:
    """The answer in its own unit."""
    if kind == "mean":
        return pl.when(pl.col("lines") > 0).then(pl.col("cents") / pl.col("lines") / 100)
    if kind == "spend":
        return pl.col("cents") / 100
    return pl.col("households" if kind == "households" else "lines")


def why_no_sample(lines: pl.DataFrame, public: pl.DataFrame, asked: dict[str, Any]) -> str:
    """What it says against drawing groups at random, on a few lines; empty if nothing."""
    try:
        medians(lines.head(1000), public, asked, "sample")
    except dp.OpenDPException as error:
        return f'keep="sample" failed: {" ".join(str(error).split())[:120]} … keep="first" was used'
    return ""


def medians(lines: pl.DataFrame, public: pl.DataFrame, asked: dict[str, Any], keep: Any) -> pl.DataFrame:
    """Medians of so many lines in each of so many groups a household, among the candidates."""
    keys = asked["keys"]
    data = lines.lazy().select("household_id", *keys, pl.col("cents").cast(pl.Int64))
    released = (
        context(data, asked)
        .query()
        .truncate_per_group(max(1, round(asked["bounds"][0])), by=keys)
        .truncate_num_groups(asked["groups"], by=keys, keep=keep)
        .group_by(*keys)
        .agg(pl.col("cents").dp.median(asked["candidates"]))
        .with_keys(public)
        .release()
        .collect()
    )
    return released.select(*keys, pl.col("cents") / 100)


def context(data: pl.LazyFrame, asked: dict[str, Any]) -> Any:
    """One question's context: all of the price in one release."""
    private_keys = asked["kind"] == "products"
    loss = {"rho": asked["rho"]} | ({"delta": asked["threshold_delta"]} if private_keys else {})
    return dp.Context.compositor(
        data=data,
        privacy_unit=dp.unit_of(contributions=1, identifier=pl.col("household_id")),
        privacy_loss=dp.loss_of(**loss),
        split_evenly_over=1,
        margins=[Margin(by=(), max_length=_MOST_LINES, max_groups=_MOST_GROUPS)],
    )


def minor(name: str, bound: float) -> int:
    """A bound in stored units: cents for money."""
    return max(1, round(bound * 100 if name == "cents" else bound))


if __name__ == "__main__":
    main(sys.argv[1])
