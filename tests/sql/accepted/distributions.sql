-- Quantiles and different values: releases of their own, beside those of sums.
-- name: the median
SELECT MEDIAN(pieces) AS m FROM lines WHERE pieces <> 3

-- name: quantiles of one tree
-- nodes: 1
-- options: {"l2_bound": {"low": 100000, "high": 100000}}
SELECT QUANTILE_DISC(pieces, 0.13) AS low, QUANTILE_DISC(pieces, 0.87) AS high FROM lines

-- name: a quantile by its other names
-- options: {"l2_bound": {"a": 100000, "b": 100000, "c": 100000}}
SELECT PERCENTILE_DISC(0.33) WITHIN GROUP (ORDER BY pieces) AS a, QUANTILE(pieces, 0.33) AS b,
    PERCENTILE_DISC(0.67) WITHIN GROUP (ORDER BY pieces DESC) AS c
FROM lines

-- name: a quantile as DuckDB orders it
-- options: {"l2_bound": {"a": 100000, "b": 100000}}
SELECT QUANTILE_DISC(pieces, 0.33 ORDER BY pieces) AS a, QUANTILE_DISC(pieces, 0.67 ORDER BY pieces DESC) AS b FROM lines

-- name: a quantile under a condition
-- options: {"l2_bound": {"card": 100000, "cash": 100000}}
SELECT QUANTILE_DISC(pieces, 0.41) FILTER (WHERE paid_by_card) AS card,
    QUANTILE_DISC(pieces, 0.41) FILTER (WHERE NOT paid_by_card) AS cash
FROM lines

-- name: quantiles by group beside sums
-- keys: public
SELECT department, QUANTILE_DISC(pieces, 0.37) AS m, COUNT(*) AS n, SUM(amount) AS s
FROM lines JOIN products USING (product_id) GROUP BY department

-- name: a quantile of what is computed
-- options: {"l2_bound": {"m": 100000}, "contribution_bounds_per_row": {"m": [-10, 60]}}
SELECT QUANTILE_DISC(pieces * 3, 0.37) AS m FROM lines

-- name: a quantile over customers
-- options: {"l2_bound": {"m": 100000}, "contribution_bounds_per_row": {"m": [0, 50]}}
SELECT QUANTILE_DISC(n, 0.37) AS m FROM (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY household_id) AS t

-- name: a quantile in an expression
-- options: {"l2_bound": {"span": 100000}}
SELECT QUANTILE_DISC(pieces, 0.87) - QUANTILE_DISC(pieces, 0.13) AS span FROM lines

-- name: a quantile in HAVING and ORDER BY
SELECT product_id, QUANTILE_DISC(pieces, 0.37) AS m, COUNT(*) AS n FROM lines GROUP BY product_id HAVING COUNT(*) > 5 ORDER BY m, n

-- name: different values are counted
-- keys: public
SELECT COUNT(DISTINCT product_id) AS products, COUNT(DISTINCT day) AS days, COUNT(DISTINCT note) AS notes FROM lines

-- name: different values by group beside sums
-- keys: public
SELECT department, COUNT(DISTINCT product_id) AS products, COUNT(DISTINCT household_id) AS households, COUNT(*) AS n
FROM lines JOIN products USING (product_id) GROUP BY department

-- name: different values of an expression
SELECT COUNT(DISTINCT EXTRACT(month FROM day)) AS months, COUNT(DISTINCT amount > 0) AS signs FROM lines

-- name: different values under a condition
SELECT COUNT(DISTINCT product_id) FILTER (WHERE amount > 15) AS n, COUNT(DISTINCT store_id) AS stores FROM lines

-- name: different values by a series
SELECT day, COUNT(DISTINCT product_id) AS n FROM lines GROUP BY day

-- name: an approximate count is the count
SELECT APPROX_COUNT_DISTINCT(paid_by_card) AS n FROM lines

-- name: different values per customer are different values
-- options: {"l2_bound": {"mean": 100000}}
SELECT AVG(n) AS mean FROM (SELECT household_id, COUNT(DISTINCT product_id) AS n FROM lines GROUP BY household_id) AS t
