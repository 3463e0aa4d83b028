-- name: the greatest value
-- expect: unsupported-aggregate 1:12 hint
-- instead: SELECT QUANTILE_CONT(amount, 0.95) AS m FROM lines
SELECT MAX(amount) AS m FROM lines

-- name: the least value
-- expect: unsupported-aggregate 1:12 hint
-- instead: SELECT QUANTILE_CONT(amount, 0.05) AS m FROM lines
SELECT MIN(amount) AS m FROM lines

-- name: a list of values
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT amount, COUNT(*) AS n FROM lines GROUP BY amount
SELECT LIST(amount) AS s FROM lines

-- name: texts put together
-- expect: unsupported-syntax 1:19 hint
-- instead: SELECT note, COUNT(*) AS n FROM lines GROUP BY note
SELECT STRING_AGG(note, ',') AS s FROM lines

-- name: any value
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT note, COUNT(*) AS n FROM lines GROUP BY note
SELECT ANY_VALUE(note) AS s FROM lines

-- name: the first value
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT note, COUNT(*) AS n FROM lines GROUP BY note
SELECT FIRST(note) AS s FROM lines

-- name: the value of the greatest
-- expect: unsupported-syntax 1:16 hint
-- instead: SELECT note, COUNT(*) AS n FROM lines GROUP BY note
SELECT ARG_MAX(note, amount) AS a FROM lines

-- name: distinct pairs
-- expect: count-distinct 1:24 hint
-- instead: SELECT COUNT(DISTINCT product_id) AS n FROM lines
SELECT COUNT(DISTINCT (household_id, day)) AS n FROM lines

-- name: distinct units and values
-- expect: count-distinct 1:23 hint
SELECT COUNT(DISTINCT household_id, product_id) AS n FROM lines

-- name: a sum of distinct values
-- expect: unsupported-expression 1:21 hint
-- instead: SELECT COUNT(DISTINCT household_id) AS n FROM lines
SELECT SUM(DISTINCT pieces) AS s FROM lines

-- name: a sum of doubles
-- expect: inexact-sum 1:8 hint
-- rewrite: SELECT SUM(ROUND(amount / 3, 2)) AS s FROM lines
-- instead: SELECT SUM(ROUND(amount / 3, 2)) AS s FROM lines
SELECT SUM(amount / 3) AS s FROM lines

-- name: a sum of texts
-- expect: type-mismatch 1:8 hint
-- instead: SELECT COUNT(note) AS s FROM lines
SELECT SUM(note) AS s FROM lines

-- name: a sum of conditions
-- expect: type-mismatch 1:8 hint
-- rewrite: SELECT COUNT_IF(paid_by_card) AS s FROM lines
-- instead: SELECT COUNT_IF(paid_by_card) AS s FROM lines
SELECT SUM(paid_by_card) AS s FROM lines

-- name: a sum of sums
-- expect: unsupported-expression 1:12 hint
-- instead: SELECT SUM(s) AS s FROM (SELECT SUM(amount) AS s FROM lines GROUP BY pieces) AS t
SELECT SUM(SUM(amount)) AS s FROM lines

-- name: a sum of values beyond what a row adds
-- expect: range-too-wide 1:8 hint
-- options: {"l2_bound": {"s": 1000000}}
-- instead: SELECT SUM(GREATEST(LEAST(amount * amount * pieces * 1000, 2000000000), -2000000000)) AS s FROM lines
SELECT SUM(amount * amount * pieces * 1000) AS s FROM lines

-- name: a mean of values beyond 64 bits
-- expect: range-too-wide 1:8 hint
-- options: {"l2_bound": {"s": 1000000}}
-- instead: SELECT AVG(LEAST(ABS(amount * amount * amount * discount), 2000000000)) AS s FROM lines
SELECT AVG(ABS(amount * amount * amount * discount)) AS s FROM lines

-- name: a variance of values beyond what a row adds
-- expect: range-too-wide 1:8 hint
-- options: {"l2_bound": {"v": 1000000}}
-- instead: SELECT VAR_POP(LEAST(ABS(pieces) * 100000, 40000)) AS v FROM lines
SELECT VAR_POP(ABS(pieces) * 100000) AS v FROM lines

-- name: a column that is not grouped
-- expect: not-in-group-by 1:8 hint
-- rewrite: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces
SELECT pieces, COUNT(*) AS n FROM lines

-- name: a column beside another key
-- expect: not-in-group-by 1:8 hint
-- rewrite: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY product_id, pieces
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY product_id

-- name: a star beside a measure
-- expect: not-in-group-by 1:8 hint
-- instead: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces
SELECT *, COUNT(*) AS n FROM lines

-- name: keys without a measure
-- expect: no-aggregate 1:8 hint
-- rewrite: SELECT age, COUNT(*) AS n FROM customers GROUP BY age
SELECT age FROM customers GROUP BY age

-- name: an ordinal that is not there
-- expect: group-by-ordinal 1:51 hint
-- instead: SELECT age, COUNT(*) AS n FROM customers GROUP BY 1
SELECT age, COUNT(*) AS n FROM customers GROUP BY 3

-- name: the ordinal zero
-- expect: group-by-ordinal 1:51 hint
SELECT age, COUNT(*) AS n FROM customers GROUP BY 0

-- name: DISTINCT beside a measure
-- expect: unsupported-syntax 1:17 hint
-- instead: SELECT DISTINCT n FROM (SELECT COUNT(*) AS n FROM lines) AS t
SELECT DISTINCT COUNT(*) AS n FROM lines

-- name: QUALIFY beside a measure
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT age, n FROM (SELECT age, COUNT(*) AS n FROM customers GROUP BY age) AS t QUALIFY RANK() OVER (ORDER BY age) = 1
SELECT age, COUNT(*) AS n FROM customers GROUP BY age QUALIFY RANK() OVER (ORDER BY age) = 1

-- name: a window over a measure
-- expect: unsupported-syntax 1:13 hint
-- instead: SELECT age, n, RANK() OVER (ORDER BY n) AS place FROM (SELECT age, COUNT(*) AS n FROM customers GROUP BY age) AS t
SELECT age, SUM(COUNT(*)) OVER () AS n FROM customers GROUP BY age

-- name: two columns of one name
-- expect: duplicate-column 1:8 hint
-- rewrite: SELECT COUNT(*) AS n, SUM(pieces) AS n_2 FROM lines
SELECT COUNT(*) AS n, SUM(pieces) AS n FROM lines

-- name: a FILTER that is no condition
-- expect: type-mismatch 1:31 hint
-- rewrite: SELECT COUNT(*) FILTER(WHERE pieces <> 0) AS n FROM lines
-- instead: SELECT COUNT(*) FILTER (WHERE pieces <> 0) AS n FROM lines
SELECT COUNT(*) FILTER (WHERE pieces) AS n FROM lines

-- name: COUNT_IF of a number
-- expect: type-mismatch 1:17 hint
-- rewrite: SELECT COUNT_IF(pieces <> 0) AS n FROM lines
SELECT COUNT_IF(pieces) AS n FROM lines

-- name: an aggregate in WHERE
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines HAVING COUNT(*) > 1
SELECT COUNT(*) AS n FROM lines WHERE COUNT(*) > 1

-- name: a LIMIT that is computed
-- expect: unsupported-syntax 1:61 hint
SELECT age, COUNT(*) AS n FROM customers GROUP BY age LIMIT 1 + 1

-- name: a LIMIT in percent
-- expect: unsupported-syntax 1:61 hint
-- instead: SELECT age, COUNT(*) AS n FROM customers GROUP BY age LIMIT 2
SELECT age, COUNT(*) AS n FROM customers GROUP BY age LIMIT 10%

-- name: the most frequent value
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT note, COUNT(*) AS n FROM lines GROUP BY note ORDER BY COUNT(*) DESC LIMIT 1
SELECT MODE(note) AS m FROM lines

-- name: whether any row is so
-- expect: unsupported-aggregate 1:8 hint
-- rewrite: SELECT COUNT_IF(paid_by_card) AS b FROM lines
-- instead: SELECT COUNT_IF(paid_by_card) AS n FROM lines
SELECT BOOL_OR(paid_by_card) AS b FROM lines

-- name: a correlation
-- expect: unsupported-syntax 1:8 hint
-- options: {"l2_bound": {"product": 1000}}
-- instead: SELECT AVG(pieces) AS x, AVG(discount) AS y, AVG(pieces * discount) AS product FROM lines
SELECT CORR(pieces, discount) AS c FROM lines

-- name: subtotals of customers
-- expect: subtotals-of-units 1:8 hint
-- instead: SELECT age, n FROM (SELECT age, COUNT(DISTINCT household_id) AS n FROM customers GROUP BY age UNION ALL SELECT NULL, COUNT(DISTINCT household_id) FROM customers) AS t
SELECT age, COUNT(DISTINCT household_id) AS n FROM customers GROUP BY ROLLUP (age)

-- name: subtotals of one customer's rows
-- expect: unsupported-syntax 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(*) AS c FROM lines GROUP BY ROLLUP (household_id, day)) AS t

-- name: which subtotal a row is of
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT age IS NULL AS total, n FROM (SELECT age, COUNT(*) AS n FROM customers GROUP BY ROLLUP (age)) AS t
SELECT GROUPING(age) AS g, COUNT(*) AS n FROM customers GROUP BY ROLLUP (age)

-- name: several quantiles in one list
-- expect: unsupported-syntax 1:31 hint
-- instead: SELECT QUANTILE_CONT(amount, 0.25) AS low, QUANTILE_CONT(amount, 0.75) AS high FROM lines
SELECT QUANTILE_CONT(amount, [0.25, 0.75]) AS q FROM lines

-- name: quantiles by their number
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT QUANTILE_CONT(amount, 0.25) AS low, QUANTILE_CONT(amount, 0.75) AS high FROM lines
SELECT APPROX_QUANTILES(amount, 4) AS q FROM lines

-- name: a quantile of two columns in order
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT QUANTILE_CONT(amount, 0.9) AS q FROM lines
SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY amount, pieces) AS q FROM lines

-- name: a quantile of nothing below
-- expect: type-mismatch 1:8 hint
-- instead: SELECT QUANTILE_CONT(amount, 0.9) AS q FROM lines
SELECT QUANTILE_CONT(amount, 0) AS q FROM lines

-- name: a quantile of more than all
-- expect: type-mismatch 1:8 hint
SELECT QUANTILE_CONT(amount, 1.5) AS q FROM lines

-- name: a quantile by a column
-- expect: type-mismatch 1:8 hint
SELECT QUANTILE_CONT(amount, pieces) AS q FROM lines

-- name: a quantile of a text
-- expect: type-mismatch 1:8 hint
SELECT MEDIAN(note) AS m FROM lines

-- name: a quantile of days
-- expect: type-mismatch 1:8 hint
SELECT MEDIAN(day) AS m FROM lines

-- name: a quantile of doubles
-- expect: type-mismatch 1:8 hint
-- instead: SELECT MEDIAN(ROUND(amount / 3, 2)) AS m FROM lines
-- options: {"contribution_bounds_per_row": {"m": [0, 100]}}
SELECT MEDIAN(amount / 3) AS m FROM lines

-- name: a quantile without a declared range
-- expect: no-bound 1:8 hint
SELECT MEDIAN(ticket) AS m FROM lines

-- name: a quantile of keys that are not public
-- expect: keys-not-public 1:8 hint
SELECT note, MEDIAN(amount) AS m FROM lines GROUP BY note

-- name: different values of keys that are not public
-- expect: keys-not-public 1:8 hint
SELECT note, COUNT(DISTINCT product_id) AS n FROM lines GROUP BY note

-- name: subtotals of different values
-- expect: subtotals-of-units 1:8 hint
SELECT day, COUNT(DISTINCT product_id) AS n FROM lines GROUP BY ROLLUP (day)

-- name: subtotals of medians
-- expect: subtotals-of-units 1:8 hint
SELECT day, MEDIAN(amount) AS m FROM lines GROUP BY ROLLUP (day)

-- name: the median of one customer
-- expect: unsupported-aggregate 1:49 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, MEDIAN(amount) AS m FROM lines GROUP BY household_id) AS t

-- name: a quantile in the order of something else
-- expect: unsupported-syntax 1:8 hint
SELECT QUANTILE_CONT(amount, 0.9 ORDER BY pieces) AS q FROM lines
