"""Budgets: what may still be spent, and officers' changes of the caps."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from budgets.errors import UnknownAccountError
from budgets.ledger import Balance
from queries.policy import Policy
from service.accounts import budget_document, cap_of
from service.answering import Person
from service.api import examples
from service.api.audit import entry_page
from service.auth import allow
from service.context import Context, context_of
from service.problems import ProblemError
from service.request_body import body_of
from service.responses import Budget, BudgetPage, LedgerPage, problems
from service.schemas import BudgetChange

router = APIRouter(prefix="/v1/budgets", tags=["budgets"])
_SEES_ALL = frozenset({"officer", "auditor"})

Reader = Annotated[Person, Depends(allow("analyst", "dashboard", "officer", "auditor"))]
Overseer = Annotated[Person, Depends(allow("officer", "auditor"))]
Officer = Annotated[Person, Depends(allow("officer"))]
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
        "items": [budget_document(balance, policy_of(here, balance)) for balance in page],
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
    """Cap, spent and remaining; account ids contain slashes, as in `journey/person/analyst`."""
    balance = _visible(here, person, account_id)
    return budget_document(balance, policy_of(here, balance))


@router.patch(
    "/{account_id:path}",
    summary="Change a cap",
    response_model=Budget,
    responses={
        200: {"content": examples.content(examples.BUDGET)},
        **problems("not-found", "invalid-request", "too-large", "unsupported-media-type"),
    },
    openapi_extra=examples.body("BudgetChange", examples.BUDGET_CHANGE),
)
def change_budget(
    account_id: str, person: Officer, here: Here, body: Annotated[BudgetChange, Depends(body_of(BudgetChange))]
) -> dict[str, object]:
    """Set the cap at once; below what is spent it admits nothing more. The reason stands in the ledger."""
    balance = _visible(here, person, account_id)
    policy = policy_of(here, balance)
    share = body.delta_for_thresholds
    if share is None:
        share = Fraction(balance.cap.delta_atto, 10**18)
    elif share > policy.budget.delta_for_thresholds:
        raise ProblemError("invalid-request", "delta_for_thresholds is above what the dataset's policy allows.")
    changed = here.ledger.set_cap(account_id, cap_of(policy, body.epsilon, share), person.name, body.reason)
    return budget_document(changed, policy)


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


def _visible(here: Context, person: Person, account_id: str) -> Balance:
    """The balance of an account; the same "not-found" for an unknown one and somebody else's."""
    try:
        balance = here.ledger.balance(account_id)
    except UnknownAccountError:
        raise ProblemError("not-found") from None
    if person.role not in _SEES_ALL and balance.account.owner != person.name:
        raise ProblemError("not-found")
    return balance
