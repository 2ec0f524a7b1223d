package duckdb_test

import (
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

// beyond is what no statement may do, each in the words that reach furthest.
var beyond = []string{
	// files
	"SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_csv_auto('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "FROM 'a.parquet'",
	"SELECT content FROM read_text('/etc/passwd')", "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM glob('/etc/*')",
	"SELECT * FROM read_parquet('/nowhere/../etc/x.parquet')", "SELECT * FROM parquet_metadata('/x')", "SELECT * FROM sniff_csv('/etc/passwd')",
	"SELECT * FROM read_json('/etc/passwd')", "SELECT * FROM read_duckdb('/x')", "SELECT (SELECT max(content) FROM read_text('/etc/passwd')) FROM t",
	"WITH x AS (FROM read_text('/etc/passwd')) FROM x", "SELECT * FROM t WHERE EXISTS (FROM glob('*'))",
	"SELECT * FROM t UNION ALL SELECT 1, content FROM read_text('/etc/passwd')", "SELECT * FROM t, LATERAL (SELECT * FROM read_text(name))",
	"PIVOT (FROM read_csv('/etc/passwd')) ON a USING count(*)",
	// network
	"SELECT * FROM read_parquet('http://127.0.0.1:9/x')", "SELECT * FROM 'https://127.0.0.1:9/x.csv'", "SELECT * FROM read_csv('s3://b/k')",
	// statements that do something
	"ATTACH '/nowhere/x.db'", "DETACH memory", "USE memory", "INSTALL httpfs", "LOAD httpfs", "LOAD '/x.duckdb_extension'", "COPY (SELECT 1) TO '/nowhere/o.csv'", "COPY t FROM '/etc/passwd'",
	"EXPORT DATABASE '/nowhere/e'", "IMPORT DATABASE '/nowhere/e'", "SET enable_external_access = true", "SET memory_limit = '20GB'", "RESET memory_limit", "SET VARIABLE a = 1",
	"PRAGMA database_list", "PRAGMA enable_profiling", "CALL pragma_version()", "CREATE TABLE x AS SELECT 1", "CREATE MACRO f() AS 1", "CREATE SECRET (TYPE s3)", "DROP TABLE t",
	"INSERT INTO t VALUES (1, 'a')", "UPDATE t SET id = 1", "DELETE FROM t", "CHECKPOINT", "VACUUM", "EXPLAIN ANALYZE SELECT 1", "PREPARE p AS SELECT 1", "EXECUTE p", "BEGIN",
	// the database itself, and what is around it
	"SELECT * FROM duckdb_settings()", "SELECT * FROM duckdb_secrets()", "SELECT * FROM information_schema.tables", "SELECT * FROM pg_catalog.pg_class", "SELECT * FROM sqlite_master",
	"SELECT * FROM duckdb_tables", "SHOW TABLES", "DESCRIBE t", "SUMMARIZE t", "FROM query('SELECT 1')", "FROM query_table('t')", "FROM json_execute_serialized_sql('{}')",
	"SELECT getenv('PATH')", "SELECT current_setting('memory_limit')", "SELECT getvariable('a')", "SELECT current_query()", "SELECT current_database()", "SELECT current_catalog()", "SELECT pg_get_viewdef(1)",
	"SELECT write_log('x')", "SELECT nextval('s')", "SELECT * FROM main.t", "SELECT * FROM nobody", "SELECT * FROM histogram(t, id)",
	// clocks and randomness
	"SELECT random()", "SELECT RANDOM() FROM t", "SELECT uuid()", "SELECT gen_random_uuid()", "SELECT setseed(0.5)", "SELECT now()", "SELECT today()", "SELECT current_date", "SELECT CURRENT_TIMESTAMP",
	"SELECT * FROM t ORDER BY random()", "SELECT sum(id * random()) FROM t", "SELECT id, row_number() OVER (ORDER BY random()) FROM t", "SELECT list_transform([1], lambda x: x + random())", "SELECT pg_sleep(1)", "SELECT sleep_ms(1000)",
	"SELECT * FROM t USING SAMPLE 2", "SELECT * FROM t TABLESAMPLE 10%", "SELECT pg_conf_load_time()", "SELECT age(TIMESTAMP '2020-01-01')", "SELECT current_localtimestamp()", "SELECT localtimestamp", "SELECT localtime", "SELECT system.main.random()",
}

// fixture has the statements that every compute driver is asked, in DuckDB's dialect.
func fixture(c drivers.Compute) drivertest.ComputeFixture {
	return drivertest.ComputeFixture{
		Driver:  c,
		All:     "SELECT id, name FROM T",
		Twice:   "SELECT a.id, b.name FROM t a JOIN t b USING (id) ORDER BY id",
		Some:    "SELECT 7::BIGINT, name FROM t WHERE id >= 9000",
		Join:    "SELECT t.id, u.name FROM t JOIN u USING (id) ORDER BY t.id",
		Wrong:   "SELEC 1",
		Fails:   "SELECT CAST(coalesce(name, 'x') AS BIGINT), name FROM t",
		Large:   "SELECT count(*), max(x) FROM (SELECT DISTINCT range AS x, range::VARCHAR || 'more than twelve' AS y FROM range(5000000)) WHERE y <> ''",
		Endless: "SELECT r.range AS id, name || r.range AS name FROM range(1000000000000) r, t",
		Long:    "SELECT sum(a.range * b.range)::BIGINT, max(t.name) FROM t, range(3000000) a, range(3000000) b",
		Beyond:  beyond,
	}
}
