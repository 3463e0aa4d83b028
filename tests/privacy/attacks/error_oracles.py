"""Statements that raise in plain DuckDB if one customer's rows are there, and do not if they are away."""

from __future__ import annotations

_HIS = "ticket NOT BETWEEN 1 AND 7"  # true for the customer's lines alone
_FAILING = {
    # arithmetic
    "a sum of two columns beyond 64 bits": "ticket + hour",
    "a difference beyond 64 bits": "ticket - 2",
    "a difference of two columns beyond 64 bits": "hour - 9 - ticket",
    "a product beyond 64 bits": "ticket * 2",
    "a square beyond 64 bits": "ticket * ticket",
    "an absolute value of a sum": "ABS(ticket + 1)",
    "a sign of a difference": "-(ticket - 2)",
    "the least of overflows": "LEAST(ticket + 1, 5)",
    "the greatest of overflows": "GREATEST(ticket * 2, 5)",
    "a remainder of an overflow": "(ticket + ticket) % 7",
    "a whole quotient of an overflow": "(ticket * 3) // 7",
    # casts
    "a text as a number": "CAST(note AS INTEGER)",
    "a text as a large number": "CAST(note AS BIGINT)",
    "a text as a small number": "CAST(note AS TINYINT)",
    "a number as a byte": "CAST(ticket AS TINYINT)",
    "a number as two bytes": "CAST(ticket AS SMALLINT)",
    "a number as four bytes": "CAST(ticket AS INTEGER)",
    "a number without a sign": "CAST(ticket AS UTINYINT)",
    "a decimal as a byte": "CAST(amount AS TINYINT)",
    "a decimal with few digits": "CAST(amount AS DECIMAL(4, 2))",
    "a product as four bytes": "CAST(hour * ticket AS INTEGER)",
    # branches that no other row takes
    "an overflow in COALESCE": "COALESCE(NULLIF(hour, hour), ticket + 1)",
    "an overflow in NULLIF": "NULLIF(ticket + 1, 3)",
    "an overflow in an arm": "CASE WHEN ticket > 7 THEN ticket + ticket ELSE 0 END",
    "an overflow in the last arm": "CASE WHEN ticket BETWEEN 1 AND 7 THEN 1 ELSE ticket - 9 END",
    "a cast in an arm": "IF(ticket > 7, CAST(note AS INTEGER), 0)",
    "a comparison of an overflow": "IF(ticket + hour > 5, 1, 0)",
    "a list with an overflow": "IF(ticket * 2 IN (1, 2, 3), 1, 0)",
    "a range of an overflow": "IF(ticket * 2 BETWEEN 1 AND 3, 1, 0)",
}
_CONDITIONS = {
    "days that run out": f"IF({_HIS}, day + 2147483647, day) > DATE '2026-01-01'",
    "a month of days that run out": f"DATE_TRUNC('month', IF({_HIS}, day + 2147483647, day)) = DATE '2026-03-01'",
    "a condition behind an overflow": "hour >= 0 AND ticket + hour > 0",
    "an overflow behind OR": "hour < 0 OR ticket + hour > 0",
    "NOT of an overflow": "NOT ticket + hour > 0",
}
# functions that have no total form are refused, whoever is in the data
_REFUSED = {
    "a text as a date": f"IF({_HIS}, CAST(note AS DATE), day) > DATE '2026-01-01'",
    "a text as a truth value": f"IF({_HIS}, CAST(note AS BOOLEAN), TRUE)",
    "the year of a text": f"YEAR(IF({_HIS}, CAST(note AS DATE), day)) = 2026",
    "a root of a negative number": "SQRT(amount + 1) > 0",
    "a logarithm of nothing": "LN(ticket) > 0",
    "an error on purpose": f"IF({_HIS}, error('there'), 1) = 1",
    "a day of numbers": "make_date(ticket, 1, 1) IS NULL",
    "a day by a format": f"IF({_HIS}, strptime(note, '%Y'), day) IS NULL",
    "a text that is repeated": "LENGTH(REPEAT('ab', ticket)) > 0",
    "a letter by its number": "CHR(CAST(ticket AS INTEGER)) = 'a'",
    "a text cut at a column": "LEFT(note, ticket) = 'a'",
    "a regular expression from a column": f"regexp_matches('a', IF({_HIS}, '(', 'a'))",
    "a text as an interval": f"IF({_HIS}, CAST(note AS INTERVAL), INTERVAL 1 DAY) IS NULL",
    "a text as JSON": f"json_extract(IF({_HIS}, note, '1'), '$') IS NULL",
}
_ROWS = "SELECT COUNT(*) AS n FROM purchases"
_WHOLE = {
    "a fold that overflows": (
        "SELECT COUNT(*) AS n FROM (SELECT card_id, MAX(ticket) + 1 AS m FROM purchases GROUP BY card_id) AS t "
        "WHERE m > 0"
    ),
    "a fold over a cast": (
        "SELECT COUNT(*) AS n FROM (SELECT card_id, MAX(CAST(note AS INTEGER)) AS m FROM purchases GROUP BY card_id) "
        "AS t WHERE m > 0"
    ),
    "a condition on a group that overflows": (
        "SELECT COUNT(*) AS n FROM (SELECT card_id FROM purchases GROUP BY card_id "
        "HAVING MIN(ticket) * MAX(ticket) < 0) AS t"
    ),
    "a window over an overflow": (
        "SELECT COUNT(*) AS n FROM (SELECT MAX(ticket * 2) OVER (PARTITION BY card_id ORDER BY day) AS m "
        "FROM purchases) AS t WHERE m > 0"
    ),
    "an order by a cast": (
        "SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY card_id ORDER BY CAST(note AS INTEGER)) AS r "
        "FROM purchases) AS t WHERE r = 1"
    ),
    "a join on an overflow": "SELECT COUNT(*) AS n FROM purchases p JOIN stores s ON p.ticket + 1 = s.store_id",
    "a union of casts": (
        "SELECT COUNT(*) AS n FROM (SELECT CAST(note AS INTEGER) AS x FROM purchases UNION ALL SELECT hour FROM "
        "purchases) AS t WHERE x > 0"
    ),
    "a filter with an overflow": "SELECT COUNT(*) FILTER (WHERE ticket + hour > 0) AS n FROM purchases",
    "a list of own rows with an overflow": (
        f"{_ROWS} WHERE (card_id, ticket) IN (SELECT card_id, ticket + 1 FROM purchases)"
    ),
    "a key that overflows": "SELECT ticket + hour > 5 AS large, COUNT(*) AS n FROM purchases GROUP BY large",
}
BOUND = {"options": {"l2_bound": {"n": 10}}}
ANSWERED = {
    **{name: (f"SELECT SUM({value}) AS n FROM purchases", BOUND) for name, value in _FAILING.items()},
    **{name: (f"{_ROWS} WHERE {condition}", {}) for name, condition in _CONDITIONS.items()},
    **{name: (sql, {}) for name, sql in _WHOLE.items()},
}
REFUSED = {name: f"{_ROWS} WHERE {condition}" for name, condition in _REFUSED.items()}
