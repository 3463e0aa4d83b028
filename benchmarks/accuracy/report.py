"""The measurements as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.accuracy.measuring import Measured, Outcome
from benchmarks.accuracy.published import CONDITIONS, PUBLISHED
from benchmarks.accuracy.questions import CONVERSION_DELTA, THRESHOLD_DELTA, Kind
from benchmarks.accuracy.rivals import L2, LARGEST, RANDOM, Rival
from benchmarks.accuracy.scoring import Score
from benchmarks.figures import Spread
from benchmarks.report import table

_KINDS: Final = (RANDOM, LARGEST, L2)
_SMALL: Final = 0.1
_POLICIES: Final = ("declared bounds", "no bounds declared")


def document(measured: Sequence[Measured], conditions: str) -> str:
    """The page of results."""
    sizes = list(dict.fromkeys(one.size for one in measured))
    parts = ["# Accuracy\n", conditions, _deltas(measured), "![Times less error](accuracy.svg)\n"]
    for size in sizes:
        here = [one for one in measured if one.size == size]
        parts += [f"## Error, {size}\n", error_table(here), f"## Median relative error, {size}\n", relative_table(here)]
        parts += [f"## Intervals, {size}\n", coverage_table(here), f"## Bounds used, {size}\n", bounds_table(here)]
        parts += [f"## Keys that nobody declared, {size}\n", keys_table(here)]
    parts += ["## What other systems measured, elsewhere\n", published_note(), published_table(measured)]
    return "\n".join(parts)


def error_table(measured: Iterable[Measured]) -> str:
    """The headline: errors, and how many times the product's the best fixed bounds have."""
    rows = [
        [
            one.asked.label + (" †" if one.by_relative else ""),
            one.epsilon,
            *(_error(one, outcome) for outcome in (one.declared, one.undeclared)),
            *(_plain(one, kind) for kind in _KINDS),
            *(_times(one.gain(outcome, RANDOM)) for outcome in (one.declared, one.undeclared)),
        ]
        for one in measured
    ]
    head = ["question", "ε", *(f"Kvitto, {name}" for name in _POLICIES), *(f"best {kind}" for kind in _KINDS)]
    return table([*head, *(f"best {RANDOM}, over Kvitto, {name}" for name in _POLICIES)], rows)


def relative_table(measured: Iterable[Measured]) -> str:
    """Median relative errors over groups that are not empty, of figures and of display values."""
    rows = [
        [
            one.asked.label,
            one.epsilon,
            *(_relative(outcome, outcome.score) for outcome in (one.declared, one.undeclared)),
            _relative(one.undeclared, one.undeclared.shown),
            *(_share(rival.relative) if (rival := _rival(one, kind)) is not None else "" for kind in _KINDS),
        ]
        for one in measured
    ]
    shown = f"Kvitto, {_POLICIES[-1]}, to display"
    head = ["question", "ε", *(f"Kvitto, {n}" for n in _POLICIES), shown, *(f"best {k}" for k in _KINDS)]
    return table(head, rows)


def coverage_table(measured: Iterable[Measured]) -> str:
    """How often 95% intervals held the unclipped truth."""
    rows = []
    for one in measured:
        for name, outcome in zip(_POLICIES, (one.declared, one.undeclared), strict=True):
            found = outcome.score
            if found is None or found.coverage is None or found.coverage_by_answer is None:
                rows.append([one.asked.label, one.epsilon, name, _absence(outcome, "no intervals")] + [""] * 5)
                continue
            by_size = {covered.name: f"{covered.share:.2f}" for covered in found.coverage_by_size}
            sizes = ("no lines", "the smallest quarter", "the second", "the third", "the largest quarter")
            spread = found.coverage_by_answer
            rows.append(
                [
                    one.asked.label,
                    one.epsilon,
                    name,
                    f"**{found.coverage:.3f}** ({spread.least:.2f}–{spread.greatest:.2f})",
                    *(by_size.get(size, "") for size in sizes),
                ]
            )
    head = ["question", "ε", "Kvitto", "held the truth", "groups without lines"]
    return table([*head, "smallest quarter", "second", "third", "largest quarter"], rows)


def bounds_table(measured: Iterable[Measured]) -> str:
    """The bounds in the receipts, and the best ones."""
    rows = [
        [
            one.asked.label,
            one.epsilon,
            f"{one.rho:.6f}",
            *(_bounds(outcome) for outcome in (one.declared, one.undeclared)),
            *(_fixed(_rival(one, kind)) for kind in _KINDS),
        ]
        for one in measured
    ]
    return table(["question", "ε", "ρ", *(f"Kvitto, {n}" for n in _POLICIES), *(f"best {k}" for k in _KINDS)], rows)


def keys_table(measured: Iterable[Measured]) -> str:
    """How many keys are released where they have to be chosen."""
    rows = [
        [
            one.asked.label,
            one.epsilon,
            *(_released(outcome) for outcome in (one.declared, one.undeclared)),
            *(
                f"{rival.released:,.0f}" if (rival := _rival(one, kind)) and rival.released is not None else ""
                for kind in _KINDS[:2]
            ),
        ]
        for one in measured
        if one.asked.kind is Kind.THRESHOLD
    ]
    return table(["question", "ε", *(f"Kvitto, {n}" for n in _POLICIES), *(f"best {k}" for k in _KINDS[:2])], rows)


def published_note() -> str:
    """Where the quoted figures come from."""
    return (
        f"Quoted from a comparison on the same purchases, not measured here: {CONDITIONS}. Median relative error by "
        f"group; for Q4 the products that were released. Kvitto's line is this run's, at the same ε.\n"
    )


def published_table(measured: Iterable[Measured]) -> str:
    """Other systems' figures, with this run's at ε = 1 above them."""
    names = ("Q2", "Q3", "Q5", "Q6")
    here = {one.asked.name: one for one in measured if one.size == "x1" and one.epsilon == "1"}
    rows = []
    for policy in ("declared", "undeclared"):
        found = {name: getattr(one, policy) for name, one in here.items()}
        cells = [_relative(found[name], found[name].score) if name in found else "" for name in names]
        rows.append([f"Kvitto, {policy}", *cells, _released(found["Q4"]) if "Q4" in found else "", "this run"])
    rows += [
        [
            one.system,
            *("–" if (share := one.relative.get(name)) is None else f"{share:,.2f}" for name in names),
            "–" if one.products is None else str(one.products),
            one.note,
        ]
        for one in PUBLISHED
    ]
    return table(["system", *names, "Q4 products", "note"], rows)


def _deltas(measured: Sequence[Measured]) -> str:
    rhos = dict.fromkeys((one.epsilon, one.rho) for one in measured)
    told = "; ".join(f"ε = {epsilon} is ρ = {rho:.6f}" for epsilon, rho in rhos)
    return (
        f"δ = 10⁻⁶ in all: {CONVERSION_DELTA} turns ρ into ε, and {THRESHOLD_DELTA} is for keys that nobody declared "
        f"(Q4). {told}. The best fixed bounds have the same ρ, are found with the true data in hand, and cost nothing. "
        f"† marks questions whose errors are compared as medians of relative errors; all others are compared as "
        f"root-mean-square errors over all groups. In brackets: the least and the greatest of single answers.\n"
    )


def _rival(one: Measured, kind: str) -> Rival | None:
    return next((rival for rival in one.rivals if rival.kind == kind), None)


def _error(one: Measured, outcome: Outcome) -> str:
    found = outcome.score
    if found is None:
        return _absence(outcome, "")
    return _relative(outcome, found) if one.by_relative else _spread(found.rmse, found.rmse_by_answer)


def _plain(one: Measured, kind: str) -> str:
    rival = _rival(one, kind)
    if rival is None:
        return ""
    return _share(rival.relative) if one.by_relative else _number(rival.rmse)


def _relative(outcome: Outcome, found: Score | None) -> str:
    if found is None:
        return _absence(outcome, "")
    spread = found.relative_by_answer
    return f"{_share(found.relative)} ({_share(spread.least)}–{_share(spread.greatest)})"


def _released(outcome: Outcome) -> str:
    found = outcome.score
    return _absence(outcome, "") if found is None else _spread(found.released.median, found.released)


def _bounds(outcome: Outcome) -> str:
    if outcome.score is None:
        return _absence(outcome, "")
    return ", ".join(
        f"{name} {_number(spread.median)}"
        + (f" ({_number(spread.least)}–{_number(spread.greatest)})" if spread.least < spread.greatest else "")
        for name, spread in outcome.bounds.items()
    )


def _fixed(rival: Rival | None) -> str:
    return "" if rival is None else " × ".join(_number(bound) for bound in rival.bounds)


def _absence(outcome: Outcome, otherwise: str) -> str:
    return otherwise if outcome.refused is None else f"refused: `{outcome.refused}`"


def _times(gain: float | None) -> str:
    return "" if gain is None or math.isnan(gain) else f"**{gain:.2f}**" if gain >= _SMALL else f"**{gain:.1g}**"


def _spread(value: float, spread: Spread) -> str:
    return f"{_number(value)} ({_number(spread.least)}–{_number(spread.greatest)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"  # noqa: PLR2004  # three digits at least


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
