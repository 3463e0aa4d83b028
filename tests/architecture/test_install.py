"""What the project says about itself agrees with what it installs."""

import re
import tomllib

from tests.architecture.source_tree import ROOT


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [
        entry for extra in ("demo", "postgres", "dev") for entry in project["optional-dependencies"][extra]
    ]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {_normal(name) for name in re.findall(r"^([\w.-]+)==", lock, flags=re.MULTILINE)}
    assert {_normal(re.split(r"[\[<>=!~ ;]", entry)[0]) for entry in wanted} <= pinned


def test_every_requirement_of_the_lock_has_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make run" in readme
    assert "make test" in readme
