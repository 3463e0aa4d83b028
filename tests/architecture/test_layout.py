"""A reader finds the test of a module by its name, and no module is named after nothing."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGES, ROOT, files, modules, name_of, parse

MOST_README_LINES = 40
_EMPTY_WORDS = frozenset(
    {
        "util",
        "utils",
        "utility",
        "utilities",
        "helper",
        "helpers",
        "common",
        "manager",
        "managers",
        "handler",
        "handlers",
        "misc",
    }
)


def words(name: str) -> set[str]:
    """Return the lower-case words of a snake_case or CamelCase name."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _testable(package: str) -> set[str]:
    """Return the names that a test file may carry: a module's, with or without the folders above it."""
    names: set[str] = set()
    for path in modules(package):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        names.update("_".join(parts[start:]).strip("_") for start in range(len(parts)))
    return names


def _tests_of(package: str) -> list[Path]:
    return sorted((ROOT / "tests" / package).rglob("test_*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_tests(package: str) -> None:
    assert _tests_of(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_test_is_named_after_the_module_that_it_tests(package: str) -> None:
    testable = _testable(package)
    stray = [
        name_of(path)
        for path in _tests_of(package)
        if not any(f"{path.stem}_".startswith(f"test_{module}_") for module in testable)
    ]
    assert stray == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_explained_in_40_lines_at_most(package: str) -> None:
    readme = ROOT / package / "README.md"
    assert 0 < len(readme.read_text(encoding="utf-8").splitlines()) <= MOST_README_LINES


def test_no_file_or_folder_has_an_empty_name() -> None:
    stray = {
        name_of(path) for path in files() if _EMPTY_WORDS & words(path.relative_to(ROOT).with_suffix("").as_posix())
    }
    assert stray == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_class_or_function_has_an_empty_name(package: str) -> None:
    stray = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in modules(package)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _EMPTY_WORDS & words(node.name)
    ]
    assert stray == []


def test_names_are_taken_apart_into_words() -> None:
    assert words("HTTPHandler_of_rowUtils") == {"http", "handler", "of", "row", "utils"}
