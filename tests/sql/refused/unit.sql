-- name: the unit in WHERE
-- expect: unit-in-expression 1:39 hint
-- instead: SELECT COUNT(DISTINCT household_id) AS h FROM lines
SELECT COUNT(*) AS n FROM lines WHERE household_id = 'h1'

-- name: the unit in a list
-- expect: unit-in-expression 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE household_id IN ('h1', 'h2')

-- name: the unit in a pattern
-- expect: unit-in-expression 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE household_id LIKE 'h1%'

-- name: the unit in COUNT_IF
-- expect: unit-in-expression 1:17 hint
SELECT COUNT_IF(household_id = 'h1') AS n FROM lines

-- name: the unit in FILTER
-- expect: unit-in-expression 1:31 hint
SELECT COUNT(*) FILTER (WHERE household_id = 'h1') AS n FROM lines

-- name: the unit in SUM
-- expect: unit-in-expression 1:22 hint
SELECT SUM(CASE WHEN household_id = 'h1' THEN amount ELSE 0 END) AS s FROM lines

-- name: the length of the unit
-- expect: unit-in-expression 1:46 hint
SELECT COUNT(*) AS n FROM lines WHERE LENGTH(household_id) = 2

-- name: the unit by a parameter
-- expect: unit-in-expression 1:39 hint
-- params: {"who": "h1"}
SELECT COUNT(*) AS n FROM lines WHERE household_id = $who

-- name: the unit through a CTE
-- expect: unit-in-expression 1:83 hint
WITH a AS (SELECT household_id AS h FROM lines) SELECT COUNT(*) AS n FROM a WHERE h = 'h1'

-- name: the unit through column aliases
-- expect: unit-in-expression 1:47 hint
SELECT COUNT(*) AS n FROM lines AS l(h) WHERE h < 'h2'

-- name: the unit compared with itself shifted
-- expect: unit-in-expression 1:55 hint
SELECT COUNT(*) AS n FROM lines a JOIN customers b ON a.household_id < b.household_id

-- name: the unit joined with a public column
-- expect: unit-in-expression 1:54 hint
SELECT COUNT(*) AS n FROM lines l JOIN products p ON l.household_id = p.name

-- name: the unit by USING with a public column
-- expect: unit-in-expression 1:46 hint
-- instead: SELECT COUNT(DISTINCT household_id) AS n FROM lines JOIN customers USING (household_id)
SELECT COUNT(*) AS n FROM lines JOIN (SELECT name AS household_id FROM products) AS p USING (household_id)

-- name: the unit under OR
-- expect: unit-in-expression 1:55 hint
SELECT COUNT(*) AS n FROM lines a JOIN customers b ON a.household_id = b.household_id OR a.pieces = 1

-- name: the unit as a key
-- expect: group-by-unit 1:8 hint
-- rewrite: SELECT n, COUNT(*) AS units FROM (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY household_id) AS each_one GROUP BY n
SELECT household_id, COUNT(*) AS n FROM lines GROUP BY household_id

-- name: the unit as a key by its ordinal
-- expect: group-by-unit 1:8 hint
-- rewrite: SELECT n, COUNT(*) AS units FROM (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY 1) AS each_one GROUP BY n
SELECT household_id, COUNT(*) AS n FROM lines GROUP BY 1

-- name: the unit as a key by its alias
-- expect: group-by-unit 1:8 hint
-- rewrite: SELECT n, COUNT(*) AS units FROM (SELECT household_id AS h, COUNT(*) AS n FROM lines GROUP BY h) AS each_one GROUP BY n
SELECT household_id AS h, COUNT(*) AS n FROM lines GROUP BY h

-- name: the unit as a key by ALL
-- expect: group-by-unit 1:8 hint
-- rewrite: SELECT n, COUNT(*) AS units FROM (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY ALL) AS each_one GROUP BY n
SELECT household_id, COUNT(*) AS n FROM lines GROUP BY ALL

-- name: a function of the unit as a key
-- expect: unit-in-expression 1:15 hint
SELECT LENGTH(household_id) AS k, COUNT(*) AS n FROM lines GROUP BY k

-- name: the unit beside a measure
-- expect: unit-in-expression 1:8 hint
SELECT household_id, COUNT(*) AS n FROM lines

-- name: the unit in HAVING
-- expect: unit-in-expression 1:62 hint
SELECT age, COUNT(*) AS n FROM customers GROUP BY age HAVING household_id = 'h1'

-- name: the least unit
-- expect: unsupported-aggregate 1:12 hint
-- instead: SELECT COUNT(DISTINCT household_id) AS h FROM lines
SELECT MIN(household_id) AS h FROM lines

-- name: the unit summed
-- expect: unit-in-expression 1:12 hint
SELECT SUM(household_id) AS h FROM lines

-- name: the unit of a left join's right side counted
-- expect: count-distinct 1:23 hint
-- instead: SELECT COUNT(DISTINCT c.household_id) AS n FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id
SELECT COUNT(DISTINCT l.household_id) AS n FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id

-- name: the unit of a left join's right side tested for NULL
-- expect: unit-in-expression 1:98 hint
SELECT COUNT(*) AS n FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id WHERE l.household_id IS NULL

-- name: the unit by its stored name
-- expect: reserved-name 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE _u = 1

