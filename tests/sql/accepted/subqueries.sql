-- CTEs, subqueries and what runs on released results.
-- name: a CTE of private rows
WITH dear AS (SELECT household_id, amount, pieces FROM lines WHERE amount > 10) SELECT COUNT(*) AS n, SUM(pieces) AS s FROM dear

-- name: nested CTEs with renamed columns
WITH a AS (SELECT household_id AS h, amount - discount AS net FROM lines),
    b(u, value) AS (SELECT h, net FROM a WHERE net > 0)
SELECT COUNT(*) AS n, COUNT(DISTINCT u) AS m FROM b WHERE value < 10

-- name: a subquery in FROM
-- options: {"l2_bound": {"s": 100000}}
SELECT COUNT(*) AS n, SUM(twice) AS s FROM (SELECT pieces * 2 AS twice FROM lines WHERE paid_by_card) AS t

-- name: a subquery with column aliases
-- options: {"l2_bound": {"total": 100000}}
SELECT SUM(x) AS total FROM (SELECT pieces + 1, day FROM lines) AS t(x, y) WHERE y > DATE '2026-02-01'

-- name: a table with column aliases
SELECT COUNT(*) AS n FROM lines AS t(h, p) WHERE p = 3 AND pieces > 0

-- name: a star of private rows inside
SELECT COUNT(*) AS n, SUM(amount) AS s FROM (SELECT * FROM lines WHERE pieces = 3) AS t

-- name: a CTE used twice
-- nodes: 1
WITH by_age AS (SELECT age, COUNT(*) AS n FROM customers GROUP BY age)
SELECT a.age, a.n, b.n AS again FROM by_age a JOIN by_age b ON a.age = b.age ORDER BY a.age

-- name: a share by a scalar subquery
SELECT age, COUNT(*) AS n, ROUND(COUNT(*) / (SELECT COUNT(*) FROM customers), 4) AS share FROM customers GROUP BY age

-- name: a share of the released total
WITH by_age AS (SELECT age, COUNT(*) AS n FROM customers GROUP BY age)
SELECT age, n / (SELECT SUM(n) FROM by_age) AS share FROM by_age

-- name: two releases joined
WITH c AS (SELECT members, COUNT(*) AS customers FROM customers GROUP BY members),
    l AS (SELECT c.members, SUM(l.amount) AS amount FROM lines l JOIN customers c USING (household_id) GROUP BY c.members)
SELECT c.members, customers, amount, amount / customers AS each FROM c JOIN l USING (members) ORDER BY members

-- name: UNION ALL of two releases
SELECT 'lines' AS what, COUNT(*) AS n FROM lines UNION ALL SELECT 'customers', COUNT(*) FROM customers ORDER BY what

-- name: UNION of a release and public rows
SELECT age AS label FROM (SELECT age, COUNT(*) AS n FROM customers GROUP BY age) AS t UNION SELECT city FROM stores

-- name: EXCEPT of public rows and a release
SELECT store_id FROM stores EXCEPT SELECT store_id FROM (SELECT store_id, COUNT(*) AS n FROM lines GROUP BY store_id HAVING COUNT(*) > 0) AS t

-- name: windows over a release
SELECT month, n, SUM(n) OVER (ORDER BY month) AS so_far, RANK() OVER (ORDER BY n DESC) AS place,
    LAG(n) OVER (ORDER BY month) AS before
FROM (SELECT MONTH(day) AS month, COUNT(*) AS n FROM lines GROUP BY month) AS t ORDER BY month

-- name: ROW_NUMBER and QUALIFY over a release
SELECT age, n FROM (SELECT age, COUNT(*) AS n FROM customers WHERE age IS NOT NULL GROUP BY age) AS t
QUALIFY ROW_NUMBER() OVER (ORDER BY n DESC, age) <= 2 ORDER BY age

-- name: DISTINCT over a release
SELECT DISTINCT n > 30 AS many FROM (SELECT pieces, COUNT(*) AS n FROM lines WHERE pieces BETWEEN -2 AND 5 GROUP BY pieces) AS t

-- name: aggregates over a release
SELECT MAX(n) AS most, MIN(n) AS least, AVG(n) AS mean, COUNT(*) AS months, MEDIAN(n) AS middle
FROM (SELECT MONTH(day) AS month, COUNT(*) AS n FROM lines GROUP BY month) AS t

-- name: a release joined with a public table
SELECT s.city, s.opened, t.n FROM stores s JOIN (SELECT store_id, COUNT(*) AS n FROM lines GROUP BY store_id) AS t USING (store_id)
WHERE t.n > 0

-- name: a release filtered by public rows
SELECT product_id, n FROM (SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id) AS t
WHERE n > 0 AND product_id IN (SELECT product_id FROM products WHERE department = 'dairy') ORDER BY product_id

-- name: a condition with EXISTS on public rows
SELECT product_id, n FROM (SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id) AS t
WHERE EXISTS (SELECT 1 FROM products AS p WHERE p.product_id = t.product_id AND p.price > 8) AND n > 0

-- name: public rows cost nothing
-- nodes: 0
SELECT department, COUNT(*) AS n, AVG(product_id) AS mean FROM products GROUP BY department ORDER BY department

-- name: public decimals are shown in their own places
-- nodes: 0
SELECT product_id, price, price * 2 AS twice FROM products WHERE price > 3.5 ORDER BY product_id

-- name: public prices are summed
-- nodes: 0
SELECT department, SUM(price) AS s, MAX(price) AS m FROM products GROUP BY department

-- name: public prices beside a release
SELECT p.name, p.price, t.n FROM products p JOIN (SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id) AS t USING (product_id)
WHERE n > 0 AND p.price < 12

-- name: a public price as a key
-- keys: public
SELECT p.price, COUNT(*) AS n FROM lines l JOIN products p USING (product_id) GROUP BY p.price ORDER BY p.price

-- name: a statement without tables
-- nodes: 0
SELECT 1 + 1 AS two, UPPER('a') AS letter

-- name: parentheses around the statement
(SELECT COUNT(*) AS n FROM lines)

-- name: a public scalar subquery beside a measure
SELECT COUNT(*) AS n, (SELECT MAX(price) FROM products) AS dearest FROM lines

-- name: HAVING against a scalar subquery
SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id
HAVING COUNT(*) > (SELECT COUNT(*) / 12 FROM lines) ORDER BY product_id

-- name: names in capitals
SELECT Age, COUNT(*) AS N FROM Customers AS C WHERE c.MEMBERS > 1 GROUP BY AGE

-- name: quoted names and comments
SELECT "age", /* the number */ COUNT(*) AS "number of customers" -- of that age
FROM "customers" GROUP BY "age"

-- name: a released column renamed twice
SELECT a AS x, b AS y FROM (SELECT age, COUNT(*) FROM customers GROUP BY age) AS t(a, b)

-- name: a release in a release
SELECT t.n, COUNT(*) AS products FROM (SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id HAVING COUNT(*) > 0) AS t GROUP BY t.n

-- name: scalar subqueries in scalar subqueries
WITH a AS (SELECT COUNT(*) AS n FROM lines), b AS (SELECT COUNT(*) + (SELECT n FROM a) AS n FROM customers)
SELECT COUNT(*) + (SELECT n FROM b) + 2 * (SELECT n FROM b) AS n FROM lines WHERE pieces > 1

-- name: one released value in both sides of a union
WITH a AS (SELECT COUNT(*) AS n FROM lines)
SELECT age, COUNT(*) / (SELECT n FROM a) AS share FROM customers GROUP BY age
UNION ALL SELECT 0, (SELECT n FROM a) / 2 ORDER BY 1

-- name: a released value that depends on the row outside
WITH t AS (SELECT store_id AS s, COUNT(*) AS n FROM lines GROUP BY store_id)
SELECT x.city, COALESCE((SELECT SUM(n) FROM t WHERE s = x.store_id), 0) + (SELECT SUM(n) FROM t) AS n FROM stores x ORDER BY city

-- name: parentheses around a statement with a released value
((SELECT COUNT(*) / (SELECT COUNT(*) AS n FROM customers) AS each FROM lines) ORDER BY each)
