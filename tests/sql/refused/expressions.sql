-- name: a number as a condition
-- expect: type-mismatch 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE pieces <> 0
SELECT COUNT(*) AS n FROM lines WHERE pieces

-- name: a text compared with a number
-- expect: type-mismatch 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE CAST(note AS INT) > 5
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CAST(note AS INTEGER) > 5
SELECT COUNT(*) AS n FROM lines WHERE note > 5

-- name: a date compared with a number
-- expect: type-mismatch 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-01-05'
SELECT COUNT(*) AS n FROM lines WHERE day > 5

-- name: a date that is none
-- expect: type-mismatch 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE day > '2026-02-30'

-- name: a date in words
-- expect: type-mismatch 1:50 hint
SELECT COUNT(*) AS n FROM lines WHERE day > DATE 'yesterday'

-- name: a text that is no number
-- expect: type-mismatch 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces = 'many'

-- name: a number beyond all ranges
-- expect: number-out-of-range 1:48 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE pieces < 1e20
SELECT COUNT(*) AS n FROM lines WHERE pieces < 1e40

-- name: a pattern from a column
-- expect: type-mismatch 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE note LIKE '%a%'
SELECT COUNT(*) AS n FROM lines WHERE note LIKE note

-- name: a pattern with ESCAPE
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE STARTS_WITH(note, '50%') OR CONTAINS(note, '50%')
SELECT COUNT(*) AS n FROM lines WHERE note LIKE '50!%' ESCAPE '!'

-- name: a regular expression
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE note ILIKE '%a%' OR CONTAINS(note, 'a') OR STARTS_WITH(note, 'a')
SELECT COUNT(*) AS n FROM lines WHERE REGEXP_MATCHES(note, 'a+')

-- name: SIMILAR TO
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CONTAINS(note, 'a')
SELECT COUNT(*) AS n FROM lines WHERE note SIMILAR TO 'a+'

-- name: GLOB
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE STARTS_WITH(note, 'a')
SELECT COUNT(*) AS n FROM lines WHERE note GLOB 'a*'

-- name: a random number
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines
SELECT COUNT(*) AS n FROM lines WHERE RANDOM() < 0.5

-- name: the time of day
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE day < DATE '2026-01-31'
SELECT COUNT(*) AS n FROM lines WHERE day < CURRENT_DATE

-- name: an error on purpose
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE ERROR('x') IS NULL

-- name: a hash
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE HASH(note) = 1

-- name: a repeated text
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE REPEAT(note, 1000000) = 'a'

-- name: a logarithm of private values
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE amount > 2.718
SELECT COUNT(*) AS n FROM lines WHERE LN(amount) > 1

-- name: a root of private values
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE amount > 1
SELECT COUNT(*) AS n FROM lines WHERE SQRT(amount) > 1

-- name: a power of private values
-- expect: unsupported-expression 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE amount * amount > 1
-- instead: SELECT COUNT(*) AS n FROM lines WHERE amount * amount > 1
SELECT COUNT(*) AS n FROM lines WHERE amount ** 2 > 1

-- name: a cast to a timestamp
-- expect: unsupported-expression 1:44 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CAST(day AS DATE) > DATE '2026-01-01'
SELECT COUNT(*) AS n FROM lines WHERE CAST(day AS TIMESTAMP) > '2026-01-01'

-- name: a cast to a list
-- expect: unsupported-expression 1:44 hint
SELECT COUNT(*) AS n FROM lines WHERE CAST(note AS INTEGER[]) IS NULL

-- name: a cast of a decimal to text
-- expect: type-mismatch 1:44 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CAST(CAST(amount AS INTEGER) AS VARCHAR) = '1'
SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS VARCHAR) = '1.00'

-- name: more decimals than there are
-- expect: unsupported-expression 1:62 hint
SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS DECIMAL(30, 12)) > 1

-- name: ROUND to negative places
-- expect: unsupported-expression 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE ROUND(amount, -1) = 10

-- name: ROUND to a column's places
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE ROUND(amount, 2) = ROUND(amount)
SELECT COUNT(*) AS n FROM lines WHERE ROUND(amount, pieces) = 10

-- name: SUBSTRING from a column
-- expect: unsupported-expression 1:49 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE SUBSTRING(note, 1, 3) = LEFT(note, 3)
SELECT COUNT(*) AS n FROM lines WHERE SUBSTRING(note, pieces, 1) = 'a'

-- name: SUBSTRING from the end
-- expect: unsupported-expression 1:49 hint
SELECT COUNT(*) AS n FROM lines WHERE SUBSTRING(note, -1) = 'a'

-- name: RIGHT of a text
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE note LIKE '%a'
SELECT COUNT(*) AS n FROM lines WHERE RIGHT(note, 1) = 'a'

-- name: EXTRACT of an epoch
-- expect: unsupported-expression 1:58 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE EXTRACT(dayofyear FROM day) > 1
SELECT COUNT(*) AS n FROM lines WHERE EXTRACT(epoch FROM day) > 1

-- name: DATE_TRUNC to a century
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('year', day) = day
SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('century', day) = day

-- name: DATE_DIFF in months
-- expect: unsupported-expression 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE DATE_DIFF('day', day, day) = 0 AND DATE_TRUNC('month', day) = day
SELECT COUNT(*) AS n FROM lines WHERE DATE_DIFF('month', day, day) = 0

-- name: an interval of months
-- expect: unsupported-expression 1:50 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-01-01' + INTERVAL 30 DAY
SELECT COUNT(*) AS n FROM lines WHERE day > DATE '2026-01-01' + INTERVAL 1 MONTH

-- name: days of a column
-- expect: type-mismatch 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE day + 7 > DATE '2026-01-01' AND DATE_DIFF('day', day, day) = 0
SELECT COUNT(*) AS n FROM lines WHERE day + pieces > DATE '2026-01-01'

-- name: whole division of doubles
-- expect: type-mismatch 1:40 hint
SELECT COUNT(*) AS n FROM lines WHERE (amount / 2) // 2 = 1

-- name: CASE of two types
-- expect: type-mismatch 1:49 hint
SELECT COUNT(*) AS n FROM lines WHERE CASE WHEN pieces > 1 THEN 'a' ELSE 1 END = 'a'

-- name: COALESCE of two types
-- expect: type-mismatch 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(note, paid_by_card) IS NULL

-- name: a list
-- expect: unsupported-syntax 1:51 hint
SELECT COUNT(*) AS n FROM lines WHERE [pieces] = [1]

-- name: a struct
-- expect: unsupported-syntax 1:45 hint
SELECT COUNT(*) AS n FROM lines WHERE {'a': pieces} IS NULL

-- name: a tuple
-- expect: unsupported-expression 1:40 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE pieces = 1 AND ticket = 2
SELECT COUNT(*) AS n FROM lines WHERE (pieces, ticket) = (1, 2)

-- name: a lambda
-- expect: unsupported-syntax 1:8 hint
SELECT LIST_FILTER([1], x -> x > 0) AS l

-- name: an array subscript
-- expect: unsupported-syntax 1:8 hint
SELECT note[1] AS a, COUNT(*) AS n FROM lines GROUP BY a

-- name: a collation
-- expect: unsupported-syntax 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE note COLLATE NOCASE = 'a'

-- name: the floor of private values
-- expect: unsupported-expression 1:45 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE (CAST(amount AS INT) - CASE WHEN CAST(amount AS INT) > amount THEN 1 ELSE 0 END) = 3
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS INTEGER) - IF(CAST(amount AS INTEGER) > amount, 1, 0) = 3
SELECT COUNT(*) AS n FROM lines WHERE FLOOR(amount) = 3

-- name: the ceiling of private values
-- expect: unsupported-expression 1:13 hint
-- rewrite: SELECT (CAST(amount AS INT) + CASE WHEN CAST(amount AS INT) < amount THEN 1 ELSE 0 END) AS k, COUNT(*) AS n FROM lines GROUP BY k
-- instead: SELECT CAST(amount AS INTEGER) + IF(CAST(amount AS INTEGER) < amount, 1, 0) AS k, COUNT(*) AS n FROM lines GROUP BY k
SELECT CEIL(amount) AS k, COUNT(*) AS n FROM lines GROUP BY k

-- name: private values cut off
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS INTEGER) - IF(CAST(amount AS INTEGER) > amount, 1, 0) = 3
SELECT COUNT(*) AS n FROM lines WHERE TRUNC(amount) = 3

-- name: the sign of private values
-- expect: unsupported-expression 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE CASE WHEN amount > 0 THEN 1 WHEN amount < 0 THEN -1 ELSE 0 END = 1
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CASE WHEN amount > 0 THEN 1 WHEN amount < 0 THEN -1 ELSE 0 END = 1
SELECT COUNT(*) AS n FROM lines WHERE SIGN(amount) = 1

-- name: private dates as text
-- expect: unsupported-expression 1:8 hint
-- instead: SELECT STRFTIME(month, '%Y-%m') AS month, n FROM (SELECT DATE_TRUNC('month', day) AS month, EXTRACT(month FROM day) AS number, COUNT(*) AS n FROM lines GROUP BY ALL) AS t
SELECT STRFTIME(day, '%Y-%m') AS month, COUNT(*) AS n FROM lines GROUP BY month

-- name: a part by its name
-- expect: unsupported-syntax 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE EXTRACT(MONTH FROM day) = 1
-- instead: SELECT COUNT(*) AS n FROM lines WHERE EXTRACT(month FROM day) = 1
SELECT COUNT(*) AS n FROM lines WHERE DATE_PART('month', day) = 1

-- name: today
-- expect: unsupported-syntax 1:45 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE day < DATE '2026-01-31'
SELECT COUNT(*) AS n FROM lines WHERE day < TODAY()

-- name: now
-- expect: unsupported-syntax 1:45 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE day < DATE '2026-01-31'
SELECT COUNT(*) AS n FROM lines WHERE day < NOW()

-- name: the end of a text
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE note LIKE '%a'
SELECT COUNT(*) AS n FROM lines WHERE SUFFIX(note, 'a')

-- name: the place in a text
-- expect: unsupported-syntax 1:48 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CONTAINS(note, 'a')
SELECT COUNT(*) AS n FROM lines WHERE POSITION('a' IN note) > 0

-- name: a text without what is left of it
-- expect: unsupported-syntax 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE TRIM(note) = 'a'
SELECT COUNT(*) AS n FROM lines WHERE LTRIM(note) = 'a'

-- name: whole division of decimals
-- expect: type-mismatch 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS INT) // 2 = 1
-- instead: SELECT COUNT(*) AS n FROM lines WHERE CAST(amount AS INTEGER) // 2 = 1
SELECT COUNT(*) AS n FROM lines WHERE amount // 2 = 1

-- name: a remainder of doubles
-- expect: type-mismatch 1:40 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE ROUND(amount / 2, 2) % 2 = 1
SELECT COUNT(*) AS n FROM lines WHERE (amount / 2) % 2 = 1

-- name: an empty list
-- expect: type-mismatch 1:39 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE ticket IN (1, 2)
SELECT COUNT(*) AS n FROM lines WHERE ticket IN ()

-- name: a day without zeros
-- expect: type-mismatch 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE day > CAST('2026-02-05' AS DATE)
SELECT COUNT(*) AS n FROM lines WHERE day > '2026-2-5'

-- name: days as numbers
-- expect: type-mismatch 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE day BETWEEN CAST('2026-02-01' AS DATE) AND CAST('2026-02-28' AS DATE)
SELECT COUNT(*) AS n FROM lines WHERE day BETWEEN 20260201 AND 20260228

-- name: a day with slashes
-- expect: type-mismatch 1:39 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE day IN (CAST('2026-02-01' AS DATE), CAST('2026-02-02' AS DATE))
SELECT COUNT(*) AS n FROM lines WHERE day IN ('2026/02/01', '2026/02/02')

-- name: a text compared with a fraction
-- expect: type-mismatch 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE note < 1.5

-- name: a number under AND
-- expect: type-mismatch 1:62 hint
-- rewrite: SELECT COUNT(*) AS n FROM lines WHERE day > '2026-02-01' AND pieces <> 0
SELECT COUNT(*) AS n FROM lines WHERE day > '2026-02-01' AND pieces

-- name: the ceiling of nothing
-- expect: unsupported-expression 1:18 hint
SELECT CEIL() AS k, COUNT(*) AS n FROM lines GROUP BY k

-- name: a number beyond all that can be computed with
-- expect: number-out-of-range 1:48 hint
SELECT COUNT(*) AS n FROM lines WHERE amount > 1e9999999
