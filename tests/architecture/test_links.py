"""Documents lead somewhere: every relative link names a file of the project, and every page is listed."""

import re
from pathlib import Path

from tests.architecture.source_tree import ROOT, files, name_of

_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(?:#[^)]*)?\)")


def _pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def test_every_relative_link_names_a_file() -> None:
    dead = [
        f"{name_of(page)}: {target}"
        for page in _pages()
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert dead == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    for folder, index in ((ROOT / "docs", "index.md"), (ROOT / "docs" / "decisions", "README.md")):
        listed = set(_LINK.findall((folder / index).read_text(encoding="utf-8")))
        assert {page.name for page in folder.glob("*.md")} - {index} <= listed
