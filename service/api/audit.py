"""The chained record for auditors: entries as they are hashed, and the head to compare with an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from budgets.ledger import Entry
from service.api import examples
from service.auth import allow
from service.context import Context, context_of
from service.responses import LedgerHead, LedgerPage, problems

router = APIRouter(prefix="/v1/audit", tags=["audit"], dependencies=[Depends(allow("auditor"))])
Here = Annotated[Context, Depends(context_of)]


@router.get(
    "",
    summary="The entries of the ledger",
    response_model=LedgerPage,
    responses={200: {"content": examples.content(examples.ENTRIES)}, **problems("invalid-request")},
)
def entries(
    here: Here,
    after: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, object]:
    """Entries in order, from the one behind `after` on."""
    return entry_page(here.ledger.entries(after_seq=after, limit=limit + 1), limit)


@router.get(
    "/head",
    summary="The head of the ledger",
    response_model=LedgerHead,
    responses={200: {"content": examples.content(examples.HEAD)}, **problems()},
)
def head(here: Here) -> dict[str, object]:
    """Number and hash of the newest entry: note it elsewhere, and a ledger cut short or set back can't hide."""
    newest = here.ledger.head()
    return {"seq": newest.seq, "hash": newest.hash}


def entry_page(found: Sequence[Entry], limit: int) -> dict[str, object]:
    """One page of entries, of which `found` may hold one more."""
    page = found[:limit]
    return {
        "items": [
            {
                "seq": entry.seq,
                "at": entry.at,
                "kind": entry.kind,
                "actor": entry.actor,
                "payload": entry.facts,
                "prev_hash": entry.prev_hash,
                "hash": entry.hash,
            }
            for entry in page
        ],
        "next": str(page[-1].seq) if len(found) > limit else None,
    }
