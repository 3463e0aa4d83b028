-- Rows of one unit made of several of its rows: groups, windows, unions; then aggregated over units.
-- name: bands of a count per unit
SELECT CASE WHEN n < 5 THEN 'few' WHEN n < 10 THEN 'some' ELSE 'many' END AS band, COUNT(*) AS households
FROM (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY household_id) AS h
GROUP BY band

-- name: bands of a sum per unit
-- keys: public
SELECT CASE WHEN spend < 50 THEN 'small' ELSE 'large' END AS band, COUNT(DISTINCT household_id) AS households
FROM (SELECT household_id, SUM(amount) AS spend FROM lines GROUP BY household_id) AS h
GROUP BY band

-- name: sums of a unit's sums are sums of rows
SELECT SUM(spend) AS spend, SUM(n) AS n, COUNT(*) AS households
FROM (SELECT household_id, SUM(amount) AS spend, COUNT(*) AS n FROM lines GROUP BY household_id) AS h

-- name: every fold of a unit's rows
-- options: {"l2_bound": {"least": 1000, "most": 1000, "kinds": 1000, "present": 1000, "dear": 1000}}
SELECT SUM(least) AS least, SUM(most) AS most, SUM(kinds) AS kinds, SUM(present) AS present, SUM(dear) AS dear
FROM (
    SELECT household_id, MIN(pieces) AS least, MAX(pieces) AS most, COUNT(DISTINCT product_id) AS kinds,
        COUNT(discount) AS present, COUNT_IF(amount > 5) AS dear
    FROM lines GROUP BY household_id
) AS h

-- name: a mean of a unit's rows decides its band
SELECT AVG_of > 3 AS dear, COUNT(*) AS households
FROM (SELECT household_id, AVG(amount) AS AVG_of FROM lines GROUP BY household_id) AS h
GROUP BY dear

-- name: HAVING on a unit's rows
SELECT COUNT(*) AS households
FROM (SELECT household_id FROM lines GROUP BY household_id HAVING COUNT(*) >= 3 AND SUM(amount) > 0) AS h

-- name: a filter of a fold
SELECT COUNT(*) AS households
FROM (
    SELECT household_id, COUNT(*) FILTER (WHERE pieces > 2) AS many, SUM(amount) FILTER (WHERE discount < 0) AS s
    FROM lines GROUP BY household_id
) AS h
WHERE many > 0 AND s IS NOT NULL

-- name: units and days, then days
SELECT day, COUNT(*) AS visits, SUM(spend) AS spend
FROM (SELECT household_id, day, SUM(amount) AS spend FROM lines GROUP BY household_id, day) AS v
GROUP BY day

-- name: an expression as a key beside the unit
SELECT m, COUNT(*) AS n
FROM (SELECT household_id, EXTRACT(month FROM day) AS m FROM lines GROUP BY household_id, EXTRACT(month FROM day)) AS v
GROUP BY m

-- name: GROUP BY ALL with the unit
SELECT COUNT(*) AS n
FROM (SELECT household_id, product_id, COUNT(*) AS times FROM lines GROUP BY ALL) AS v
WHERE times > 1

-- name: an ordinal and an alias as keys beside the unit
SELECT COUNT(*) AS n
FROM (SELECT household_id, pieces + 1 AS p, MAX(amount) AS most FROM lines GROUP BY 1, p) AS v
WHERE most > 2 AND p < 4

-- name: groups in a CTE that is used twice
WITH per AS (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY household_id)
SELECT (SELECT COUNT(*) FROM per WHERE n > 5) AS heavy, (SELECT COUNT(*) FROM per) AS everybody

-- name: groups joined with the unit's other rows
SELECT c.age, COUNT(*) AS heavy
FROM customers AS c JOIN (SELECT household_id, COUNT(*) AS n FROM lines GROUP BY household_id) AS h
    ON c.household_id = h.household_id
WHERE h.n > 4
GROUP BY c.age

-- name: groups on the right of a left join
SELECT c.age, COUNT(*) AS households, COUNT(h.n) AS buyers
FROM customers AS c LEFT JOIN (SELECT household_id, COUNT(*) AS n FROM lines WHERE pieces > 3 GROUP BY household_id) AS h
    ON c.household_id = h.household_id
GROUP BY c.age

-- name: groups of groups
SELECT days > 2 AS often, COUNT(*) AS households
FROM (
    SELECT household_id, COUNT(*) AS days
    FROM (SELECT household_id, day, COUNT(*) AS lines FROM lines GROUP BY household_id, day) AS v
    GROUP BY household_id
) AS h
GROUP BY often

-- name: distinct rows of units
SELECT product_id, COUNT(*) AS households
FROM (SELECT DISTINCT household_id, product_id FROM lines) AS b
GROUP BY product_id

-- name: bought two kinds
SELECT COUNT(DISTINCT a.household_id) AS both_kinds
FROM (SELECT household_id FROM lines WHERE product_id = 1 GROUP BY household_id) AS a
JOIN (SELECT household_id FROM lines WHERE product_id = 2 GROUP BY household_id) AS b
    ON a.household_id = b.household_id

-- name: the first row of a unit
SELECT product_id, COUNT(*) AS households
FROM (
    SELECT household_id, product_id, ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day, product_id, pieces) AS r
    FROM lines
) AS f
WHERE r = 1
GROUP BY product_id

-- name: QUALIFY keeps a unit's first rows
SELECT COUNT(*) AS n
FROM (SELECT household_id FROM lines QUALIFY ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) <= 2) AS f

-- name: QUALIFY by an alias
SELECT COUNT(*) AS n
FROM (
    SELECT household_id, RANK() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines QUALIFY r = 1
) AS f

-- name: days since the last visit
SELECT gap > 30 AS long, COUNT(*) AS n
FROM (
    SELECT household_id, DATE_DIFF('day', LAG(day) OVER (PARTITION BY household_id ORDER BY day), day) AS gap FROM lines
) AS g
GROUP BY long

-- name: a running sum
SELECT COUNT(*) AS n
FROM (
    SELECT household_id, SUM(amount) OVER (PARTITION BY household_id ORDER BY day) AS so_far FROM lines
) AS s
WHERE so_far > 20

-- name: a share of the unit's own total
SELECT COUNT(*) AS n
FROM (
    SELECT household_id, amount, SUM(amount) OVER (PARTITION BY household_id) AS total,
        COUNT(*) OVER (PARTITION BY household_id, product_id) AS times
    FROM lines
) AS s
WHERE amount * 2 > total AND times > 0

-- name: a frame of rows
SELECT COUNT(*) AS n
FROM (
    SELECT household_id, SUM(pieces) OVER (PARTITION BY household_id ORDER BY day, product_id, pieces, amount
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS two
    FROM lines
) AS s
WHERE two > 4

-- name: the next value and the greatest
SELECT COUNT(*) AS n
FROM (
    SELECT household_id, LEAD(day, 2) OVER (PARTITION BY household_id ORDER BY day) AS later,
        MAX(pieces) OVER (PARTITION BY household_id) AS most,
        AVG(pieces) OVER (PARTITION BY household_id) AS mean,
        DENSE_RANK() OVER (PARTITION BY household_id ORDER BY pieces DESC) AS place
    FROM lines
) AS s
WHERE later IS NOT NULL AND most > 2 AND mean < 5 AND place < 3

-- name: a union of two kinds of rows
SELECT what, COUNT(*) AS n
FROM (
    SELECT household_id, 'returned' AS what FROM lines WHERE amount < 0
    UNION ALL
    SELECT household_id, 'bought' FROM lines WHERE amount >= 0
) AS u
GROUP BY what

-- name: a union of three, with numbers
-- options: {"l2_bound": {"v": 1000}}
SELECT SUM(v) AS v
FROM (
    SELECT household_id, pieces AS v FROM lines UNION ALL SELECT household_id, 1 FROM customers
    UNION ALL SELECT household_id, 2 FROM customers
) AS u

-- name: a union without repeats
SELECT COUNT(*) AS n
FROM (SELECT household_id, product_id FROM lines WHERE pieces > 1 UNION SELECT household_id, product_id FROM lines) AS u

-- name: customers who bought a kind
SELECT COUNT(*) AS n FROM customers
WHERE household_id IN (SELECT household_id FROM lines WHERE product_id = 1)

-- name: customers who never bought a kind
SELECT age, COUNT(*) AS n FROM customers
WHERE household_id NOT IN (SELECT household_id FROM lines WHERE product_id = 1)
GROUP BY age

-- name: rows for which another exists
SELECT COUNT(*) AS n, SUM(amount) AS s FROM lines AS l
WHERE EXISTS (SELECT 1 FROM customers AS c WHERE c.household_id = l.household_id AND c.members > 2)

-- name: rows for which none exists
SELECT COUNT(*) AS n FROM lines AS l
WHERE NOT EXISTS (SELECT * FROM lines AS m WHERE m.household_id = l.household_id AND m.amount < 0)

-- name: a subquery among other conditions
SELECT COUNT(*) AS n FROM lines AS l
WHERE pieces > 5 OR (household_id IN (SELECT household_id FROM customers WHERE age = 'old') AND NOT pieces < 0)

-- name: tied to the unit and a day
SELECT COUNT(*) AS n FROM lines AS l
WHERE (l.household_id, l.day) IN (SELECT household_id, day FROM lines WHERE product_id = 2) AND l.product_id <> 2

-- name: EXISTS tied to the unit and a day
SELECT COUNT(*) AS n FROM lines AS l
WHERE EXISTS (
    SELECT 1 FROM lines AS m JOIN products AS p ON m.product_id = p.product_id
    WHERE l.household_id = m.household_id AND (m.day = l.day) AND p.price > 3
)

-- name: products of a public subquery
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM products WHERE department = 'dairy')

-- name: products that are not of a public subquery
SELECT COUNT(*) AS n FROM lines WHERE product_id NOT IN (SELECT product_id FROM products WHERE price > 3)

-- name: a public subquery with EXISTS
SELECT COUNT(*) AS n FROM lines AS l
WHERE EXISTS (SELECT 1 FROM products AS p WHERE p.product_id = l.product_id AND p.department <> 'dairy')

-- name: a subquery over groups
SELECT COUNT(*) AS n FROM customers
WHERE household_id IN (SELECT household_id FROM lines GROUP BY household_id HAVING COUNT(*) > 4)

-- name: a union of values alone
SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines UNION ALL SELECT members FROM customers) AS t

-- name: a union in a CTE, one side grouped
WITH both_kinds AS (
    SELECT household_id, MAX(pieces) AS v FROM lines GROUP BY household_id
    UNION ALL SELECT household_id, members FROM customers
)
SELECT COUNT(*) AS n, COUNT(DISTINCT household_id) AS households FROM both_kinds WHERE v > 2

-- name: groups under a window
SELECT COUNT(*) AS n
FROM (
    SELECT household_id, ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY spend DESC, product_id) AS place, spend
    FROM (SELECT household_id, product_id, SUM(amount) AS spend FROM lines GROUP BY household_id, product_id) AS g
) AS w
WHERE place = 1 AND spend > 5

-- name: a key that a left join further in leaves empty
SELECT members, COUNT(*) AS n
FROM (
    SELECT l.household_id, c.members FROM lines AS l LEFT JOIN customers AS c
        ON l.household_id = c.household_id AND c.members > 2
    GROUP BY l.household_id, c.members
) AS g
GROUP BY members

-- name: a key of a subquery with a left join
SELECT g.members AS m, COUNT(*) AS n
FROM customers AS x LEFT JOIN (
    SELECT l.household_id, c.members FROM lines AS l LEFT JOIN customers AS c
        ON l.household_id = c.household_id AND c.members > 2
) AS g ON x.household_id = g.household_id
GROUP BY g.members

-- name: whether any and whether all rows of a unit are so
SELECT any_card, all_small, COUNT(*) AS households
FROM (
    SELECT household_id, BOOL_OR(paid_by_card) AS any_card, BOOL_AND(pieces < 5) AS all_small
    FROM lines GROUP BY household_id
) AS h
GROUP BY any_card, all_small

-- name: whether any row up to now is so
SELECT COUNT_IF(so_far) AS n
FROM (
    SELECT BOOL_OR(pieces > 3) OVER (PARTITION BY household_id ORDER BY day) AS so_far FROM lines
) AS w

-- name: extremes of distinct values
SELECT COUNT(*) AS n
FROM (SELECT household_id, MAX(DISTINCT pieces) AS most FROM lines GROUP BY household_id) AS h WHERE most > 3

-- name: a sum of ones and of nothing for each unit
SELECT COUNT_IF(a IS NULL) AS a, COUNT_IF(b IS NULL) AS b, COUNT_IF(c = 0) AS c
FROM (
    SELECT household_id, SUM(CASE WHEN pieces > 4 THEN 1 END) AS a, SUM(CASE WHEN pieces > 4 THEN 1 ELSE 0 END) AS b,
        SUM(CAST(pieces > 4 AS INTEGER)) AS c
    FROM lines GROUP BY household_id
) AS h

-- name: customers on a list without repeats
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT DISTINCT household_id FROM lines WHERE pieces > 3)

-- name: products on a list without repeats
SELECT COUNT(*) AS n FROM lines WHERE product_id NOT IN (SELECT DISTINCT product_id FROM products WHERE price > 5)
