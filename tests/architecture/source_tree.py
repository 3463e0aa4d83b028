"""The project's own files, read once for all the architecture tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("budgets", "queries", "service")
_NOT_OURS = frozenset({".git", ".venv", "var", "build", "dist", "raw", "node_modules", "htmlcov"})


def files() -> Iterator[Path]:
    """Yield every file of the project: no environment, cache, data or build output."""
    yield from _below(ROOT)


def modules(package: str) -> tuple[Path, ...]:
    """Return the Python files of a package, sorted."""
    return tuple(sorted(path for path in _below(ROOT / package) if path.suffix == ".py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _NOT_OURS or path.name.endswith((".egg-info", "_cache", "__pycache__")) or path.is_symlink():
            continue
        if path.name in {".hypothesis", ".schemathesis"}:
            continue
        if path.is_dir():
            yield from _below(path)
        else:
            yield path
