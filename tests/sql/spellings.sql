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

-- name: NOT of an equality
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket = 3);
SELECT COUNT(*) AS n FROM lines WHERE ticket <> 3;
SELECT COUNT(*) AS n FROM lines WHERE ticket != 3;
SELECT COUNT(*) AS n FROM lines WHERE NOT ticket = 3;
SELECT COUNT(*) AS n FROM lines WHERE 3 <> ticket

-- name: NOT of an inequality
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket <> 3);
SELECT COUNT(*) AS n FROM lines WHERE ticket = 3

-- name: NOT of less
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket < 3);
SELECT COUNT(*) AS n FROM lines WHERE ticket >= 3;
SELECT COUNT(*) AS n FROM lines WHERE 3 <= ticket

-- name: NOT of at most
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket <= 3);
SELECT COUNT(*) AS n FROM lines WHERE ticket > 3

-- name: above a whole number
SELECT COUNT(*) AS n FROM lines WHERE ticket > 2;
SELECT COUNT(*) AS n FROM lines WHERE ticket >= 3

-- name: below a whole number
SELECT COUNT(*) AS n FROM lines WHERE ticket < 3;
SELECT COUNT(*) AS n FROM lines WHERE ticket <= 2

-- name: NOT of OR
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket < 3 OR pieces > 2);
SELECT COUNT(*) AS n FROM lines WHERE ticket >= 3 AND pieces <= 2

-- name: NOT of AND
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket < 3 AND pieces > 2);
SELECT COUNT(*) AS n FROM lines WHERE ticket >= 3 OR pieces <= 2

-- name: not in a list
SELECT COUNT(*) AS n FROM lines WHERE ticket NOT IN (1,2);
SELECT COUNT(*) AS n FROM lines WHERE NOT ticket IN (2,1);
SELECT COUNT(*) AS n FROM lines WHERE ticket <> 1 AND ticket <> 2;
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket = 1 OR ticket = 2)

-- name: a list and its equalities
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1,2);
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1 OR ticket = 2;
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (2,1,1);
SELECT COUNT(*) AS n FROM lines WHERE ticket = 2 OR ticket IN (1);
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1) OR ticket IN (2)

-- name: a list of one
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1);
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1;
SELECT COUNT(*) AS n FROM lines WHERE 1 IN (ticket)

-- name: not in a list of one
SELECT COUNT(*) AS n FROM lines WHERE ticket NOT IN (1);
SELECT COUNT(*) AS n FROM lines WHERE ticket <> 1

-- name: not in a range
SELECT COUNT(*) AS n FROM lines WHERE ticket NOT BETWEEN 1 AND 3;
SELECT COUNT(*) AS n FROM lines WHERE ticket < 1 OR ticket > 3;
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket >= 1 AND ticket <= 3)

-- name: a condition twice
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1 OR ticket = 1;
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1;
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1 AND TRUE;
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1 OR FALSE;
SELECT COUNT(*) AS n FROM lines WHERE TRUE AND ticket = 1

-- name: conditions inside and outside
SELECT COUNT(*) AS n FROM (SELECT * FROM lines WHERE pieces > 1) AS t WHERE ticket > 1;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1 AND ticket > 1;
SELECT COUNT(*) AS n FROM lines WHERE (ticket > 1 AND (pieces > 1))

-- name: all rows
SELECT COUNT(*) AS n FROM lines;
SELECT COUNT(1) AS n FROM lines;
SELECT COUNT(pieces) AS n FROM lines;
SELECT SUM(1) AS n FROM lines;
SELECT COUNT(*) AS n FROM (SELECT * FROM lines) AS t;
WITH a AS (SELECT * FROM lines) SELECT COUNT(*) AS n FROM a;
WITH u AS (SELECT * FROM products) SELECT COUNT(*) AS n FROM lines;
SELECT COUNT('x') AS n FROM lines;
SELECT COUNT(household_id) AS n FROM lines;
SELECT COUNT(*) AS n FROM lines WHERE TRUE;
SELECT SUM(CASE WHEN TRUE THEN 1 ELSE 0 END) AS n FROM lines;
SELECT COUNT(CASE WHEN TRUE THEN 1 END) AS n FROM lines

-- name: rows for which a condition holds
SELECT COUNT_IF(ticket > 2) AS n FROM lines;
SELECT SUM(CASE WHEN ticket > 2 THEN 1 END) AS n FROM lines;
SELECT COUNT(CASE WHEN ticket > 2 THEN 1 END) AS n FROM lines;
SELECT COUNT(*) FILTER (WHERE ticket > 2) AS n FROM lines;
SELECT COUNT(IF(ticket > 2, 1, NULL)) AS n FROM lines;
SELECT SUM(CAST(ticket > 2 AS INTEGER)) AS n FROM lines

-- name: a sum under a condition
SELECT SUM(amount) FILTER (WHERE ticket > 2) AS n FROM lines;
SELECT SUM(CASE WHEN ticket > 2 THEN amount END) AS n FROM lines;
SELECT SUM(CASE WHEN ticket > 2 THEN amount ELSE 0 END) AS n FROM lines;
SELECT SUM(IF(ticket > 2, amount, 0)) AS n FROM lines

-- name: rows with a value
SELECT COUNT(ticket) AS n FROM lines;
SELECT COUNT_IF(ticket IS NOT NULL) AS n FROM lines;
SELECT COUNT(*) FILTER (WHERE ticket IS NOT NULL) AS n FROM lines

-- name: less and more
SELECT COUNT(*) AS n FROM lines WHERE pieces > ticket;
SELECT COUNT(*) AS n FROM lines WHERE ticket < pieces

-- name: an equality turned round
SELECT COUNT(*) AS n FROM lines WHERE pieces = ticket;
SELECT COUNT(*) AS n FROM lines WHERE ticket = pieces

-- name: a sum turned round
SELECT COUNT(*) AS n FROM lines WHERE 1 + pieces > 3;
SELECT COUNT(*) AS n FROM lines WHERE pieces + 1 > 3

-- name: a sum of three
SELECT COUNT(*) AS n FROM lines WHERE pieces + ticket + 1 > 3;
SELECT COUNT(*) AS n FROM lines WHERE 1 + (ticket + pieces) > 3

-- name: a product turned round
SELECT COUNT(*) AS n FROM lines WHERE 2 * pieces > 3;
SELECT COUNT(*) AS n FROM lines WHERE pieces * 2 > 3

-- name: constants that are computed
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1 + 2;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 3;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 3.0;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1 * 3;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 5 - 2;
SELECT COUNT(*) AS n FROM lines WHERE pieces > ABS(-3);
SELECT COUNT(*) AS n FROM lines WHERE pieces > -(-3);
SELECT COUNT(*) AS n FROM lines WHERE pieces > CAST('3' AS INTEGER)

-- name: a join
SELECT COUNT(*) AS n FROM lines JOIN products USING (product_id);
SELECT COUNT(*) AS n FROM lines l JOIN products p ON p.product_id = l.product_id;
SELECT COUNT(*) AS n FROM products p, lines l WHERE p.product_id = l.product_id;
SELECT COUNT(*) AS n FROM products INNER JOIN lines USING (product_id)

-- name: a join of three tables
SELECT COUNT(*) AS n FROM lines JOIN products USING (product_id) JOIN stores USING (store_id);
SELECT COUNT(*) AS n FROM stores JOIN lines USING (store_id) JOIN products USING (product_id)

-- name: a table joined with itself
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id WHERE a.pieces = 1 AND b.pieces = 2;
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id WHERE b.pieces = 1 AND a.pieces = 2;
SELECT COUNT(*) AS n FROM lines a JOIN lines b USING (household_id) WHERE a.pieces = 1 AND b.pieces = 2

-- name: a left join
SELECT COUNT(*) AS n FROM lines LEFT JOIN products USING (product_id);
SELECT COUNT(*) AS n FROM lines l LEFT OUTER JOIN products p ON p.product_id = l.product_id

-- name: a key from either side
SELECT product_id, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY product_id;
SELECT p.product_id, COUNT(*) AS n FROM lines l JOIN products p ON l.product_id=p.product_id GROUP BY p.product_id;
SELECT l.product_id, COUNT(*) AS n FROM lines l JOIN products p ON l.product_id=p.product_id GROUP BY l.product_id

-- name: a list of customers without repeats
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT household_id FROM lines);
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT DISTINCT household_id FROM lines);
SELECT COUNT(*) AS n FROM customers c WHERE EXISTS (SELECT DISTINCT 1 FROM lines l WHERE l.household_id = c.household_id)

-- name: customers who did not
SELECT COUNT(*) AS n FROM customers WHERE household_id NOT IN (SELECT household_id FROM lines);
SELECT COUNT(*) AS n FROM customers WHERE NOT household_id IN (SELECT household_id FROM lines);
SELECT COUNT(*) AS n FROM customers c WHERE NOT EXISTS (SELECT 1 FROM lines l WHERE l.household_id = c.household_id)

-- name: a list of products without repeats
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM products WHERE price > 3);
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT DISTINCT product_id FROM products WHERE price > 3);
SELECT COUNT(*) AS n FROM lines l WHERE EXISTS (SELECT 1 FROM products p WHERE p.product_id=l.product_id AND p.price > 3)

-- name: a flag
SELECT COUNT(*) AS n FROM lines WHERE paid_by_card;
SELECT COUNT(*) AS n FROM lines WHERE paid_by_card = TRUE;
SELECT COUNT(*) AS n FROM lines WHERE paid_by_card AND TRUE;
SELECT COUNT(*) AS n FROM lines WHERE (paid_by_card) IS TRUE

-- name: a flag that is not set
SELECT COUNT(*) AS n FROM lines WHERE NOT paid_by_card;
SELECT COUNT(*) AS n FROM lines WHERE paid_by_card = FALSE;
SELECT COUNT(*) AS n FROM lines WHERE paid_by_card IS FALSE;
SELECT COUNT(*) AS n FROM lines WHERE paid_by_card <> TRUE

-- name: a value that is there
SELECT COUNT(*) AS n FROM lines WHERE ticket IS NOT NULL;
SELECT COUNT(*) AS n FROM lines WHERE NOT ticket IS NULL;
SELECT COUNT(*) AS n FROM lines WHERE NOT (ticket IS NULL);
SELECT COUNT(*) AS n FROM lines WHERE ticket = ticket

-- name: distinct from
SELECT COUNT(*) AS n FROM lines WHERE ticket IS DISTINCT FROM 3;
SELECT COUNT(*) AS n FROM lines WHERE NOT ticket IS NOT DISTINCT FROM 3

-- name: not like
SELECT COUNT(*) AS n FROM lines WHERE note NOT LIKE 'a%';
SELECT COUNT(*) AS n FROM lines WHERE NOT note LIKE 'a%'

-- name: a beginning
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'a%';
SELECT COUNT(*) AS n FROM lines WHERE STARTS_WITH(note, 'a');
SELECT COUNT(*) AS n FROM lines WHERE note ^@ 'a'

-- name: a part
SELECT COUNT(*) AS n FROM lines WHERE note LIKE '%a%';
SELECT COUNT(*) AS n FROM lines WHERE CONTAINS(note, 'a')

-- name: a pattern without wildcards
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'gift';
SELECT COUNT(*) AS n FROM lines WHERE note = 'gift'

-- name: a CASE that is its condition
SELECT COUNT(*) AS n FROM lines WHERE CASE WHEN ticket > 2 THEN TRUE ELSE FALSE END;
SELECT COUNT(*) AS n FROM lines WHERE ticket > 2

-- name: a value for NULL
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(ticket, 0) > 2;
SELECT COUNT(*) AS n FROM lines WHERE IFNULL(ticket, 0) > 2;
SELECT COUNT(*) AS n FROM lines WHERE CASE WHEN ticket IS NULL THEN 0 ELSE ticket END > 2;
SELECT COUNT(*) AS n FROM lines WHERE CASE WHEN ticket IS NOT NULL THEN ticket ELSE 0 END > 2

-- name: a value for NULL in a value for NULL
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(ticket, COALESCE(pieces, 0)) > 2;
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(ticket, pieces, 0) > 2

-- name: IF and CASE
SELECT IF(pieces > 1,'a','b') AS k, COUNT(*) AS n FROM lines GROUP BY k;
SELECT CASE WHEN pieces > 1 THEN 'a' ELSE 'b' END AS k, COUNT(*) AS n FROM lines GROUP BY k;
SELECT CASE WHEN NOT pieces <= 1 THEN 'a' ELSE 'b' END AS k, COUNT(*) AS n FROM lines GROUP BY k

-- name: a month of days
SELECT COUNT(*) AS n FROM lines WHERE day >= DATE '2026-02-01' AND day < DATE '2026-03-01';
SELECT COUNT(*) AS n FROM lines WHERE day BETWEEN '2026-02-01' AND '2026-02-28';
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-01-31' AND day <= DATE '2026-02-28'

-- name: a truncated date
SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('month', day) = DATE '2026-02-01';
SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('MONTH', day) = '2026-02-01'

-- name: days before a day
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-02-01' - INTERVAL 7 DAY;
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-02-01' - 7;
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-01-25';
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-02-01' - INTERVAL '1' WEEK

-- name: whether any row of a customer is so
SELECT COUNT(*) AS n FROM (SELECT household_id, BOOL_OR(paid_by_card) AS b FROM lines GROUP BY household_id) AS t WHERE b;
SELECT COUNT(*) AS n FROM (SELECT household_id, MAX(paid_by_card) AS b FROM lines GROUP BY household_id) AS t WHERE b

-- name: whether all rows of a customer are so
SELECT COUNT(*) AS n FROM (SELECT household_id, BOOL_AND(pieces > 1) AS b FROM lines GROUP BY household_id) AS t WHERE b;
SELECT COUNT(*) AS n FROM (SELECT household_id, MIN(pieces > 1) AS b FROM lines GROUP BY household_id) AS t WHERE b

-- name: a count under a condition for each customer
SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT_IF(pieces > 1) AS b FROM lines GROUP BY household_id) AS t WHERE b > 1;
SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(*) FILTER (WHERE pieces > 1) AS b FROM lines GROUP BY household_id) AS t WHERE b > 1;
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(CASE WHEN pieces > 1 THEN 1 ELSE 0 END) AS b FROM lines GROUP BY household_id) AS t WHERE b > 1

-- name: customers with more than three rows
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines GROUP BY household_id HAVING COUNT(*) > 3) AS t;
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines GROUP BY household_id HAVING NOT COUNT(*) <= 3) AS t;
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines GROUP BY household_id HAVING COUNT(*) >= 4) AS t

-- name: a condition that another one implies
SELECT COUNT(*) AS n FROM lines WHERE ticket > 1 AND (ticket > 1 OR pieces > 2);
SELECT COUNT(*) AS n FROM lines WHERE ticket > 1

-- name: nothing at all
SELECT COUNT(*) AS n FROM lines WHERE FALSE;
SELECT COUNT(*) AS n FROM lines WHERE 1 = 2;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1 AND FALSE;
SELECT COUNT(*) AS n FROM lines WHERE NULL;
SELECT COUNT(*) AS n FROM lines WHERE ticket = NULL

-- name: a total in order
SELECT COUNT(*) AS n FROM lines ORDER BY 1;
SELECT COUNT(*) AS n FROM lines LIMIT 1;
SELECT COUNT(*) AS n FROM lines

-- name: a mean and its parts
SELECT AVG(amount) AS n FROM lines;
SELECT SUM(amount)/COUNT(amount) AS n, AVG(amount) AS m FROM lines

-- name: a condition that is TRUE
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1;
SELECT COUNT(*) AS n FROM lines WHERE pieces > (1);
SELECT COUNT(*) AS n FROM lines WHERE (pieces > 1) = TRUE

-- name: a cast that changes nothing
SELECT COUNT(*) AS n FROM lines WHERE CAST(pieces AS INTEGER) > 1;
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1;
SELECT COUNT(*) AS n FROM lines WHERE pieces::BIGINT > 1

-- name: places that change nothing
SELECT COUNT(*) AS n FROM lines WHERE amount > 1;
SELECT COUNT(*) AS n FROM lines WHERE amount > 1.00;
SELECT COUNT(*) AS n FROM lines WHERE amount > '1';
SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS DECIMAL(12,2)) > 1

-- name: a difference and a sum
SELECT COUNT(*) AS n FROM lines WHERE pieces - 1 > 1;
SELECT COUNT(*) AS n FROM lines WHERE pieces + -1 > 1

-- name: texts in a row
SELECT COUNT(*) AS n FROM lines WHERE note || 'a' || 'b' = 'xab';
SELECT COUNT(*) AS n FROM lines WHERE note || ('a' || 'b') = 'xab'

-- name: the greater of two
SELECT COUNT(*) AS n FROM lines WHERE GREATEST(pieces, ticket) > 1;
SELECT COUNT(*) AS n FROM lines WHERE GREATEST(ticket, pieces) > 1

-- name: keys in another order
SELECT pieces, product_id, COUNT(*) AS n FROM lines GROUP BY pieces, product_id;
SELECT pieces, product_id, COUNT(*) AS n FROM lines GROUP BY product_id, pieces;
SELECT COUNT(*) AS n, product_id, pieces FROM lines GROUP BY ALL;
SELECT pieces, product_id, COUNT(*) AS n FROM lines GROUP BY pieces, product_id, pieces

-- name: a key turned round
SELECT pieces + 1 AS k, COUNT(*) AS n FROM lines GROUP BY k;
SELECT 1 + pieces AS k, COUNT(*) AS n FROM lines GROUP BY 1

-- name: subqueries that change nothing
SELECT COUNT(*) AS n FROM (SELECT * FROM (SELECT * FROM lines) AS a) AS b;
SELECT COUNT(*) AS n FROM lines

-- name: a day on either side of a self-join
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id=b.household_id AND a.day=b.day WHERE a.day = DATE '2026-01-02';
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id=b.household_id AND a.day=b.day WHERE b.day = DATE '2026-01-02'

-- name: a first row by two limits
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines QUALIFY ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) <= 1) AS t;
SELECT COUNT(*) AS n FROM (SELECT household_id FROM lines QUALIFY ROW_NUMBER() OVER (PARTITION BY household_id ORDER BY day) < 2) AS t
