"""The evidence for auditors: entries as they are hashed, signed tree heads and proofs, the public key, the export."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from budgets.evidence.chain import entry_at, sealed_head
from budgets.evidence.export import export
from budgets.evidence.merkle import MerkleTree, leaf_hash
from budgets.ledger import Entry
from service.api import examples
from service.auth import ROLES, allow
from service.context import Context, context_of
from service.problems import ProblemError
from service.responses import AuditKey, Consistency, LedgerHead, LedgerPage, Proof, SealedHead, problems

router = APIRouter(prefix="/v1/audit", tags=["audit"])
Here = Annotated[Context, Depends(context_of)]
TreeSize = Annotated[
    int | None, Query(ge=0, le=2**53, description="The number of entries of an earlier head; the newest unless given.")
]
_AUDITORS: Final = [Depends(allow("auditor"))]
_BUSY_SECONDS: Final = 10


@router.get(
    "",
    summary="The entries of the ledger",
    response_model=LedgerPage,
    dependencies=_AUDITORS,
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
    dependencies=_AUDITORS,
    responses={200: {"content": examples.content(examples.HEAD)}, **problems()},
)
def head(here: Here) -> dict[str, object]:
    """Number and hash of the newest entry: note it elsewhere, and a ledger cut short or set back can't hide."""
    newest = here.ledger.head()
    return {"seq": newest.seq, "hash": newest.hash}


@router.get(
    "/key",
    summary="The public key of receipts and tree heads",
    response_model=AuditKey,
    dependencies=[Depends(allow(*ROLES))],
    responses={200: {"content": examples.content(examples.AUDIT_KEY)}, **problems()},
)
def key(here: Here) -> dict[str, object]:
    """The key in use and those before it, each signed by its predecessor: note it where nobody can replace it."""
    records, public = here.signing.records(), here.signing.public
    return {
        "key": public.id,
        "algorithm": "Ed25519",
        "public_key": public.base64,
        "pem": public.pem,
        "keys": [record.document for record in records],
    }


@router.get(
    "/tree-head",
    summary="A signed tree head",
    response_model=SealedHead,
    dependencies=_AUDITORS,
    responses={200: {"content": examples.content(examples.TREE_HEAD)}, **problems("invalid-request")},
)
def signed_head(here: Here, tree_size: TreeSize = None) -> Response:
    """Size and root of the tree over the entries, signed: keep it, and nothing before it can change unseen."""
    tree = here.chain.tree()
    return Response(_head_of(here, tree, tree_size), media_type="application/json")


@router.get(
    "/proof/{seq}",
    summary="The proof that an entry is in the ledger",
    response_model=Proof,
    dependencies=_AUDITORS,
    responses={200: {"content": examples.content(examples.PROOF)}, **problems("not-found", "invalid-request")},
)
def proof(here: Here, seq: Annotated[int, Path(ge=1, le=2**53)], tree_size: TreeSize = None) -> dict[str, object]:
    """The entry, the hashes from it up to the root, and the signed head with that root (RFC 9162, section 2.1.3)."""
    document = proof_document(here, seq, tree_size)
    (entry,) = here.ledger.entries(after_seq=seq - 1, limit=1)
    return {"entry": _entry(entry), **document}


@router.get(
    "/consistency",
    summary="The proof that history was only appended to",
    response_model=Consistency,
    dependencies=_AUDITORS,
    responses={200: {"content": examples.content(examples.CONSISTENCY)}, **problems("invalid-request")},
)
def consistency(
    here: Here,
    first: Annotated[int, Query(ge=1, le=2**53, description="The size of the head that was kept.")],
    second: Annotated[int | None, Query(ge=1, le=2**53, description="That of the later one; the newest.")] = None,
) -> dict[str, object]:
    """The hashes that lead from the root of the first head to that of the second (RFC 9162, section 2.1.4)."""
    tree = here.chain.tree()
    size = _size(tree, second)
    if first > size:
        raise ProblemError("invalid-request", "The first head is not before the second.")
    return {
        "first": first,
        "second": size,
        "proof": [node.hex() for node in tree.consistency(first, size)],
        "tree_head": json.loads(_head_of(here, tree, size)),
    }


@router.get(
    "/export",
    summary="The whole ledger, to be checked elsewhere",
    response_class=Response,
    dependencies=_AUDITORS,
    responses={
        200: {"description": "The export", "content": {"application/zip": {"schema": {"type": "string"}}}},
        **problems(),
    },
)
def whole_export(here: Here) -> Response:
    """One file for `kvitto audit verify`, which needs it and the public key, and no network."""
    with _slot(here):
        made = export(here.ledger, here.signing)
    headers = {"Content-Disposition": 'attachment; filename="kvitto-export.zip"', "Content-Length": str(made.size)}
    return StreamingResponse(made.chunks(), headers=headers, media_type="application/zip")


def proof_document(here: Context, seq: int, tree_size: int | None = None) -> dict[str, object]:
    """The proof of one entry without the entry itself: its number, its hash, the path and the signed head."""
    tree = here.chain.tree()
    size = _size(tree, tree_size)
    found = entry_at(here.ledger, seq) if seq <= tree.size else None
    if found is None:
        raise ProblemError("not-found")
    if seq > size:
        raise ProblemError("invalid-request", "The tree of this size does not reach the entry.")
    return {
        "seq": seq,
        "hash": found.hash,
        "leaf_index": seq - 1,
        "leaf_hash": leaf_hash(bytes.fromhex(found.hash)).hex(),
        "audit_path": [node.hex() for node in tree.path(seq - 1, size)],
        "tree_head": json.loads(_head_of(here, tree, size)),
    }


def entry_page(found: Sequence[Entry], limit: int) -> dict[str, object]:
    """One page of entries, of which `found` may hold one more."""
    page = found[:limit]
    return {
        "items": [_entry(entry) for entry in page],
        "next": str(page[-1].seq) if len(found) > limit else None,
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "actor": entry.actor,
        "payload": entry.facts,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


def _size(tree: MerkleTree, wanted: int | None) -> int:
    if wanted is not None and wanted > tree.size:
        raise ProblemError("invalid-request", "The ledger has fewer entries.")
    return tree.size if wanted is None else wanted


def _head_of(here: Context, tree: MerkleTree, tree_size: int | None) -> str:
    """The sealed head of the tree of this size."""
    size = _size(tree, tree_size)
    newest = entry_at(here.ledger, size)
    if newest is None:
        raise ProblemError("ledger-unavailable")
    return sealed_head(tree, newest, here.signing)


@contextmanager
def _slot(here: Context) -> Iterator[None]:
    if not here.export_slots.acquire(blocking=False):
        raise ProblemError("too-many-requests", headers={"Retry-After": str(_BUSY_SECONDS)})
    try:
        yield
    finally:
        here.export_slots.release()
