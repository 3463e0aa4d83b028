"""Names and texts as they are written in SQL."""

from __future__ import annotations


def text_literal(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(*names: str) -> str:
    """The quoted names, joined by dots."""
    return ".".join(identifier(name) for name in names)
