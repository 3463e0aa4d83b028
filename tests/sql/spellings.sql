-- Each block is one question; its statements, parted by semicolons, are spellings of it and share a release.
-- name: a count by department
SELECT p.department, COUNT(*) AS n FROM lines l JOIN products p ON l.product_id = p.product_id WHERE l.pieces > 1 GROUP BY p.department;
SELECT p.department, COUNT(*) AS n FROM products p JOIN lines l ON p.product_id = l.product_id WHERE 1 < l.pieces GROUP BY 1;
SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) WHERE pieces > 1 GROUP BY ALL;
SELECT department AS d, COUNT(1) AS n FROM lines, products WHERE lines.product_id = products.product_id AND pieces > 1 GROUP BY d;
SELECT COUNT(*) AS n FROM lines CROSS JOIN products WHERE pieces > 1 AND lines.product_id = products.product_id GROUP BY department;
select Department, count(*) as N from LINES as L join Products P using (product_id) where ((pieces) > (1)) group by department;
WITH x AS (SELECT * FROM lines WHERE pieces > 1) SELECT department, COUNT(*) AS n FROM x JOIN products USING (product_id) GROUP BY department;
SELECT t.d, COUNT(*) AS n FROM (SELECT department AS d FROM lines JOIN products USING (product_id) WHERE pieces > 1) AS t GROUP BY t.d;
SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) WHERE pieces > 1 AND 1 = 1 GROUP BY department ORDER BY n DESC LIMIT 3;
SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) WHERE pieces > 1 AND TRUE GROUP BY department HAVING COUNT(*) > 5;
SELECT department, 100 * COUNT(*) AS n FROM lines JOIN products USING (product_id) WHERE NOT NOT pieces > 1 GROUP BY department;
SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) WHERE pieces > 1 AND pieces > 1 GROUP BY department;
SELECT department, SUM(1) AS n FROM lines JOIN products USING (product_id) WHERE pieces > 1.0 GROUP BY department

-- name: a mean under two conditions
SELECT AVG(amount) AS m FROM lines WHERE pieces > 1 AND day >= DATE '2026-02-01';
SELECT AVG(amount) AS m FROM lines WHERE day >= DATE '2026-02-01' AND pieces > 1;
SELECT AVG(amount) AS m FROM lines WHERE (day >= '2026-02-01') AND (1 < pieces);
SELECT SUM(amount) / COUNT(*) AS q, AVG(amount) AS m FROM lines WHERE DATE '2026-02-01' <= day AND pieces > 1;
SELECT AVG(l.amount) AS m FROM lines AS l WHERE l.day >= DATE '2026-01-31' + 1 AND l.pieces > 1;
SELECT AVG(x) AS m FROM (SELECT amount AS x, day AS d, pieces AS p FROM lines) AS t WHERE d >= DATE '2026-02-01' AND p > 1

-- name: a list
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1, 2, 3);
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (3, 2, 1);
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (3, 2, 1, 1, 3);
SELECT COUNT(*) AS n FROM lines WHERE (ticket) IN (1.0, 2, '3');
SELECT COUNT_IF(TRUE) AS n FROM lines WHERE ticket IN (1, 2, 3)

-- name: a range
SELECT COUNT(*) AS n FROM lines WHERE amount BETWEEN 1 AND 2.5;
SELECT COUNT(*) AS n FROM lines WHERE amount >= 1 AND amount <= 2.50;
SELECT COUNT(*) AS n FROM lines WHERE 2.5 >= amount AND 1.00 <= amount;
SELECT COUNT(*) AS n FROM lines WHERE amount <= '2.5' AND amount >= 1

-- name: a conditional count
SELECT COUNT_IF(pieces > 2) AS n FROM lines;
SELECT SUM(CASE WHEN pieces > 2 THEN 1 ELSE 0 END) AS n FROM lines;
SELECT SUM(IF(pieces > 2, 1, 0)) AS n FROM lines;
SELECT COUNT(*) FILTER (WHERE pieces > 2) AS n FROM lines;
SELECT SUM(1) FILTER (WHERE 2 < pieces) AS n FROM lines;
SELECT SUM(CASE WHEN pieces > 2 THEN 1 END) AS n FROM lines

-- name: two private tables
SELECT c.age, COUNT(DISTINCT l.household_id) AS n FROM lines l JOIN customers c ON l.household_id = c.household_id GROUP BY c.age;
SELECT c.age, COUNT(DISTINCT c.household_id) AS n FROM customers c JOIN lines l ON c.household_id = l.household_id GROUP BY c.age;
SELECT age, COUNT(DISTINCT household_id) AS n FROM customers JOIN lines USING (household_id) GROUP BY 1;
SELECT age, COUNT(DISTINCT c.household_id) AS n FROM lines l, customers c WHERE c.household_id = l.household_id GROUP BY ALL

-- name: customers with many rows
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines GROUP BY household_id HAVING COUNT(*) > 3) AS t;
SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(*) AS c FROM lines GROUP BY household_id) AS t WHERE c > 3;
SELECT COUNT(*) AS n FROM (SELECT COUNT(1) AS c, household_id AS h FROM lines AS l GROUP BY l.household_id) AS t WHERE 3 < t.c;
WITH per AS (SELECT household_id, COUNT(household_id) AS c FROM lines GROUP BY ALL) SELECT COUNT(*) AS n FROM per WHERE c > 3.0

-- name: two folds in another order
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(pieces) AS p, MAX(amount) AS a FROM lines GROUP BY 1) AS t WHERE p > 3 AND a > 2;
SELECT COUNT(*) AS n FROM (SELECT household_id, MAX(amount) AS a, SUM(pieces) AS p FROM lines GROUP BY household_id) AS t WHERE a > 2 AND p > 3

-- name: distinct rows of a unit
SELECT product_id, COUNT(*) AS n FROM (SELECT DISTINCT household_id, product_id FROM lines) AS t GROUP BY product_id;
SELECT product_id, COUNT(*) AS n FROM (SELECT product_id, household_id FROM lines GROUP BY household_id, product_id) AS t GROUP BY product_id

-- name: a first row
SELECT COUNT(*) AS n FROM (SELECT household_id, ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines) AS t WHERE r = 1;
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines QUALIFY ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) = 1) AS t;
SELECT COUNT(*) AS n FROM (SELECT 1 = ROW_NUMBER() OVER (PARTITION BY l.household_id ORDER BY l.day ASC) AS r FROM lines AS l) AS t WHERE r

-- name: a union in another order
SELECT COUNT(*) AS n FROM (SELECT household_id, pieces FROM lines UNION ALL SELECT household_id, members FROM customers) AS t;
SELECT COUNT(*) AS n FROM (SELECT household_id, members FROM customers UNION ALL SELECT household_id, pieces FROM lines) AS t

-- name: customers who bought a product
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT household_id FROM lines WHERE product_id = 1);
SELECT COUNT(*) AS n FROM customers AS c WHERE EXISTS (SELECT 1 FROM lines AS l WHERE l.household_id = c.household_id AND l.product_id = 1);
SELECT COUNT(*) AS n FROM customers AS c WHERE EXISTS (SELECT * FROM lines WHERE product_id = 1 AND c.household_id = household_id)
