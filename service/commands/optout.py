"""`kvitto optout` and `refresh`: leave people out of later snapshots, and make the next one at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from budgets.errors import BudgetError
from queries.errors import ExclusionError, LoadError, PolicyError
from queries.exclusion_list import Asked
from queries.exclusions import Kind
from queries.policy import Policy, load_policy
from queries.vault import SecretKeys, current_snapshot, refresh_snapshot
from service.app import open_exclusions
from service.commands.screen import fail, out, progress, read_settings
from service.exclusions import record
from service.schemas import Reason
from service.settings import Settings

_MOST_IDS: Final = 1_000_000


def optout_command(  # one for each option of the command line
    dataset: Annotated[str, typer.Argument(help="The dataset to leave them out of.")],
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids as the sources have them; better give --file, or standard input.")
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept forever, so it names no id.")],
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file of ids, one a line; it keeps no history.")
    ] = None,
    level: Annotated[
        Literal["all", "line_items"], typer.Option(help="Everything, or the tables that the policy calls line items.")
    ] = "all",
    erase: Annotated[bool, typer.Option("--erase", help="For good: rows that were there do not come back.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back, from the next load on.")] = False,
    policy: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The policy, before the dataset's first load.")
    ] = None,
) -> None:
    """Leave people out of every later snapshot. Ids come from a file, standard input, or (for few) as arguments.

    Whether the data have such an id, and how many are left out, is not said.
    """
    settings = read_settings()
    asked = Asked(dataset, level, _kind(erase, withdraw), f"console of user {os.getuid()}", _reason(reason))
    try:
        declared = _policy(settings, dataset, policy)
        with closing(open_exclusions(settings)) as listed:
            record(listed, declared, asked, _ids(ids, file))
    except (ExclusionError, LoadError, PolicyError, BudgetError) as error:
        fail(str(error))
    out.print("recorded; it is in force from the next load or refresh on")


def refresh_command(dataset: Annotated[str, typer.Argument(help="A dataset of the vault.")]) -> None:
    """Make the next snapshot from the current one: retention and opt-outs as of now, without the sources."""
    settings = read_settings()
    try:
        with progress() as report:
            keys = SecretKeys.open(settings.keys_dir)
            snapshot = refresh_snapshot(settings.vault_root, dataset, keys, progress=report)
    except LoadError as error:
        fail(str(error))
    out.print(f"dataset {snapshot.dataset}: snapshot {snapshot.id} is current")


def _kind(erase: bool, withdraw: bool) -> Kind:  # noqa: FBT001  # as the command line gives them
    if erase and withdraw:
        fail("give one of --erase and --withdraw")
    return "erasure" if erase else "withdrawal" if withdraw else "opt-out"


def _reason(text: str) -> str:
    try:
        reason: str = TypeAdapter(Reason).validate_python(text)
    except ValidationError as error:
        fail(f"--reason: {error.errors(include_input=False)[0]['msg']}")
    return reason


def _policy(settings: Settings, dataset: str, file: Path | None) -> Policy:
    if file is not None:
        found = load_policy(file.read_text(encoding="utf-8"), str(file))
        if found.dataset != dataset:
            fail(f"{file} is the policy of {found.dataset}")
        return found
    snapshot = current_snapshot(settings.vault_root, dataset)
    if snapshot is None:
        fail(f"there is no dataset {dataset}; before its first load give --policy")
    return snapshot.policy


def _ids(given: list[str] | None, file: Path | None) -> list[str]:
    """The ids of the arguments, of the file or of standard input; an end of line is no part of them."""
    if given and file is not None:
        fail("give ids as arguments or in a file, not both")
    if given:
        return given
    try:
        if file is None:
            return _read(sys.stdin)
        with file.open(encoding="utf-8", newline=None) as lines:
            return _read(lines)
    except UnicodeDecodeError:
        fail("the ids are not UTF-8")


def _read(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if not text:
            continue
        if text != text.strip():
            fail(f"line {number} begins or ends with a blank: ids are taken letter by letter")
        if len(found) == _MOST_IDS:
            fail(f"there are more than {_MOST_IDS:,} ids: record them in parts")
        found.append(text)
    if not found:
        fail("there are no ids")
    return found
