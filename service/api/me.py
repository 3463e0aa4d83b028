"""Who is asking, and what they may still spend."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from service.accounts import budget_document
from service.answering import Person
from service.api import examples
from service.api.budgets import policy_of
from service.auth import ROLES, allow
from service.context import Context, context_of
from service.responses import Me, problems

router = APIRouter(prefix="/v1/me", tags=["me"])


@router.get(
    "",
    summary="Who am I",
    response_model=Me,
    responses={200: {"content": examples.content(examples.ME)}, **problems()},
)
def me(
    person: Annotated[Person, Depends(allow(*ROLES))], here: Annotated[Context, Depends(context_of)]
) -> dict[str, object]:
    """The key's owner, role and own budgets."""
    served = set(here.catalogue.names())
    own = [b for b in here.ledger.accounts() if b.account.owner == person.name and b.account.dataset in served]
    return {"owner": person.name, "role": person.role, "budgets": [budget_document(b, policy_of(here, b)) for b in own]}
