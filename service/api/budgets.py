"""Budgets: what may still be spent, and officers' changes of the caps."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from budgets.errors import UnknownAccountError
from budgets.ledger import Balance
from budgets.proposals import Proposal as Proposed
from queries.policy import Policy
from service.answering import Person
from service.api import examples
from service.api.approvals import document_of
from service.api.audit import entry_page
from service.auth import allow
from service.budget_documents import budget_document
from service.context import Context, context_of
from service.governance import change_cap, request_cap, wanted_cap
from service.problems import ProblemError
from service.request_body import body_of
from service.responses import Budget, BudgetPage, LedgerPage, Proposal, problems
from service.schemas import BudgetChange

router = APIRouter(prefix="/v1/budgets", tags=["budgets"])
_SEES_ALL = frozenset({"officer", "auditor"})

Reader = Annotated[Person, Depends(allow("analyst", "dashboard", "officer", "auditor"))]
Overseer = Annotated[Person, Depends(allow("officer", "auditor"))]
Officer = Annotated[Person, Depends(allow("officer"))]
Owner = Annotated[Person, Depends(allow("analyst", "dashboard"))]
Here = Annotated[Context, Depends(context_of)]


@router.get(
    "",
    summary="The budgets",
    response_model=BudgetPage,
    responses={200: {"content": examples.content(examples.BUDGETS)}, **problems("invalid-request")},
)
def budgets(
    person: Reader,
    here: Here,
    dataset: Annotated[str | None, Query(max_length=63, description="Only accounts of this dataset.")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, object]:
    """Accounts ordered by id: one's own, for officers and auditors all."""
    found = [
        balance for balance in visible_balances(here, person, dataset) if cursor is None or balance.account.id > cursor
    ]
    page = found[:limit]
    return {
        "items": [_document(here, balance) for balance in page],
        "next": page[-1].account.id if len(found) > limit else None,
    }


@router.get(
    "/{account_id:path}/ledger",
    summary="The ledger entries of one budget",
    response_model=LedgerPage,
    responses={200: {"content": examples.content(examples.ENTRIES)}, **problems("not-found", "invalid-request")},
)
def budget_ledger(
    account_id: str,
    person: Overseer,
    here: Here,
    after: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, object]:
    """What was reserved, spent and changed on the account, in order."""
    _visible(here, person, account_id)
    return entry_page(here.ledger.entries(after_seq=after, limit=limit + 1, account_id=account_id), limit)


@router.get(
    "/{account_id:path}",
    summary="One budget",
    response_model=Budget,
    responses={200: {"content": examples.content(examples.BUDGET)}, **problems("not-found")},
)
def budget(account_id: str, person: Reader, here: Here) -> dict[str, object]:
    """All its meters, and a forecast; account ids contain slashes, as in `journey/person/analyst`."""
    return _document(here, _visible(here, person, account_id))


@router.patch(
    "/{account_id:path}",
    summary="Change a cap",
    response_model=Budget,
    responses={
        200: {"content": examples.content(examples.BUDGET)},
        202: {
            "model": Proposal,
            "description": "The proposal that another officer has to approve of",
            "content": examples.content(examples.PROPOSAL),
        },
        **problems("not-found", "invalid-request", "too-large", "unsupported-media-type"),
    },
    openapi_extra=examples.body("BudgetChange", examples.BUDGET_CHANGE),
)
def change_budget(
    account_id: str, person: Officer, here: Here, body: Annotated[BudgetChange, Depends(body_of(BudgetChange))]
) -> JSONResponse:
    """A lower cap is in force at once, below what is spent too: it admits nothing more then. So is a new window.

    A higher one becomes a proposal with the officer's own approval, and is made when another officer approves of it.
    """
    balance = _visible(here, person, account_id)
    wanted = wanted_cap(here.ledger, policy_of(here, balance), balance, person.name, body)
    changed = change_cap(here.ledger, wanted)
    if isinstance(changed, Balance):
        return JSONResponse(_document(here, here.ledger.balance(account_id)))
    return _proposed(here, changed)


@router.post(
    "/{account_id:path}/requests",
    summary="Ask for a higher cap",
    status_code=202,
    response_model=Proposal,
    responses={
        202: {"content": examples.content(examples.REQUESTED)},
        **problems("not-found", "invalid-request", "too-large", "unsupported-media-type"),
    },
    openapi_extra=examples.body("BudgetChange", examples.BUDGET_REQUEST),
)
def request_budget(
    account_id: str, person: Owner, here: Here, body: Annotated[BudgetChange, Depends(body_of(BudgetChange))]
) -> JSONResponse:
    """A proposal of the account's owner, that two officers have to approve of."""
    balance = _visible(here, person, account_id)
    wanted = wanted_cap(here.ledger, policy_of(here, balance), balance, person.name, body)
    return _proposed(here, request_cap(here.ledger, wanted))


def visible_balances(here: Context, person: Person, dataset: str | None = None) -> list[Balance]:
    """The accounts that `person` may see, ordered by id, of datasets that are served."""
    served = set(here.catalogue.names())
    mine = [
        balance
        for balance in here.ledger.accounts(dataset)
        if balance.account.dataset in served and (person.role in _SEES_ALL or balance.account.owner == person.name)
    ]
    return sorted(mine, key=lambda balance: balance.account.id)


def policy_of(here: Context, balance: Balance) -> Policy:
    """The policy under which an account's losses are shown."""
    snapshot = here.catalogue.snapshot(balance.account.dataset)
    if snapshot is None:
        raise ProblemError("not-found")
    return snapshot.policy


def _document(here: Context, balance: Balance) -> dict[str, object]:
    return budget_document(here.ledger, balance, policy_of(here, balance))


def _proposed(here: Context, found: Proposed) -> JSONResponse:
    return JSONResponse(document_of(here, found), 202, {"Location": f"/v1/approvals/{found.id}"})


def _visible(here: Context, person: Person, account_id: str) -> Balance:
    """The balance of an account; the same "not-found" for an unknown one and somebody else's."""
    try:
        balance = here.ledger.balance(account_id)
    except UnknownAccountError:
        raise ProblemError("not-found") from None
    if person.role not in _SEES_ALL and balance.account.owner != person.name:
        raise ProblemError("not-found")
    return balance
