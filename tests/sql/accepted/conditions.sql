-- WHERE and the truth of SQL's three values.
-- name: NULL is no truth
SELECT COUNT(*) AS n FROM lines WHERE discount > 0 OR ticket > 10

-- name: NOT of NULL is NULL
SELECT COUNT(*) AS n FROM lines WHERE NOT (discount > 0 AND ticket > 10)

-- name: comparisons of all six kinds
SELECT COUNT_IF(pieces = 1) AS a, COUNT_IF(pieces <> 1) AS b, COUNT_IF(pieces < 1) AS c, COUNT_IF(pieces <= 1) AS d,
    COUNT_IF(pieces > 1) AS e, COUNT_IF(pieces >= 1) AS f, COUNT_IF(pieces != 1) AS g, COUNT_IF(pieces == 1) AS h
FROM lines

-- name: IS NULL and IS NOT NULL
SELECT COUNT_IF(discount IS NULL) AS a, COUNT_IF(discount IS NOT NULL) AS b, COUNT_IF(NOT discount IS NULL) AS c
FROM lines

-- name: IS DISTINCT FROM
SELECT COUNT_IF(ticket IS DISTINCT FROM 3) AS a, COUNT_IF(ticket IS NOT DISTINCT FROM NULL) AS b FROM lines

-- name: IS TRUE and IS NOT FALSE
SELECT COUNT_IF(paid_by_card IS TRUE) AS a, COUNT_IF(paid_by_card IS NOT FALSE) AS b,
    COUNT_IF(paid_by_card IS NOT TRUE) AS c
FROM lines

-- name: IN with a NULL
SELECT COUNT_IF(pieces IN (1, 2, NULL)) AS a, COUNT_IF(pieces NOT IN (1, 2, NULL)) AS b,
    COUNT_IF(ticket IN (3, 4)) AS c, COUNT_IF(ticket NOT IN (3, 4)) AS d
FROM lines

-- name: IN of decimals of other scales
SELECT COUNT(*) AS n FROM lines WHERE amount IN (0, 1.5, 25.96, -4, 1e1) OR discount IN (0.5, -1.989)

-- name: BETWEEN is inclusive
SELECT COUNT_IF(pieces BETWEEN -1 AND 3) AS a, COUNT_IF(pieces NOT BETWEEN -1 AND 3) AS b,
    COUNT_IF(amount BETWEEN 1.005 AND 9) AS c, COUNT_IF(day BETWEEN DATE '2026-01-10' AND DATE '2026-02-10') AS d
FROM lines

-- name: a decimal compared with more digits than it has
SELECT COUNT_IF(amount < 9.999) AS a, COUNT_IF(amount > 1.23456789012) AS b, COUNT_IF(amount = 9.990) AS c FROM lines

-- name: a decimal compared with a quotient
SELECT COUNT(*) AS n FROM lines WHERE amount / 2 > pieces AND ticket / 7 < 2.5

-- name: patterns
SELECT COUNT_IF(note LIKE '%wrap%') AS a, COUNT_IF(note ILIKE 'GIFT') AS b, COUNT_IF(note LIKE '_') AS c,
    COUNT_IF(note NOT LIKE '%i%') AS d, COUNT_IF(note LIKE '') AS e, COUNT_IF(note LIKE 'O''H%') AS f,
    COUNT_IF(note LIKE '50%') AS g, COUNT_IF(note LIKE 'å__') AS h
FROM lines

-- name: texts are compared by their letters
SELECT COUNT_IF(note = 'gift') AS a, COUNT_IF(note < 'b') AS b, COUNT_IF(note > '') AS c, COUNT_IF(note = '') AS d
FROM lines

-- name: text functions
SELECT COUNT_IF(LOWER(note) = 'o''hara') AS a, COUNT_IF(UPPER(note) = 'ÅÄÖ') AS b, COUNT_IF(LENGTH(note) > 3) AS c,
    COUNT_IF(TRIM(note) = 'Gift wrapped') AS d, COUNT_IF(SUBSTRING(note, 2, 3) = 'ift') AS e,
    COUNT_IF(LEFT(note, 1) = 'g') AS f, COUNT_IF(STARTS_WITH(note, '50')) AS g, COUNT_IF(CONTAINS(note, 'b')) AS h,
    COUNT_IF(note || '!' = 'gift!') AS i, COUNT_IF(CONCAT(note, '-', 'x') = '-x') AS j,
    COUNT_IF(SUBSTR(note, 3) = 'ft') AS k, COUNT_IF(TRIM(note, 'gt') = 'if') AS l
FROM lines

-- name: numbers as texts
SELECT COUNT_IF(CAST(pieces AS VARCHAR) = '-2') AS a, COUNT_IF(pieces::VARCHAR || 'x' = '3x') AS b,
    COUNT_IF(CAST(day AS VARCHAR) LIKE '2026-02%') AS c, COUNT_IF(paid_by_card::VARCHAR = 'true') AS d
FROM lines

-- name: casts between numbers
SELECT COUNT_IF(CAST(amount AS INTEGER) = 2) AS a, COUNT_IF(CAST(amount AS DECIMAL(9, 1)) = 2.5) AS b,
    COUNT_IF(CAST(discount AS DOUBLE) < -0.5) AS c, COUNT_IF(ROUND(amount) = -2) AS d
FROM lines

-- name: AND binds tighter than OR
SELECT COUNT(*) AS n FROM lines WHERE pieces = 1 OR pieces = 2 AND amount > 5 OR NOT ticket = 3 AND store_id = 1

-- name: a condition compared with a condition
SELECT COUNT(*) AS n FROM lines WHERE (pieces > 1) = (amount > 5)

-- name: literals are folded
SELECT COUNT(*) AS n FROM lines WHERE 1 = 1 AND 'a' < 'b' AND NOT FALSE AND pieces > 0

-- name: a long list
SELECT COUNT(*) AS n FROM lines
WHERE ticket IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 22, 22, 900)

-- name: positional and named parameters
-- params: {"low": 1.5, "text": "gift", "day": "2026-02-01", "none": null}
SELECT COUNT_IF(amount > $low) AS a, COUNT_IF(note = $text) AS b, COUNT_IF(day >= CAST($day AS DATE)) AS c,
    COUNT_IF(ticket = $none) AS d
FROM lines

-- name: a negative and a boolean parameter
-- params: {"low": -1, "card": true}
SELECT COUNT(*) AS n FROM lines WHERE pieces >= $low AND paid_by_card = $card

-- name: NOT in front of everything
SELECT COUNT_IF(NOT ticket < 3) AS a, COUNT_IF(NOT (ticket <= 3 OR discount > 1)) AS b,
    COUNT_IF(NOT (ticket IN (1, 2) AND pieces <> 1)) AS c, COUNT_IF(NOT (ticket BETWEEN 2 AND 5)) AS d,
    COUNT_IF((NOT ticket < 3) IS NULL) AS e, COUNT_IF(NOT (ticket = 3) IS TRUE) AS f
FROM lines

-- name: lists put together
SELECT COUNT_IF(ticket = 1 OR ticket IN (2, 3) OR 4 = ticket) AS a,
    COUNT_IF(ticket <> 1 AND ticket NOT IN (2, 3)) AS b, COUNT_IF(ticket = 1 OR ticket = NULL) AS c,
    COUNT_IF(ticket IN (1, NULL) IS NULL) AS d, COUNT_IF(ticket = 1 OR pieces = 1) AS e
FROM lines

-- name: patterns without wildcards, and with one at an end
SELECT COUNT_IF(note LIKE 'gift') AS a, COUNT_IF(note LIKE 'a%') AS b, COUNT_IF(note LIKE '%f%') AS c,
    COUNT_IF(note LIKE '%t') AS d, COUNT_IF(note LIKE 'a_b') AS e, COUNT_IF(note LIKE '%') AS f,
    COUNT_IF(note LIKE '') AS g, COUNT_IF(note LIKE '50%') AS h, COUNT_IF(note NOT LIKE 'a%') AS i
FROM lines

-- name: a condition as a value
SELECT paid_by_card IS TRUE AS a, CASE WHEN ticket > 5 THEN TRUE ELSE FALSE END AS b, ticket > 5 AS c, COUNT(*) AS n
FROM lines GROUP BY ALL

-- name: a key that takes a value for NULL, under a condition on it
SELECT COALESCE(age, 'unknown') AS age, COUNT(*) AS n FROM customers
WHERE COALESCE(age, 'unknown') <> 'old' GROUP BY 1

-- name: a key with NULL, under a condition that NULL passes
SELECT age, COUNT(*) AS n FROM customers WHERE COALESCE(age, 'unknown') <> 'old' GROUP BY age

-- name: a flag that is compared
SELECT COUNT_IF(paid_by_card = TRUE) AS a, COUNT_IF(paid_by_card <> TRUE) AS b, COUNT_IF(FALSE = paid_by_card) AS c,
    COUNT_IF((paid_by_card = TRUE) IS NULL) AS d
FROM lines
