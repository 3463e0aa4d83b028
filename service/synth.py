"""A synthetic retailer of any size, with the tables and columns of the demo dataset.

Everything is a function of the seed and of row numbers, by DuckDB's `hash`: the same arguments give the same rows.
Lines per customer are log-normal, products follow Zipf's law with favourites for each customer, days have seasons, and
one line in a hundred is a return with a negative quantity and amount. Rows are streamed to Parquet: memory does not
grow with the lines.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import duckdb

from queries.errors import LoadError

LINES_PER_CUSTOMER = 100
MAX_CUSTOMERS = 50_000_000
PRODUCTS, CATEGORIES, DEPARTMENTS, STORES, DAYS = 30_000, 300, 25, 200, 365
MEMORY_MB = 1_024

_TWO_TO_53 = 2**53


def write_synthetic(
    directory: Path,
    lines: int,
    customers: int | None,
    seed: int,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Path]:
    """Writes the retailer's tables as Parquet files and `policy.yaml` beside them; returns table -> path.

    There are exactly `lines` receipt lines, and `customers` customers (by default one for every hundred lines), of
    whom a few of the smallest may have no line. Raises LoadError for a size that the policy's bounds do not cover.
    """
    count = customers or max(1, lines // LINES_PER_CUSTOMER)
    if lines < 1 or not 1 <= count <= MAX_CUSTOMERS:
        raise LoadError(f"a synthetic retailer has at least one line and 1 to {MAX_CUSTOMERS} customers")
    tell = progress or (lambda _step, _share: None)
    directory.mkdir(parents=True, exist_ok=True)
    spill = directory / ".spill"
    config = {"memory_limit": f"{MEMORY_MB}MB", "temp_directory": str(spill), "preserve_insertion_order": "false"}
    written: dict[str, Path] = {}
    with duckdb.connect(":memory:", config=dict(config)) as connection:
        tell("customers", 0.0)
        _number_lines(connection, lines, count, seed)
        connection.execute(_SLOTS)
        shares = {"products": 0.05, "customers": 0.1, "purchases": 0.15}
        queries = {"products": _products(seed), "customers": _profiles(seed), "purchases": _purchases(seed)}
        for name, query in queries.items():
            tell(name, shares[name])
            written[name] = directory / f"{name}.parquet"
            _copy(connection, query, written[name])
    shutil.rmtree(spill, ignore_errors=True)
    (directory / "policy.yaml").write_text(synthetic_policy(count), encoding="utf-8")
    tell("done", 1.0)
    return written


def synthetic_policy(customers: int) -> str:
    """The policy of a synthetic retailer with this many customers."""
    template = (resources.files("service") / "datasets" / "synthetic.yaml").read_text(encoding="utf-8")
    max_units = 1_000
    while max_units < 2 * customers:
        max_units *= 10
    return template.replace("max_units: 1000", f"max_units: {max_units}")


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    quoted = str(target).replace("'", "''")
    connection.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet, ROW_GROUP_SIZE 122880)")


def _mixed(seed: int, salt: str, *rows: str) -> str:
    """64 bits that depend on the seed, the salt and the row alone.

    DuckDB combines the hashes of several values by XOR, so that two salts would give related numbers: hence the second
    hash.
    """
    return f"hash(hash({', '.join(rows)}, {seed}, '{salt}'))"


def _uniform(seed: int, salt: str, *rows: str) -> str:
    """A number in (0, 1) that depends on the seed, the salt and the row alone."""
    return _fraction(_mixed(seed, salt, *rows))


def _fraction(bits: str) -> str:
    return f"(((({bits}) >> 11)::DOUBLE + 0.5) / {_TWO_TO_53})"


def _normal(seed: int, salt: str, *rows: str) -> str:
    """A standard normal number (Box and Muller)."""
    angle = _uniform(seed, salt + " angle", *rows)
    return f"(sqrt(-2 * ln({_uniform(seed, salt, *rows)})) * cos(2 * pi() * {angle}))"


def _number_lines(connection: duckdb.DuckDBPyConnection, lines: int, customers: int, seed: int) -> None:
    """`shoppers(customer, first_line, end_line)`: each customer's interval of line numbers; together 0..lines."""
    connection.execute(f"""
        CREATE TABLE shoppers AS
        WITH weighted AS (
            SELECT i AS customer, (1000 * exp(1.1 * {_normal(seed, "size", "i")}))::BIGINT + 1 AS weight
            FROM range(1, {customers + 1}) AS numbers(i)
        ), running AS (
            SELECT customer, weight, sum(weight) OVER (ORDER BY customer) AS upto FROM weighted
        )
        SELECT customer, ((upto - weight) * {lines} // (SELECT sum(weight) FROM weighted))::BIGINT AS first_line,
               (upto * {lines} // (SELECT sum(weight) FROM weighted))::BIGINT AS end_line
        FROM running ORDER BY customer
    """)


# Each day stands in the list as often as it is shopped on: Fridays and Saturdays, and the weeks before Christmas.
_SLOTS = f"""
    CREATE TABLE slots AS
    SELECT list(day ORDER BY day, copy) AS days FROM (
        SELECT DATE '2025-01-01' + i::INTEGER AS day, 8 + (CASE WHEN dayofweek(day) IN (5, 6) THEN 5 ELSE 0 END)
               + (CASE WHEN day BETWEEN DATE '2025-12-08' AND DATE '2025-12-23' THEN 6 ELSE 0 END) AS weight
        FROM range({DAYS}) AS numbers(i)
    ), range(30) AS copies(copy) WHERE copy < weight
"""


def _products(seed: int) -> str:
    category = f"({_mixed(seed, 'category', 'i')} % {CATEGORIES})"
    brand = f"CASE WHEN {_uniform(seed, 'brand', 'i')} < 0.25 THEN 'Private' ELSE 'National' END"
    return f"""
        SELECT i AS product_id,
               printf('DEPARTMENT %02d', ({category} % {DEPARTMENTS} + 1)::INTEGER) AS department,
               printf('CATEGORY %03d', ({category} + 1)::INTEGER) AS product_category,
               printf('TYPE %04d', ({category} * 8 + {_mixed(seed, "type", "i")} % 8 + 1)::INTEGER) AS product_type,
               {brand} AS brand, ({_mixed(seed, "maker", "i")} % 2000 + 1)::INTEGER AS manufacturer_id,
               printf('%d OZ', ({_mixed(seed, "size", "i")} % 64 + 1)::INTEGER) AS package_size
        FROM range(1, {PRODUCTS + 1}) AS numbers(i) ORDER BY i
    """


def _profiles(seed: int) -> str:
    """Two customers in five told about themselves."""

    def choice(salt: str, *values: str) -> str:
        listed = ", ".join(f"'{value}'" for value in values)
        return f"list_extract([{listed}], ({_mixed(seed, salt, 'customer')} % {len(values)})::INTEGER + 1)"

    return f"""
        SELECT customer AS household_id,
               {choice("age", "19-24", "25-34", "35-44", "45-54", "55-64", "65+")} AS age,
               {choice("income", "Under 35K", "35-74K", "75-124K", "125K+")} AS income,
               {choice("home", "Homeowner", "Renter")} AS home_ownership,
               {choice("marriage", "Married", "Unmarried")} AS marital_status,
               {choice("household", "1", "2", "3", "4", "5+")} AS household_size,
               {choice("kids", "0", "0", "1", "2", "3+")} AS kids_count
        FROM shoppers WHERE {_mixed(seed, "profile", "customer")} % 5 < 2 ORDER BY customer
    """


def _purchases(seed: int) -> str:
    """Lines, then their baskets' and products' properties, then what is bought and paid."""
    favourite = _mixed(seed, "favourite", "customer", f"{_mixed(seed, 'slot', 'line')} % 40")
    chosen = (
        f"CASE WHEN {_mixed(seed, 'habit', 'line')} % 2 = 0 THEN {favourite} ELSE {_mixed(seed, 'item', 'line')} END"
    )
    rank = f"exp({_fraction(chosen)} * ln({PRODUCTS + 1}))"
    home = f"floor({STORES} * pow({_uniform(seed, 'home', 'customer')}, 2))"
    elsewhere = f"floor({STORES} * {_uniform(seed, 'store', 'basket')})"
    store = f"1 + CASE WHEN {_mixed(seed, 'away', 'basket')} % 5 = 0 THEN {elsewhere} ELSE {home} END"
    hours = f"floor(7 * ({_uniform(seed, 'early', 'basket')} + {_uniform(seed, 'late', 'basket')}))"
    price = f"(50 + exp(5.3 + 0.8 * {_normal(seed, 'price', 'product_id')}))"
    return f"""
        SELECT customer AS household_id, basket AS basket_id, store_id, product_id, day, hour,
               ((day - DATE '2025-01-01') // 7 + 1)::INTEGER AS week, sign * pieces AS quantity,
               (sign * cents)::DECIMAL(16, 0) * 0.01::DECIMAL(3, 2) AS amount,
               (CASE WHEN offer < 0.3 THEN floor(cents * offer) ELSE 0 END)::DECIMAL(16, 0) * 0.01::DECIMAL(3, 2)
                   AS retail_discount,
               (CASE WHEN offer > 0.97 THEN 50 ELSE 0 END)::DECIMAL(16, 0) * 0.01::DECIMAL(3, 2) AS coupon_discount
        FROM (
            SELECT *, least(99000, floor(pieces * {price}))::INTEGER AS cents
            FROM (
                SELECT customer, basket, least({PRODUCTS}, floor({rank}))::INTEGER AS product_id,
                       ({store})::INTEGER AS store_id,
                       list_extract(days, ({_mixed(seed, "day", "basket")} % len(days))::INTEGER + 1) AS day,
                       (8 + {hours})::INTEGER AS hour,
                       least(12, 1 + floor(-0.6 * ln({_uniform(seed, "pieces", "line")})))::INTEGER AS pieces,
                       CASE WHEN {_mixed(seed, "return", "line")} % 100 = 0 THEN -1 ELSE 1 END AS sign,
                       {_uniform(seed, "offer", "line")} AS offer
                FROM (
                    SELECT customer, line, customer * 10000000 + (line - first_line) // 9 AS basket
                    FROM (SELECT customer, first_line, unnest(range(first_line, end_line)) AS line FROM shoppers)
                ), slots
            )
        )
    """
