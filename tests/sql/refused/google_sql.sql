-- Options, bounds and intervals that cannot be kept, and GoogleSQL's forms with another meaning.
-- name: an option that there is not
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(colour = 3) COUNT(*) AS n FROM lines

-- name: a bound among the options
-- expect: unknown-option 1:42 hint
-- instead: SELECT SUM(amount, l2_bound => 3) AS s FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(l2_bound = 3) SUM(amount) AS s FROM lines

-- name: a pair among the options
-- expect: unknown-option 1:42 hint
-- instead: SELECT SUM(amount, contribution_bounds_per_row => (0, 5)) AS s FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(contribution_bounds_per_row = (0, 5)) SUM(amount) AS s FROM lines

-- name: an option twice in one clause
-- expect: option-conflict 2:3 hint
-- instead: SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) COUNT(*) AS n FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1,
  epsilon = 1) COUNT(*) AS n FROM lines

-- name: clauses that differ
-- expect: option-conflict 2:48 hint
-- instead: SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 2) n FROM (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 2) COUNT(*) AS n FROM lines) AS t
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) n
FROM (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 2) COUNT(*) AS n FROM lines) AS t

-- name: an option that differs from the request
-- options: {"max_groups_contributed": 4}
-- expect: option-conflict 1:42 hint
-- instead: SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 3) pieces, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: a strategy that differs from the request
-- options: {"group_selection_strategy": "THRESHOLD"}
-- expect: option-conflict 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = PUBLIC_GROUPS) pieces, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: epsilon and rho
-- expect: option-conflict 1:55 hint
-- instead: SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(rho = 0.1) COUNT(*) AS n FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, rho = 0.1) COUNT(*) AS n FROM lines

-- name: an epsilon that is a text
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 'one') COUNT(*) AS n FROM lines

-- name: an epsilon that is no number
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = NaN) COUNT(*) AS n FROM lines

-- name: an epsilon of zero
-- expect: unknown-option 1:42 hint
-- instead: SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 0.5) COUNT(*) AS n FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 0) COUNT(*) AS n FROM lines

-- name: a negative epsilon
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = -1) COUNT(*) AS n FROM lines

-- name: a huge epsilon
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1e999999999) COUNT(*) AS n FROM lines

-- name: an epsilon beyond all exponents
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1e99999999999999999999) COUNT(*) AS n FROM lines

-- name: an epsilon that is computed
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1 + 1) COUNT(*) AS n FROM lines

-- name: an epsilon from a table
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) COUNT(*) FROM lines)) COUNT(*) AS n FROM lines

-- name: an epsilon that is a condition
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = TRUE) COUNT(*) AS n FROM lines

-- name: a delta with a huge exponent in a text
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(delta = '1e999999999') town, COUNT(*) AS n FROM customers GROUP BY town

-- name: groups that are no whole number
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 1.5) COUNT(*) AS n FROM lines

-- name: a strategy that there is not
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = GUESS) COUNT(*) AS n FROM lines

-- name: another unit
-- expect: unknown-option 1:42 hint
-- instead: SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(privacy_unit_column = household_id) COUNT(*) AS n FROM lines
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(privacy_unit_column = ticket) COUNT(*) AS n FROM lines

-- name: another unit in the request
-- options: {"privacy_unit_column": "ticket"}
-- expect: unknown-option 1:1 hint
SELECT COUNT(*) AS n FROM lines

-- name: a unit with a table's name
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(privacy_unit_column = lines.household_id) COUNT(*) AS n FROM lines

-- name: no units at least
-- expect: unknown-option 1:42 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 0) COUNT(*) AS n FROM lines

-- name: units at least where nothing is aggregated
-- expect: option-misplaced 1:8 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 5) n FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: a clause in a subquery of public tables
-- expect: option-misplaced 1:35 hint
-- instead: SELECT WITH DIFFERENTIAL_PRIVACY COUNT(*) AS n FROM (SELECT product_id FROM products) AS t
SELECT COUNT(*) AS n FROM (SELECT WITH DIFFERENTIAL_PRIVACY product_id FROM products) AS t

-- name: a clause on private rows that are passed on
-- expect: option-misplaced 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) household_id FROM lines) AS t

-- name: a clause on the groups of one customer
-- expect: option-misplaced 1:35 hint
SELECT COUNT(*) AS n FROM (SELECT WITH DIFFERENTIAL_PRIVACY household_id, COUNT(*) AS c FROM lines GROUP BY household_id) AS t WHERE c > 3

-- name: a clause in a condition
-- expect: option-misplaced 1:67 hint
SELECT COUNT(*) AS n FROM customers WHERE household_id IN (SELECT WITH DIFFERENTIAL_PRIVACY household_id FROM lines)

-- name: rows under the clause
-- expect: private-rows 1:55 hint
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) amount FROM lines

-- name: a clause without its name
-- expect: syntax 1:11
SELECT WITH OPTIONS(epsilon = 1) COUNT(*) AS n FROM lines

-- name: a clause of which OPTIONS is not closed
-- expect: syntax 1:58
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1 COUNT(*) AS n FROM lines

-- name: OPTIONS twice
-- expect: syntax 1:81
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) OPTIONS(epsilon = 1) COUNT(*) AS n FROM lines

-- name: a clause twice
-- expect: syntax 1:37
SELECT WITH DIFFERENTIAL_PRIVACY WITH DIFFERENTIAL_PRIVACY COUNT(*) AS n FROM lines

-- name: a clause inside a clause
-- expect: syntax 1:49
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(OPTIONS(epsilon = 1)) COUNT(*) AS n FROM lines

-- name: a clause without columns
-- expect: syntax 1:8
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) FROM lines

-- name: a named argument that there is not
-- expect: unknown-option 1:20 hint
SELECT SUM(amount, colour => 3) AS s FROM lines

-- name: a named argument twice
-- expect: option-conflict 1:35 hint
SELECT SUM(amount, l2_bound => 3, L2_BOUND => 4) AS s FROM lines

-- name: bounds by group beside a norm
-- expect: option-conflict 1:61 hint
SELECT SUM(amount, contribution_bounds_per_group => (0, 5), l2_bound => 3) AS s FROM lines

-- name: a pair that is one number
-- expect: unknown-option 1:20 hint
SELECT SUM(amount, contribution_bounds_per_row => 3) AS s FROM lines

-- name: a pair of three
-- expect: unknown-option 1:20 hint
SELECT SUM(amount, contribution_bounds_per_row => (1, 2, 3)) AS s FROM lines

-- name: a pair in the wrong order
-- expect: bound-out-of-range 1:20 hint
-- instead: SELECT SUM(amount, contribution_bounds_per_row => (0, 5)) AS s FROM lines
SELECT SUM(amount, contribution_bounds_per_row => (2, -1)) AS s FROM lines

-- name: a bound that is a column
-- expect: unknown-option 1:20 hint
SELECT SUM(amount, l2_bound => amount) AS s FROM lines

-- name: a bound that is a text
-- expect: unknown-option 1:20 hint
SELECT SUM(amount, l2_bound => '3') AS s FROM lines

-- name: a bound of zero
-- expect: unknown-option 1:20 hint
SELECT SUM(amount, l2_bound => 0) AS s FROM lines

-- name: a bound too large to be exact
-- expect: bound-out-of-range 1:20 hint
-- instead: SELECT SUM(amount, contribution_bounds_per_row => (0, 5)) AS s FROM lines
SELECT SUM(amount, contribution_bounds_per_group => (0, 1e12)) AS s FROM lines

-- name: a bound that differs from the request
-- options: {"l2_bound": {"s": 4}}
-- expect: option-conflict 1:35 hint
-- instead: SELECT SUM(amount, l2_bound => 4) AS s FROM lines
SELECT COUNT(*) AS n, SUM(amount, l2_bound => 3) AS s FROM lines

-- name: two bounds of one figure in the request
-- options: {"l2_bound": {"a": 4, "b": 5}}
-- expect: option-conflict 1:8 hint
SELECT SUM(amount) AS a, SUM(amount) AS b FROM lines

-- name: a bound of a variance
-- expect: unsupported-aggregate 1:8 hint
-- instead: SELECT AVG(pieces * pieces, l2_bound => 3) - POWER(AVG(pieces, l2_bound => 3), 2) AS v FROM lines
SELECT VARIANCE(pieces, l2_bound => 3) AS v FROM lines

-- name: bounds by group of a median
-- expect: unsupported-aggregate 1:8 hint
-- instead: SELECT MEDIAN(pieces, contribution_bounds_per_row => (0, 3)) AS v FROM lines
SELECT MEDIAN(pieces, contribution_bounds_per_group => (0, 3)) AS v FROM lines

-- name: a bound of a window over results
-- expect: option-misplaced 1:18 hint
SELECT n, SUM(n, l2_bound => 3) OVER () AS s FROM (SELECT COUNT(*) AS n FROM lines) AS t

-- name: a bound of an aggregate of results
-- expect: option-misplaced 1:15 hint
SELECT SUM(n, l2_bound => 3) AS s FROM (SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces) AS t

-- name: a bound of an aggregate of public tables
-- expect: option-misplaced 1:17 hint
SELECT COUNT(*, l2_bound => 3) AS n FROM products

-- name: a bound of one customer's sum
-- expect: option-misplaced 1:61 hint
SELECT COUNT(*) AS n FROM (SELECT household_id, SUM(amount, l2_bound => 3) AS s FROM lines GROUP BY household_id) AS t WHERE s > 3

-- name: a named argument of another function
-- expect: unsupported-syntax 1:68 hint
-- instead: SELECT SUM(amount, l2_bound => 3) AS s FROM lines
SELECT COUNT(*) AS n FROM lines WHERE COALESCE(pieces, l2_bound => 3) > 1

-- name: an argument with another sign
-- expect: syntax 1:33
SELECT SUM(amount, l2_bound := 3) AS s FROM lines

-- name: an argument without a name behind one with a name
-- expect: syntax 1:32
SELECT SUM(l2_bound => 3, amount) AS s FROM lines

-- name: names in parentheses
-- expect: syntax 1:37
SELECT SUM(amount, (l2_bound, x) => 3) AS s FROM lines

-- name: an arrow in a condition
-- expect: syntax 1:47
SELECT COUNT(*) AS n FROM lines WHERE pieces => 3

-- name: an interval of a name that there is not
-- expect: unknown-alias 1:26 hint
-- instead: SELECT SUM(amount) AS s, DP_INTERVAL_LOW(s) AS low FROM lines
SELECT SUM(amount) AS s, DP_INTERVAL_LOW(spend) AS low FROM lines

-- name: an interval of itself
-- expect: unknown-alias 1:26 hint
SELECT SUM(amount) AS s, DP_INTERVAL_LOW(low) AS low FROM lines

-- name: an interval of a key
-- expect: no-interval 1:36 hint
-- instead: SELECT pieces AS p, COUNT(*) AS n, DP_INTERVAL_HIGH(n) AS high FROM lines GROUP BY pieces
SELECT pieces AS p, COUNT(*) AS n, DP_INTERVAL_HIGH(p) AS high FROM lines GROUP BY pieces

-- name: an interval of an interval's end
-- expect: no-interval 1:54 hint
SELECT COUNT(*) AS n, DP_INTERVAL_LOW(n) / 2 AS low, DP_INTERVAL_LOW(low) AS lower FROM lines

-- name: an interval of a window
-- expect: no-interval 1:8 hint
SELECT DP_INTERVAL_LOW(place) AS low FROM (SELECT RANK() OVER (ORDER BY n) AS place FROM (SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces) AS t) AS u

-- name: an interval of public rows
-- expect: no-interval 1:8 hint
SELECT DP_INTERVAL_LOW(price) AS low FROM products

-- name: an interval of private rows
-- expect: unsupported-expression 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE DP_INTERVAL_LOW(pieces) > 3

-- name: an interval at a low confidence
-- expect: no-interval 1:23 hint
SELECT COUNT(*) AS n, DP_INTERVAL_LOW(n, 0.3) AS low FROM lines

-- name: an interval at a confidence that is a column
-- expect: no-interval 1:31 hint
SELECT pieces, COUNT(*) AS n, DP_INTERVAL_LOW(n, pieces) AS low FROM lines GROUP BY pieces

-- name: an interval without a column
-- expect: syntax 1:39
SELECT COUNT(*) AS n, DP_INTERVAL_LOW() AS low FROM lines

-- name: an interval's end that is called as the answer's own
-- expect: duplicate-column 1:8 hint
-- instead: SELECT COUNT(*) AS n, DP_INTERVAL_LOW(n) AS low FROM lines
SELECT COUNT(*) AS n, DP_INTERVAL_LOW(n) AS n_lower FROM lines

-- name: weeks from Sunday on
-- expect: unsupported-syntax 1:24 hint
-- instead: SELECT DATE_TRUNC(day, ISOWEEK) AS w, DATE_TRUNC('week', day) AS v, COUNT(*) AS n FROM lines GROUP BY w, v
SELECT DATE_TRUNC(day, WEEK) AS w, COUNT(*) AS n FROM lines GROUP BY w

-- name: a part in the place of the date
-- expect: unknown-column 1:19 hint
SELECT DATE_TRUNC(month, day) AS m, COUNT(*) AS n FROM lines GROUP BY m

-- name: a text in backquotes
-- expect: unknown-column 1:46 hint
SELECT COUNT(*) AS n FROM lines WHERE note = `gift`

-- name: a list where one value is needed
-- params: {"some": [1, 2]}
-- expect: unknown-parameter 1:50 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE pieces IN $some
SELECT COUNT(*) AS n FROM lines WHERE pieces IN ($some)

-- name: one value where a list is needed
-- params: {"one": 1}
-- expect: unknown-parameter 1:57 hint
-- instead: SELECT COUNT(*) AS n FROM lines WHERE pieces IN ($one)
SELECT COUNT(*) AS n FROM lines WHERE pieces IN UNNEST(@one)

-- name: an empty list
-- params: {"none": []}
-- expect: unknown-parameter 1:49 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces IN $none

-- name: a date that is none
-- params: {"day": {"type": "DATE", "value": "2026-02-30"}}
-- expect: unknown-parameter 1:45 hint
SELECT COUNT(*) AS n FROM lines WHERE day = $day

-- name: a whole number that is too large
-- params: {"n": {"type": "INT64", "value": "9223372036854775808"}}
-- expect: unknown-parameter 1:48 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces = $n

-- name: a type that there is not
-- params: {"n": {"type": "JSON", "value": "{}"}}
-- expect: unknown-parameter 1:48 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces = $n

-- name: a date beside a number
-- params: {"day": {"type": "DATE", "value": "2026-02-03"}}
-- expect: type-mismatch 1:39 hint
SELECT COUNT(*) AS n FROM lines WHERE pieces = $day

-- name: an arrow without a name
-- expect: syntax 1:26
SELECT SUM(amount, () => 3) AS s FROM lines

-- name: an arrow without a name in another function
-- expect: syntax 1:29
SELECT COALESCE(name, () => 3) AS s FROM products

-- name: a bound of different values that is to be chosen
-- expect: unknown-option 1:8 hint
SELECT COUNT(DISTINCT product_id, l2_bound => AUTO) AS v FROM lines

-- name: a bound that is to be chosen, and one that is stated
-- options: {"l2_bound": {"s": 3}}
-- expect: option-conflict 1:20 hint
SELECT SUM(pieces, l2_bound => AUTO) AS s FROM lines

-- name: a bound that is stated, and to be chosen
-- options: {"l2_bound": {"s": "auto"}}
-- expect: option-conflict 1:20 hint
SELECT SUM(pieces, l2_bound => 3) AS s FROM lines

-- name: bounds by group, and one that is to be chosen
-- options: {"contribution_bounds_per_group": {"s": [0, 3]}}
-- expect: option-conflict 1:20 hint
SELECT SUM(pieces, l2_bound => AUTO) AS s FROM lines

-- name: a bound that is no number and no word
-- expect: unknown-option 1:20 hint
SELECT SUM(pieces, l2_bound => automatic) AS s FROM lines
