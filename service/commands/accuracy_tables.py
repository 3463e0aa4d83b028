"""The report of a workload as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from service.commands.screen import out, print_table
from service.simulation.report import Accuracy, ColumnAccuracy, PriceAccuracy
from service.simulation.workload_report import Refusal, StatementReport, WorkloadReport

_COLUMNS = (
    *("epsilon", "column", "RMSE", "rel. error", "90%", "coverage", "±10%", "±30%", "clipping", "rows", "draws"),
    *("rho", "budget buys"),
)
_WHOLE_PERCENT = 9.95
_MOST_PERCENT = 1_000
_LEGEND = (
    "RMSE: against the answer without bounds and noise. rel. error, 90%: median and 90th percentile over rows and "
    "draws. coverage: 95% intervals that hold the true value. ±10%, ±30%: rows with such a narrow interval. clipping: "
    "the part of the squared error that bounds cause. rows: as a share of those of the true answer."
)


def print_report(report: WorkloadReport) -> None:
    """All statements, then what the figures are about and which epsilon does for all."""
    for statement in report.statements:
        out.print(f"\n{statement.name}", style="bold")
        if statement.accuracy is not None:
            _print_accuracy(statement.accuracy)
        if statement.refusal is not None:
            out.print(_refusal_line(statement.refusal))
    out.print(f"\nSimulated on {report.simulated_on.description}.")
    out.print(_LEGEND)
    if len(report.statements) > 1:
        out.print("")
        print_table(("statement", "least epsilon"), [_summary(statement) for statement in report.statements])
    out.print(_recommendation(report))


def _print_accuracy(accuracy: Accuracy) -> None:
    rows = [_row(price, column) for price in accuracy.prices for column in price.columns]
    if not rows:
        out.print("No column of this answer is an estimate with figures of its own.")
        return
    print_table(_COLUMNS, rows)
    for bound in accuracy.bounds:
        out.print(
            f"bound of {', '.join(bound.columns) or bound.kind}: "
            f"{bound.l2_bound or 'its own at each release'} ({bound.bound_source})"
        )
    unmatched = [price for price in accuracy.prices if price.matched_share is not None and price.matched_share < 1]
    if unmatched:
        least = min(price.matched_share or 0.0 for price in unmatched)
        out.print(
            f"Down to {_percent(least)} of the rows that came back belong to the true answer; figures are of these."
        )


def _row(price: PriceAccuracy, column: ColumnAccuracy) -> Mapping[str, object]:
    return {
        "epsilon": price.epsilon,
        "column": column.name,
        "RMSE": None if column.rmse is None else f"{column.rmse:,.6g}",
        "rel. error": _percent(column.relative_error_median),
        "90%": _percent(column.relative_error_p90),
        "coverage": _percent(column.coverage),
        "±10%": _percent(column.half_width_within_10_percent),
        "±30%": _percent(column.half_width_within_30_percent),
        "clipping": _percent(column.clipping_share),
        "rows": _percent(price.released_share),
        "draws": price.draws,
        "rho": price.rho,
        "budget buys": None if price.repeats is None else f"{price.repeats:,}",
    }


def _percent(share: float | None) -> str | None:
    """Two or three digits: `0.12%`, `4.2%`, `95%`, `>999%`."""
    if share is None:
        return None
    percent = 100 * share
    if percent >= _MOST_PERCENT:
        return f">{_MOST_PERCENT - 1}%"
    return f"{percent:.0f}%" if percent >= _WHOLE_PERCENT or percent == 0 else f"{percent:.2g}%"


def _refusal_line(refusal: Refusal) -> str:
    place = f"line {refusal.line}: " if refusal.line is not None else ""
    return f"refused ({refusal.code}): {place}{refusal.reason}" + (f" Hint: {refusal.hint}" if refusal.hint else "")


def _summary(statement: StatementReport) -> Mapping[str, object]:
    if statement.refusal is not None:
        return {"statement": statement.name, "least epsilon": "refused"}
    found = None if statement.accuracy is None else statement.accuracy.recommended.epsilon
    return {"statement": statement.name, "least epsilon": found or "none of those tried"}


def _recommendation(report: WorkloadReport) -> str:
    wanted = _percent(float(Fraction(report.recommended.wanted_relative_error)))
    many = "every statement" if len(report.statements) > 1 else "the statement"
    if report.recommended.epsilon is None:
        return f"At none of the prices tried is the median relative error of {many} at most {wanted}."
    return f"From epsilon {report.recommended.epsilon} on, the median relative error of {many} is at most {wanted}."
