"""Every code with which a statement is refused: what it means, a statement that gets it, and what to write instead.

A code never changes its meaning once released. `make refusals` writes docs/refusals.md. The examples are
about the demo dataset; tests ask each of them, and look through the code for codes that are not listed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Refusal:
    """One code. `sql` is a statement that gets it, together with the further `members` of the request.

    `rewrite` is what the refusal of `sql` carries: the statement repaired by a rule.
    """

    code: str
    meaning: str
    sql: str
    instead: str
    members: Mapping[str, object] = field(default_factory=dict)
    rewrite: str | None = None


_COUNT = "SELECT COUNT(*) AS lines FROM purchases"
_ROWS = (
    Refusal(
        "ambiguous-column",
        "A column is in several tables of the statement, and they are not known to be equal.",
        "SELECT COUNT(*) AS pairs FROM purchases a JOIN purchases b ON a.household_id = b.household_id WHERE week = 1",
        "Write `table.column`: `a.week`.",
        rewrite="SELECT COUNT(*) AS pairs FROM purchases AS a JOIN purchases AS b ON a.household_id = "
        "b.household_id WHERE a.week = 1",
    ),
    Refusal(
        "bound-out-of-range",
        "A contribution bound is so large that sums might not fit in 64 bits, or its lower end is above its upper end.",
        "SELECT SUM(amount) AS spend FROM purchases",
        "State what one customer may really add, in the column's units.",
        {"options": {"contribution_bounds_per_group": {"spend": [0, 1_000_000_000_000]}}},
    ),
    Refusal(
        "count-distinct",
        "`COUNT(DISTINCT …)` takes one column or expression; not the privacy unit of the right side of a left join.",
        "SELECT COUNT(DISTINCT basket_id, product_id) AS pairs FROM purchases",
        "`COUNT(DISTINCT basket_id)`, or count the rows: `COUNT(*)`.",
    ),
    Refusal(
        "duplicate-alias",
        "Two tables of one FROM have the same name.",
        "SELECT COUNT(*) AS pairs FROM purchases JOIN purchases USING (household_id)",
        "Give one an alias: `purchases AS other`.",
        rewrite="SELECT COUNT(*) AS pairs FROM purchases JOIN purchases AS purchases_2 USING (household_id)",
    ),
    Refusal(
        "duplicate-column",
        "Two columns of the result have the same name, or one is called as what an answer shows beside another "
        "(`x_lower`, `x_upper`, `x_standard_error`, `x_clipping_lower`, `x_clipping_upper`, `x_display`, "
        "`x_reliability`). Rows are objects by name, so one of them would be lost.",
        "SELECT SUM(amount) AS x, COUNT(*) AS x FROM purchases",
        "Give one an alias.",
        rewrite="SELECT SUM(amount) AS x, COUNT(*) AS x_2 FROM purchases",
    ),
    Refusal(
        "group-by-ordinal",
        "`GROUP BY` names a column by a number that there is not.",
        "SELECT week, COUNT(*) AS lines FROM purchases GROUP BY 3",
        "Count the columns of the SELECT from 1.",
    ),
    Refusal(
        "group-by-unit",
        "Each group would be one customer.",
        "SELECT household_id, SUM(amount) AS spend FROM purchases GROUP BY household_id",
        "Group by something that many customers share, or count the customers with such figures: `SELECT spend > 1000 "
        "AS large, COUNT(*) AS households FROM (SELECT household_id, SUM(amount) AS spend FROM purchases GROUP BY "
        "household_id) AS h GROUP BY large`.",
        rewrite="SELECT spend, COUNT(*) AS units FROM (SELECT household_id, SUM(amount) AS spend FROM purchases "
        "GROUP BY household_id) AS each_one GROUP BY spend",
    ),
    Refusal(
        "inexact-sum",
        "Sums are exact: they are of integers, or of decimals with declared places. This is a floating-point number.",
        "SELECT SUM(amount / quantity) AS unit_prices FROM purchases",
        "`SUM(ROUND(amount / quantity, 2))`.",
        rewrite="SELECT SUM(ROUND(amount / quantity, 2)) AS unit_prices FROM purchases",
    ),
    Refusal(
        "join-not-on-unit",
        "Two private tables are joined, but not on the privacy unit, so rows of different customers would meet.",
        "SELECT COUNT(*) AS pairs FROM purchases a JOIN purchases b ON a.basket_id = b.basket_id",
        "Join them on the unit as well: `a.household_id = b.household_id AND a.basket_id = b.basket_id`.",
        rewrite="SELECT COUNT(*) AS pairs FROM purchases AS a JOIN purchases AS b ON a.household_id = "
        "b.household_id AND a.basket_id = b.basket_id",
    ),
    Refusal(
        "keys-not-public",
        "The request asks for public group keys, but some grouping column has no public list of values.",
        "SELECT amount, COUNT(*) AS lines FROM purchases GROUP BY amount",
        "Leave `group_selection_strategy` out, or group by columns with a declared domain.",
        {"options": {"group_selection_strategy": "PUBLIC_GROUPS"}},
    ),
    Refusal(
        "limit-on-private",
        "LIMIT, OFFSET, or DISTINCT without the privacy unit, on private rows: which rows are left depends on other "
        "customers' rows.",
        "SELECT amount FROM purchases LIMIT 10",
        "Aggregate first. On the result all four are free. Distinct values are groups: `SELECT hour, COUNT(*) AS lines "
        "FROM purchases GROUP BY hour`.",
        rewrite="SELECT COUNT(*) AS n FROM purchases",
    ),
    Refusal(
        "no-aggregate",
        "The statement groups private rows, but measures nothing. Which groups have rows is about customers too.",
        "SELECT week FROM purchases GROUP BY week",
        "Add `COUNT(*)` or `COUNT(DISTINCT household_id)`.",
        rewrite="SELECT week, COUNT(*) AS n FROM purchases GROUP BY week",
    ),
    Refusal(
        "no-bound",
        "A quantile is asked of values whose range is not declared, and does not follow from what is.",
        "SELECT MEDIAN(LENGTH(brand)) AS letters FROM purchases JOIN products USING (product_id)",
        'State it: `"options": {"contribution_bounds_per_row": {"letters": [0, 40]}}`. Or limit values: '
        "`MEDIAN(LEAST(LENGTH(brand), 40))`.",
    ),
    Refusal(
        "no-interval",
        "`DP_INTERVAL_LOW` or `DP_INTERVAL_HIGH` is asked of a column that has no interval, or at a confidence that is "
        "not from 0.5 to 0.999.",
        "SELECT week + 0 AS w, COUNT(*) AS lines, DP_INTERVAL_LOW(w) AS low FROM purchases GROUP BY w",
        "Name the alias of an estimate: `SELECT COUNT(*) AS lines, DP_INTERVAL_LOW(lines) AS low FROM purchases`.",
    ),
    Refusal(
        "not-a-select",
        "The statement is something else than a SELECT.",
        "DELETE FROM purchases",
        "One SELECT statement, with or without WITH.",
    ),
    Refusal(
        "not-in-group-by",
        "A column beside aggregates is neither grouped by nor aggregated.",
        "SELECT week, hour, COUNT(*) AS lines FROM purchases GROUP BY week",
        "Add it to GROUP BY, or write `GROUP BY ALL`.",
        rewrite="SELECT week, hour, COUNT(*) AS lines FROM purchases GROUP BY week, hour",
    ),
    Refusal(
        "number-out-of-range",
        "A number in the statement is beyond what can be computed with.",
        f"{_COUNT} WHERE amount < 1e40",
        "Numbers below 10³⁰.",
    ),
    Refusal(
        "option-conflict",
        "A price, an option or a bound is stated twice, and differently: in the statement and in the request, or twice "
        "in the statement. The price and the options hold for the whole statement.",
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, epsilon = 2) COUNT(*) AS lines FROM purchases",
        "State it once.",
    ),
    Refusal(
        "option-misplaced",
        "`WITH DIFFERENTIAL_PRIVACY` stands in a subquery that aggregates no private rows, or bounds are given to an "
        "aggregate that is not of many customers: one of results, of public tables, of a window or of one customer.",
        "SELECT COUNT(*) AS products FROM (SELECT WITH DIFFERENTIAL_PRIVACY product_id FROM products) AS p",
        "Put the clause behind the outermost SELECT, and the bounds into the aggregate of private rows: `SELECT "
        "SUM(amount, l2_bound => 3000) AS spend FROM purchases`.",
    ),
    Refusal(
        "outer-join-keeps-public",
        "A left join would keep public rows for which there is no customer.",
        "SELECT department, COUNT(*) AS lines FROM products LEFT JOIN purchases USING (product_id) GROUP BY department",
        "`FROM purchases JOIN products`: public groups come back anyway, empty ones too.",
        rewrite="SELECT department, COUNT(*) AS lines FROM purchases JOIN products USING (product_id) GROUP BY "
        "department",
    ),
    Refusal(
        "private-rows",
        "The result, or a subquery that is used as a value, would be rows of single customers.",
        "SELECT day, amount FROM purchases",
        "Aggregate: `COUNT(*)`, `SUM(…)`, `GROUP BY`.",
        rewrite="SELECT COUNT(*) AS n FROM purchases",
    ),
    Refusal(
        "range-too-wide",
        "By the declared ranges a row's value can be beyond 2,147,483,647, the most that a row adds to a sum.",
        "SELECT SUM(amount * amount * amount * quantity) AS s FROM purchases",
        "Limit the value: `SUM(LEAST(amount * amount * amount * quantity, 1000000))`.",
    ),
    Refusal(
        "released-with-private",
        "A result that is aggregated already is joined with private rows.",
        "SELECT COUNT(*) AS lines FROM purchases "
        "JOIN (SELECT week, COUNT(*) AS all_lines FROM purchases GROUP BY week) w ON purchases.week = w.week",
        "Aggregate the private rows first, then join the two results.",
    ),
    Refusal(
        "reserved-name",
        "A name starts with an underscore, or is longer than 128 characters.",
        "SELECT COUNT(*) AS _lines FROM purchases",
        "Another name.",
        rewrite="SELECT COUNT(*) AS lines FROM purchases",
    ),
    Refusal(
        "subquery-in-condition",
        "A condition on private rows holds a subquery, elsewhere than in WHERE.",
        "SELECT COUNT_IF(product_id IN (SELECT product_id FROM products WHERE brand = 'Private')) AS n FROM purchases",
        "Join the table, and put the condition into WHERE: `SELECT COUNT(*) AS lines FROM purchases JOIN products "
        "USING (product_id) WHERE brand = 'Private'`.",
    ),
    Refusal(
        "target-not-plain",
        "A target for an error that is not known before data are read. The error of a ratio, an average or a product "
        "depends on the values that are released; where a key is a factor, it depends on the group; where a bound is "
        "chosen at the release, it depends on that.",
        "SELECT AVG(amount) AS mean FROM purchases",
        "Give a target for households: `SELECT COUNT(DISTINCT household_id) AS households FROM purchases`. For another "
        "count or a sum state a bound: `SELECT SUM(amount, l2_bound => 10000) AS spend FROM purchases`. Or give "
        "epsilon; the bound that the release chooses is known from then on.",
        {"target": {"error": 1}},
    ),
    Refusal(
        "too-complex",
        "The statement is more than can be planned: too many tables, expressions too large or too deeply nested, "
        "or aliases of aliases that stand for very much.",
        "SELECT COUNT(*) AS lines FROM (SELECT amount + 1 AS a, a + a AS b, b + b AS c, c + c AS d, d + d AS e, "
        "e + e AS f, f + f AS g, g + g AS h, h + h AS i, i + i AS j FROM purchases) AS doubled",
        "Fewer tables and simpler expressions. Name parts in subqueries.",
    ),
    Refusal(
        "too-many-groups",
        "The groups that are possible are more than 2,000,000; every one of them would be in the answer.",
        "SELECT day, store_id, hour, COUNT(*) AS lines FROM purchases GROUP BY day, store_id, hour",
        "Group by fewer or coarser columns, or narrow them in WHERE.",
    ),
    Refusal(
        "type-mismatch",
        "Values do not go together, or a function gets a value of another type than it takes.",
        f"{_COUNT} WHERE day > 5",
        "Compare like with like: `day > DATE '2017-01-05'`. Or CAST.",
    ),
    Refusal(
        "union-of-private",
        "INTERSECT or EXCEPT of private rows, a union of private rows with others, or of different columns.",
        "SELECT COUNT(*) AS n FROM (SELECT household_id FROM customers EXCEPT SELECT household_id FROM purchases) AS t",
        "`WHERE household_id NOT IN (SELECT household_id FROM purchases)`, or `UNION ALL` of the same columns.",
    ),
    Refusal(
        "unit-in-expression",
        "The privacy unit is compared, computed with or shown. It can be joined on and counted, nothing else.",
        f"{_COUNT} WHERE household_id = 17",
        "`COUNT(DISTINCT household_id)`. Questions about single customers are never answered.",
    ),
    Refusal(
        "unknown-alias",
        "The options or the target name a column that is not there, or an interval is asked of a name that no column "
        "of its SELECT has.",
        "SELECT SUM(amount) AS spend FROM purchases",
        "Name the output column: `spend`.",
        {"options": {"l2_bound": {"amount": 3000}}},
    ),
    Refusal(
        "unknown-column",
        "No table has such a column where it is named. That holds for the part that runs on results, too; names of the "
        "engine and of whole tables are no columns. The hint lists those that there are.",
        "SELECT SUM(amonut) AS spend FROM purchases",
        "`GET /v1/datasets/journey` lists all columns.",
        rewrite="SELECT SUM(amount) AS spend FROM purchases",
    ),
    Refusal(
        "unit-spans-blocks",
        "The dataset has [blocks](policy.md#blocks): its privacy unit is a customer in one month. What this statement "
        "says of customers is about several months together, or a table without days keeps rows that months are joined "
        "to. (The demo has no blocks; with them on `purchases.day` this is refused.)",
        "SELECT COUNT(DISTINCT household_id) AS households FROM purchases",
        "Group by the month as well, join on it as well, or stay within one month: `SELECT DATE_TRUNC('month', day) AS "
        "month, COUNT(DISTINCT household_id) AS households FROM purchases GROUP BY month`. Counts of rows, sums, "
        "means, quantiles and numbers of different values take any months.",
        rewrite="SELECT COUNT(DISTINCT household_id) AS households, DATE_TRUNC('MONTH', day) AS month FROM purchases "
        "GROUP BY DATE_TRUNC('MONTH', day)",
    ),
    Refusal(
        "unknown-dataset",
        "The dataset is not there any more. (A name that never was there is 404 `not-found`.)",
        _COUNT,
        "`GET /v1/datasets` lists them.",
        {"dataset": "elsewhere"},
    ),
    Refusal(
        "unknown-option",
        "There is no such option, or its value is not of its kind.",
        "SELECT basket_id, COUNT(*) AS lines FROM purchases GROUP BY basket_id",
        "See [SQL for analysts](sql.md#options).",
        {"options": {"max_groups_contributed": 200_000}},
    ),
    Refusal(
        "unknown-parameter",
        "The statement names a parameter that was not given, or the other way round, or a value cannot be a parameter.",
        f"{_COUNT} WHERE week = $week",
        '`"params": {"week": 7}`.',
    ),
    Refusal(
        "unknown-purpose",
        "The policy names no such purpose.",
        _COUNT,
        "Leave it out, or use one of the policy's.",
        {"purpose": "curiosity"},
    ),
    Refusal(
        "unknown-table",
        "There is no such table. The hint lists those that there are.",
        "SELECT COUNT(*) AS n FROM purchase",
        "`purchases`.",
        rewrite="SELECT COUNT(*) AS n FROM purchases",
    ),
    Refusal(
        "unsupported-aggregate",
        "An aggregate function that is not answered.",
        "SELECT MAX(amount) AS largest FROM purchases",
        "`COUNT`, `SUM` and `AVG`. Instead of extremes `COUNT_IF(amount > 100)`, instead of medians "
        "`COUNT_IF(amount < 10) / COUNT(*)`, instead of the spread `AVG(amount)` and `AVG(amount * amount)`.",
    ),
    Refusal(
        "unsupported-expression",
        "A function or an operator that is known, but not on private rows: there it has no form that can never fail.",
        "SELECT COUNT_IF(SQRT(amount) > 3) AS lines FROM purchases",
        "[What can stand where](sql.md#functions). Window functions run on results: `SELECT week, RANK() OVER "
        "(ORDER BY lines) AS place FROM (SELECT week, COUNT(*) AS lines FROM purchases GROUP BY week) AS weeks`. "
        "So do `FLOOR`, `SQRT` and `STRFTIME`.",
    ),
    Refusal(
        "unsupported-join",
        "A RIGHT, FULL, SEMI, ANTI or other join of private rows.",
        "SELECT COUNT(*) AS lines FROM purchases FULL JOIN products USING (product_id)",
        "`JOIN`, or `LEFT JOIN` with the private table on the left.",
    ),
    Refusal(
        "unsupported-syntax",
        "Something that is not on the list of what a statement may hold.",
        "SELECT COUNT(*) AS lines FROM purchases USING SAMPLE 10%",
        "The hint. [SQL for analysts](sql.md) says what can be written.",
        rewrite="SELECT COUNT(*) AS lines FROM purchases",
    ),
    Refusal(
        "subquery-across-units",
        "A subquery in `IN` or `EXISTS` sees rows of other customers: whether a row counts would depend on them.",
        "SELECT COUNT(*) AS n FROM purchases WHERE product_id IN (SELECT product_id FROM purchases WHERE quantity > 3)",
        "Tie it to the customer: `(household_id, product_id) IN (SELECT household_id, product_id FROM purchases WHERE "
        "quantity > 3)`.",
        rewrite="SELECT COUNT(*) AS n FROM purchases WHERE (household_id, product_id) IN (SELECT household_id, "
        "product_id FROM purchases WHERE quantity > 3)",
    ),
    Refusal(
        "subtotals-of-units",
        "`ROLLUP`, `CUBE` or `GROUPING SETS` beside a number of different customers or values, which may be in several "
        "groups, or beside a quantile: they do not add up to subtotals.",
        "SELECT week, COUNT(DISTINCT household_id) AS households FROM purchases GROUP BY ROLLUP (week)",
        "One SELECT a level: `SELECT week, COUNT(DISTINCT household_id) AS households FROM purchases GROUP BY week "
        "UNION ALL SELECT NULL, COUNT(DISTINCT household_id) FROM purchases`.",
    ),
    Refusal(
        "window-across-units",
        "A window over private rows is not partitioned by the privacy unit, so it would see rows of other customers.",
        "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (ORDER BY day) AS r FROM purchases) AS t WHERE r = 1",
        "`OVER (PARTITION BY household_id ORDER BY day)`, or a window over the result of an aggregation.",
        rewrite="SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) AS r "
        "FROM purchases) AS t WHERE r = 1",
    ),
    Refusal(
        "wide-join",
        "One private row could meet so many others that the work might not end, and whether it ends must not depend on "
        "a customer's rows. Public tables that are not joined on their key may make 1,000 rows of one, and 10 where a "
        "private table is joined with itself; of private tables with many rows a customer, two can be joined.",
        "SELECT COUNT(*) AS n FROM purchases a JOIN purchases b ON a.household_id = b.household_id "
        "JOIN purchases c ON a.household_id = c.household_id",
        "Join a private table with itself once, and public tables on their key: `JOIN products USING (product_id)`.",
    ),
)

REFUSALS: Mapping[str, Refusal] = {refusal.code: refusal for refusal in _ROWS}

_HEAD = """# Refusals

What cannot be answered privately is refused before anything is charged: 422 `query-not-private`, with one of these
codes in `code`, the place in `line` and `column`, and mostly a `hint`. Where a rule can repair the statement, `rewrite`
is the whole of it in a form that is answered: the nearest one, which may say less or other than the first. A refusal
quotes the statement and the policy, never data. The same statement is refused whatever the rows are.

Statements that cannot be read are 400 `sql-syntax`. Prices that cannot be paid are 422 `invalid-price` or
`max-epsilon-exceeded`. Errors of the part that runs on results are 422 `postprocess-failed`. A running service lists
all kinds of problems at `/problems`.

This page is made by `make refusals`. Every example is tested.
"""


def page() -> str:
    """The text of docs/refusals.md."""
    return "\n".join([_HEAD, *(_section(REFUSALS[code]) for code in sorted(REFUSALS))])


def _section(refusal: Refusal) -> str:
    members = f"\n\nwith `{json.dumps(refusal.members)}`" if refusal.members else ""
    example = f"```sql\n{refusal.sql}\n```{members}"
    rewrite = f"\n**Rewritten.**\n\n```sql\n{refusal.rewrite}\n```\n" if refusal.rewrite else ""
    return f"## {refusal.code}\n\n{refusal.meaning}\n\n{example}\n\n**Instead.** {refusal.instead}\n{rewrite}"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # It is a program here.
