"""The pages for people, rendered on the server: landing page, API documentation, problem types. No script, no CDN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service.api import examples
from service.api_document import api_document
from service.problems import PROBLEM_TYPES, ProblemError

router = APIRouter(include_in_schema=False)
_PAGES: Final = Path(__file__).parent.parent / "pages"
_templates: Final = Environment(
    loader=FileSystemLoader(_PAGES),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


_templates.filters["as_json"] = _as_json


@router.get("/")
async def landing(request: Request) -> Response:
    """What this is, and a curl line to try."""
    return _page("landing.html", base_url=str(request.base_url).rstrip("/"), query=json.dumps(examples.QUERY))


@router.get("/docs")
async def documentation(request: Request) -> Response:
    """All calls, from the OpenAPI document."""
    document = api_document(request.app)
    return _page("documentation.html", document=document, groups=_groups(document), problem_types=PROBLEM_TYPES)


@router.get("/problems")
async def problem_index() -> Response:
    """All problem types."""
    return _page("problems.html", problem_types=PROBLEM_TYPES)


@router.get("/problems/{slug}")
async def problem_page(slug: str) -> Response:
    """One problem type: the page that its `type` leads to."""
    if slug not in PROBLEM_TYPES:
        raise ProblemError("not-found")
    return _page("problem.html", row=PROBLEM_TYPES[slug])


@router.get("/static/kvitto.css")
async def stylesheet() -> Response:
    """The one stylesheet."""
    return Response(
        (_PAGES / "kvitto.css").read_bytes(), media_type="text/css", headers={"Cache-Control": "max-age=3600"}
    )


def _page(name: str, **values: Any) -> Response:  # noqa: ANN401  # Each page has its own values.
    html = _templates.get_template(name).render(**values)
    return Response(html, media_type="text/html", headers={"Cache-Control": "no-cache"})


def _groups(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            groups.setdefault(call["tags"][0], []).append((method.upper(), path, call))
    return groups
