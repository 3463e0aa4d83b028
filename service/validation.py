"""What is wrong with a request, told without repeating any of it: places by known names only, values never."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from service.problems import Problem
from service.schemas import AccuracyBody, BudgetChange, ExclusionBody, KeyRequest, QueryBody, QueryOptions

_BODIES: Final = (QueryBody, QueryOptions, AccuracyBody, BudgetChange, ExclusionBody, KeyRequest)
_FIELDS: Final = frozenset(name for body in _BODIES for name in body.model_fields)
_PARAMETERS: Final = frozenset({"dataset", "cursor", "limit", "after", "query_id", "fmt", "account_id", "key_id"})
_KINDS: Final = frozenset({"body", "query", "path", "header"})
_HIDDEN: Final = "*"
_ERRORS_MAX: Final = 20


def invalid_request(found: Sequence[Any]) -> Problem:
    """The problem "invalid-request", with `errors: [{place, code, message}]`, of errors as pydantic lists them."""
    errors = [_told(details) for details in found[:_ERRORS_MAX]]
    detail = "; ".join(f"{told['place']}: {told['message']}" for told in errors[:3])
    return Problem("invalid-request", detail, {"errors": errors})


def _told(details: Any) -> dict[str, str]:  # noqa: ANN401  # FastAPI types its errors so.
    place = ".".join(_part(part, first=index == 0) for index, part in enumerate(details["loc"]))
    if details["type"] == "extra_forbidden":
        return {"place": place, "code": "unknown-field", "message": _unknown(details["loc"])}
    message = str(details["msg"]).removeprefix("Value error, ")
    return {"place": place, "code": str(details["type"]).replace("_", "-"), "message": message}


def _part(part: object, *, first: bool) -> str:
    """A part of the place, if we chose its name; what the caller chose is hidden."""
    if isinstance(part, int):
        return str(part)
    known = _KINDS if first else _FIELDS | _PARAMETERS
    return str(part) if part in known else _HIDDEN


def _unknown(place: Sequence[object]) -> str:
    close = get_close_matches(str(place[-1])[:100], sorted(_FIELDS), n=1, cutoff=0.75)
    return "there is no such field" + (f"; did you mean {close[0]}?" if close else "")
