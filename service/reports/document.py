"""The transparency report as a document: its members are the sections of the page."""

from __future__ import annotations

from pydantic import Field

from service.responses import Body, Loss


class Publisher(Body):
    """Who publishes, as the settings say."""

    name: str | None
    region: str | None
    contact: str | None


class Evidence(Body):
    """The state of the ledger that the report is about, to be compared with exports and kept tree heads."""

    entries: int
    root_hash: str
    ledger_head: str
    key: str


class Recorded(Body):
    """A table with rows of customers, and its columns as the policy declares them."""

    table: str
    columns: list[str]


class Guess(Body):
    """A loss, and in how many of a hundred cases an attacker is right at most who would be in 50 without answers."""

    loss: Loss
    right_percent: str


class Purpose(Body):
    """How many questions stated a purpose; null for those that stated none."""

    purpose: str | None
    questions: int


class Released(Body):
    """What was answered so far. A question that did not finish counts too: it is charged all the same."""

    questions: int
    free_repeats: int
    first_day: str | None
    last_day: str | None
    by_purpose: list[Purpose]


class Change(Body):
    """A change of a budget or of another rule, with the reason that was given."""

    day: str
    what: str
    reason: str


class SensitiveRule(Body):
    """A sensitive group of products, and what answers show of it."""

    label: str
    rule: str


class Block(Body):
    """What is counted for itself: what one customer bought in one month, or rows of customers without a day."""

    name: str
    spent: Guess
    spent_percent: str = Field(description="The part of this block's rho that is spent, rounded up.")


class Blocks(Body):
    """The limit of each block, and those of which anything was told."""

    cap: Guess
    touched: list[Block]


class DatasetReport(Body):
    """One dataset."""

    dataset: str
    title: str
    description: str | None
    unit: str
    recorded: list[Recorded]
    public_tables: list[str]
    public_rows: str | None
    persons: int = Field(description="How many persons may ask.")
    spent: Guess
    cap: Guess | None = Field(description="Null where only blocks have a limit.")
    spent_percent: str | None = Field(description="The part of the cap's rho that is spent, rounded up.")
    blocks: Blocks | None = Field(description="Null where the limit is for the whole life, not for each month.")
    released: Released
    changes: list[Change]
    sensitive: list[SensitiveRule]
    retention: str
    opting_out: str


class Transparency(Body):
    """The transparency report."""

    title: str
    made_at: str
    publisher: Publisher
    datasets: list[DatasetReport]
    not_told: list[str]
    evidence: Evidence
