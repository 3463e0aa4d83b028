-- Each block holds two statements, parted by a semicolon, that look alike and ask different questions.
-- name: a limit
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1; SELECT COUNT(*) AS n FROM lines WHERE pieces > 2
-- name: a strict limit
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1; SELECT COUNT(*) AS n FROM lines WHERE pieces >= 1
-- name: the other side
SELECT COUNT(*) AS n FROM lines WHERE pieces > 1; SELECT COUNT(*) AS n FROM lines WHERE pieces < 1
-- name: equal and not equal
SELECT COUNT(*) AS n FROM lines WHERE pieces = 1; SELECT COUNT(*) AS n FROM lines WHERE pieces <> 1
-- name: AND and OR
SELECT COUNT(*) AS n FROM lines WHERE pieces = 1 AND ticket = 2; SELECT COUNT(*) AS n FROM lines WHERE pieces = 1 OR ticket = 2
-- name: equal and the same
SELECT COUNT(*) AS n FROM lines WHERE ticket = pieces; SELECT COUNT(*) AS n FROM lines WHERE ticket IS NOT DISTINCT FROM pieces
-- name: NOT and IS NOT TRUE
SELECT COUNT(*) AS n FROM lines WHERE NOT paid_by_card; SELECT COUNT(*) AS n FROM lines WHERE paid_by_card IS NOT TRUE
-- name: rows and units
SELECT COUNT(*) AS n FROM lines; SELECT COUNT(DISTINCT household_id) AS n FROM lines
-- name: all rows and those with a value
SELECT COUNT(*) AS n FROM lines; SELECT COUNT(ticket) AS n FROM lines
-- name: a sum and a mean
SELECT SUM(amount) AS n FROM lines; SELECT AVG(amount) AS n FROM lines
-- name: a mean of what may be NULL
SELECT AVG(discount) AS n FROM lines; SELECT AVG(COALESCE(discount, 0)) AS n FROM lines
-- name: two columns
SELECT SUM(amount) AS n FROM lines; SELECT SUM(discount) AS n FROM lines
-- name: with and without a key
SELECT COUNT(*) AS n FROM lines; SELECT COUNT(*) AS n FROM lines GROUP BY pieces
-- name: two keys
SELECT COUNT(*) AS n FROM lines GROUP BY pieces; SELECT COUNT(*) AS n FROM lines GROUP BY product_id
-- name: a key more
SELECT COUNT(*) AS n FROM lines GROUP BY pieces; SELECT COUNT(*) AS n FROM lines GROUP BY pieces, product_id
-- name: a narrower key
SELECT COUNT(*) AS n FROM lines GROUP BY pieces; SELECT COUNT(*) AS n FROM lines WHERE pieces >= 0 GROUP BY pieces
-- name: week and month
SELECT COUNT(*) AS n FROM lines GROUP BY WEEK(day); SELECT COUNT(*) AS n FROM lines GROUP BY MONTH(day)
-- name: a table more
SELECT COUNT(*) AS n FROM lines; SELECT COUNT(*) AS n FROM lines JOIN customers USING (household_id)
-- name: an inner and a left join
SELECT COUNT(*) AS n FROM customers c JOIN lines l USING (household_id); SELECT COUNT(*) AS n FROM customers c LEFT JOIN lines l USING (household_id)
-- name: the two sides of a left join
SELECT COUNT(*) AS n FROM customers c LEFT JOIN lines l USING (household_id); SELECT COUNT(*) AS n FROM lines l LEFT JOIN customers c USING (household_id)
-- name: a condition in ON and in WHERE of a left join
SELECT COUNT(*) AS n FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id AND l.pieces = 1; SELECT COUNT(*) AS n FROM customers c LEFT JOIN lines l ON c.household_id = l.household_id WHERE l.pieces = 1
-- name: a self-join on a column more
SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id; SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id AND a.day = b.day
-- name: a letter
SELECT COUNT(*) AS n FROM lines WHERE note = 'gift'; SELECT COUNT(*) AS n FROM lines WHERE note = 'Gift'
-- name: a space
SELECT COUNT(*) AS n FROM lines WHERE note = 'gift'; SELECT COUNT(*) AS n FROM lines WHERE note = 'gift '
-- name: LIKE and ILIKE
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'gift'; SELECT COUNT(*) AS n FROM lines WHERE note ILIKE 'gift'
-- name: NOT IN and IN
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1, 2); SELECT COUNT(*) AS n FROM lines WHERE ticket NOT IN (1, 2)
-- name: a value and its NULL
SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1, 2); SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1, 2, NULL)
-- name: the order of CASE
SELECT COUNT_IF(CASE WHEN pieces > 1 THEN TRUE WHEN ticket > 1 THEN FALSE END) AS n FROM lines; SELECT COUNT_IF(CASE WHEN ticket > 1 THEN FALSE WHEN pieces > 1 THEN TRUE END) AS n FROM lines
-- name: the order of a difference
SELECT COUNT(*) AS n FROM lines WHERE pieces - ticket > 1; SELECT COUNT(*) AS n FROM lines WHERE ticket - pieces > 1
-- name: the order of a quotient
SELECT COUNT(*) AS n FROM lines WHERE pieces / ticket > 1; SELECT COUNT(*) AS n FROM lines WHERE ticket / pieces > 1
-- name: rounding
SELECT COUNT(*) AS n FROM lines WHERE ROUND(amount, 1) > 1; SELECT COUNT(*) AS n FROM lines WHERE ROUND(amount, 0) > 1
-- name: a day
SELECT COUNT(*) AS n FROM lines WHERE day = DATE '2026-02-01'; SELECT COUNT(*) AS n FROM lines WHERE day = DATE '2026-02-02'
-- name: the numbers one and true
SELECT COUNT(*) AS n FROM lines GROUP BY 1 + 0; SELECT COUNT(*) AS n FROM lines GROUP BY TRUE
-- name: a number and its text
SELECT COUNT(*) AS n FROM lines GROUP BY pieces; SELECT COUNT(*) AS n FROM lines GROUP BY CAST(pieces AS VARCHAR)
-- name: a fold and its condition
SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(*) AS c FROM lines GROUP BY 1) AS t WHERE c > 3; SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT(*) FILTER (WHERE pieces > 1) AS c FROM lines GROUP BY 1) AS t WHERE c > 3
-- name: folds of other kinds
SELECT COUNT(*) AS n FROM (SELECT household_id, MIN(pieces) AS c FROM lines GROUP BY 1) AS t WHERE c > 3; SELECT COUNT(*) AS n FROM (SELECT household_id, MAX(pieces) AS c FROM lines GROUP BY 1) AS t WHERE c > 3
-- name: windows in other orders
SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines) AS t WHERE r = 1; SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY household_id ORDER BY day DESC) AS r FROM lines) AS t WHERE r = 1
-- name: windows over other rows
SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY household_id ORDER BY day) AS r FROM lines) AS t WHERE r = 1; SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY household_id, product_id ORDER BY day) AS r FROM lines) AS t WHERE r = 1
-- name: IN and NOT IN
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT household_id FROM lines); SELECT COUNT(*) AS n FROM customers WHERE household_id NOT IN (SELECT household_id FROM lines)
-- name: NOT of AND and of OR
SELECT COUNT(*) AS n FROM lines WHERE NOT (pieces > 1 AND ticket > 2); SELECT COUNT(*) AS n FROM lines WHERE NOT (pieces > 1 OR ticket > 2)
-- name: a list and two columns
SELECT COUNT(*) AS n FROM lines WHERE ticket = 1 OR ticket = 2; SELECT COUNT(*) AS n FROM lines WHERE ticket = 1 OR pieces = 2
-- name: not one or not the other
SELECT COUNT(*) AS n FROM lines WHERE ticket NOT IN (1, 2); SELECT COUNT(*) AS n FROM lines WHERE ticket <> 1 OR ticket <> 2
-- name: less and at most
SELECT COUNT(*) AS n FROM lines WHERE ticket < 3; SELECT COUNT(*) AS n FROM lines WHERE ticket <= 3
-- name: below a half
SELECT COUNT(*) AS n FROM lines WHERE amount < 2.5; SELECT COUNT(*) AS n FROM lines WHERE amount <= 2.5
-- name: one place and two
SELECT COUNT(*) AS n FROM lines WHERE amount < 2.5; SELECT COUNT(*) AS n FROM lines WHERE amount <= 2.4
-- name: a pattern of one letter more
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'a_b'; SELECT COUNT(*) AS n FROM lines WHERE note = 'a_b'
-- name: a beginning and an ending
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'a%'; SELECT COUNT(*) AS n FROM lines WHERE note LIKE '%a'
-- name: a beginning and a part
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'a%'; SELECT COUNT(*) AS n FROM lines WHERE note LIKE '%a%'
-- name: a beginning in any case
SELECT COUNT(*) AS n FROM lines WHERE note LIKE 'g%'; SELECT COUNT(*) AS n FROM lines WHERE note ILIKE 'g%'
-- name: NULL for zero and zero for NULL
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(ticket, 0) < 1; SELECT COUNT(*) AS n FROM lines WHERE NULLIF(ticket, 0) < 1
-- name: the first of two values
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(ticket, pieces) > 1; SELECT COUNT(*) AS n FROM lines WHERE COALESCE(pieces + ticket, pieces) > 1
-- name: a key of a flag and of a flag that is TRUE
SELECT COUNT(*) AS n FROM lines GROUP BY paid_by_card; SELECT COUNT(*) AS n FROM lines GROUP BY paid_by_card IS TRUE
-- name: a key of a comparison and its CASE
SELECT COUNT(*) AS n FROM lines GROUP BY ticket > 2; SELECT COUNT(*) AS n FROM lines GROUP BY CASE WHEN ticket > 2 THEN TRUE ELSE FALSE END
-- name: a sum and its opposite
SELECT SUM(CASE WHEN ticket > 2 THEN amount END) AS n FROM lines; SELECT SUM(CASE WHEN ticket > 2 THEN 0 ELSE amount END) AS n FROM lines
-- name: a mean of zeros and of nothing
SELECT AVG(CASE WHEN ticket > 2 THEN amount END) AS n FROM lines; SELECT AVG(CASE WHEN ticket > 2 THEN amount ELSE 0 END) AS n FROM lines
-- name: a difference turned round
SELECT COUNT(*) AS n FROM lines WHERE ticket - 1 > 1; SELECT COUNT(*) AS n FROM lines WHERE 1 - ticket > 1
-- name: any row and all rows
SELECT COUNT(*) AS n FROM (SELECT household_id, BOOL_OR(pieces > 1) AS b FROM lines GROUP BY 1) AS t WHERE b; SELECT COUNT(*) AS n FROM (SELECT household_id, BOOL_AND(pieces > 1) AS b FROM lines GROUP BY 1) AS t WHERE b
-- name: a sum and a count of nothing
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(CASE WHEN pieces > 15 THEN 1 END) AS c FROM lines GROUP BY 1) AS t WHERE c IS NULL; SELECT COUNT(*) AS n FROM (SELECT household_id, COUNT_IF(pieces > 15) AS c FROM lines GROUP BY 1) AS t WHERE c IS NULL
-- name: the two sides of a self-join
SELECT a.pieces, COUNT(*) AS n FROM lines a JOIN lines b USING (household_id) WHERE a.pieces = 1 GROUP BY 1; SELECT b.pieces, COUNT(*) AS n FROM lines a JOIN lines b USING (household_id) WHERE a.pieces = 1 GROUP BY 1
-- name: lists of customers with and without a limit
SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM products WHERE price > 3); SELECT COUNT(*) AS n FROM lines WHERE product_id IN (SELECT product_id FROM products WHERE price > 4)
-- name: one day more
SELECT COUNT(*) AS n FROM lines WHERE day < DATE '2026-03-01'; SELECT COUNT(*) AS n FROM lines WHERE day <= DATE '2026-03-01'
