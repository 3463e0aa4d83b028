"""An environment that cannot be made says why."""

from pathlib import Path

import pytest

from benchmarks.peers import environments
from benchmarks.peers.environments import NotInstalledError, python_of


def test_what_is_not_there_is_not_installed_and_the_reason_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "benchmarks" / "peers"
    folder.mkdir(parents=True)
    (folder / "broken.txt").write_text("not a requirement at all !\n")
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "PEERS_HOME", tmp_path / "peers")
    with pytest.raises(NotInstalledError, match=r"\w"):
        python_of("broken", lambda _step, _share: None)
    assert not (tmp_path / "peers" / "broken" / "made-by").exists()


@pytest.mark.parametrize("name", ["smartnoise", "opendp"])
def test_every_requirement_is_pinned_with_its_hashes(name: str) -> None:
    lines = Path(f"benchmarks/peers/{name}.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith(("#", " "))]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert not any("://" in line for line in lines)
