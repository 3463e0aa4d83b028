"""The datasets and what is public of them: the declared schema, unit, bounds, domains, retention and snapshot."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from queries.policy import Table
from service.accounts import plain
from service.api import examples
from service.auth import ROLES, allow
from service.catalogue import CurrentSnapshot
from service.context import Context, context_of
from service.governance import is_frozen
from service.policy_gate import waiting_document
from service.problems import ProblemError
from service.responses import Dataset, DatasetPage, problems

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[Depends(allow(*ROLES))])
Here = Annotated[Context, Depends(context_of)]


@router.get(
    "",
    summary="The datasets",
    response_model=DatasetPage,
    responses={200: {"content": examples.content(examples.DATASETS)}, **problems()},
)
def datasets(here: Here) -> dict[str, object]:
    """All datasets that can be asked."""
    found = [here.catalogue.snapshot(name) for name in here.catalogue.names()]
    return {"items": [_summary(here, snapshot) for snapshot in found if snapshot is not None], "next": None}


@router.get(
    "/{dataset}",
    summary="One dataset",
    response_model=Dataset,
    responses={200: {"content": examples.content(examples.DATASET)}, **problems("not-found")},
)
def dataset(dataset: str, here: Here) -> dict[str, object]:
    """What the dataset's policy declares: nothing here was read from private rows."""
    snapshot = here.catalogue.snapshot(dataset) if dataset in here.catalogue.names() else None
    if snapshot is None:
        raise ProblemError("not-found")
    policy = snapshot.policy
    return {
        "name": policy.dataset,
        "title": policy.title,
        "description": policy.description,
        "unit": {"name": policy.unit.name, "label": policy.unit.label},
        "budget": _public(policy.budget),
        "query": _public(policy.query),
        "purposes": _public(policy.purposes),
        "tables": {name: _table(table) for name, table in policy.tables.items()},
        "bounds": [_public(bound) for bound in policy.bounds],
        "retention": _public(policy.retention),
        "blocks": _public(policy.blocks),
        "sensitive": [_public(group) for group in policy.sensitive],
        "public_rows": _public(policy.public_rows),
        "reliability": _public(policy.reliability),
        "snapshot": {"id": snapshot.id, "created": str(snapshot.created)},
        "frozen": is_frozen(here.ledger, policy.dataset),
        "waiting": waiting_document(here.ledger, here.catalogue.waiting(policy.dataset), snapshot.policy),
    }


def _summary(here: Context, snapshot: CurrentSnapshot) -> dict[str, str | bool]:
    policy = snapshot.policy
    shown: dict[str, str | bool] = {"name": policy.dataset, "title": policy.title, "unit": policy.unit.label}
    return shown | {"snapshot": snapshot.id, "frozen": is_frozen(here.ledger, policy.dataset)}


def _table(table: Table) -> dict[str, Any]:
    members = _public(table)
    members.pop("values", None)  # The rows of a declared public table are asked for with SQL.
    return dict(members)


def _public(value: object) -> Any:  # noqa: ANN401  # JSON has no narrower type.
    """A policy entry as JSON: exact numbers and dates as text, entries without a value left out."""
    match value:
        case BaseModel():
            members = {name: getattr(value, name) for name in type(value).model_fields}
            return {name: _public(member) for name, member in members.items() if member is not None}
        case dict():
            return {str(name): _public(member) for name, member in value.items()}
        case list() | tuple():
            return [_public(member) for member in value]
        case Fraction():
            return plain(value)
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case _:
            return value
