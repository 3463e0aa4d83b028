"""Errors are caught by name. Everything is caught in two places only: the release path and the HTTP edge."""

import ast
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGES, modules, name_of, parse

MOST_PLACES = 2
_EVERYTHING = frozenset({"Exception", "BaseException"})


def broad_catches(tree: ast.Module) -> list[int]:
    """Return the lines that catch everything: a bare except, Exception, BaseException, or suppress() of those."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler | ast.Call) and _catches_everything(node)
    ]


def _catches_everything(node: ast.ExceptHandler | ast.Call) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or _names_everything(node.type)
    return _last_name(node.func) == "suppress" and any(_names_everything(argument) for argument in node.args)


def _names_everything(node: ast.expr) -> bool:
    kinds = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(_last_name(kind) in _EVERYTHING for kind in kinds)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _places(paths: tuple[Path, ...]) -> list[str]:
    return [f"{name_of(path)}:{line}" for path in paths for line in broad_catches(parse(path))]


def test_everything_is_caught_in_two_places_at_most() -> None:
    places = [place for package in PACKAGES for place in _places(modules(package))]
    assert len(places) <= MOST_PLACES, places


def test_the_ledger_never_catches_everything() -> None:
    assert _places(modules("budgets")) == []


@pytest.mark.parametrize(
    "handler",
    [
        "except:",
        "except Exception:",
        "except BaseException as e:",
        "except (ValueError, Exception):",
        "except builtins.Exception:",
    ],
)
def test_every_spelling_of_a_broad_catch_is_found(handler: str) -> None:
    assert broad_catches(ast.parse(f"try:\n    pass\n{handler}\n    pass\n")) == [3]


def test_suppressing_everything_counts_as_catching_it() -> None:
    assert broad_catches(ast.parse("with contextlib.suppress(Exception):\n    pass\n")) == [1]


def test_a_named_error_is_no_broad_catch() -> None:
    assert broad_catches(ast.parse("try:\n    pass\nexcept (OSError, ValueError):\n    pass\n")) == []
