-- Each block is one question, stated in the statement's text and, after the semicolon, in the options of the request.
-- name: groups, delta and strategy
-- options: {"max_groups_contributed": 7, "delta": "1e-6", "group_selection_strategy": "THRESHOLD"}
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 7, delta = 1e-6, group_selection_strategy = LAPLACE_THRESHOLD) pieces, COUNT(*) AS n FROM lines GROUP BY pieces;
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: a sum with bounds by group
-- options: {"contribution_bounds_per_group": {"s": ["-2.5", 40]}, "max_groups_contributed": 9}
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 9) pieces, SUM(amount, contribution_bounds_per_group => (-2.5, 40)) AS s, COUNT(*) AS n FROM lines GROUP BY pieces;
SELECT pieces, SUM(amount) AS s, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: bounds by group without a number of groups
-- options: {"contribution_bounds_per_group": {"s": [0, 40]}}
SELECT pieces, SUM(amount, contribution_bounds_per_group => (0, 40)) AS s, COUNT(*) AS n FROM lines GROUP BY pieces;
SELECT pieces, SUM(amount) AS s, COUNT(*) AS n FROM lines GROUP BY pieces

-- name: a mean with bounds by row
-- options: {"contribution_bounds_per_row": {"m": [0, 100]}}
SELECT AVG(amount, contribution_bounds_per_row => (0, 100)) AS m, COUNT(*) AS n FROM lines;
SELECT AVG(amount) AS m, COUNT(*) AS n FROM lines

-- name: a mean with a norm
-- options: {"l2_bound": {"m": 300, "n": 20}}
SELECT AVG(discount, l2_bound => 300) AS m, COUNT(*, l2_bound => 20) AS n FROM lines;
SELECT AVG(discount) AS m, COUNT(*) AS n FROM lines

-- name: bounds that are to be chosen
-- options: {"l2_bound": {"m": "auto", "s": "auto", "d": 20}}
SELECT AVG(amount, l2_bound => AUTO) AS m, SUM(pieces, l2_bound => auto) AS s, SUM(discount, l2_bound => 20) AS d FROM lines;
SELECT AVG(amount) AS m, SUM(pieces) AS s, SUM(discount) AS d FROM lines

-- name: a sum and a count in one column
-- options: {"l2_bound": {"q": 12.34}}
SELECT SUM(amount, l2_bound => 12.34) / COUNT(*, l2_bound => 12.34) AS q FROM lines;
SELECT SUM(amount) / COUNT(*) AS q FROM lines

-- name: units
-- options: {"contribution_bounds_per_group": {"u": [0, 1]}, "max_groups_contributed": 3}
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 3, epsilon = 1) pieces, COUNT(DISTINCT household_id, contribution_bounds_per_group => (0, 1)) AS u FROM lines GROUP BY pieces;
SELECT pieces, COUNT(DISTINCT household_id) AS u FROM lines GROUP BY pieces

-- name: an option in the clause and in the request
-- options: {"max_groups_contributed": 3, "delta": "0.000001"}
-- both: yes
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 3, delta = 1e-6) town, COUNT(*) AS n FROM customers GROUP BY town;
SELECT town, COUNT(*) AS n FROM customers GROUP BY town

-- name: enough units
-- options: {}
SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 20) pieces, COUNT(*) AS n FROM lines GROUP BY pieces;
SELECT pieces, COUNT(*) AS n FROM lines GROUP BY pieces HAVING COUNT(DISTINCT household_id) >= 20

-- name: quantiles of a stated range
-- options: {"contribution_bounds_per_row": {"m": [0, 9], "q": [0, 9]}, "l2_bound": {"m": 2, "q": 2}}
SELECT MEDIAN(pieces, contribution_bounds_per_row => (0, 9), l2_bound => 2) AS m, QUANTILE_CONT(pieces, 0.9, contribution_bounds_per_row => (0, 9), l2_bound => 2) AS q FROM lines;
SELECT MEDIAN(pieces) AS m, QUANTILE_CONT(pieces, 0.9) AS q FROM lines

-- name: different values
-- options: {"l2_bound": {"v": 3}}
SELECT COUNT(DISTINCT product_id, l2_bound => 3) AS v FROM lines;
SELECT COUNT(DISTINCT product_id) AS v FROM lines

-- name: different values, approximately
-- options: {"l2_bound": {"v": 3}}
SELECT APPROX_COUNT_DISTINCT(product_id, l2_bound => 3) AS v FROM lines;
SELECT COUNT(DISTINCT product_id) AS v FROM lines
