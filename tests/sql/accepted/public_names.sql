-- Names that the part of a statement which runs on public and released tables can know of.
-- name: aliases of the SELECT before and after
-- nodes: 0
SELECT store_id + 1 AS next, next * 2 AS twice FROM stores WHERE next > 1 ORDER BY twice

-- name: an alias that the engine has as a name
-- nodes: 0
SELECT city AS "user", user AS again FROM stores WHERE user <> 'x' ORDER BY user

-- name: a column that the engine has as a name
-- nodes: 1
SELECT user, t.user AS again FROM (SELECT COUNT(*) AS "user" FROM lines) AS t

-- name: an alias that stands for a group and is filtered
-- nodes: 0
SELECT department AS d, COUNT(*) AS n FROM products GROUP BY d HAVING n > 1 ORDER BY n, d

-- name: a column of the query around
-- nodes: 0
SELECT product_id, (SELECT MAX(q.price) FROM products AS q WHERE q.department = p.department) AS dearest FROM products AS p

-- name: a column two queries further out
-- nodes: 0
SELECT city FROM stores AS s
WHERE EXISTS (SELECT 1 FROM (SELECT product_id FROM products WHERE product_id = s.store_id) AS t WHERE product_id = s.store_id)

-- name: an unnamed column of the query around
-- nodes: 0
SELECT city FROM stores WHERE EXISTS (SELECT 1 FROM products WHERE product_id = store_id) ORDER BY city

-- name: a release and a column around it
-- nodes: 1
SELECT city, (SELECT MAX(n) FROM (SELECT store_id AS s, COUNT(*) AS n FROM lines GROUP BY store_id) AS t WHERE s = store_id) AS n FROM stores

-- name: USING in a row
-- nodes: 0
SELECT a.city, b.opened, c.city AS again FROM stores a JOIN stores b USING (store_id) JOIN stores c USING (store_id) WHERE store_id > 0

-- name: columns around a table that only filters
-- nodes: 0
SELECT * FROM stores AS s SEMI JOIN products AS p ON s.store_id = p.product_id

-- name: names of both sides of a union
-- nodes: 0
SELECT city AS a FROM stores UNION SELECT name AS b FROM products ORDER BY a

-- name: ORDER BY ALL
-- nodes: 0
SELECT city, opened FROM stores ORDER BY ALL

-- name: names in capitals outside
-- nodes: 1
SELECT T.N, T.Pieces FROM (SELECT Pieces, COUNT(*) AS n FROM lines GROUP BY ALL) AS t ORDER BY PIECES
