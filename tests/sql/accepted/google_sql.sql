-- What analysts write in GoogleSQL. `plain` is the same question in DuckDB's SQL, for the oracle.
-- name: the clause with all options
-- plain: SELECT pieces, SUM(amount) AS s FROM lines GROUP BY pieces ORDER BY pieces
-- groups: 26
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, delta = 1e-6, max_groups_contributed = 1000, group_selection_strategy = PUBLIC_GROUPS, privacy_unit_column = household_id)
    pieces, SUM(amount, contribution_bounds_per_group => (-100000, 100000)) AS s
FROM lines GROUP BY pieces ORDER BY pieces

-- name: the clause without options
-- plain: SELECT COUNT(*) AS n FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY COUNT(*) AS n FROM lines

-- name: the older clause
-- plain: SELECT town, COUNT(*) AS n FROM customers GROUP BY town
-- keys: threshold
select with anonymization options(epsilon = 1, kappa = 1) town, count(*) as n from customers group by town

-- name: a clause in each of two CTEs that agree
-- plain: WITH a AS (SELECT COUNT(*) AS n FROM lines), b AS (SELECT COUNT(*) AS m FROM customers) SELECT n, m, n / m AS each FROM a, b
-- nodes: 2
WITH a AS (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) COUNT(*) AS n FROM lines),
     b AS (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1.0) COUNT(*) AS m FROM customers)
SELECT n, m, n / m AS each FROM a, b

-- name: a clause at the outermost SELECT for what is inside
-- plain: SELECT n * 2 AS twice FROM (SELECT COUNT(*) AS n FROM lines) AS t
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(rho = 0.5) n * 2 AS twice FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: a clause on both sides of a union
-- plain: SELECT COUNT(*) AS n FROM lines UNION ALL SELECT COUNT(*) AS n FROM customers
-- nodes: 2
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) COUNT(*) AS n FROM lines
UNION ALL SELECT WITH DIFFERENTIAL_PRIVACY COUNT(*) AS n FROM customers

-- name: the clause of a question about public tables, which costs nothing
-- plain: SELECT COUNT(*) AS n FROM products
-- nodes: 0
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) COUNT(*) AS n FROM products

-- name: the clause before DISTINCT
-- plain: SELECT DISTINCT n > 0 AS any FROM (SELECT COUNT(*) AS n FROM lines) AS t
SELECT WITH DIFFERENTIAL_PRIVACY DISTINCT n > 0 AS any FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: groups of enough units
-- plain: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces HAVING COUNT(DISTINCT household_id) >= 10
-- measures: 2
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 10) pieces, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: groups of enough units beside HAVING
-- plain: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces HAVING COUNT(DISTINCT household_id) >= 10 AND (pieces < 2 OR COUNT(*) > 20)
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 10) pieces, COUNT(*) AS n FROM lines
GROUP BY pieces HAVING pieces < 2 OR n > 20

-- name: bounds that change nothing
-- plain: SELECT COUNT(*) AS n, COUNT(DISTINCT household_id) AS u, SUM(amount) AS s, AVG(amount) AS m, COUNT_IF(pieces > 1) AS c FROM lines
-- measures: 5
SELECT COUNT(*, contribution_bounds_per_row => (0, 5)) AS n,
    COUNT(DISTINCT household_id, contribution_bounds_per_group => (0, 1)) AS u,
    SUM(amount, l2_bound => 200000) AS s,
    AVG(amount, contribution_bounds_per_row => (-1000, 1000.0)) AS m,
    COUNTIF(pieces > 1, l2_bound => 1e4) AS c
FROM lines

-- name: a bound by row
-- plain: SELECT SUM(GREATEST(-1.5, LEAST(2, amount))) AS s FROM lines
SELECT SUM(amount, contribution_bounds_per_row => (-1.5, 2)) AS s FROM lines

-- name: a bound by row of a mean
-- plain: SELECT AVG(GREATEST(-1.5, LEAST(2, amount))) AS m FROM lines
SELECT AVG(amount, contribution_bounds_per_row => (-1.5, 2)) AS m FROM lines

-- name: two bounds of one measure in one column
-- plain: SELECT SUM(GREATEST(0, LEAST(2, amount))) / SUM(GREATEST(0, LEAST(3, amount))) AS r FROM lines
-- measures: 2
SELECT SUM(amount, contribution_bounds_per_row => (0, 2)) / SUM(amount, contribution_bounds_per_row => (0, 3)) AS r FROM lines

-- name: a bound in HAVING and ORDER BY
-- plain: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces HAVING SUM(amount) > 10 ORDER BY SUM(amount), pieces
-- measures: 2
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces
HAVING SUM(amount, l2_bound => 200000) > 10 ORDER BY SUM(amount, l2_bound => 200000), pieces

-- name: a bound beside FILTER
-- plain: SELECT SUM(amount) FILTER (WHERE pieces > 1) AS s FROM lines
SELECT SUM(amount, l2_bound => 200000) FILTER (WHERE pieces > 1) AS s FROM lines

-- name: a bound of a sum that the policy has none for
-- plain: SELECT SUM(amount - discount) AS s FROM lines
SELECT SUM(amount - discount, l2_bound => 200000) AS s FROM lines

-- name: the older kind of bound of an average
-- plain: SELECT AVG(amount) AS m FROM lines
SELECT AVG(amount, contribution_bounds_per_group => (-100000, 100000)) AS m FROM lines

-- name: names in backquotes
-- plain: SELECT l.pieces AS "number of pieces", COUNT(*) AS n FROM lines AS l GROUP BY l.pieces
SELECT `l`.`pieces` AS `number of pieces`, COUNT(*) AS n FROM `lines` AS `l` GROUP BY `l`.`pieces`

-- name: a quotient that cannot fail
-- plain: SELECT COUNT(*) AS n FROM lines WHERE amount / NULLIF(pieces, 0) > 2
SELECT COUNT(*) AS n FROM lines WHERE SAFE_DIVIDE(amount, pieces) > 2

-- name: a quotient of results that cannot fail
-- plain: SELECT SUM(amount) / NULLIF(COUNT(*) - COUNT(*), 0) AS q, (SUM(amount) + 1) / COUNT(*) AS r FROM lines
SELECT SAFE_DIVIDE(SUM(amount), COUNT(*) - COUNT(*)) AS q, SAFE_DIVIDE(SUM(amount) + 1, COUNT(*)) AS r FROM lines

-- name: a date's part behind the date
-- plain: SELECT DATE_TRUNC('month', day) AS m, DATE_TRUNC('week', day) AS w, COUNT(*) AS n FROM lines WHERE DATE_DIFF('day', DATE '2026-01-15', day) > 3 GROUP BY m, w
SELECT DATE_TRUNC(day, MONTH) AS m, DATE_TRUNC(day, ISOWEEK) AS w, COUNT(*) AS n FROM lines
WHERE DATE_DIFF(day, DATE '2026-01-15', DAY) > 3 GROUP BY m, w

-- name: days before and after
-- plain: SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-03-01' - 10 AND day < DATE '2026-01-01' + 84
SELECT COUNT(*) AS n FROM lines WHERE day > DATE_SUB(DATE '2026-03-01', INTERVAL 10 DAY) AND day < DATE_ADD(DATE '2026-01-01', INTERVAL 12 WEEK)

-- name: dates of public tables
-- plain: SELECT store_id, CAST(opened + INTERVAL 1 MONTH AS DATE) AS later, DATE_TRUNC('month', opened) AS m, DATE_DIFF('year', opened, DATE '2026-01-01') AS years FROM stores
SELECT store_id, DATE_ADD(opened, INTERVAL 1 MONTH) AS later, DATE_TRUNC(opened, MONTH) AS m, DATE_DIFF(DATE '2026-01-01', opened, YEAR) AS years FROM stores

-- name: a week of the year
-- plain: SELECT EXTRACT(WEEK FROM day) AS w, COUNT(*) AS n FROM lines GROUP BY w
SELECT EXTRACT(ISOWEEK FROM day) AS w, COUNT(*) AS n FROM lines GROUP BY w

-- name: types and choices
-- plain: SELECT COUNT(*) AS n FROM lines WHERE TRY_CAST(note AS BIGINT) IS NULL AND IF(pieces > 1, TRY_CAST(pieces AS DOUBLE), 2.0) > 1.5 AND COALESCE(ticket, 0) >= 0
SELECT COUNT(*) AS n FROM lines WHERE SAFE_CAST(note AS INT64) IS NULL AND IF(pieces > 1, SAFE_CAST(pieces AS FLOAT64), 2.0) > 1.5 AND IFNULL(ticket, 0) >= 0

-- name: an absolute value as DuckDB writes it
-- plain: SELECT COUNT(*) AS n FROM lines WHERE @(pieces) > 1 AND @ pieces > 1
SELECT COUNT(*) AS n FROM lines WHERE @(pieces) > 1 AND @ pieces > 1

-- name: parameters with an at sign
-- params: {"low": 1, "since": "2026-01-15"}
-- plain: SELECT COUNT(*) AS n FROM lines WHERE pieces > 1 AND 1 < 1 + pieces AND day >= '2026-01-15'
SELECT COUNT(*) AS n FROM lines WHERE pieces >@low AND @low<@low + pieces AND day >= @since

-- name: parameters of stated types
-- params: {"since": {"type": "DATE", "value": "2026-01-15"}, "least": {"type": "NUMERIC", "value": "1.50"}, "most": {"type": "INT64", "value": "9"}, "ratio": {"type": "FLOAT64", "value": 0.5}, "paid": {"type": "BOOL", "value": true}, "note": {"type": "STRING", "value": "gift"}}
-- plain: SELECT COUNT(*) FILTER (WHERE paid_by_card = TRUE) AS p, COUNT(*) FILTER (WHERE note = 'gift') AS g FROM lines WHERE day >= DATE '2026-01-15' AND amount >= 1.50 AND pieces < 9 AND pieces / 4 > 0.5
SELECT COUNT(*) FILTER (WHERE paid_by_card = @paid) AS p, COUNT(*) FILTER (WHERE note = :note) AS g
FROM lines WHERE day >= $since AND amount >= @least AND pieces < @most AND pieces / 4 > @ratio

-- name: lists
-- params: {"some": [1, 2, 3], "days": {"type": "DATE", "value": ["2026-01-15", "2026-02-01"]}, "names": ["gift", "it's"]}
-- plain: SELECT COUNT(*) FILTER (WHERE pieces IN (1, 2, 3)) AS a, COUNT(*) FILTER (WHERE day NOT IN (DATE '2026-01-15', DATE '2026-02-01')) AS b, COUNT(*) FILTER (WHERE note IN ('gift', 'it''s')) AS c FROM lines
SELECT COUNT(*) FILTER (WHERE pieces IN $some) AS a, COUNT(*) FILTER (WHERE day NOT IN UNNEST(@days)) AS b,
    COUNT(*) FILTER (WHERE note IN UNNEST(:names)) AS c
FROM lines

-- name: a list over results and public tables
-- params: {"names": ["Oslo", "Turku"], "1": [1, 2, 3]}
-- plain: SELECT store_id FROM stores WHERE store_id IN (1, 2, 3) AND city NOT IN ('Oslo', 'Turku')
SELECT store_id FROM stores WHERE store_id IN ? AND city NOT IN UNNEST(@names)

-- name: bounds as parameters
-- params: {"low": -1.5, "high": 2, "most": 3}
-- plain: SELECT SUM(GREATEST(-1.5, LEAST(2, amount))) AS s FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = @most)
    SUM(amount, contribution_bounds_per_row => (@low, @high)) AS s
FROM lines
