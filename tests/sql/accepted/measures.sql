-- Aggregates of private rows without groups, or with few.
-- name: rows are counted
-- keys: public
SELECT COUNT(*) AS n FROM lines

-- name: a present value is counted
SELECT COUNT(store_id) AS with_store, COUNT(discount) AS with_discount, COUNT(product_id) AS all_rows FROM lines

-- name: units are counted
-- keys: public
SELECT COUNT(DISTINCT household_id) AS households, COUNT(household_id) AS rows_of_them FROM lines

-- name: a parenthesised unit is counted
SELECT COUNT(DISTINCT (l.household_id)) AS n FROM lines AS l

-- name: exact numbers are summed
SELECT SUM(pieces) AS pieces, SUM(amount) AS amount, SUM(discount) AS discount FROM lines

-- name: a mean is the quotient of two measures
SELECT AVG(amount) AS mean, AVG(discount) AS mean_of_present FROM lines

-- name: a mean and its parts share their measures
-- measures: 2
SELECT AVG(discount) AS mean, SUM(discount) AS total, COUNT(discount) AS n FROM lines

-- name: the condition of COUNT_IF is counted
SELECT COUNT_IF(pieces > 2) AS many, COUNT_IF(paid_by_card) AS card, COUNT_IF(NOT paid_by_card) AS cash FROM lines

-- name: FILTER restricts a measure
SELECT COUNT(*) FILTER (WHERE pieces > 2) AS n, SUM(amount) FILTER (WHERE discount < 0) AS s,
    AVG(amount) FILTER (WHERE paid_by_card) AS m, COUNT(DISTINCT household_id) FILTER (WHERE amount < 0) AS u
FROM lines

-- name: a sum of ones and zeros is a count
-- measures: 1
SELECT SUM(CASE WHEN pieces > 2 THEN 1 ELSE 0 END) AS a, COUNT_IF(pieces > 2) AS b,
    SUM(CASE WHEN pieces > 2 THEN 1 END) AS c
FROM lines

-- name: a literal is counted like a star
-- measures: 1
SELECT COUNT(1) AS a, COUNT(*) AS b, SUM(1) AS c FROM lines

-- name: decimals of different scales are added
-- options: {"l2_bound": {"s": 100000}}
SELECT SUM(amount - discount) AS s FROM lines

-- name: a product has the scales of both
-- options: {"l2_bound": {"s": 100000, "t": 100000}}
SELECT SUM(amount * pieces) AS s, SUM(amount * discount) AS t FROM lines

-- name: values are rounded before they are summed
-- options: {"l2_bound": {"a": 100000, "b": 100000, "c": 100000}}
SELECT SUM(ROUND(amount, 0)) AS a, SUM(ROUND(discount, 1)) AS b, SUM(CAST(amount AS INTEGER)) AS c FROM lines

-- name: a quotient is rounded to decimals
-- options: {"l2_bound": {"s": 100000}}
SELECT SUM(ROUND(amount / 4, 3)) AS s FROM lines WHERE amount >= 0

-- name: division by zero is NULL
-- options: {"l2_bound": {"s": 100000, "t": 100000, "u": 100000}}
SELECT SUM(ROUND(ticket / NULLIF(pieces, 0), 2)) AS s, SUM(ticket // pieces) AS t, SUM(ticket % pieces) AS u,
    COUNT(ticket // pieces) AS n
FROM lines WHERE pieces <> 0 OR ticket IS NULL OR pieces = 0

-- name: whole division and remainder of negative numbers
-- options: {"l2_bound": {"s": 100000, "t": 100000, "u": 100000}}
SELECT SUM(pieces // 3) AS s, SUM(pieces % 3) AS t, SUM(-7 // 2) AS u FROM lines WHERE pieces < 0

-- name: COALESCE and NULLIF
-- options: {"l2_bound": {"b": 100000}}
SELECT SUM(COALESCE(discount, 0)) AS a, SUM(COALESCE(ticket, pieces, 7)) AS b, COUNT(NULLIF(pieces, 0)) AS c,
    COUNT(COALESCE(note, 'none')) AS d
FROM lines

-- name: signs and absolute values
-- options: {"l2_bound": {"a": 100000, "b": 100000}}
SELECT SUM(ABS(amount)) AS a, SUM(-pieces) AS b, COUNT_IF(-amount > +3) AS c FROM lines

-- name: LEAST and GREATEST of values that are there
-- options: {"l2_bound": {"a": 100000, "b": 100000}}
SELECT SUM(LEAST(amount, 10)) AS a, SUM(GREATEST(pieces, 0, 2)) AS b FROM lines

-- name: LEAST and GREATEST pass over NULL
-- options: {"l2_bound": {"a": 100000, "b": 100000, "c": 100000}}
SELECT SUM(LEAST(ticket, 2)) AS a, SUM(GREATEST(ticket, pieces)) AS b, SUM(GREATEST(NULL, discount, ticket)) AS c,
    COUNT(LEAST(ticket, NULL)) AS d
FROM lines

-- name: CASE with an operand and without ELSE
-- options: {"l2_bound": {"s": 100000}}
SELECT SUM(CASE pieces WHEN 1 THEN amount WHEN 2 THEN discount END) AS s,
    COUNT(CASE WHEN pieces > 3 THEN 'x' END) AS n
FROM lines

-- name: IF is CASE
-- options: {"l2_bound": {"s": 100000}}
SELECT SUM(IF(paid_by_card, amount, 0)) AS s, COUNT_IF(IF(paid_by_card, pieces > 1, pieces > 4)) AS n FROM lines

-- name: a boolean is summed as a number
-- options: {"l2_bound": {"s": 100000}}
SELECT SUM(CAST(paid_by_card AS INTEGER)) AS s FROM lines

-- name: arithmetic over measures
SELECT 100.0 * SUM(amount) / COUNT(*) AS per_hundred, SUM(amount) - SUM(pieces) AS difference,
    COUNT(*) + 1 AS one_more, ROUND(SUM(amount) / COUNT(DISTINCT household_id), 2) AS per_household
FROM lines

-- name: a column alias is used in the same SELECT
-- keys: threshold
SELECT amount * 2 AS doubled, 1 AS one, COUNT(*) AS n FROM lines WHERE doubled > 40 GROUP BY doubled, one

-- name: text to number
-- options: {"l2_bound": {"s": 100000}}
SELECT SUM(TRY_CAST(SUBSTRING(note, 1, 2) AS INTEGER)) AS s FROM lines

-- name: nothing is asked of an empty set
SELECT COUNT(*) AS n, SUM(amount) AS s FROM lines WHERE 1 = 2

-- name: variances and standard deviations
-- measures: 3
SELECT VARIANCE(pieces) AS v, VAR_SAMP(pieces) AS vs, VAR_POP(pieces) AS vp, STDDEV(pieces) AS s,
    STDDEV_SAMP(pieces) AS ss, STDDEV_POP(pieces) AS sp
FROM lines

-- name: a standard deviation by group, beside its mean
-- measures: 3
SELECT paid_by_card, STDDEV_POP(members) AS s, AVG(members) AS m, COUNT(*) AS n
FROM lines JOIN customers USING (household_id) GROUP BY paid_by_card

-- name: the variance of what passes a filter
SELECT VAR_POP(pieces) FILTER (WHERE amount > 0) AS v FROM lines

-- name: sums and counts of what a CASE leaves out
SELECT SUM(CASE WHEN ticket > 5 THEN amount END) AS a, COUNT(CASE WHEN ticket > 5 THEN 1 END) AS b,
    AVG(CASE WHEN ticket > 5 THEN discount END) AS c, SUM(COALESCE(discount, 0)) AS d,
    COUNT(CASE WHEN ticket > 5 THEN discount WHEN paid_by_card THEN 1 END) AS e,
    SUM(CAST(ticket > 5 AS INTEGER)) AS f, AVG(COALESCE(discount, 0)) AS g
FROM lines
