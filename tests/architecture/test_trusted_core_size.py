"""The code that a privacy proof must trust stays small enough to be read in one sitting."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, parse

CORE = (
    "budgets/privacy_loss.py",
    "budgets/ledger.py",
    "budgets/sql_ledger.py",
    "budgets/writer.py",
    "queries/plan.py",
    "queries/emit.py",
    "queries/mechanisms.py",
    "queries/release.py",
)
MOST_LINES = 1_500
_NOT_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(path: Path) -> int:
    """Count the lines that hold code: not blank, not comment, not docstring."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstring_lines(parse(path)))


def _docstring_lines(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            found.update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return found


def test_the_counter_skips_blank_lines_comments_and_docstrings(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(
        '"""Doc.\n\nMore."""\n\n# why\nX = (\n    1,  # one\n)\n\n\n'
        'def f() -> str:\n    """Doc."""\n    return """a\nb"""\n'
    )
    assert code_lines(sample) == 6


@pytest.mark.parametrize("name", CORE)
def test_every_file_of_the_trusted_core_exists(name: str) -> None:
    assert (ROOT / name).is_file()


def test_the_trusted_core_has_at_most_1500_lines_of_code() -> None:
    sizes = {name: code_lines(ROOT / name) for name in CORE}
    assert sum(sizes.values()) <= MOST_LINES, sizes
