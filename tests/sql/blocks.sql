-- With blocks, where the privacy unit is a household in one month. What is refused says `expect`; the rest is answered
-- as plain DuckDB answers it. `months` are those that are charged, `static` the steps of static rows.
-- name: all months
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT COUNT(*) AS n, SUM(amount) AS spend FROM lines

-- name: one month
-- months: 2026-02
SELECT department, SUM(amount) AS spend FROM lines JOIN products USING (product_id)
WHERE day BETWEEN DATE '2026-02-01' AND DATE '2026-02-28' GROUP BY department

-- name: customers of one month
-- months: 2026-03
SELECT COUNT(DISTINCT household_id) AS households FROM lines WHERE DATE_TRUNC('month', day) = DATE '2026-03-01'

-- name: customers by month
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT DATE_TRUNC('month', day) AS month, COUNT(DISTINCT household_id) AS households FROM lines GROUP BY month

-- name: customers by day
-- months: 2026-02 2026-03
SELECT day, COUNT(DISTINCT household_id) AS households FROM lines
WHERE day >= DATE '2026-02-01' AND day < DATE '2026-04-01' GROUP BY day

-- name: customers by the number of the month
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT MONTH(day) AS month, COUNT(DISTINCT household_id) AS households FROM lines GROUP BY month

-- name: a year and its months
-- months: 2026-02 2026-03
SELECT COUNT(*) AS n FROM lines WHERE YEAR(day) = 2026 AND MONTH(day) IN (2, 3)

-- name: a quarter
-- months: 2026-04
SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('quarter', day) = DATE '2026-04-01'

-- name: weeks
-- months: 2026-03 2026-04
SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('week', day) >= DATE '2026-03-30'

-- name: an OR that tells the months of each side only
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT COUNT(*) AS n FROM lines WHERE day < DATE '2026-01-20' OR day > DATE '2026-04-20'

-- name: no month that there is
-- months: 2026-04
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2030-01-01'

-- name: customers' rows without a month alone
-- months: none
-- static: 1
SELECT age, COUNT(*) AS households, SUM(members) AS people FROM customers GROUP BY age

-- name: with customers of two months
-- months: 2026-01 2026-02
-- static: 2
SELECT age, SUM(amount) AS spend FROM lines JOIN customers USING (household_id) WHERE day < DATE '2026-03-01' GROUP BY age

-- name: with customers that need not be there
-- months: 2026-01 2026-02
-- static: 4
SELECT age, SUM(amount) AS spend FROM lines LEFT JOIN customers USING (household_id)
WHERE day < DATE '2026-03-01' GROUP BY age

-- name: customers by what they are
-- months: 2026-01 2026-02
-- static: 4
SELECT SUM(amount) AS spend FROM lines
WHERE day < DATE '2026-03-01' AND household_id IN (SELECT household_id FROM customers WHERE age = 'old')

-- name: the table of customers first
-- months: 2026-01
-- static: 1
SELECT town, COUNT(DISTINCT c.household_id) AS households FROM customers c JOIN lines l ON c.household_id = l.household_id
WHERE l.day < DATE '2026-02-01' GROUP BY town

-- name: households' baskets of each month
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT month, AVG(n) AS lines_each, COUNT(*) AS households
FROM (SELECT household_id, DATE_TRUNC('month', day) AS month, COUNT(*) AS n FROM lines GROUP BY household_id, month) AS t
GROUP BY month

-- name: months of a subquery under a condition outside
-- months: 2026-03
SELECT AVG(n) AS lines_each
FROM (SELECT household_id, DATE_TRUNC('month', day) AS month, COUNT(*) AS n FROM lines GROUP BY household_id, month) AS t
WHERE month = DATE '2026-03-01'

-- name: months of a subquery as keys under a condition outside
-- months: 2026-02 2026-03
SELECT MONTH(month) AS m, COUNT(DISTINCT household_id) AS households
FROM (SELECT household_id, DATE_TRUNC('month', day) AS month, SUM(amount) AS s FROM lines GROUP BY household_id, month) AS t
WHERE month BETWEEN DATE '2026-02-01' AND DATE '2026-03-01' AND s > 2 GROUP BY m

-- name: the first line of each month
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT COUNT(*) AS n, SUM(amount) AS spend FROM (
    SELECT amount, RANK() OVER (PARTITION BY household_id, DATE_TRUNC('month', day) ORDER BY day, product_id) AS place
    FROM lines
) AS t WHERE place = 1

-- name: lines of one day together
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT COUNT(*) AS pairs FROM lines a JOIN lines b
ON a.household_id = b.household_id AND a.day = b.day AND a.product_id < b.product_id

-- name: each side of a join in the same month
-- months: 2026-02
SELECT COUNT(*) AS pairs FROM lines a JOIN lines b ON a.household_id = b.household_id
WHERE a.day BETWEEN DATE '2026-02-01' AND DATE '2026-02-28' AND b.day BETWEEN DATE '2026-02-03' AND DATE '2026-02-20'

-- name: each side of a left join in the same month
-- months: 2026-02
SELECT COUNT(*) AS n, COUNT(b.pieces) AS pairs FROM lines a LEFT JOIN lines b
ON a.household_id = b.household_id AND DATE_TRUNC('month', b.day) = DATE '2026-02-01' AND b.pieces > 4
WHERE a.day BETWEEN DATE '2026-02-01' AND DATE '2026-02-28'

-- name: who bought both in a month
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT COUNT(*) AS n FROM lines
WHERE (household_id, DATE_TRUNC('month', day)) IN
    (SELECT household_id, DATE_TRUNC('month', day) FROM lines WHERE product_id = 3)

-- name: unions read the months of each side
-- months: 2026-01 2026-04
SELECT COUNT(*) AS n FROM (
    SELECT household_id, amount FROM lines WHERE day < DATE '2026-02-01'
    UNION ALL SELECT household_id, amount FROM lines WHERE day >= DATE '2026-04-01'
) AS u

-- name: two releases each pay their months
-- months: 2026-01 2026-04
SELECT (SELECT COUNT(*) FROM lines WHERE day < DATE '2026-02-01') AS first,
    (SELECT COUNT(*) FROM lines WHERE day >= DATE '2026-04-01') AS last

-- name: thresholds in one month
-- months: 2026-02
SELECT ticket, COUNT(*) AS n FROM lines WHERE day BETWEEN DATE '2026-02-01' AND DATE '2026-02-28' GROUP BY ticket

-- name: distinct rows of a month
-- months: 2026-01 2026-02 2026-03 2026-04
SELECT COUNT(*) AS n FROM (SELECT DISTINCT household_id, product_id, DATE_TRUNC('month', day) AS month FROM lines) AS t

-- name: customers of all months
-- expect: unit-spans-blocks 1:23 hint
-- rewrite: SELECT COUNT(DISTINCT household_id) AS n, DATE_TRUNC('MONTH', day) AS month FROM lines GROUP BY DATE_TRUNC('MONTH', day)
-- instead: SELECT DATE_TRUNC('month', day) AS month, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY month
SELECT COUNT(DISTINCT household_id) AS n FROM lines

-- name: customers of two months
-- expect: unit-spans-blocks 1:23 hint
-- rewrite: SELECT COUNT(DISTINCT household_id) AS n, DATE_TRUNC('MONTH', day) AS month FROM lines WHERE day BETWEEN CAST('2026-01-31' AS DATE) AND CAST('2026-02-01' AS DATE) GROUP BY DATE_TRUNC('MONTH', day)
SELECT COUNT(DISTINCT household_id) AS n FROM lines WHERE day BETWEEN DATE '2026-01-31' AND DATE '2026-02-01'

-- name: customers by week, which may be of two months
-- expect: unit-spans-blocks 1:56 hint
SELECT DATE_TRUNC('week', day) AS week, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY week

-- name: customers by what may be no month
-- expect: unit-spans-blocks 1:30 hint
-- rewrite: SELECT b.day, COUNT(DISTINCT a.household_id) AS n, DATE_TRUNC('MONTH', a.day) AS month FROM lines AS a LEFT JOIN lines AS b ON a.household_id = b.household_id AND a.day = b.day AND b.pieces > 3 GROUP BY b.day, DATE_TRUNC('MONTH', a.day)
SELECT b.day, COUNT(DISTINCT a.household_id) AS n
FROM lines a LEFT JOIN lines b ON a.household_id = b.household_id AND a.day = b.day AND b.pieces > 3 GROUP BY b.day

-- name: what a customer spent in all
-- expect: unit-spans-blocks 1:35 hint
-- rewrite: SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(amount) AS s, DATE_TRUNC('MONTH', day) AS month FROM lines GROUP BY household_id, DATE_TRUNC('MONTH', day)) AS t WHERE s > 100
-- instead: SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(amount) AS s FROM lines GROUP BY household_id, DATE_TRUNC('month', day)) AS t WHERE s > 100
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(amount) AS s FROM lines GROUP BY household_id) AS t WHERE s > 100

-- name: what a customer bought ever
-- expect: unit-spans-blocks 1:44 hint
-- rewrite: SELECT COUNT(*) AS n FROM (SELECT DISTINCT household_id, product_id, DATE_TRUNC('MONTH', day) AS month FROM lines) AS t
-- instead: SELECT COUNT(*) AS n FROM (SELECT DISTINCT household_id, product_id, DATE_TRUNC('month', day) AS m FROM lines) AS t
SELECT COUNT(*) AS n FROM (SELECT DISTINCT household_id, product_id FROM lines) AS t

-- name: the first line of all
-- expect: unit-spans-blocks 1:35 hint
-- rewrite: SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY household_id, DATE_TRUNC('MONTH', day) ORDER BY day) AS r FROM lines) AS t WHERE r = 1
-- instead: SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY household_id, DATE_TRUNC('month', day) ORDER BY day) AS r FROM lines) AS t WHERE r = 1
SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines) AS t WHERE r = 1

-- name: lines of any two days
-- expect: unit-spans-blocks 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b ON a.household_id = b.household_id AND a.day < b.day WHERE DATE_TRUNC('MONTH', a.day) = DATE_TRUNC('MONTH', b.day)
-- instead: SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id AND a.day < b.day AND DATE_TRUNC('month', a.day) = DATE_TRUNC('month', b.day)
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id AND a.day < b.day

-- name: one side of a join in one month
-- expect: unit-spans-blocks 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b ON a.household_id = b.household_id WHERE a.day < CAST('2026-02-01' AS DATE) AND DATE_TRUNC('MONTH', a.day) = DATE_TRUNC('MONTH', b.day)
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id WHERE a.day < DATE '2026-02-01'

-- name: sides of a join in other months
-- expect: unit-spans-blocks 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b ON a.household_id = b.household_id WHERE (a.day < CAST('2026-02-01' AS DATE) AND b.day >= CAST('2026-04-01' AS DATE)) AND DATE_TRUNC('MONTH', a.day) = DATE_TRUNC('MONTH', b.day)
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id
WHERE a.day < DATE '2026-02-01' AND b.day >= DATE '2026-04-01'

-- name: months that are equal in a left join's condition on its left alone
-- expect: unit-spans-blocks 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b ON a.household_id = b.household_id LEFT JOIN customers AS c ON c.household_id = a.household_id AND a.day = b.day WHERE DATE_TRUNC('MONTH', a.day) = DATE_TRUNC('MONTH', b.day)
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id
LEFT JOIN customers c ON c.household_id = a.household_id AND a.day = b.day

-- name: weeks are not months
-- expect: unit-spans-blocks 1:8 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines AS a JOIN lines AS b ON a.household_id = b.household_id AND DATE_TRUNC('WEEK', a.day) = DATE_TRUNC('WEEK', b.day) WHERE DATE_TRUNC('MONTH', a.day) = DATE_TRUNC('MONTH', b.day)
SELECT COUNT(*) AS n FROM lines a JOIN lines b
ON a.household_id = b.household_id AND DATE_TRUNC('week', a.day) = DATE_TRUNC('week', b.day)

-- name: who ever bought it
-- expect: unit-spans-blocks 1:8 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE (household_id, DATE_TRUNC('month', day)) IN (SELECT household_id, DATE_TRUNC('month', day) FROM lines WHERE product_id = 3)
SELECT COUNT(*) AS n FROM lines WHERE household_id IN (SELECT household_id FROM lines WHERE product_id = 3)

-- name: who did not buy in the month before
-- expect: unit-spans-blocks 1:8 hint
SELECT COUNT(*) AS n FROM lines l WHERE day >= DATE '2026-02-01' AND day < DATE '2026-03-01' AND NOT EXISTS (
    SELECT 1 FROM lines m WHERE m.household_id = l.household_id AND m.day < DATE '2026-02-01')

-- name: customers with and without lines
-- expect: unit-spans-blocks 1:8 hint
-- instead: SELECT SUM(pieces) AS n FROM lines l LEFT JOIN customers c ON c.household_id = l.household_id
SELECT SUM(pieces) AS n FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id

-- name: customers who have lines
-- expect: unit-spans-blocks 1:8 hint
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT household_id FROM lines WHERE day < DATE '2026-02-01')

-- name: a union with rows that have no month
-- expect: unit-spans-blocks 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, pieces FROM lines UNION ALL SELECT household_id, members FROM customers) AS u

-- name: thresholds over several months
-- expect: unit-spans-blocks 1:8 hint
-- instead: SELECT ticket, COUNT(*) AS n FROM lines WHERE DATE_TRUNC('month', day) = DATE '2026-02-01' GROUP BY ticket
SELECT ticket, COUNT(*) AS n FROM lines GROUP BY ticket

-- name: thresholds with a left join to what has no month
-- expect: unit-spans-blocks 1:8 hint
-- instead: SELECT ticket, COUNT(*) AS n FROM lines JOIN customers USING (household_id) WHERE DATE_TRUNC('month', day) = DATE '2026-02-01' GROUP BY ticket
SELECT ticket, COUNT(*) AS n FROM lines LEFT JOIN customers USING (household_id)
WHERE DATE_TRUNC('month', day) = DATE '2026-02-01' GROUP BY ticket
