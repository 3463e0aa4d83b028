"""Reports to be published: the transparency report and the record for the deployments registry."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from service.api import examples
from service.auth import allow
from service.context import Context, context_of
from service.problems import ProblemError
from service.reports.document import Transparency
from service.reports.page import CONTENT_SECURITY_POLICY, transparency_page
from service.reports.registry import registry_yaml
from service.reports.transparency import transparency
from service.responses import problems

router = APIRouter(prefix="/v1/reports", tags=["reports"], dependencies=[Depends(allow("officer", "auditor"))])
Here = Annotated[Context, Depends(context_of)]


@router.get(
    "/transparency.json",
    summary="The transparency report as JSON",
    response_model=Transparency,
    responses={200: {"content": examples.content(examples.TRANSPARENCY)}, **problems()},
)
def as_json(here: Here) -> Transparency:
    """What is recorded, who may ask, what was released and how much of the budget is spent; made to be published."""
    return _report(here)


@router.get(
    "/transparency.html",
    summary="The transparency report as a page",
    response_class=Response,
    responses={
        200: {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(),
    },
)
def as_page(here: Here) -> Response:
    """The same in plain language, in one file without scripts, for customers."""
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Response(transparency_page(_report(here)), media_type="text/html", headers=headers)


@router.get(
    "/registry.yaml",
    summary="The record for the Privacy Deployments Registry",
    response_class=Response,
    responses={
        200: {"description": "The record", "content": {"application/yaml": {"schema": {"type": "object"}}}},
        **problems("not-found", "invalid-request"),
    },
)
def registry(
    here: Here,
    dataset: Annotated[str | None, Query(max_length=63, description="Needed where several are served.")] = None,
) -> Response:
    """One dataset in the fields of the registry of OpenDP and others, as a draft to be sent there."""
    names = here.catalogue.names()
    if dataset is None and len(names) != 1:
        raise ProblemError("invalid-request", "Several datasets are served: name one.")
    snapshot = here.catalogue.snapshot(names[0] if dataset is None else dataset)
    if snapshot is None:
        raise ProblemError("not-found")
    tree = here.chain.tree()
    size = tree.size
    evidence = f"Ledger of {size} entries, Merkle root {tree.root(size).hex()}, key {here.signing.public.id}"
    return Response(registry_yaml(here.settings, here.ledger, snapshot, evidence), media_type="application/yaml")


def _report(here: Context) -> Transparency:
    return transparency(here.settings, here.ledger, here.catalogue, here.chain, here.signing.public.id)
