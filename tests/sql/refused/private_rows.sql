-- name: all columns of a private table
-- expect: private-rows 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT * FROM lines

-- name: one column of a private table
-- expect: private-rows 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT amount FROM lines

-- name: a filtered private row
-- expect: unit-in-expression 1:32 hint
SELECT amount FROM lines WHERE household_id IS NOT NULL

-- name: a private row by limit
-- expect: limit-on-private 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT amount FROM lines LIMIT 1

-- name: distinct private rows
-- expect: limit-on-private 1:17 hint
-- rewrite: SELECT town, COUNT(*) AS n FROM customers GROUP BY town
SELECT DISTINCT town FROM customers

-- name: ordered private rows
-- expect: private-rows 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM customers
SELECT town FROM customers ORDER BY town

-- name: a constant for every private row
-- expect: private-rows 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT 1 AS one FROM lines

-- name: a CTE that gives private rows
-- expect: private-rows 1:6 hint
-- rewrite: WITH a AS (SELECT pieces FROM lines) SELECT COUNT(*) AS n FROM a
WITH a AS (SELECT pieces FROM lines) SELECT * FROM a

-- name: a private scalar subquery
-- expect: private-rows 1:16 hint
SELECT (SELECT amount FROM lines) AS a

-- name: a private scalar subquery beside a measure
-- expect: limit-on-private 1:31 hint
SELECT COUNT(*) AS n, (SELECT amount FROM lines LIMIT 1) AS a FROM lines

-- name: a private subquery in IN over public rows
-- expect: private-rows 1:55 hint
SELECT name FROM products WHERE product_id IN (SELECT product_id FROM lines)

-- name: a private subquery in EXISTS over public rows
-- expect: private-rows 1:48 hint
SELECT name FROM products WHERE EXISTS (SELECT 1 FROM lines)

-- name: a correlated private subquery
-- expect: unknown-column 1:67 hint
SELECT name, (SELECT COUNT(*) FROM lines WHERE lines.product_id = p.product_id) AS n FROM products AS p

-- name: a window over private rows
-- expect: window-across-units 1:8 hint
-- instead: SELECT pieces, RANK() OVER (ORDER BY n) AS place FROM (SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces) AS t
SELECT ROW_NUMBER() OVER (ORDER BY amount) AS place FROM lines

-- name: a window aggregate over private rows
-- expect: window-across-units 1:8 hint
SELECT SUM(amount) OVER () AS s FROM lines

-- name: private rows in parentheses
-- expect: private-rows 1:9 hint
(SELECT amount FROM lines)

-- name: private rows in HAVING
-- expect: private-rows 1:81 hint
SELECT age, COUNT(*) AS n FROM customers GROUP BY age HAVING COUNT(*) > (SELECT members FROM customers)

-- name: private rows in the ON of public tables
-- expect: private-rows 1:70 hint
SELECT p.name FROM products p JOIN stores s ON s.store_id IN (SELECT store_id FROM lines)

-- name: private rows in ORDER BY
-- expect: private-rows 1:44 hint
SELECT name FROM products ORDER BY (SELECT amount FROM lines)


-- name: private rows under a condition by a parameter
-- expect: private-rows 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE pieces > $low
-- params: {"low": 3}
SELECT day, amount FROM lines WHERE pieces > $low ORDER BY amount DESC

-- name: a union of private rows
-- expect: private-rows 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines UNION ALL SELECT members FROM customers) AS united
SELECT pieces FROM lines UNION ALL SELECT members FROM customers

-- name: some groups of units
-- expect: limit-on-private 1:8 hint
-- rewrite: SELECT p, value_2, COUNT(*) AS units FROM (SELECT household_id, SUM(pieces) AS p, COUNT(*) AS value_2 FROM lines GROUP BY household_id) AS each_one GROUP BY p, value_2
SELECT household_id, SUM(pieces) AS p, COUNT(*) FROM lines GROUP BY household_id ORDER BY p DESC LIMIT 10
