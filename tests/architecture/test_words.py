"""The tree reads the same on every machine and promises no later work."""

import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, files, name_of

# Put together from pieces, so that this file does not find itself.
_UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
_MACHINE_PATH = re.compile(r"(?<![\w.~-])(?:/(?:home|root|Users|work|farm|mnt|tmp)/\w|[A-Z]:\\\w)")
_GENERATED = frozenset({"requirements.lock", "requirements-image.lock"})


def _lines() -> list[tuple[str, str]]:
    return [
        (f"{name_of(path)}:{number}", line)
        for path in files()
        if path.name not in _GENERATED
        for number, line in enumerate(_text(path).splitlines(), start=1)
    ]


def _text(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8")


def test_nothing_is_left_for_later() -> None:
    assert [place for place, line in _lines() if _UNFINISHED.search(line)] == []


def test_no_path_of_one_machine_is_written_down() -> None:
    assert [place for place, line in _lines() if _MACHINE_PATH.search(line)] == []


@pytest.mark.parametrize("folder", ["home", "Users", "tmp"])
def test_a_machine_path_is_recognised(folder: str) -> None:
    assert _MACHINE_PATH.search(f'open("/{folder}/anna/data.csv")')


@pytest.mark.parametrize("text", ["https://example.org/home/page", "a/work/b", "./tmp/x", "tmpfs: [/tmp]"])
def test_other_paths_are_left_alone(text: str) -> None:
    assert not _MACHINE_PATH.search(text)


def test_the_lock_names_no_index_and_no_path() -> None:
    for name in sorted(_GENERATED):
        lock = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host|file:|://", lock), name


def test_the_image_installs_what_was_tested() -> None:
    pins = {name: _pins(ROOT / name) for name in _GENERATED}
    assert pins["requirements-image.lock"] <= pins["requirements.lock"]


def _pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[\w.-]+==[^\s;]+", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
