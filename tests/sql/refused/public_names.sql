-- Names in the part of a statement that runs on public and released tables.
-- name: the engine's user
-- expect: unknown-column 1:8 hint
SELECT user AS x

-- name: the engine's user under its own name
-- expect: unknown-column 1:8 hint
SELECT user AS "user" FROM stores

-- name: the engine's user before the alias
-- expect: unknown-column 1:8 hint
SELECT user AS x, 1 AS "user" FROM stores

-- name: a schema of the engine
-- expect: unknown-column 1:39 hint
SELECT city FROM stores WHERE city <> current_schema

-- name: a schema of the engine in a union
-- expect: unknown-column 1:30 hint
SELECT 'a' AS x UNION SELECT current_schema

-- name: a name of the engine after a union
-- expect: unknown-column 1:66 hint
SELECT city FROM stores UNION SELECT name FROM products ORDER BY current_schema

-- name: a name of the engine after a parenthesis
-- expect: unknown-column 1:36 hint
(SELECT city FROM stores) ORDER BY user

-- name: a name of the engine as a limit
-- expect: unknown-column 1:31 hint
SELECT city FROM stores LIMIT user

-- name: a name of the engine in a window
-- expect: unknown-column 1:36 hint
SELECT city, RANK() OVER (ORDER BY user) AS x FROM stores

-- name: a name of the engine in the condition of a join
-- expect: unknown-column 1:55 hint
SELECT s.city FROM stores s JOIN stores t ON s.city = user

-- name: a name of the engine in a subquery beside an alias of that name
-- expect: unknown-column 1:32 hint
SELECT city AS "user", (SELECT user) AS x FROM stores

-- name: a row number of the engine
-- expect: unknown-column 1:8 hint
SELECT rowid FROM stores

-- name: a table as a value
-- expect: unknown-column 1:8 hint
SELECT t FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: a counted table
-- expect: unknown-column 1:14 hint
SELECT COUNT(t) AS x FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: a public column that is not there
-- expect: unknown-column 1:8 hint
SELECT colour FROM stores

-- name: a column that a subquery does not show
-- expect: unknown-column 1:8 hint
SELECT opened FROM (SELECT city FROM stores) AS t

-- name: a public column of another table
-- expect: unknown-column 1:8 hint
SELECT stores.name FROM stores, products

-- name: a public column of a table that is not there
-- expect: unknown-column 1:8 hint
-- rewrite: SELECT stores.city FROM stores
SELECT x.city FROM stores

-- name: a table under the name that it had before
-- expect: unknown-column 1:8 hint
-- rewrite: SELECT s.city FROM stores AS s
SELECT stores.city FROM stores AS s

-- name: a public column that USING does not find
-- expect: unknown-column 1:30 hint
SELECT city FROM stores JOIN products USING (store_id)

-- name: a column of a table that only filters
-- expect: unknown-column 1:14 hint
SELECT city, t.opened FROM stores SEMI JOIN stores AS t USING (store_id)

-- name: a key of a release in a subquery
-- expect: unknown-column 1:31 hint
SELECT COUNT(*) AS n, (SELECT k0) AS x FROM lines GROUP BY pieces

-- name: the noise of a release in a subquery
-- expect: unknown-column 1:31 hint
SELECT COUNT(*) AS n, (SELECT s0) AS x FROM lines

-- name: a private column in a public subquery
-- expect: unknown-column 1:82 hint
SELECT COUNT(*) AS n, (SELECT MAX(price) FROM products AS p WHERE p.product_id = lines.product_id) AS x FROM lines

-- name: an estimate's lower bound as an alias
-- expect: duplicate-column 1:8 hint
SELECT COUNT(*) AS n, SUM(amount) AS n_lower FROM lines

-- name: an estimate's standard error as an alias outside
-- expect: duplicate-column 1:8 hint
SELECT n, 1 AS n_standard_error FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: an estimate's upper bound as a key
-- expect: duplicate-column 1:8 hint
SELECT pieces AS n_upper, COUNT(*) AS n FROM lines GROUP BY pieces
