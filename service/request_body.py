"""Request bodies as strict models: read with exact numbers, refused without repeating any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request
from pydantic import ValidationError

from service import strict_json
from service.problems import ProblemError
from service.schemas import Strict
from service.validation import invalid_request

BodyModel = TypeVar("BodyModel", bound=Strict)


def body_of(model: type[BodyModel]) -> Callable[[Request], Awaitable[BodyModel]]:
    """A dependency that gives the request's body as `model`; raises "bad-request" or "invalid-request"."""

    async def read(request: Request) -> BodyModel:
        value = strict_json.loads(await request.body())
        try:
            return model.model_validate(value)
        except ValidationError as error:
            found = [{**details, "loc": ("body", *details["loc"])} for details in error.errors(include_input=False)]
            problem = invalid_request(found)
            raise ProblemError(problem.slug, problem.detail, extensions=problem.extensions) from None

    return read
