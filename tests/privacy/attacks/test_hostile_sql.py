"""Statements that want more than an answer: each is a problem of a known type, free, and without an engine's word.

How single constructs are refused, and where the refusal points, is in `tests/sql/refused`. Here whole attacks go
through HTTP, with text of any size and any letters.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from service.problem_types import PROBLEM_TYPES
from tests.privacy.attacks.planted import PRICE, WHOLE
from tests.privacy.stores import Service

_FILE = "vault/whole/current"
_N = "SELECT COUNT(*) AS n FROM purchases"
HOSTILE = {
    "LIMIT by a private subquery": "SELECT region FROM stores LIMIT (SELECT ticket FROM purchases LIMIT 1)",
    "OFFSET by a private subquery": "SELECT region FROM stores OFFSET (SELECT hour FROM purchases LIMIT 1)",
    "a catalogue in LIMIT": "SELECT store_id FROM stores LIMIT (SELECT COUNT(*) FROM duckdb_databases)",
    # files, the network, other databases
    "copy to a file": "COPY purchases TO 'out.csv'",
    "copy of a query": "COPY (SELECT * FROM purchases) TO 'out.parquet' (FORMAT parquet)",
    "copy into the log of a database": "COPY (SELECT 1) TO 'private.duckdb.wal' (FORMAT blob)",
    "copy of a database": "COPY FROM DATABASE private TO public",
    "export": "EXPORT DATABASE 'out'",
    "attach": f"ATTACH '{_FILE}' AS v (READ_ONLY)",
    "detach": "DETACH private",
    "use": "USE private",
    "install": "INSTALL httpfs",
    "load": "LOAD 'evil.duckdb_extension'",
    "a file by name": "SELECT * FROM 'out.csv'",
    "a file in double quotes": 'SELECT * FROM "out.parquet"',
    "read_csv": "SELECT * FROM read_csv('out.csv')",
    "read_parquet": "SELECT * FROM read_parquet('*.parquet')",
    "read_text": "SELECT * FROM read_text('ledger.db')",
    "read_blob": "SELECT content FROM read_blob('keys/vault.key')",
    "read_duckdb": "SELECT * FROM read_duckdb('private.duckdb', table_name='purchases')",
    "read_json over http": "SELECT * FROM read_json('https://example.org/x.json')",
    "glob": "SELECT * FROM glob('*')",
    "a secret": "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "getenv": "SELECT getenv('HOME') AS x",
    "a shell": ".system id",
    # text that is SQL again
    "query": "SELECT * FROM query('SELECT * FROM private.main.purchases')",
    "query_table": "SELECT * FROM query_table('purchases')",
    "a serialized statement": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "prepare": "PREPARE p AS SELECT * FROM purchases",
    "execute": "EXECUTE p",
    "a macro": "CREATE MACRO m() AS TABLE SELECT * FROM purchases",
    "a view": "CREATE VIEW v AS SELECT * FROM purchases",
    "call": "CALL pragma_version()",
    "two statements": f"{_N}; SELECT * FROM purchases",
    "a statement after a comment": f"{_N} -- ;\n; COPY purchases TO 'x'",
    "a statement in dollars": "SELECT $$a$$ AS x; DROP TABLE purchases",
    "a transaction": "BEGIN; SELECT 1; COMMIT",
    "execute immediate": "EXECUTE IMMEDIATE 'SELECT * FROM purchases'",
    # rows by another way
    "FROM first": "FROM purchases",
    "FROM first with SELECT": "FROM purchases SELECT note",
    "TABLE": "TABLE purchases",
    "PIVOT": "PIVOT purchases ON store_id USING SUM(amount)",
    "UNPIVOT": "SELECT * FROM (UNPIVOT purchases ON hour, ticket INTO NAME k VALUE v) AS t",
    "COLUMNS": "SELECT COLUMNS(*) FROM purchases",
    "COLUMNS with a lambda": "SELECT COLUMNS(c -> c LIKE 'n%') FROM purchases",
    "SUMMARIZE": "SUMMARIZE purchases",
    "SUMMARIZE inside": "SELECT * FROM (SUMMARIZE purchases) AS t",
    "DESCRIBE": "DESCRIBE purchases",
    "SHOW": "SHOW ALL TABLES",
    "EXPLAIN ANALYZE": f"EXPLAIN ANALYZE {_N}",
    "a deletion in WITH": "WITH d AS (DELETE FROM purchases RETURNING *) SELECT * FROM d",
    "an insertion in WITH": "WITH d AS (INSERT INTO purchases SELECT * FROM purchases RETURNING *) SELECT * FROM d",
    "RETURNING": "UPDATE purchases SET note = note RETURNING note",
    "VALUES of a subquery": "VALUES ((SELECT note FROM purchases LIMIT 1))",
    "a sample": "SELECT note FROM purchases USING SAMPLE 1",
    "a table sample of a count": f"{_N} TABLESAMPLE RESERVOIR(1)",
    "ORDER BY a private subquery": "SELECT region FROM stores ORDER BY (SELECT note FROM purchases LIMIT 1)",
    "a private CTE that is read twice": "WITH p AS MATERIALIZED (SELECT note FROM purchases) SELECT * FROM p, p AS q",
    "UNION with rows": "SELECT region FROM stores UNION ALL SELECT note FROM purchases",
    "EXCEPT of rows": "SELECT region FROM stores EXCEPT SELECT note FROM purchases",
    "INTERSECT with rows": "SELECT 'canary' AS note INTERSECT SELECT note FROM purchases",
    "a natural join": "SELECT * FROM stores NATURAL JOIN purchases",
    "an ASOF join": f"{_N} p ASOF JOIN purchases q ON p.card_id = q.card_id AND p.day >= q.day",
    "a positional join": f"{_N} POSITIONAL JOIN cards",
    "a lateral join": f"{_N} p, LATERAL (SELECT note FROM purchases q WHERE q.hour = p.hour) AS t",
    "a full join": f"{_N} p FULL JOIN cards c ON p.card_id = c.card_id",
    "a semi join": "SELECT region FROM stores SEMI JOIN purchases USING (store_id)",
    "an anti join": "SELECT region FROM stores ANTI JOIN purchases USING (store_id)",
    "a correlated subquery": "SELECT (SELECT MAX(note) FROM purchases p WHERE p.hour = s.store_id) AS x FROM stores s",
    "a quantified subquery": "SELECT region FROM stores WHERE store_id >= ALL (SELECT ticket FROM purchases)",
    "a window over customers": "SELECT SUM(amount) OVER (ORDER BY card_id) AS n FROM purchases",
    "QUALIFY": "SELECT note FROM purchases QUALIFY ROW_NUMBER() OVER (PARTITION BY card_id ORDER BY day) = 1",
    "a list of values": "SELECT LIST(note) AS n FROM purchases",
    "a histogram": "SELECT HISTOGRAM(ticket) AS n FROM purchases",
    "a mode": "SELECT MODE(note) AS n FROM purchases",
    "a quantile of the unit": "SELECT QUANTILE_DISC(card_id, 0.5) AS n FROM purchases",
    "ANY_VALUE": "SELECT store_id, ANY_VALUE(note) AS n FROM purchases GROUP BY store_id",
    "an unknown aggregate": "SELECT MY_SUM(amount) AS n FROM purchases",
    "aggregates in aggregates": "SELECT SUM(COUNT(*)) AS n FROM purchases",
    # catalogues
    "duckdb_tables": "SELECT estimated_size FROM duckdb_tables()",
    "duckdb_settings": "SELECT * FROM duckdb_settings()",
    "duckdb_secrets": "SELECT * FROM duckdb_secrets()",
    "pragma_storage_info": "SELECT * FROM pragma_storage_info('purchases')",
    "pragma": "PRAGMA table_info('purchases')",
    "the information schema": "SELECT * FROM information_schema.tables",
    "quoted system names": 'SELECT * FROM "system"."information_schema"."columns"',
    "sqlite_master": "SELECT * FROM sqlite_master",
    "pg_catalog": "SELECT * FROM pg_catalog.pg_class",
    "a table of the vault": "SELECT * FROM private.main.purchases",
    "the partitions of the vault": "SELECT * FROM _partitions",
    "a released table": "SELECT * FROM released_0",
    "the unit's number": "SELECT COUNT(*) AS n FROM purchases WHERE _u = 1",
    "a row's place": "SELECT COUNT(*) AS n FROM purchases WHERE rowid < 10",
    "stats": f"{_N} WHERE stats(note) LIKE '%canary%'",
    "the engine's user": "SELECT user AS x",
    "the engine's schema beside public rows": "SELECT region, current_schema AS x FROM stores",
    "the engine's database in a condition": "SELECT region FROM stores WHERE current_catalog = 'public'",
    "a public row's place": "SELECT rowid AS x FROM stores",
    "a released table as a value": f"SELECT t FROM ({_N}) AS t",
    "a hidden column by the table's name": f"SELECT COUNT(t) AS x FROM ({_N}) AS t",
    "a bound's name": "SELECT COUNT(*) AS n, SUM(amount) AS n_lower FROM purchases",
    "current_setting": "SELECT current_setting('memory_limit') AS x",
    "SET": "SET enable_external_access = true",
    "RESET": "RESET lock_configuration",
    # errors, waiting, chance
    "an error with a row's words": f"{_N} WHERE error(note) IS NULL",
    "an error in CASE": "SELECT SUM(CASE WHEN ticket > 7 THEN error('there') ELSE 0 END) AS n FROM purchases",
    "sleep": f"{_N} WHERE CASE WHEN note LIKE 'canary%' THEN pg_sleep(9) IS NULL ELSE TRUE END",
    "two rows where one should be": f"{_N} WHERE note = (SELECT region FROM stores)",
    "a random sample": f"{_N} WHERE random() < 0.5",
    "a fresh id": f"{_N} WHERE uuid() IS NOT NULL",
    "the time of day": f"{_N} WHERE day < now()",
    "a sequence": "SELECT nextval('s') AS x",
    "a seed": "SELECT setseed(0.5) AS x",
    # memory and time
    "repeat": "SELECT LENGTH(REPEAT('a', 2000000000)) AS x",
    "a padded text": f"{_N} WHERE LPAD(note, 2000000000, 'x') = note",
    "a series": "SELECT COUNT(*) AS n FROM range(100000000000) AS r(i)",
    "generate_series": "SELECT COUNT(*) AS n FROM generate_series(1, 100000000000) AS r(i)",
    "recursion": "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT COUNT(*) AS n FROM r",
    "UNNEST": "SELECT COUNT(*) AS n FROM purchases, UNNEST([1, 2, 3]) AS u(i)",
    "UNNEST in SELECT": "SELECT UNNEST(RANGE(1000000)) AS x",
    "a list comprehension": "SELECT [x * 2 FOR x IN [1, 2, 3]] AS l",
    "a list function with a lambda": f"{_N} WHERE LIST_FILTER([ticket], x -> error(x) IS NULL) IS NULL",
    "a struct": f"{_N} WHERE ({{'a': note}}).a LIKE 'canary%'",
    "a row by the table's name": f"{_N} WHERE purchases IS NOT NULL",
    "a row to JSON": "SELECT TO_JSON(purchases) AS j FROM purchases",
    "a map": f"{_N} WHERE MAP {{note: 1}}['x'] = 1",
    "a regular expression that never ends": f"{_N} WHERE note ~ '(a+)+$'",
    "parentheses 300 deep": f"SELECT {'(' * 300}1{')' * 300} AS x",
    "parentheses 8,000 deep": f"SELECT {'(' * 8000}1{')' * 8000} AS x",
    "parentheses 10,000 deep": f"SELECT {'(' * 10_000}1{')' * 10_000} AS x",
    "NOT 5,000 times": f"{_N} WHERE {'NOT ' * 3_900}TRUE",
    "minus 5,000 times": f"SELECT {'- ' * 5_000}1 AS x",
    "CASE 300 deep": f"SELECT {'CASE WHEN TRUE THEN ' * 300}1{' END' * 300} AS x",
    "subqueries 300 deep": f"SELECT * FROM {'(SELECT * FROM ' * 300}stores{') AS t' * 300}",
    "a list of 5,000 literals": f"{_N} WHERE ticket IN ({','.join('1' * 5_000)})",
    "a list of 300,000 literals": f"{_N} WHERE ticket IN ({','.join('1' * 300_000)})",
    "a sum of 4,000 columns": f"SELECT SUM({'+'.join(['hour'] * 3_200)}) AS n FROM purchases",
    "a join of 100 tables": f"{_N}, {', '.join(f'stores s{i}' for i in range(100))}",
    "texts that double": "WITH a AS (SELECT note AS x, card_id FROM purchases), "
    + ", ".join(f"{b} AS (SELECT {'||'.join(['x'] * 20)} AS x, card_id FROM {a})" for a, b in pairwise("abcdefgh"))
    + " SELECT COUNT(x) AS n FROM h",
    # letters
    "a NUL": f"{_N} WHERE note = 'a\0b'",
    "a NUL between words": "SELECT\0 COUNT(*) AS n FROM purchases",
    "a bell": f"{_N} WHERE note = '\a'",
    "half a surrogate pair": f"{_N} WHERE note = '\ud800'",
    "a no-break space": "SELECT\u00a0COUNT(*)\u00a0FROM\u00a0purchases\u00a0WHERE\u00a0error(1)",
    "letters of full width": "ＳＥＬＥＣＴ ＊ ＦＲＯＭ purchases",  # noqa: RUF001
    "a name that looks alike": "SELECT COUNT(*) AS n FROM purch\u0430ses",
    "a text that runs backwards": f"{_N} WHERE \u202enote\u202c = 'a' AND secret = 1",
    "a long name": f"SELECT 1 AS {'a' * 10_000}",
    "a name with quotes": 'SELECT COUNT(*) AS n FROM "purchases""; COPY purchases TO \'x\'; --"',
    "an open text": "SELECT 'a",
    "an open comment": "SELECT 1 /*",
    "only a comment": "-- SELECT 1",
    "blanks": " \n\t ",
    "a text with a backslash": f"{_N} WHERE note = E'\\x00' OR 1 = error(1)",
    "a question mark": f"{_N} WHERE note = ?",
    "a parameter as a table": "SELECT COUNT(*) AS n FROM $t",
}
ENGINES_WORDS = (
    *("duckdb", "sqlglot", "Catalog Error", "Binder Error", "Parser Error", "Conversion Error", "Out of Range Error"),
    *("Invalid Input Error", "Out of Memory Error", "IO Error", "Not implemented Error", "INTERNAL Error", "Traceback"),
    *("<class", "TokenType", "Permission Error", "LINE 1:", "site-packages"),
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("members", [{}, {"dry_run": True}], ids=["asked", "quoted"])
def test_a_hostile_statement_is_a_known_problem_and_costs_nothing(
    planted: Service, name: str, members: dict[str, object]
) -> None:
    sql, before = HOSTILE[name], planted.ledger.head()
    body = json.dumps({"dataset": WHOLE, "sql": sql, "rho": PRICE, **members})
    headers = {**planted.headers("analyst"), "Content-Type": "application/json"}
    response = planted.client.post("/v1/queries", headers=headers, content=body.encode())
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    slug = response.json()["type"].removeprefix("/problems/")
    assert slug in PROBLEM_TYPES.keys() - {"postprocess-failed"}, "no engine should have been asked"
    told = response.text.lower()
    assert [word for word in ENGINES_WORDS if word.lower() in told and word.lower() not in sql.lower()] == []
    assert planted.ledger.head() == before


def test_there_are_statements_enough() -> None:
    assert len(set(HOSTILE.values())) >= 60
