-- Statements that want more than an answer: files, settings, the engine's own tables and functions, work without end.
-- name: a comment between the words
-- expect: private-rows 1:11 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT/**/amount/* ' */FROM/* " */lines -- ;

-- name: a nested comment
-- expect: private-rows 1:26 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT /* a /* b */ c */ amount FROM lines

-- name: a comment that hides a condition
-- expect: unit-in-expression 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE household_id = 'h1' -- AND FALSE

-- name: a line comment before the rest
-- expect: private-rows 2:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
-- a
SELECT amount -- b
FROM lines

-- name: a query in a text with quotes
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM query('SELECT * FROM lines')

-- name: a table by its name in a text
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM query_table('lines')

-- name: a file of values
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM read_csv('/etc/passwd')

-- name: a file of text
-- expect: unsupported-syntax 1:21 hint
SELECT content FROM read_text('/proc/self/environ')

-- name: files by a pattern
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM glob('/*')

-- name: the engine's tables
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM duckdb_tables()

-- name: the engine's settings
-- expect: unsupported-syntax 1:19 hint
SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'

-- name: the catalogue of tables
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM information_schema.tables

-- name: a table of another database
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM system.main.duckdb_columns

-- name: a table in quotes with a dot
-- expect: unknown-table 1:15 hint
SELECT * FROM "main.lines"

-- name: a path as a table
-- expect: unknown-table 1:15 hint
SELECT * FROM 'x.parquet'

-- name: a copy of a query
-- expect: not-a-select 1:14 hint
COPY (SELECT * FROM lines) TO 'x.parquet'

-- name: an export
-- expect: syntax 1:19
EXPORT DATABASE 'x'

-- name: an import
-- expect: syntax 1:19
IMPORT DATABASE 'x'

-- name: an extension
-- expect: not-a-select 1:9 hint
INSTALL httpfs

-- name: an extension loaded
-- expect: not-a-select 1:1 hint
LOAD httpfs

-- name: a call
-- expect: not-a-select 1:20 hint
CALL duckdb_tables()

-- name: a prepared statement
-- expect: not-a-select 1:21 hint
PREPARE p AS SELECT 1

-- name: a prepared statement that is run
-- expect: not-a-select 1:9 hint
EXECUTE p

-- name: a checkpoint
-- expect: not-a-select 1:1 hint
CHECKPOINT

-- name: a transaction
-- expect: not-a-select 1:1 hint
BEGIN TRANSACTION

-- name: a detachment
-- expect: not-a-select 1:1 hint
DETACH private

-- name: another database
-- expect: not-a-select 1:5 hint
USE private

-- name: a macro
-- expect: not-a-select 1:14 hint
CREATE MACRO f() AS 1

-- name: a secret
-- expect: not-a-select 1:1 hint
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')

-- name: a setting put back
-- expect: not-a-select 1:7 hint
RESET memory_limit

-- name: tables that are shown
-- expect: not-a-select 1:1 hint
SHOW TABLES

-- name: a plan that is run
-- expect: not-a-select 1:38 hint
EXPLAIN ANALYZE SELECT COUNT(*) FROM lines

-- name: a comment on a table
-- expect: not-a-select 1:18 hint
COMMENT ON TABLE lines IS 'x'

-- name: a table altered
-- expect: not-a-select 1:13 hint
ALTER TABLE lines ADD COLUMN x INTEGER

-- name: a table emptied
-- expect: not-a-select 1:10 hint
TRUNCATE lines

-- name: rows merged
-- expect: not-a-select 1:12 hint
MERGE INTO lines USING products ON TRUE WHEN MATCHED THEN DELETE

-- name: an update in a CTE
-- expect: unsupported-syntax 1:19 hint
WITH a AS (UPDATE lines SET pieces = 1 RETURNING *) SELECT * FROM a

-- name: the environment by a function
-- expect: unsupported-syntax 1:46 hint
SELECT COUNT(*) AS n FROM lines WHERE note = getenv('HOME')

-- name: a pause
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE pg_sleep(10) IS NULL

-- name: a setting as a value
-- expect: unsupported-syntax 1:8 hint
SELECT current_setting('memory_limit') AS x

-- name: the version
-- expect: unsupported-syntax 1:8 hint
SELECT version() AS v

-- name: a sequence
-- expect: unsupported-syntax 1:8 hint
SELECT nextval('s') AS x

-- name: statistics of a column
-- expect: unsupported-syntax 1:8 hint
SELECT stats(note) AS s, COUNT(*) AS n FROM lines GROUP BY s

-- name: a type
-- expect: unsupported-syntax 1:8 hint
SELECT typeof(note) AS t, COUNT(*) AS n FROM lines GROUP BY t

-- name: FROM first with a SELECT
-- expect: private-rows 1:6 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
FROM lines SELECT note

-- name: FROM first with a condition
-- expect: private-rows 1:1 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE pieces > 1
FROM lines WHERE pieces > 1

-- name: a pivot in FROM
-- expect: unsupported-syntax 1:22 hint
SELECT * FROM (PIVOT lines ON pieces USING COUNT(*)) AS p

-- name: a pivot behind a table
-- expect: unsupported-syntax 1:15 hint
SELECT * FROM lines PIVOT (COUNT(*) FOR pieces IN (1, 2))

-- name: a pattern of columns by a lambda
-- expect: unsupported-syntax 1:8 hint
SELECT COLUMNS(c -> c LIKE 'p%') FROM products

-- name: all columns in an aggregate
-- expect: unsupported-syntax 1:12 hint
SELECT MAX(COLUMNS(*)) FROM lines

-- name: columns unpacked
-- expect: unsupported-syntax 1:18 hint
SELECT COALESCE(*COLUMNS('p.*')) AS x FROM products

-- name: a summary in FROM
-- expect: unsupported-syntax 1:26 hint
SELECT * FROM (SUMMARIZE lines) AS s

-- name: a description in FROM
-- expect: unsupported-syntax 1:25 hint
SELECT * FROM (DESCRIBE lines) AS s

-- name: values as a table
-- expect: unsupported-syntax 1:24 hint
SELECT * FROM (VALUES (1), (2)) AS v(x)

-- name: a list comprehension
-- expect: unsupported-syntax 1:9 hint
SELECT [x * 2 FOR x IN [1, 2]] AS l

-- name: a map
-- expect: unsupported-syntax 1:13 hint
SELECT MAP {'a': 1} AS m

-- name: a struct's field
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE struct_pack(a := note).a = 'x'

-- name: a row as a struct
-- expect: unsupported-syntax 1:59 hint
SELECT COUNT(*) AS n FROM lines WHERE row(note, pieces) = row('a', 1)

-- name: a table as a struct
-- expect: unknown-column 1:8 hint
SELECT lines FROM lines

-- name: a table as JSON
-- expect: unsupported-syntax 1:8 hint
SELECT to_json(lines) AS j FROM lines

-- name: a lambda over a list
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE list_transform([ticket], x -> x + 1)[1] > 1

-- name: a lateral subquery of private rows
-- expect: unsupported-syntax 1:58 hint
SELECT COUNT(*) AS n FROM products AS p, LATERAL (SELECT * FROM lines AS l WHERE l.product_id = p.product_id) AS t

-- name: a recursive CTE that never ends
-- expect: unsupported-syntax 1:16 hint
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT COUNT(*) AS n FROM r

-- name: a recursive CTE with a key
-- expect: unsupported-syntax 1:16 hint
WITH RECURSIVE r(i) USING KEY (i) AS (SELECT 1 UNION SELECT i + 1 FROM r) SELECT * FROM r

-- name: a sample of some rows
-- expect: unsupported-syntax 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM lines USING SAMPLE reservoir(5 ROWS)

-- name: a sample that can be repeated
-- expect: unsupported-syntax 1:27 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM lines TABLESAMPLE bernoulli(10 PERCENT) REPEATABLE (1)

-- name: rows by their place
-- expect: unsupported-syntax 1:49 hint
SELECT COUNT(*) AS n FROM lines POSITIONAL JOIN customers

-- name: a join on the last row before
-- expect: unsupported-syntax 1:48 hint
SELECT COUNT(*) AS n FROM lines AS a ASOF JOIN lines AS b ON a.household_id = b.household_id AND a.day >= b.day

-- name: a semi join of public rows with private ones
-- expect: unsupported-join 1:35 hint
SELECT city FROM stores SEMI JOIN lines USING (store_id)

-- name: distinct rows by one column
-- expect: unsupported-syntax 1:21 hint
SELECT DISTINCT ON (product_id) note FROM lines

-- name: a limit by a private value
-- expect: unsupported-aggregate 1:43 hint
SELECT city FROM stores LIMIT (SELECT MAX(ticket) FROM lines)

-- name: a name that looks alike
-- expect: unknown-table 1:27 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM linеs

-- name: a column that looks alike
-- expect: unknown-column 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE pieces > 1
SELECT COUNT(*) AS n FROM lines WHERE рieces > 1

-- name: a unit that looks alike
-- expect: unknown-column 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE housеhold_id = 'h1'

-- name: letters of full width
-- expect: syntax 1:18
ＳＥＬＥＣＴ amount ＦＲＯＭ lines

-- name: the unit in capitals and quotes
-- expect: unit-in-expression 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE "HOUSEHOLD_ID" = 'h1'

-- name: a mark of direction
-- expect: unknown-column 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE ‮note‬ = 'a' AND colour = 1

-- name: a long name
-- expect: reserved-name 1:20 hint
SELECT COUNT(*) AS aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa FROM lines

-- name: a name with a quote
-- expect: unknown-table 1:27 hint
SELECT COUNT(*) AS n FROM "lines""; DROP TABLE lines; --"

-- name: a text in dollars
-- expect: syntax 1:1
SELECT $$a$$ AS x; DROP TABLE lines

-- name: a text with an escape
-- expect: unsupported-syntax 1:46 hint
SELECT COUNT(*) AS n FROM lines WHERE note = E'\x00' OR colour = 1

-- name: a huge number
-- expect: number-out-of-range 1:48 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces < 99999999999999999999999999999999999999999999999999

-- name: a number with a huge exponent
-- expect: number-out-of-range 1:48 hint
SELECT COUNT(*) AS n FROM lines WHERE amount < 1e999999999

-- name: days beyond the calendar
-- expect: type-mismatch 1:50 hint
SELECT COUNT(*) AS n FROM lines WHERE day < DATE '99999-01-01'

-- name: infinite days
-- expect: type-mismatch 1:50 hint
SELECT COUNT(*) AS n FROM lines WHERE day < DATE 'infinity'

-- name: a window over a key that others have
-- expect: window-across-units 1:35 hint
-- rewrite: SELECT COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY household_id, product_id) AS c FROM lines) AS t WHERE c = 1
SELECT COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY product_id) AS c FROM lines) AS t WHERE c = 1

-- name: NTILE over everybody
-- expect: unsupported-syntax 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT NTILE(4) OVER (ORDER BY amount) AS q FROM lines) AS t

-- name: a subquery of all, compared
-- expect: unsupported-syntax 1:60 hint
SELECT COUNT(*) AS n FROM lines WHERE amount > ALL (SELECT amount FROM lines)

-- name: CTEs that double each other
-- expect: too-complex 1:1 hint
WITH a AS (SELECT note || note AS x FROM lines), b AS (SELECT x || x || x || x || x || x || x || x AS x FROM a), c AS (SELECT x || x || x || x || x || x || x || x AS x FROM b), d AS (SELECT x || x || x || x || x || x || x || x AS x FROM c), e AS (SELECT x || x || x || x || x || x || x || x AS x FROM d), f AS (SELECT x || x || x || x || x || x || x || x AS x FROM e) SELECT COUNT(x) AS n FROM f

-- name: CTEs that join themselves
-- expect: too-complex 1:338 hint
WITH a AS (SELECT * FROM products), b AS (SELECT s.product_id FROM a AS s, a AS t), c AS (SELECT s.product_id FROM b AS s, b AS t), d AS (SELECT s.product_id FROM c AS s, c AS t), e AS (SELECT s.product_id FROM d AS s, d AS t), f AS (SELECT s.product_id FROM e AS s, e AS t), g AS (SELECT s.product_id FROM f AS s, f AS t), h AS (SELECT s.product_id FROM g AS s, g AS t), i AS (SELECT s.product_id FROM h AS s, h AS t) SELECT COUNT(*) AS n FROM i, lines

-- name: a limit beyond all rows
-- expect: unsupported-syntax 1:63 hint
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces LIMIT 1e999999999

-- name: a limit below zero
-- expect: unsupported-syntax 1:64 hint
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces LIMIT -1
