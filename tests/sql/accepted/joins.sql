-- Joins of private tables on the unit, and with public tables on anything.
-- name: a public table by its key
-- keys: public
-- groups: 4
SELECT p.department, COUNT(*) AS n, SUM(l.amount) AS s FROM lines l JOIN products p ON l.product_id = p.product_id
GROUP BY p.department

-- name: USING
SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY department

-- name: the column of USING needs no table
SELECT product_id, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY product_id

-- name: a comma and WHERE
SELECT p.department, COUNT(*) AS n FROM lines AS l, products AS p WHERE l.product_id = p.product_id GROUP BY 1

-- name: CROSS JOIN and WHERE
SELECT p.department, COUNT(*) AS n FROM lines l CROSS JOIN products p WHERE l.product_id = p.product_id GROUP BY 1

-- name: two columns of one public table are one axis
-- keys: public
SELECT p.department, p.category, COUNT(*) AS n FROM lines l JOIN products p USING (product_id) GROUP BY ALL

-- name: a public table first
SELECT p.department, COUNT(*) AS n FROM products p JOIN lines l ON p.product_id = l.product_id GROUP BY p.department

-- name: a left join with a public table
-- keys: public
-- groups: 4
SELECT s.city, COUNT(*) AS n FROM lines l LEFT JOIN stores s ON l.store_id = s.store_id GROUP BY s.city

-- name: a left join with a condition in ON
SELECT s.city, COUNT(*) AS n, COUNT(s.store_id) AS found
FROM lines l LEFT JOIN stores s ON l.store_id = s.store_id AND s.opened < DATE '2020-01-01' GROUP BY s.city

-- name: a condition on the public side narrows the keys
-- keys: public
-- groups: 1
SELECT s.city, COUNT(*) AS n FROM lines l JOIN stores s USING (store_id) WHERE s.city = 'Lund' GROUP BY s.city

-- name: two private tables on the unit
-- keys: public
SELECT c.age, COUNT(*) AS n, COUNT(DISTINCT c.household_id) AS u
FROM lines l JOIN customers c ON l.household_id = c.household_id GROUP BY c.age

-- name: two private tables by USING the unit
SELECT age, SUM(amount) AS s FROM lines JOIN customers USING (household_id) GROUP BY age

-- name: two private tables by a comma
SELECT c.members, SUM(l.pieces) AS s FROM customers c, lines l WHERE c.household_id = l.household_id AND l.pieces > 0
GROUP BY c.members

-- name: the unit on the other side of the equality
SELECT COUNT(*) AS n FROM lines l JOIN customers c ON c.household_id = l.household_id AND c.members = l.pieces

-- name: a left join of private tables
SELECT COUNT(*) AS n, COUNT(l.pieces) AS lines, COUNT_IF(l.pieces IS NULL) AS without
FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id

-- name: a left join of private tables with a condition
SELECT c.age, COUNT(*) AS n, COUNT(l.amount) AS m
FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id AND l.pieces > 4 GROUP BY c.age

-- name: a private table joined with itself
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id AND a.day = b.day AND a.pieces < b.pieces

-- name: three tables
SELECT p.department, c.age, COUNT(*) AS n
FROM lines l JOIN products p USING (product_id) JOIN customers c ON c.household_id = l.household_id GROUP BY ALL

-- name: four tables
SELECT s.city, COUNT(DISTINCT l.household_id) AS n
FROM lines l JOIN products p USING (product_id) JOIN stores s USING (store_id) JOIN customers c USING (household_id)
WHERE p.department <> 'house' AND c.members > 1 GROUP BY s.city

-- name: a public price times private pieces
-- options: {"l2_bound": {"value": 100000}}
SELECT SUM(p.price * l.pieces) AS value FROM lines l JOIN products p USING (product_id)

-- name: a join on an inequality with a public table
SELECT COUNT(*) AS n FROM lines l JOIN stores s ON l.day < s.opened + 20

-- name: a public subquery joined with private rows
SELECT COUNT(*) AS n FROM lines l JOIN (SELECT product_id AS id FROM products WHERE price > 5) AS dear ON dear.id = l.product_id

-- name: a left join with a private subquery of two tables
SELECT COUNT(*) AS n, COUNT(x.members) AS m
FROM customers c
LEFT JOIN (SELECT a.household_id, b.members FROM lines a JOIN customers b USING (household_id) WHERE a.pieces > 4) AS x
    ON c.household_id = x.household_id

-- name: a left join with a filtered private subquery
SELECT c.members, COUNT(x.amount) AS m
FROM customers c LEFT JOIN (SELECT household_id, amount FROM lines WHERE pieces > 4) AS x USING (household_id) GROUP BY 1
