-- What is made of several rows must be made of rows of one unit.
-- name: a window over everybody
-- expect: window-across-units 1:49 hint
-- instead: SELECT COUNT(*) AS n FROM (SELECT household_id, RANK() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines) AS t
SELECT COUNT(*) AS n FROM (SELECT household_id, RANK() OVER (ORDER BY day) AS r FROM lines) AS t

-- name: a window by another column
-- expect: window-across-units 1:49 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(amount) OVER (PARTITION BY product_id) AS s FROM lines) AS t

-- name: a window with NULLs first
-- expect: unsupported-syntax 1:83 hint
SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY household_id ORDER BY ticket NULLS FIRST) AS r FROM lines) AS t

-- name: a window function with a default
-- expect: unsupported-syntax 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT LAG(pieces, 1, 0) OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines) AS t

-- name: a window in a window
-- expect: unsupported-expression 1:39 hint
SELECT COUNT(*) AS n FROM (SELECT SUM(COUNT(*) OVER (PARTITION BY household_id)) OVER (PARTITION BY household_id) AS r FROM lines) AS t

-- name: distinct rows of everybody
-- expect: limit-on-private 1:44 hint
-- instead: SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id
SELECT COUNT(*) AS n FROM (SELECT DISTINCT product_id FROM lines) AS t

-- name: a limit over groups of units
-- expect: limit-on-private 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(*) AS c FROM lines GROUP BY household_id LIMIT 5) AS t

-- name: a column that is neither grouped nor folded
-- expect: not-in-group-by 1:49 hint
-- instead: SELECT COUNT(*) AS n FROM (SELECT household_id, MIN(pieces) AS p FROM lines GROUP BY household_id) AS t
SELECT COUNT(*) AS n FROM (SELECT household_id, pieces FROM lines GROUP BY household_id) AS t

-- name: a median of one unit's rows
-- expect: unsupported-aggregate 1:49 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, MEDIAN(pieces) AS p FROM lines GROUP BY household_id) AS t

-- name: a sum of doubles over one unit's rows
-- expect: inexact-sum 1:49 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(amount / pieces) AS p FROM lines GROUP BY household_id) AS t

-- name: other customers' products
-- expect: subquery-across-units 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE (household_id, product_id) IN (SELECT household_id, product_id FROM lines WHERE pieces > 3)
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM lines WHERE pieces > 3)

-- name: EXISTS over everybody
-- expect: subquery-across-units 1:59 hint
SELECT COUNT(*) AS n FROM lines AS l WHERE EXISTS (SELECT 1 FROM lines AS m WHERE m.product_id = l.product_id)

-- name: EXISTS that is tied to nothing
-- expect: subquery-across-units 1:59 hint
SELECT COUNT(*) AS n FROM lines AS l WHERE EXISTS (SELECT 1 FROM customers AS c WHERE c.age = 'old')

-- name: a unit compared with something else
-- expect: unit-in-expression 1:39
SELECT COUNT(*) AS n FROM lines WHERE household_id IN (SELECT town FROM customers)

-- name: something else compared with a unit
-- expect: unit-in-expression 1:39
SELECT COUNT(*) AS n FROM lines WHERE note IN (SELECT household_id FROM customers)

-- name: NOT IN over values that may be NULL
-- expect: unsupported-syntax 1:40 hint
SELECT COUNT(*) AS n FROM lines WHERE (household_id, store_id) NOT IN (SELECT household_id, store_id FROM lines)

-- name: IN over a released result
-- expect: released-with-private 1:61 hint
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM (SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id) AS t WHERE n > 3)

-- name: rows without repeats across units
-- expect: limit-on-private 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines UNION SELECT members FROM customers) AS t

-- name: what one side has and the other not
-- expect: union-of-private 1:35 hint
-- instead: SELECT COUNT(*) AS n FROM customers WHERE household_id NOT IN (SELECT household_id FROM lines)
SELECT COUNT(*) AS n FROM (SELECT household_id FROM customers EXCEPT SELECT household_id FROM lines) AS t

-- name: sides of other types
-- expect: type-mismatch 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines UNION ALL SELECT town FROM customers) AS t

-- name: the unit beside a number
-- expect: union-of-private 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines UNION ALL SELECT members FROM customers) AS t

-- name: an extreme of the unit
-- expect: unit-in-expression 1:53 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, MIN(household_id) AS m FROM lines GROUP BY household_id) AS t

-- name: an aggregate beside windows
-- expect: unsupported-syntax 1:112 hint
SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines QUALIFY SUM(pieces) = 0) AS t

-- name: a sum of all columns of one customer
-- expect: unsupported-expression 1:53
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(*) AS s FROM lines GROUP BY household_id) AS t

-- name: a sum of one customer's different values
-- expect: unsupported-expression 1:62 hint
-- instead: SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(DISTINCT pieces) AS s FROM lines GROUP BY household_id) AS t
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(DISTINCT pieces) AS s FROM lines GROUP BY household_id) AS t
