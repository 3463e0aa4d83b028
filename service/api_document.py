"""The OpenAPI document: FastAPI's, with the problem documents, the key and the roles of each call added."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.problems import MEDIA_TYPE
from service.responses import Problem
from service.schemas import (
    AccuracyBody,
    BudgetChange,
    DecisionBody,
    ExclusionBody,
    FreezeBody,
    KeyRequest,
    QueryBody,
)

_DESCRIPTION: Final = (
    "Statistics about purchases under differential privacy. Every call under `/v1` needs "
    "`Authorization: Bearer <key>`. Errors are `application/problem+json`; `HEAD` works wherever `GET` does; "
    "lists are paged with `next`."
)


def api_document(app: FastAPI) -> dict[str, Any]:
    """The document of all calls, made once an app."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
        parts = document.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas.update(_body_schemas(), Problem=Problem.model_json_schema())
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key of Kvitto."}}
        for path, method, operation in _operations(document):
            _complete(operation, secured=path.startswith("/v1"), roles=_roles(app, path, method))
        app.openapi_schema = document
    return app.openapi_schema


def _body_schemas() -> dict[str, Any]:
    models: tuple[type[BaseModel], ...] = (
        *(QueryBody, AccuracyBody, ExclusionBody, BudgetChange),
        *(DecisionBody, FreezeBody, KeyRequest),
    )
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return dict(definitions["$defs"])


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, call) for path, calls in document["paths"].items() for method, call in calls.items()]


def _complete(operation: dict[str, Any], *, secured: bool, roles: tuple[str, ...]) -> None:
    reference = {"$ref": "#/components/schemas/Problem"}
    operation["responses"]["422"] = _with_problem(operation["responses"].get("422"))
    operation["responses"].setdefault(
        "default", {"description": "Any problem", "content": {MEDIA_TYPE: {"schema": reference}}}
    )
    if secured:
        operation["security"] = [{"key": []}]
    if roles:
        operation["x-roles"] = list(roles)


def _with_problem(response: dict[str, Any] | None) -> dict[str, Any]:
    """The response 422, whose body is a problem and never FastAPI's own shape."""
    ours = (response or {}).get("content", {}).get(MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})
    return {"description": (response or {}).get("description", "`invalid-request`"), "content": {MEDIA_TYPE: ours}}


def _roles(app: FastAPI, path: str, method: str) -> tuple[str, ...]:
    for route in app.state.routes:
        if isinstance(route, APIRoute) and route.path_format == path and method.upper() in (route.methods or ()):
            return _roles_of(route.dependant)
    return ()


def _roles_of(dependant: Dependant) -> tuple[str, ...]:
    for needed in dependant.dependencies:
        roles = getattr(needed.call, "roles", ())
        if roles:
            return tuple(roles)
    return ()
