-- The retailer's tables for plain DuckDB: what the vault is loaded from, and what answers are compared with.
CREATE TABLE products (product_id BIGINT, name VARCHAR, department VARCHAR, category VARCHAR, price DECIMAL(9, 2));
INSERT INTO products
SELECT i, 'product ' || i, ['bakery', 'drinks', 'dairy', 'house'][1 + i % 4],
    CASE WHEN i % 7 = 0 THEN NULL ELSE 'category ' || (i % 5) END, (i * 37 % 500)::DECIMAL(9, 2) / 20
FROM range(1, 13) AS numbers(i);
CREATE TABLE stores (store_id BIGINT, city VARCHAR, opened DATE);
INSERT INTO stores VALUES
    (1, 'Lund', DATE '2001-05-17'), (2, 'Umeå', DATE '2019-11-03'), (3, 'Lund', DATE '2020-02-29'),
    (4, 'Kiruna', DATE '2026-01-01');
CREATE TABLE customers (household_id VARCHAR, age VARCHAR, town VARCHAR, joined DATE, members BIGINT);
INSERT INTO customers
SELECT 'h' || i, [NULL, 'young', 'middle', 'old'][1 + i % 4], ['Lund', 'lund', 'Umeå', '', 'O''Hara %_'][1 + i % 5],
    CASE WHEN i % 6 = 0 THEN NULL ELSE DATE '2024-01-31' + (i * 17)::INTEGER END, 1 + i % 4
FROM range(40) AS numbers(i);
CREATE TABLE lines (
    household_id VARCHAR, product_id BIGINT, store_id BIGINT, day DATE, pieces BIGINT, amount DECIMAL(12, 2),
    discount DECIMAL(12, 3), paid_by_card BOOLEAN, note VARCHAR, ticket BIGINT
);
INSERT INTO lines
SELECT 'h' || (i * 31 % 37), 1 + i * 7 % 11, CASE WHEN i % 9 = 0 THEN NULL ELSE 1 + i % 3 END,
    DATE '2026-01-01' + (i * 13 % 120)::INTEGER, i % 8 - 2, (i * 97 % 3001 - 400)::DECIMAL(12, 2) / 100,
    CASE WHEN i % 5 = 0 THEN NULL ELSE (i * 53 % 4001 - 2000)::DECIMAL(12, 3) / 1000 END,
    CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN TRUE ELSE FALSE END,
    [NULL, '', 'gift', ' Gift wrapped ', '50% off', 'a_b', 'åäö', 'O''Hara'][1 + i % 8],
    CASE WHEN i % 11 = 0 THEN NULL ELSE i % 23 END
FROM range(420) AS numbers(i);
