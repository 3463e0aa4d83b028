-- Sums of expressions whose bound and places follow from declared ranges: nobody states anything.
-- name: a value that is limited
SELECT AVG(LEAST(amount, 10)) AS a, AVG(GREATEST(amount, 0)) AS b, SUM(LEAST(amount, 5.50)) AS c,
    SUM(GREATEST(LEAST(discount, 1), -1)) AS d
FROM lines

-- name: limits on both sides of NULL
SELECT SUM(LEAST(ticket, 5)) AS a, AVG(LEAST(ticket, 2)) AS b, SUM(GREATEST(LEAST(ticket, 20), 3)) AS c FROM lines

-- name: pieces times price
-- keys: public
SELECT department, SUM(pieces * price) AS value, AVG(price * pieces) AS mean
FROM lines JOIN products USING (product_id) GROUP BY department

-- name: a product where a condition holds
SELECT SUM(CASE WHEN pieces > 0 THEN pieces * price ELSE 0 END) AS sold,
    SUM(CASE WHEN pieces < 0 THEN pieces * price END) AS returned,
    SUM(price * pieces) FILTER (WHERE pieces BETWEEN 1 AND 3) AS few
FROM lines JOIN products USING (product_id)

-- name: differences and signs of both columns
SELECT SUM(amount - discount) AS net, SUM(ABS(amount)) AS turned_over, SUM(-amount) AS back, AVG(amount * 2) AS twice
FROM lines

-- name: quotients rounded to places
SELECT SUM(ROUND(amount / 100, 2)) AS hundredths, SUM(ROUND(amount / NULLIF(pieces, 0), 2)) AS each, AVG(ROUND(pieces / 3, 4)) AS third
FROM lines

-- name: whole numbers made of whole numbers
SELECT SUM(ticket % 5) AS a, SUM(pieces // 2) AS b, SUM(YEAR(day) - 2025) AS c, SUM(MONTH(day)) AS d,
    SUM(day - DATE '2026-01-01') AS e, AVG(LENGTH(LEFT(note, 5))) AS f, SUM(LENGTH(CAST(day AS VARCHAR))) AS g
FROM lines

-- name: truth as a number
SELECT SUM(CAST(paid_by_card AS INTEGER)) AS a, AVG(CAST(pieces > 2 AS INTEGER)) AS share FROM lines

-- name: choices of columns
SELECT SUM(CASE WHEN pieces > 2 THEN amount WHEN pieces < 0 THEN discount ELSE 1 END) AS a,
    SUM(COALESCE(discount, amount)) AS b, AVG(NULLIF(pieces, 0)) AS c
FROM lines

-- name: a variance of a product
-- measures: 3
SELECT VAR_POP(pieces * members) AS v, AVG(pieces * members) AS m FROM lines JOIN customers USING (household_id)

-- name: a variance of limited values
SELECT VAR_POP(LEAST(ABS(pieces), 4)) AS v, STDDEV_POP(GREATEST(pieces, 0)) AS s FROM lines

-- name: rows that a condition makes small
SELECT SUM(ticket) AS a, AVG(ticket) AS b FROM lines WHERE ticket BETWEEN 0 AND 12 AND pieces >= 0

-- name: one row a customer
SELECT SUM(members * members) AS a, AVG(members + 1) AS b, SUM(10 - members) AS c FROM customers

-- name: a sum over sums of one customer
SELECT SUM(s) AS all_of, AVG(LEAST(s, 100)) AS mean, SUM(LEAST(n, 10)) AS visits, SUM(dearest) AS dearest
FROM (SELECT household_id, SUM(amount) AS s, COUNT(*) AS n, MAX(amount) AS dearest FROM lines GROUP BY household_id) AS t

-- name: a value beside the one before
SELECT SUM(change) AS s FROM (
    SELECT amount - LAG(amount) OVER (PARTITION BY household_id ORDER BY day, amount, pieces) AS change FROM lines
) AS t

-- name: both sides of a union
SELECT SUM(LEAST(x, 3)) AS s
FROM (SELECT household_id, pieces AS x FROM lines UNION ALL SELECT household_id, members FROM customers) AS t

-- name: a sum of which nothing is declared
SELECT SUM(store_id % product_id) AS s FROM lines

-- name: a sum of lengths that no one declared, by groups
SELECT store_id, SUM(LENGTH(note)) AS s FROM lines GROUP BY store_id
