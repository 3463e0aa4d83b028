-- name: private tables without a condition
-- expect: join-not-on-unit 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines JOIN customers ON lines.household_id = customers.household_id
SELECT COUNT(*) AS n FROM lines, customers

-- name: private tables on another column
-- expect: join-not-on-unit 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b ON a.household_id = b.household_id AND a.product_id = b.product_id
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.product_id = b.product_id

-- name: private tables crossed
-- expect: join-not-on-unit 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN customers AS b ON a.household_id = b.household_id
SELECT COUNT(*) AS n FROM lines a CROSS JOIN customers b

-- name: a third private table not on the unit
-- expect: join-not-on-unit 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN customers AS b USING (household_id) JOIN lines AS c ON a.household_id = c.household_id AND c.day = a.day
SELECT COUNT(*) AS n FROM lines a JOIN customers b USING (household_id) JOIN lines c ON c.day = a.day

-- name: private tables joined through a public one
-- expect: join-not-on-unit 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN products AS p ON a.product_id = p.product_id JOIN lines AS b ON a.household_id = b.household_id AND b.product_id = p.product_id
SELECT COUNT(*) AS n FROM lines a JOIN products p ON a.product_id = p.product_id JOIN lines b ON b.product_id = p.product_id

-- name: a left join of private tables on another column
-- expect: join-not-on-unit 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a LEFT JOIN customers AS b ON a.household_id = b.household_id AND a.pieces = b.members
SELECT COUNT(*) AS n FROM lines a LEFT JOIN customers b ON a.pieces = b.members

-- name: a left join that keeps public rows
-- expect: outer-join-keeps-public 1:56 hint
-- rewrite: SELECT p.name, COUNT(*) AS n FROM lines AS l JOIN products AS p ON p.product_id = l.product_id GROUP BY p.name
-- instead: SELECT p.name, COUNT(*) AS n FROM lines AS l JOIN products AS p ON p.product_id = l.product_id GROUP BY p.name
SELECT p.name, COUNT(*) AS n FROM products p LEFT JOIN lines l ON p.product_id = l.product_id GROUP BY p.name

-- name: a right join
-- expect: unsupported-join 1:46 hint
-- instead: SELECT COUNT(*) AS n FROM lines AS l LEFT JOIN products AS p ON p.product_id = l.product_id
SELECT COUNT(*) AS n FROM lines l RIGHT JOIN products p ON p.product_id = l.product_id

-- name: a full join
-- expect: unsupported-join 1:45 hint
SELECT COUNT(*) AS n FROM lines l FULL JOIN customers c ON c.household_id = l.household_id

-- name: a semi join
-- expect: unsupported-join 1:45 hint
SELECT COUNT(*) AS n FROM lines l SEMI JOIN products p ON p.product_id = l.product_id

-- name: an anti join
-- expect: unsupported-join 1:45 hint
SELECT COUNT(*) AS n FROM lines l ANTI JOIN customers c ON c.household_id = l.household_id

-- name: a natural join
-- expect: unsupported-syntax 1:46 hint
-- instead: SELECT COUNT(*) AS n FROM lines JOIN products USING (product_id)
SELECT COUNT(*) AS n FROM lines NATURAL JOIN products

-- name: an as-of join
-- expect: unsupported-syntax 1:45 hint
SELECT COUNT(*) AS n FROM lines l ASOF JOIN stores s ON l.day >= s.opened

-- name: a lateral join
-- expect: unsupported-syntax 1:52 hint
-- instead: SELECT COUNT(*) AS n FROM lines AS l JOIN (SELECT store_id AS s FROM stores) AS t ON l.store_id = t.s
SELECT COUNT(*) AS n FROM lines l, LATERAL (SELECT 1) AS t

-- name: a released table joined with private rows
-- expect: released-with-private 1:48 hint
-- instead: SELECT n, mean FROM (SELECT COUNT(*) AS n FROM lines) AS a, (SELECT AVG(pieces) AS mean FROM lines) AS t
SELECT COUNT(*) AS n FROM lines l JOIN (SELECT AVG(pieces) AS mean FROM lines) AS t ON l.pieces > t.mean

-- name: a union of private and public rows
-- expect: union-of-private 1:8 hint
SELECT town FROM customers UNION SELECT city FROM stores

-- name: a limited private subquery
-- expect: limit-on-private 1:35 hint
-- instead: SELECT n FROM (SELECT COUNT(*) AS n FROM lines GROUP BY pieces) AS t LIMIT 5
SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines LIMIT 5) AS t

-- name: a distinct private subquery
-- expect: limit-on-private 1:44 hint
-- instead: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces
SELECT COUNT(*) AS n FROM (SELECT DISTINCT pieces FROM lines) AS t

-- name: a shifted private subquery
-- expect: limit-on-private 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines OFFSET 5) AS t

-- name: a qualified private subquery
-- expect: window-across-units 1:61 hint
-- rewrite: SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines QUALIFY ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY amount) = 1) AS t
-- instead: SELECT n FROM (SELECT COUNT(*) AS n FROM lines GROUP BY pieces) AS t QUALIFY ROW_NUMBER() OVER (ORDER BY n) = 1
SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines QUALIFY ROW_NUMBER() OVER (ORDER BY amount) = 1) AS t

-- name: a parenthesised limited subquery
-- expect: limit-on-private 1:36 hint
SELECT COUNT(*) AS n FROM ((SELECT pieces FROM lines) LIMIT 5) AS t

-- name: a private subquery in a private condition
-- expect: subquery-across-units 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE (household_id, product_id) IN (SELECT household_id, product_id FROM lines)
-- instead: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b USING (household_id) WHERE b.pieces > 1
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM lines)

-- name: a scalar subquery in a private condition
-- expect: unsupported-expression 1:56 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE amount > 12.5
SELECT COUNT(*) AS n FROM lines WHERE amount > (SELECT AVG(amount) FROM lines)

-- name: EXISTS in a private condition
-- expect: unsupported-syntax 1:54 hint
SELECT COUNT(*) AS n FROM lines WHERE EXISTS (SELECT 1 FROM products)

-- name: EXISTS inside an aggregate
-- expect: unsupported-expression 1:32 hint
-- instead: SELECT COUNT(*) AS n FROM lines AS l JOIN products AS p USING (product_id) WHERE price > 1
SELECT COUNT_IF(EXISTS (SELECT 1 FROM products AS p WHERE p.product_id = l.product_id)) AS n FROM lines AS l

-- name: two tables of one name
-- expect: duplicate-alias 1:43 hint
SELECT COUNT(*) AS n FROM lines AS a JOIN customers AS a ON a.household_id = a.household_id

-- name: two public tables of one name
-- expect: duplicate-alias 1:37 hint
-- rewrite: SELECT 1 AS one FROM products AS a, stores AS a_2
SELECT 1 AS one FROM products AS a, stores AS a


-- name: a right join that keeps private rows
-- expect: unsupported-join 1:57 hint
-- rewrite: SELECT p.name, COUNT(*) AS n FROM lines AS l LEFT JOIN products AS p ON p.product_id = l.product_id GROUP BY p.name
SELECT p.name, COUNT(*) AS n FROM products p RIGHT JOIN lines l ON p.product_id = l.product_id GROUP BY p.name

-- name: private tables of which one is a subquery
-- expect: join-not-on-unit 1:6 hint
-- rewrite: WITH young AS (SELECT household_id, members FROM customers WHERE age = 'young') SELECT COUNT(*) AS n FROM lines AS l JOIN young AS y ON l.household_id = y.household_id AND l.pieces = y.members
WITH young AS (SELECT household_id, members FROM customers WHERE age = 'young')
SELECT COUNT(*) AS n FROM lines l JOIN young y ON l.pieces = y.members
