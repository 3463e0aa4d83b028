-- name: a table that is not there
-- expect: unknown-table 1:27 hint
SELECT COUNT(*) AS n FROM purchases

-- name: a column that is not there
-- expect: unknown-column 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE colour = 'red'

-- name: a column of a table that is not there
-- expect: unknown-column 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE lines.pieces = 1
SELECT COUNT(*) AS n FROM lines WHERE x.pieces = 1

-- name: a column in two tables
-- expect: ambiguous-column 1:75 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS l JOIN stores AS s ON l.day > s.opened WHERE l.store_id = 1
SELECT COUNT(*) AS n FROM lines l JOIN stores s ON l.day > s.opened WHERE store_id = 1

-- name: USING of a column on one side
-- expect: unknown-column 1:38 hint
-- instead: SELECT COUNT(*) AS n FROM lines JOIN products USING (product_id)
SELECT COUNT(*) AS n FROM lines JOIN products USING (store_id)

-- name: a star of a table that is not there
-- expect: unknown-table 1:35 hint
-- instead: SELECT stores.* FROM stores
SELECT COUNT(*) AS n FROM (SELECT x.* FROM lines) AS t

-- name: a name with an underscore
-- expect: reserved-name 1:54 hint
-- instead: SELECT COUNT(*) AS n FROM lines
SELECT _sensitive, COUNT(*) AS n FROM lines GROUP BY _sensitive

-- name: a table of the vault
-- expect: reserved-name 1:15 hint
SELECT * FROM _units

-- name: a table of the engine
-- expect: unknown-table 1:15 hint
SELECT * FROM duckdb_settings

-- name: a schema
-- expect: unsupported-syntax 1:27 hint
SELECT COUNT(*) AS n FROM information_schema.tables

-- name: a qualified table
-- expect: unsupported-syntax 1:27 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
-- instead: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM private.main.lines

-- name: a file
-- expect: unknown-table 1:15 hint
SELECT * FROM 'secret.csv'

-- name: a table function
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM read_csv('secret.csv')

-- name: a range
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM range(10)

-- name: a generator in SELECT
-- expect: unsupported-syntax 1:8 hint
SELECT UNNEST([1, 2]) AS x

-- name: a query in a text
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM query('SELECT 1')

-- name: a row id
-- expect: unknown-column 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE rowid = 1

-- name: the environment
-- expect: unsupported-syntax 1:8 hint
SELECT GETENV('HOME') AS home

-- name: the current user
-- expect: unsupported-syntax 1:24 hint
SELECT CURRENT_USER AS u

-- name: an alias of an alias of itself
-- expect: unknown-column 1:8 hint
SELECT a AS b, b AS a, COUNT(*) AS n FROM lines GROUP BY a


-- name: a table a letter off
-- expect: unknown-table 1:27 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE lines.pieces > 1
SELECT COUNT(*) AS n FROM line WHERE line.pieces > 1

-- name: a column a letter off
-- expect: unknown-column 1:58 hint
-- rewrite: SELECT l.pieces AS k, COUNT(*) AS n FROM lines AS l WHERE l.pieces > 1 GROUP BY l.pieces
SELECT l.piece AS k, COUNT(*) AS n FROM lines AS l WHERE l.piece > 1 GROUP BY l.piece

-- name: a column a letter off in a list from elsewhere
-- expect: unknown-column 1:93 hint
-- rewrite: WITH dear AS (SELECT household_id, amount AS price FROM lines WHERE amount > 10) SELECT SUM(price) AS s FROM dear
WITH dear AS (SELECT household_id, amount AS price FROM lines WHERE amount > 10) SELECT SUM(prize) AS s FROM dear

-- name: a column that could be two
-- expect: unknown-column 1:109 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, pieces AS price_a, ticket AS price_b FROM lines) AS t WHERE price_c > 1

-- name: a column of a table that has another name here
-- expect: unknown-column 1:82 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS l JOIN products AS p USING (product_id) WHERE p.price > 1 AND l.pieces > 1
SELECT COUNT(*) AS n FROM lines AS l JOIN products AS p USING (product_id) WHERE products.price > 1 AND l.pieces > 1

-- name: a private table twice under one name
-- expect: duplicate-alias 1:38 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines JOIN lines AS lines_2 USING (household_id)
SELECT COUNT(*) AS n FROM lines JOIN lines USING (household_id)

-- name: an alias with an underscore
-- expect: reserved-name 1:20 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS _n FROM lines
