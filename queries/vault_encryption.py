"""Opens encrypted DuckDB files.

The httpfs extension brings DuckDB OpenSSL's AES and random numbers: without it, files can be read slowly and not
written. It is loaded from the file that its wheel ships, so nothing is fetched.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb

from queries.errors import LoadError
from queries.sql_text import text_literal


def extension_file() -> Path:
    """The extension's file for this DuckDB; raises LoadError when the wheel is missing or of another version."""
    spec = importlib.util.find_spec("duckdb_extension_httpfs")
    if spec is None or spec.origin is None:
        raise LoadError("the package duckdb-extension-httpfs is not installed: the vault cannot be encrypted")
    file = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    if not file.is_file():
        raise LoadError(f"the package duckdb-extension-httpfs does not fit DuckDB {duckdb.__version__}")
    return file


def load_encryption(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the connection able to read and write encrypted files."""
    connection.execute(f"LOAD {text_literal(str(extension_file()))}")


def attach_encrypted(
    connection: duckdb.DuckDBPyConnection, file: Path, alias: str, vault_key: str, options: str = ""
) -> None:
    """Attaches the encrypted file under `alias`; `options` are further options of ATTACH such as ', READ_ONLY'."""
    key = text_literal(vault_key)
    connection.execute(f"ATTACH {text_literal(str(file))} AS {alias} (ENCRYPTION_KEY {key}{options})")
