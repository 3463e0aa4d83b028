-- name: an insertion
-- expect: not-a-select 1:13 hint
INSERT INTO lines VALUES (1)

-- name: a deletion
-- expect: not-a-select 1:13 hint
DELETE FROM lines

-- name: an update
-- expect: not-a-select 1:8 hint
UPDATE lines SET pieces = 1

-- name: a table made
-- expect: not-a-select 1:14 hint
CREATE TABLE x AS SELECT 1

-- name: a table dropped
-- expect: not-a-select 1:12 hint
DROP TABLE lines

-- name: a copy
-- expect: not-a-select 1:6 hint
COPY lines TO 'x.csv'

-- name: a setting
-- expect: not-a-select 1:5 hint
SET threads = 1

-- name: a pragma
-- expect: not-a-select 1:8 hint
PRAGMA database_list

-- name: an attachment
-- expect: not-a-select 1:8 hint
ATTACH 'x.db' AS x

-- name: a description
-- expect: not-a-select 1:10 hint
DESCRIBE lines

-- name: a summary
-- expect: not-a-select 1:11 hint
-- instead: SELECT COUNT(*) AS n, AVG(amount) AS mean FROM lines
SUMMARIZE lines

-- name: a plan
-- expect: not-a-select 1:30 hint
EXPLAIN SELECT COUNT(*) FROM lines

-- name: a pivot
-- expect: not-a-select 1:7 hint
PIVOT lines ON pieces USING SUM(amount)

-- name: an unpivot
-- expect: unsupported-syntax 1:24 hint
-- instead: SELECT product_id, price AS v FROM products
SELECT * FROM (UNPIVOT products ON price INTO NAME n VALUE v) AS t

-- name: FROM first
-- expect: private-rows 1:1 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
FROM lines

-- name: VALUES
-- expect: not-a-select 1:9 hint
VALUES (1)

-- name: two statements
-- expect: syntax 1:1
SELECT 1; SELECT 2

-- name: nothing
-- expect: syntax 1:1


-- name: only a comment
-- expect: syntax 1:1
-- nothing

-- name: an unfinished statement
-- expect: syntax 1:19
SELECT COUNT(* FROM lines

-- name: an unfinished text
-- expect: syntax 1:1
SELECT 'abc

-- name: an unfinished comment
-- expect: syntax 1:1
SELECT 1 /* abc

-- name: no statement at all
-- expect: not-a-select 1:1 hint
hello world

-- name: a sample
-- expect: unsupported-syntax 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
-- instead: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM lines USING SAMPLE 10%

-- name: a table sample
-- expect: unsupported-syntax 1:27 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines
-- instead: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM lines TABLESAMPLE 10%

-- name: a recursive CTE
-- expect: unsupported-syntax 1:16 hint
-- instead: WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM b
WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a) SELECT * FROM a

-- name: a deletion in a CTE
-- expect: unsupported-syntax 1:24 hint
WITH a AS (DELETE FROM lines RETURNING *) SELECT * FROM a

-- name: a star without some columns
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT product_id, name FROM products
SELECT * EXCLUDE (price) FROM products

-- name: a star with replacements
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT product_id, 1 AS price FROM products
SELECT * REPLACE (1 AS price) FROM products

-- name: a pattern of columns
-- expect: unsupported-syntax 1:8 hint
-- instead: SELECT product_id, price FROM products
SELECT COLUMNS('p.*') FROM products

-- name: a lock
-- expect: unsupported-syntax 1:8 hint
-- rewrite: SELECT * FROM products
-- instead: SELECT * FROM products
SELECT * FROM products FOR UPDATE

-- name: a result into a table
-- expect: unsupported-syntax 1:8 hint
-- rewrite: SELECT * FROM products
-- instead: SELECT * FROM products
SELECT * INTO x FROM products

-- name: a parameter without a value
-- expect: unknown-parameter 1:48 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE pieces > 3
SELECT COUNT(*) AS n FROM lines WHERE pieces > $low

-- name: a positional parameter without a value
-- expect: unknown-parameter 1:48 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces > ?

-- name: a CTE that is private and unused beside one that is not there
-- expect: unknown-table 1:47 hint
WITH a AS (SELECT * FROM lines) SELECT * FROM b

-- name: a SELECT without columns
-- expect: syntax 2:6
SELECT -- a
FROM lines
