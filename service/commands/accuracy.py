"""`kvitto accuracy`: what answers to a workload would be worth at each epsilon, before anything is spent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import typer

from queries.errors import LoadError, PolicyError
from queries.policy import Policy, load_policy
from queries.vault import SecretKeys, Snapshot, current_snapshot
from service.commands.accuracy_tables import print_report
from service.commands.screen import err, fail, out, progress, read_settings
from service.schemas import positive_number, probability
from service.settings import Settings
from service.simulation.errors import SimulationError
from service.simulation.ground import Ground, opened, public_ground, synthetic_ground
from service.simulation.rehearsal import Effort
from service.simulation.shape import Shape, shape_of
from service.simulation.trial import Trial
from service.simulation.workload import Question, read_workload
from service.simulation.workload_report import WorkloadReport, workload_report

Tell = Callable[[str, float], None]
_EPSILONS_MAX = 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is asked about: a policy, and the snapshot of its dataset, if there is one."""

    policy: Policy
    text: str
    snapshot: Snapshot | None
    is_served: bool  # the policy is the snapshot's own


def accuracy_command(  # noqa: PLR0913  # one for each option of the command line
    dataset: Annotated[
        str, typer.Argument(help="A dataset of the vault, or a policy file: nothing else is needed then.")
    ],
    *,
    workload: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="SQL statements with `;` between, or a list in a .yaml file."),
    ],
    epsilon: Annotated[str, typer.Option(help="The prices to try, with commas between.")] = "0.1,0.5,1,2",
    draws: Annotated[int, typer.Option(min=1, max=1_000, help="Answers drawn at each price.")] = 20,
    wanted: Annotated[str, typer.Option(help="The median relative error that is good enough.")] = "0.1",
    on: Annotated[
        Literal["synthetic", "public"] | None,
        typer.Option(help="Made-up rows, or the dataset's own: the default where its policy declares them public."),
    ] = None,
    units: Annotated[int | None, typer.Option(min=1, help="Units to make up; default: half of max_units.")] = None,
    rows_per_unit: Annotated[
        float | None, typer.Option(min=1, help="Rows that a unit has on average; default: as the bounds tell.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes up other rows; the noise has none.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="Time for one statement; what is drawn by then counts.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """How exact the answers to a workload would be at each epsilon: nothing is spent, and no private row is read."""
    settings = read_settings()
    trial = Trial(_epsilons(epsilon), Effort(draws, seconds), _number("--wanted", wanted, probability))
    found = _dataset(dataset, settings)
    shape = shape_of(found.policy, settings.simulation_rows, units=units, rows_per_unit=rows_per_unit, seed=seed)
    try:
        questions = read_workload(workload, found.policy.dataset)
        with progress() as tell, _ground(found, on, shape, settings, tell) as ground:
            report = _report(questions, ground, trial, settings, tell)
    except (SimulationError, LoadError) as error:
        fail(str(error))
    if as_json:
        out.print_json(report.model_dump_json())
    else:
        print_report(report)


def _report(questions: list[Question], ground: Ground, trial: Trial, settings: Settings, tell: Tell) -> WorkloadReport:
    tell("opening", 0.0)
    with opened(ground, settings, trial.effort.seconds) as engine:
        return workload_report(questions, ground, engine, trial, tell)


@contextmanager
def _ground(found: Dataset, on: str | None, shape: Shape, settings: Settings, tell: Tell) -> Iterator[Ground]:
    """The rows to simulate on; made-up ones are gone afterwards."""
    declared = found.is_served and found.policy.public_rows is not None
    if on == "public" or (on is None and declared):
        if not found.is_served or found.snapshot is None:
            raise SimulationError("--on public needs a dataset of the vault: a policy file has no rows.")
        yield public_ground(found.snapshot, SecretKeys.open(settings.keys_dir))
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".simulation-", dir=settings.data_dir) as folder:
        yield synthetic_ground(Path(folder), found.policy, found.text, shape, found.snapshot, tell)


def _dataset(named: str, settings: Settings) -> Dataset:
    """The policy file of that name, or the dataset of the vault."""
    path = Path(named)
    if path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
            policy = load_policy(text, named)
        except (PolicyError, UnicodeDecodeError) as error:
            err.print(str(error))
            fail(f"{named} is not a policy: `kvitto policy check` names each mistake")
        return Dataset(policy, text, current_snapshot(settings.vault_root, policy.dataset), is_served=False)
    snapshot = current_snapshot(settings.vault_root, named)
    if snapshot is None:
        fail(f"there is no dataset {named} in the vault, and no policy file of that name")
    text = (snapshot.directory / "policy.yaml").read_text(encoding="utf-8")
    return Dataset(snapshot.policy, text, snapshot, is_served=True)


def _epsilons(text: str) -> tuple[Fraction, ...]:
    found = {_number("--epsilon", part, positive_number) for part in text.split(",")}
    if len(found) > _EPSILONS_MAX:
        fail(f"--epsilon: at most {_EPSILONS_MAX} prices can be tried")
    return tuple(sorted(found))


def _number(option: str, text: str, read: Callable[[object], Fraction]) -> Fraction:
    try:
        return read(text.strip())
    except ValueError as error:
        fail(f"{option}: {text}: {error}")
