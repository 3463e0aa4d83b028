"""Who is asking, and what they may still spend."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from service.answering import Person
from service.api import examples
from service.api.budgets import policy_of
from service.auth import ROLES, allow
from service.budget_documents import budget_document
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
    """The key's owner, role and purposes, and the owner's budgets."""
    served = set(here.catalogue.names())
    own = [b for b in here.ledger.accounts() if b.account.owner == person.name and b.account.dataset in served]
    budgets = [budget_document(here.ledger, balance, policy_of(here, balance)) for balance in own]
    return {"owner": person.name, "role": person.role, "purposes": list(person.purposes), "budgets": budgets}
