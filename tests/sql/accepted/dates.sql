-- Dates and their parts.
-- name: parts of a date
SELECT COUNT_IF(YEAR(day) = 2026) AS a, COUNT_IF(MONTH(day) = 2) AS b, COUNT_IF(DAY(day) = 29) AS c,
    COUNT_IF(QUARTER(day) = 2) AS d, COUNT_IF(WEEK(day) = 1) AS e, COUNT_IF(DAYOFWEEK(day) = 0) AS f,
    COUNT_IF(ISODOW(day) = 7) AS g, COUNT_IF(DAYOFYEAR(day) > 100) AS h
FROM lines

-- name: EXTRACT
SELECT COUNT_IF(EXTRACT(month FROM day) = 3) AS a, COUNT_IF(EXTRACT(dow FROM day) = 6) AS b,
    COUNT_IF(EXTRACT(isodow FROM day) = 6) AS c, COUNT_IF(EXTRACT(doy FROM day) = 6) AS d
FROM lines

-- name: arithmetic of days
SELECT COUNT_IF(day + 1 = DATE '2026-02-01') AS a, COUNT_IF(day - 31 < '2026-01-01') AS b,
    COUNT_IF(day - DATE '2026-01-01' > 45) AS c, COUNT_IF(DATE_DIFF('day', DATE '2026-01-15', day) > 10) AS d,
    COUNT_IF(day < DATE '2026-03-01' - INTERVAL 7 DAY) AS e, COUNT_IF(day + INTERVAL '2 weeks' > DATE '2026-04-30') AS f
FROM lines

-- name: rows by month
-- keys: public
SELECT DATE_TRUNC('month', day) AS month, COUNT(*) AS n FROM lines GROUP BY month ORDER BY month

-- name: rows by week
-- keys: public
SELECT DATE_TRUNC('week', day) AS week, SUM(amount) AS s FROM lines GROUP BY 1 ORDER BY 1

-- name: rows by day of the week
-- keys: public
SELECT DAYOFWEEK(day) AS weekday, COUNT(*) AS n FROM lines GROUP BY weekday ORDER BY n DESC, weekday

-- name: rows by day in a range
-- keys: public
-- groups: 28
SELECT day, COUNT(*) AS n FROM lines WHERE day >= DATE '2026-02-01' AND day < DATE '2026-03-01' GROUP BY day

-- name: rows of one day
-- keys: public
-- groups: 1
SELECT day, COUNT(*) AS n FROM lines WHERE day = '2026-02-03' GROUP BY day

-- name: rows by quarter and year
-- keys: public
SELECT YEAR(day) AS y, DATE_TRUNC('quarter', day) AS q, COUNT(*) AS n FROM lines GROUP BY ALL

-- name: a date that may be NULL
SELECT COUNT(joined) AS n, COUNT_IF(joined IS NULL) AS without, COUNT_IF(YEAR(joined) = 2025) AS newer FROM customers
