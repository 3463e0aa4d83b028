"""What went wrong with a statement on public and released tables, in words of ours: none of the engine's is repeated.

The engine's words hold parts of SQL that nobody wrote, names inside, and values. Its errors are known by how their
text begins, because those of rows that are fetched later come without their class.
"""

from __future__ import annotations

from queries.errors import QueryError

_MEMORY = "The statement needs more memory than it may take. Give it fewer rows, or shorter texts."
_OTHER = "The statement cannot be run on public and released tables."
_TYPES = "The types of some values do not go together there: a function gets another type than it takes. CAST helps."

# how the engine's text begins, before "Error", a word in it, and the sentence; the first that fits
_SENTENCES = (
    ("Out of Memory", "", _MEMORY),
    ("Conversion", "", "A value cannot be converted to the type asked for. TRY_CAST gives NULL then."),
    (
        "Out of Range",
        "",
        "A number or a date leaves the range of its type, or that of a function, as zero does with LN.",
    ),
    (
        "Invalid Input",
        "More than one row",
        "A subquery that stands for one value has several rows. Aggregate it, or add LIMIT 1.",
    ),
    ("Invalid Input", "", "A function gets a value that it cannot work with."),
    ("Binder", "Ambiguous", "A column is in several tables there. Write table.column."),
    (
        "Binder",
        "GROUP BY",
        "A column beside aggregates is neither grouped by nor aggregated. Add it to GROUP BY.",
    ),
    ("Binder", "aggregate", "An aggregate stands where none can. Compute it in a subquery."),
    ("Binder", "same number", "Both sides of UNION, INTERSECT or EXCEPT need as many columns."),
    ("Binder", "ORDER BY", "ORDER BY can name columns of the result only, where it follows a union."),
    ("Binder", "term out of range", "A number in ORDER BY or GROUP BY stands for no column."),
    ("Binder", "No function matches", _TYPES),
    ("Binder", "Cannot", _TYPES),
    ("Mismatch Type", "", _TYPES),
    ("Catalog", "", "It names a function, a type or a table that there is not."),
    ("Not implemented", "", "It asks for something that is not supported on these types."),
)


def complaint(error: Exception) -> str:
    """A sentence about the error; our own errors speak for themselves."""
    if isinstance(error, QueryError):
        return str(error)
    if isinstance(error, MemoryError):
        return _MEMORY
    kind, _, text = str(error).partition(" Error: ")
    return next((said for name, word, said in _SENTENCES if kind == name and word in text), _OTHER)
