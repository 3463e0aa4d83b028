"""Speed, memory and error against plain DuckDB on the same tables: `make bench`."""
