"""What callers get: the documented shapes of responses. Decimals of budgets are strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from queries.notices import Code
from service.problems import MEDIA_TYPE, PROBLEM_TYPES


class Body(BaseModel):
    """The base of all response bodies."""

    model_config = ConfigDict(frozen=True)


class Problem(Body):
    """An RFC 9457 problem document; some types have further members."""

    model_config = ConfigDict(frozen=True, extra="allow")
    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None


class Cost(Body):
    """What was charged."""

    epsilon: str | None
    delta: str
    rho: str
    reused_from: Any = None


_ROLES = """`dimension`: a key. `estimate`: a noised figure, unbiased but for clipping. `lower`, `upper`: its ends at
95%, noise and clipping together. `standard_error`: of its noise. `clipping_lower` (at most 0) and `clipping_upper` (at
least 0): the part of the interval that is about clipping. `display`: the figure for people, rounded to its accuracy and
not negative where it cannot be. `reliability`: `good`, `fair` or `poor`, null without an interval. `derived`: computed
of noised figures, with nothing known of its error."""


class AnswerColumn(Body):
    """A column of an answer. After each estimate come those that say something `of` it."""

    name: str
    type: str
    role: Literal[
        "dimension",
        "estimate",
        "derived",
        "lower",
        "upper",
        "standard_error",
        "clipping_lower",
        "clipping_upper",
        "display",
        "reliability",
    ] = Field(description=_ROLES)
    of: str | None = Field(default=None, description="The estimate that the column says something of.")
    confidence: float | None = Field(default=None, description="Of an estimate's interval.")
    biased: bool | None = Field(
        default=None, description="Of a display: noise dominates, and cells were drawn towards their mean."
    )


_CODES = """`bound-too-low`, `bound-too-high`: by public limits, by a bound that an earlier release chose from the data,
or by what bounding took. `bound-may-be-low`, `bound-may-be-high`: noise hides what bounding takes, or the figures.
`bound-below-row`: one row may have more. `bound-unchecked`: nothing that was released tells of the bound."""


class Notice(Body):
    """That a bound which the policy declares, or the caller states, does not fit, or may not. Free, of public facts."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: Code = Field(description=_CODES)
    columns: list[str] = Field(description="The columns that the measure goes into.")
    kind: str
    text: str
    l2_bound: str = Field(description="The bound, in the column's units.")
    bound_source: str
    expected_l2_bound: float | None = Field(description="The bound that fits, as far as is known.")
    factor: float | None = Field(description="The bound over the one that fits.")
    clipped_share: float | None = Field(description="What bounding took at the least, over the figures.")
    noise_share: float | None = Field(description="The noise over the figures.")
    query: str | None = Field(description="Which query bought the release that tells.")
    choice_share: float | None = Field(description="The part of the measure's price for which its bound is chosen.")
    options: dict[str, dict[str, Literal["auto"]]] | None = Field(
        description="The options that leave the choice to the data; null where the caller has to take a bound back."
    )


class DocumentSignature(Body):
    """An Ed25519 signature in base64 over the canonical JSON of the document beside it, and the id of its key."""

    algorithm: Literal["Ed25519"]
    key: str
    value: str


class Answer(Body):
    """An answer: noised rows, what they cost, and the receipt with its signature."""

    id: str
    status: Literal["done"]
    cost: Cost
    guarantee: dict[str, Any]
    columns: list[AnswerColumn]
    rows: list[dict[str, Any]]
    notices: list[Notice] = Field(default=[], description="Bounds that the answer shows not to fit, or that may not.")
    receipt: dict[str, Any]
    signature: DocumentSignature | None = Field(default=None, description="Of the receipt; older answers have none.")


class SealedReceipt(Body):
    """A receipt with its signature."""

    receipt: dict[str, Any]
    signature: DocumentSignature | None


class QuerySummary(Body):
    """One query without its answer."""

    id: str
    dataset: str
    owner: str
    account: str
    at: str
    state: str
    reused: bool
    charged: bool
    cost: Cost
    sql: str | None
    purpose: str | None
    snapshot: str | None


class HistoryPage(Body):
    """One page of the history, newest first; `next` is the cursor of the next page."""

    items: list[QuerySummary]
    next: str | None


class DatasetSummary(Body):
    """A dataset in the list."""

    name: str
    title: str
    unit: str
    snapshot: str
    frozen: bool = Field(description="Whether it is stopped: nothing is answered until two officers start it again.")


class DatasetPage(Body):
    """The datasets; `next` is always null."""

    items: list[DatasetSummary]
    next: str | None


class WaitingSnapshot(Body):
    """A snapshot that does not serve yet: its policy allows more than the one that does."""

    id: str
    created: str
    proposal: str | None = Field(description="The proposal that two officers have to approve of.")
    differences: list[dict[str, str]] = Field(description="Each with `effect` and `words`.")


class Dataset(Body):
    """A dataset's public description: what its policy declares."""

    name: str
    title: str
    description: str | None
    unit: dict[str, str]
    budget: dict[str, Any]
    query: dict[str, str | int]
    purposes: dict[str, Any] = Field(description="What queries may be for, by name; empty where nothing is declared.")
    tables: dict[str, Any]
    bounds: list[dict[str, Any]]
    retention: dict[str, Any]
    blocks: dict[str, Any] | None = Field(default=None, description="That the privacy unit is of one month, if it is.")
    sensitive: list[dict[str, Any]]
    public_rows: dict[str, str] | None
    reliability: dict[str, str]
    snapshot: dict[str, str]
    frozen: bool = Field(description="Whether it is stopped: nothing is answered until two officers start it again.")
    waiting: WaitingSnapshot | None = Field(description="A newer snapshot whose policy waits for approvals.")


class Loss(Body):
    """A privacy loss: rho adds up, epsilon is shown at the conversion delta."""

    epsilon: str
    delta: str
    rho: str


class Meter(Body):
    """What an account counts its losses by: its lifetime, a window of time, or a block of data."""

    meter: str
    kind: str
    since: str | None = Field(description="When the window began (UTC); null for what is no window of time.")
    until: str | None = Field(description="When it starts anew (UTC).")
    cap: Loss | None = Field(description="Null where there is no limit.")
    spent: Loss
    remaining: Loss | None


class Pace(Body):
    """What was spent a day, on average."""

    rho_per_day: str
    delta_per_day: str
    days: int = Field(description="Over how many days: 28, or since the first charge.")


class Forecast(Body):
    """When the cap of the lifetime is reached, if spending goes on as before."""

    pace: Pace
    cap_reached_on: str | None
    words: str


class Budget(Body):
    """A budget account: its lifetime, and all its meters."""

    id: str
    dataset: str
    kind: str
    parent: str | None
    owner: str | None
    conversion_delta: str
    cap: Loss | None
    spent: Loss
    remaining: Loss | None
    guarantee: str | None
    meters: list[Meter] = Field(description="The lifetime, which never starts anew, then windows and blocks.")
    forecast: Forecast
    about_queries_left: int | None = Field(
        description="About how many more queries like the last charged one fit now, here and on all accounts above."
    )


class BudgetPage(Body):
    """One page of accounts, ordered by id; `next` is the cursor of the next page."""

    items: list[Budget]
    next: str | None


class Decision(Body):
    """What somebody decided of a proposal; `made` follows the second approval."""

    decision: Literal["approved", "declined", "withdrawn", "made"]
    by: str
    at: str
    reason: str


class Proposal(Body):
    """A change that somebody wants made, and what became of it."""

    id: str
    url: str = Field(description="Where to look it up.")
    dataset: str | None = Field(description="Null: of all datasets.")
    kind: str = Field(description="`cap`, `unfreeze`, `policy`, or another that is only noted when it is approved.")
    words: str = Field(description="The change in words.")
    change: dict[str, Any]
    proposer: str
    reason: str
    at: str
    state: Literal["waiting", "made", "declined", "withdrawn"]
    approvals_needed: int = Field(description="How many more people have to approve of it.")
    decisions: list[Decision]


class ProposalPage(Body):
    """One page of proposals, the newest first; `next` is the cursor of the next page."""

    items: list[Proposal]
    next: str | None


class Freeze(Body):
    """What is stopped."""

    everything: bool
    datasets: list[str] = Field(description="The datasets that are stopped by name.")


class Me(Body):
    """Who is asking."""

    owner: str
    role: str
    purposes: list[str] = Field(description="The purposes that the key is bound to; empty: any.")
    budgets: list[Budget]


class Key(Body):
    """An API key, without the key."""

    id: str
    owner: str
    role: str
    created: str
    expires: str | None
    revoked: str | None
    purposes: list[str]


class NewKey(Key):
    """A key just made: `key` is shown this once."""

    key: str


class KeyPage(Body):
    """One page of keys, ordered by id; `next` is the cursor of the next page."""

    items: list[Key]
    next: str | None


class Recorded(Body):
    """What was recorded, as it was asked for: of which units, and how many, is not said."""

    dataset: str
    level: str
    kind: str
    status: Literal["recorded"]


class LedgerEntry(Body):
    """One entry of the ledger: `hash` is the SHA-256 of `prev_hash` and the canonical JSON of the rest."""

    seq: int
    at: str
    kind: str
    actor: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str


class LedgerPage(Body):
    """Entries in order; `next` is the `after` of the next page."""

    items: list[LedgerEntry]
    next: str | None


class LedgerHead(Body):
    """The end of the chain."""

    seq: int
    hash: str


class TreeHead(Body):
    """How many entries a ledger has, and the root of the Merkle tree over their hashes (RFC 9162, section 2.1)."""

    type: Literal["kvitto-tree-head-1"]
    tree_size: int
    root_hash: str
    ledger_head: str = Field(description="The hash of the last of these entries.")
    timestamp: str


class SealedHead(Body):
    """A tree head with its signature."""

    head: TreeHead
    signature: DocumentSignature


class ChargeProof(Body):
    """That an entry is in the ledger: the hashes beside the way from its leaf up to the root of the tree head."""

    seq: int
    hash: str
    leaf_index: int
    leaf_hash: str = Field(description="SHA-256 of a zero byte and the 32 bytes of `hash`.")
    audit_path: list[str]
    tree_head: SealedHead


class Proof(ChargeProof):
    """The same with the entry itself."""

    entry: LedgerEntry


class Consistency(Body):
    """That the later tree continues the earlier one: hashes that lead from one root to the other."""

    first: int
    second: int
    proof: list[str]
    tree_head: SealedHead = Field(description="Of the second.")


class AuditKey(Body):
    """The public key of signatures; `key` is the start of the SHA-256 of its 32 bytes."""

    key: str
    algorithm: Literal["Ed25519"]
    public_key: str = Field(description="The 32 bytes in base64.")
    pem: str
    keys: list[dict[str, Any]] = Field(description="All keys, oldest first, and up to which entry each was in use.")


class Status(Body):
    """What a probe says."""

    status: Literal["ok"]


class AnchorLag(Body):
    """How many entries no tree head that was taken elsewhere covers, and for how long there have been such."""

    entries: int
    seconds: int


class Readiness(Status):
    """That queries can be answered; `anchor` is null where no tree heads are sent elsewhere."""

    anchor: AnchorLag | None


def problems(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses of these problem types and of those that any call may give, one a status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for slug in ("bad-request", "unauthenticated", "role", "too-many-requests", "ledger-unavailable", *slugs):
        row = PROBLEM_TYPES[slug]
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}}
        known = responses.setdefault(row.status, {"description": "", "content": content})
        examples: dict[str, Mapping[str, Any]] = known["content"][MEDIA_TYPE]["examples"]
        examples[slug] = {"value": {"type": row.type, "title": row.title, "status": row.status, "detail": row.meaning}}
        known["description"] = ", ".join(f"`{name}`" for name in examples)
    return responses
