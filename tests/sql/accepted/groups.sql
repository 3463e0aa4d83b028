-- GROUP BY in its spellings, with public keys and with thresholds.
-- name: a referenced column has its table's keys
-- keys: public
-- groups: 12
SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id

-- name: a nullable reference has NULL besides
-- keys: public
-- groups: 5
SELECT store_id, COUNT(*) AS n FROM lines GROUP BY store_id

-- name: a declared domain with NULL
-- keys: public
-- groups: 4
SELECT age, COUNT(DISTINCT household_id) AS n FROM customers GROUP BY age

-- name: a declared domain of numbers
-- keys: public
-- groups: 4
SELECT members, COUNT(*) AS n FROM customers GROUP BY members

-- name: a function of a declared domain
-- keys: public
-- groups: 2
SELECT members % 2 AS odd, COUNT(*) AS n, SUM(members) AS s FROM customers GROUP BY odd

-- name: a declared range
-- keys: public
-- groups: 26
SELECT pieces, SUM(amount) AS s, AVG(amount) AS m FROM lines GROUP BY pieces

-- name: a range narrowed by WHERE
-- keys: public
-- groups: 4
SELECT pieces, COUNT(*) AS n FROM lines WHERE pieces > 1 AND pieces <= 5 GROUP BY pieces

-- name: a range narrowed by IN
-- keys: public
-- groups: 2
SELECT pieces, COUNT(*) AS n FROM lines WHERE pieces IN (1, 3) GROUP BY pieces

-- name: a boolean column
-- keys: public
-- groups: 3
SELECT paid_by_card, COUNT(*) AS n FROM lines GROUP BY paid_by_card

-- name: a condition as a key
-- keys: public
-- groups: 3
SELECT amount > 10 AND discount > 0 AS held, COUNT(*) AS n FROM lines GROUP BY held

-- name: CASE as a key
-- keys: public
-- groups: 3
SELECT CASE WHEN amount < 0 THEN 'returned' WHEN amount < 10 THEN 'small' ELSE 'large' END AS size, COUNT(*) AS n
FROM lines GROUP BY size

-- name: CASE without ELSE as a key
-- keys: public
-- groups: 2
SELECT CASE WHEN amount < 0 THEN 'returned' END AS size, COUNT(*) AS n FROM lines GROUP BY size

-- name: a constant key
-- keys: public
-- groups: 1
SELECT 'all' AS label, COUNT(*) AS n FROM lines GROUP BY label

-- name: text without a domain
-- keys: threshold
SELECT note, COUNT(*) AS n FROM lines GROUP BY note

-- name: two keys of which one is not public
-- keys: threshold
SELECT age, town, COUNT(DISTINCT household_id) AS n FROM customers GROUP BY age, town

-- name: a decimal as a key
-- keys: threshold
SELECT amount, COUNT(*) AS n FROM lines WHERE pieces = 1 GROUP BY amount

-- name: public keys can be thresholded
-- keys: threshold
-- options: {"group_selection_strategy": "THRESHOLD"}
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: the product of two axes
-- keys: public
-- groups: 60
SELECT product_id, store_id, COUNT(*) AS n, SUM(pieces) AS s FROM lines GROUP BY product_id, store_id

-- name: two series
-- keys: public
SELECT pieces, day, COUNT(*) AS n FROM lines WHERE day < '2026-01-11' AND pieces BETWEEN 0 AND 2 GROUP BY ALL

-- name: GROUP BY an ordinal
SELECT paid_by_card, COUNT(*) AS n FROM lines GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST

-- name: GROUP BY ALL with an expression of measures
SELECT age, COUNT(*) + 1 AS n FROM customers GROUP BY ALL ORDER BY age NULLS LAST

-- name: a key is used inside an expression
SELECT members + 1 AS more, COUNT(*) AS n FROM customers GROUP BY members + 1

-- name: an expression of a key is shown
SELECT members * 10 AS tens, 'm' || CAST(members AS VARCHAR) AS label, COUNT(*) AS n FROM customers GROUP BY members

-- name: a key is not shown
SELECT COUNT(*) AS n FROM customers GROUP BY members ORDER BY n

-- name: HAVING with an alias and an aggregate
SELECT product_id AS p, COUNT(*) AS n FROM lines GROUP BY p HAVING n > 38 AND SUM(amount) > 0 ORDER BY p

-- name: HAVING on a key
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces HAVING pieces BETWEEN 1 AND 3

-- name: HAVING without GROUP BY
SELECT COUNT(*) AS n FROM lines HAVING COUNT(*) > 5

-- name: ORDER BY an aggregate that is not shown
SELECT product_id FROM lines WHERE product_id < 6 GROUP BY product_id ORDER BY SUM(amount) DESC, product_id

-- name: LIMIT and OFFSET
SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id ORDER BY n DESC, product_id LIMIT 4 OFFSET 2

-- name: ORDER BY a key expression
SELECT age, COUNT(*) AS n FROM customers GROUP BY age ORDER BY age DESC NULLS LAST

-- name: a key that is an alias of a column of the same name
SELECT pieces AS pieces, COUNT(*) AS n FROM lines WHERE pieces = 2 GROUP BY pieces

-- name: a decimal key is shown in its own places
-- keys: threshold
SELECT discount, COUNT(*) AS n FROM lines WHERE discount < -1.9 GROUP BY discount ORDER BY discount

-- name: CASE over a measure
SELECT pieces, CASE WHEN COUNT(*) > 50 THEN 'many' ELSE 'few' END AS size FROM lines WHERE pieces BETWEEN -2 AND 5
GROUP BY pieces

-- name: a rollup
-- nodes: 1
SELECT age, members, COUNT(*) AS n FROM customers GROUP BY ROLLUP (age, members)

-- name: a cube with sums and means
SELECT department, paid_by_card, COUNT(*) AS n, SUM(amount) AS s, AVG(amount) AS m
FROM lines JOIN products USING (product_id) GROUP BY CUBE (department, paid_by_card)

-- name: grouping sets beside a column
SELECT age, members, town, COUNT(*) AS n FROM customers GROUP BY town, GROUPING SETS ((age, members), (age), ())

-- name: a rollup of an expression, by its alias and its number, with conditions after it
SELECT EXTRACT(month FROM day) AS m, paid_by_card, SUM(pieces) AS s, SUM(pieces) * 2 AS twice FROM lines
GROUP BY ROLLUP (m, 2) HAVING SUM(pieces) > 0 ORDER BY s DESC, m, paid_by_card

-- name: a rollup of groups of customers
SELECT days > 2 AS often, n > 5 AS many, COUNT(*) AS households
FROM (SELECT household_id, COUNT(DISTINCT day) AS days, COUNT(*) AS n FROM lines GROUP BY household_id) AS h
GROUP BY ROLLUP (often, many)

-- name: a rollup of public rows
SELECT department, COUNT(*) AS n FROM products GROUP BY ROLLUP (department)

-- name: the keys with the most customers
-- keys: top
SELECT product_id, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY product_id ORDER BY n DESC, product_id LIMIT 5

-- name: other measures of the keys with the most customers
-- keys: top
SELECT day, SUM(amount) AS s, COUNT(*) AS c FROM lines GROUP BY day ORDER BY COUNT(DISTINCT household_id) DESC, day LIMIT 7 OFFSET 2

-- name: the keys with the most rows are not chosen
-- keys: public
SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id ORDER BY n DESC, product_id LIMIT 5

-- name: nor those with the most customers of a kind
-- keys: public
SELECT product_id, COUNT(DISTINCT household_id) FILTER (WHERE amount > 0) AS n FROM lines GROUP BY product_id ORDER BY n DESC, product_id LIMIT 5

-- name: nor those of several columns
-- keys: public
SELECT product_id, paid_by_card, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY ALL ORDER BY n DESC, product_id, paid_by_card LIMIT 5

-- name: a domain in which NULL gets a name
-- keys: public
SELECT COALESCE(age, 'unknown') AS age, age IS NULL AS missing, COUNT(*) AS n FROM customers GROUP BY ALL

-- name: whether a value is missing
-- keys: public
SELECT age IS NULL AS missing, COUNT(*) AS n FROM customers GROUP BY missing

-- name: a flag in which NULL is FALSE
-- keys: public
SELECT COALESCE(paid_by_card, FALSE) AS by_card, COUNT(*) AS n FROM lines GROUP BY by_card

-- name: a reference in which NULL gets a number
SELECT COALESCE(store_id, -1) AS store, COUNT(*) AS n FROM lines GROUP BY store

-- name: a left join whose missing side gets a name
SELECT COALESCE(city, 'none') AS city, COUNT(*) AS n FROM lines LEFT JOIN stores USING (store_id) GROUP BY 1
