"""What callers may send: strict, closed and bounded; everything that is not named here is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypedDict

from queries.exclusions import MOST_ID_CHARACTERS, Kind, Level
from queries.parameters import ITEMS_LIMIT, TYPES
from queries.stated import AUTOMATIC
from queries.targets import Target

SQL_BYTES_MAX: Final = 16 * 1024
_LEAST, _MOST = Decimal("1e-9"), Decimal("1e6")
_DIGITS_MAX: Final = 40
_INT64: Final = 2**63


def exact_number(value: object) -> Fraction:
    """The exact value of a JSON number (an int or a Decimal) or of a decimal string; ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("must be a number, or a decimal number in a string")  # noqa: TRY004  # What pydantic catches.
    text = str(value)
    if len(text) > _DIGITS_MAX or not text.isascii() or "_" in text or text != text.strip():
        raise ValueError("must be a plain decimal number of at most 40 characters")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite():
        raise ValueError("must be finite")
    if number and not Decimal("1e-30") <= number.copy_abs() <= Decimal("1e18"):
        raise ValueError("is out of range")
    return Fraction(number)


def positive_number(value: object) -> Fraction:
    """An exact number from 1e-9 to 1e6: the range in which a price makes sense."""
    number = exact_number(value)
    if not Fraction(_LEAST) <= number <= Fraction(_MOST):
        raise ValueError("must be from 0.000000001 to 1000000")
    return number


def magnitude(value: object) -> Fraction:
    """An exact number above 0 and at most 1e12."""
    number = exact_number(value)
    if not 0 < number <= 10**12:
        raise ValueError("must be above 0 and at most 1000000000000")
    return number


def _bound(value: object) -> Fraction | str:
    return AUTOMATIC if value == AUTOMATIC else magnitude(value)


def probability(value: object) -> Fraction:
    """An exact number above 0 and below 1."""
    number = exact_number(value)
    if not 0 < number < 1:
        raise ValueError("must be above 0 and below 1")
    return number


def confidence(value: object) -> Fraction:
    """An exact number from 0.5 to 0.999."""
    number = exact_number(value)
    if not Fraction(1, 2) <= number <= Fraction(999, 1000):
        raise ValueError("must be from 0.5 to 0.999")
    return number


def _share(value: object) -> Fraction:
    number = exact_number(value)
    if not 0 <= number < 1:
        raise ValueError("must be at least 0 and below 1")
    return number


def _sql_fits(text: str) -> str:
    if len(text.encode()) > SQL_BYTES_MAX:
        raise ValueError("must have at most 16 KiB")
    return text


def _moderate(number: Decimal) -> Decimal:
    exact_number(number)
    return number


def _ordered(bounds: list[Fraction]) -> list[Fraction]:
    if bounds[0] > bounds[1]:
        raise ValueError("must be [low, high] with low <= high")
    return bounds


def _known_type(name: str) -> str:
    if name.upper() not in TYPES:
        raise ValueError(f"must be one of {', '.join(TYPES)}")
    return name.upper()


_NUMBER_SCHEMA: Final = {"type": "number", "exclusiveMinimum": 0}
_STRING_SCHEMA: Final = {"type": "string", "pattern": r"^[0-9]{1,7}(\.[0-9]{1,9})?$"}
_MAGNITUDE_SCHEMA: Final = {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,9})?$"}
_as_text = PlainSerializer(str, return_type=str)

Price = Annotated[
    Fraction,
    PlainValidator(positive_number),
    _as_text,
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 1e-9, "maximum": 1e6}, _STRING_SCHEMA],
            "description": "A decimal number, or the same in a string; read exactly, from 0.000000001 to 1000000.",
        }
    ),
]
Magnitude = Annotated[
    Fraction,
    PlainValidator(magnitude),
    _as_text,
    WithJsonSchema({"anyOf": [_NUMBER_SCHEMA, _MAGNITUDE_SCHEMA]}),
]
Probability = Annotated[
    Fraction,
    PlainValidator(probability),
    _as_text,
    WithJsonSchema(
        {"anyOf": [{**_NUMBER_SCHEMA, "exclusiveMaximum": 1}, {"type": "string", "pattern": r"^0?\.[0-9]{1,30}$"}]}
    ),
]
Confidence = Annotated[
    Fraction,
    PlainValidator(confidence),
    _as_text,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.5, "maximum": 0.999},
                {"type": "string", "pattern": r"^0\.[5-9][0-9]{0,2}$"},
            ]
        }
    ),
]
Number = Annotated[
    Fraction,
    PlainValidator(exact_number),
    _as_text,
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"}]}),
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
OutputName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Bounds = Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_ordered)]
Automatic = Literal["auto"]
L2Bound = Annotated[
    Fraction | Automatic,
    PlainValidator(_bound),
    _as_text,
    WithJsonSchema({"anyOf": [_NUMBER_SCHEMA, _MAGNITUDE_SCHEMA, {"const": AUTOMATIC}]}),
]
L2Bounds = Annotated[
    Annotated[Automatic, Tag("all")] | Annotated[dict[OutputName, L2Bound], Field(max_length=100), Tag("by column")],
    Discriminator(lambda given: "all" if isinstance(given, str) else "by column"),
]
Whole = Annotated[int, Field(ge=1, le=100_000)]
ParameterName = Annotated[str, StringConstraints(pattern=r"^([a-z_][a-z0-9_]{0,62}|[1-9][0-9]{0,2})$")]
Scalar = (
    bool
    | Annotated[int, Field(ge=-_INT64, lt=_INT64)]
    | Annotated[Decimal, AfterValidator(_moderate), WithJsonSchema({"type": "number"})]
    | Annotated[str, StringConstraints(max_length=1_000)]
    | None
)
Scalars = Annotated[list[Scalar], Field(min_length=1, max_length=ITEMS_LIMIT)]


class TypedParameter(TypedDict):
    """A value, or a list of values, of a stated type."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)  # type: ignore[misc]  # Pydantic's own way.

    type: Annotated[str, Field(json_schema_extra={"enum": list(TYPES)}), AfterValidator(_known_type)]
    value: Scalar | Scalars


Parameter = Scalar | Scalars | TypedParameter


class Strict(BaseModel):
    """The base of all request bodies."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class QueryOptions(Strict):
    """Options under GoogleSQL's names; bounds are keyed by the output name (alias) of the aggregate."""

    delta: Probability | None = Field(default=None, description="Share of delta that thresholded keys may spend.")
    max_groups_contributed: Whole | None = Field(default=None, description="Groups that one unit may contribute to.")
    contribution_bounds_per_group: dict[OutputName, Bounds] | None = Field(default=None, max_length=100)
    contribution_bounds_per_row: dict[OutputName, Bounds] | None = Field(default=None, max_length=100)
    l2_bound: L2Bounds | None = Field(
        default=None,
        description="L2 norm of one unit's vector of group values, in the column's units; `auto` has it chosen from "
        "the data, whatever the policy declares.",
    )
    group_selection_strategy: Literal["PUBLIC_GROUPS", "THRESHOLD", "LAPLACE_THRESHOLD"] | None = None
    min_privacy_units_per_group: Whole | None = Field(
        default=None, description="Groups with fewer units, by their noised number, are left out: one more measure."
    )
    privacy_unit_column: Name | None = Field(default=None, description="Only a check: it has to be the policy's.")


class TargetBody(Strict):
    """A wanted accuracy in place of a price: the least price that gives it is taken."""

    error: Magnitude = Field(
        description="The half width of the interval that no row may exceed, in the column's own units.", examples=[50]
    )
    confidence: Confidence = Field(
        default=Fraction(95, 100), description="Of that interval; the answer shows 95% intervals whatever it is."
    )
    column: OutputName | None = Field(
        default=None, description="The output column; without it all whose error is known beforehand."
    )


class QueryBody(Strict):
    """One question: SQL, what may be paid for it, and how."""

    dataset: Name = Field(description="The dataset asked.", examples=["journey"])
    sql: Annotated[str, StringConstraints(min_length=1, max_length=SQL_BYTES_MAX), AfterValidator(_sql_fits)] = Field(
        description="One SELECT statement, at most 16 KiB.",
        examples=["SELECT week, SUM(amount) AS spend FROM purchases GROUP BY week"],
    )
    params: dict[ParameterName, Parameter] = Field(
        default_factory=dict,
        max_length=100,
        description="Values of `$name`, `:name` or `@name` in the SQL, and of each `?` by its number; lists after IN.",
        examples=[{"day": {"type": "DATE", "value": "2017-11-24"}, "stores": [3, 7]}],
    )
    epsilon: Price | None = Field(default=None, description="Price of the whole query; or give rho, or target.")
    rho: Price | None = Field(default=None, description="Price in zCDP's rho; or give epsilon, or target.")
    target: TargetBody | None = Field(default=None, description="A wanted accuracy; or give epsilon, or rho.")
    max_epsilon: Price | None = Field(default=None, description="Refuse the query if it would cost more.")
    dry_run: bool = Field(default=False, description="Only say what it would cost and how exact it would be: free.")
    reuse: Literal["prefer", "never"] = Field(
        default="prefer", description="Take a stored answer (free) where there is one."
    )
    purpose: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="A purpose that the policy names."
    )
    options: QueryOptions = Field(default_factory=QueryOptions)

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if sum(price is not None for price in (self.epsilon, self.rho, self.target)) > 1:
            raise ValueError("give one of epsilon, rho and target")
        return self

    def digest(self) -> str:
        """SHA-256, hex, of the canonical request: the same question written differently has the same digest."""
        document = self.model_dump(mode="json", exclude={"dry_run"}, exclude_none=True)  # so new members change nothing
        document["params"] = {name: [type(value).__name__, str(value)] for name, value in self.params.items()}
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def wanted(self) -> Target | None:
        """The accuracy that was asked for; the column's name in lower case, as the answer writes it."""
        if self.target is None:
            return None
        column = None if self.target.column is None else self.target.column.lower()
        return Target(self.target.error, self.target.confidence, column)

    def option_values(self) -> Mapping[str, object]:
        """The options that were given, numbers as exact fractions."""
        return given_options(self.options)


class AccuracyBody(Strict):
    """A statement whose accuracy is wanted, and the prices at which."""

    sql: Annotated[str, StringConstraints(min_length=1, max_length=SQL_BYTES_MAX), AfterValidator(_sql_fits)] = Field(
        description="One SELECT statement, at most 16 KiB.",
        examples=["SELECT week, SUM(amount) AS spend FROM purchases GROUP BY week"],
    )
    params: dict[ParameterName, Parameter] = Field(
        default_factory=dict, max_length=100, description="As in a query.", examples=[{"stores": [3, 7]}]
    )
    purpose: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="A purpose that the policy names."
    )
    options: QueryOptions = Field(default_factory=QueryOptions)
    epsilons: Annotated[list[Price], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: [Fraction(1, 10), Fraction(1, 2), Fraction(1), Fraction(2)],
        description="The prices to try, each of the whole query; they may be above what one query may take.",
    )
    draws: Annotated[int, Field(ge=1, le=50)] = Field(default=10, description="Answers drawn at each price.")
    wanted_relative_error: Probability = Field(
        default=Fraction(1, 10), description="The median relative error that is good enough."
    )

    def option_values(self) -> Mapping[str, object]:
        """The options that were given, numbers as exact fractions."""
        return given_options(self.options)


def given_options(options: QueryOptions) -> Mapping[str, object]:
    """The options that have a value."""
    names = (name for name in QueryOptions.model_fields if getattr(options, name) is not None)
    return {name: getattr(options, name) for name in names}


Reason = Annotated[str, StringConstraints(min_length=5, max_length=500, strip_whitespace=True)]


class BudgetChange(Strict):
    """A new cap of one account, that is in force or asked for."""

    epsilon: Price = Field(description="The new cap, at the dataset's conversion delta.")
    delta_for_thresholds: Annotated[Fraction, PlainValidator(_share), _as_text] | None = Field(
        default=None,
        description="The new cap of delta that thresholded keys may spend.",
        json_schema_extra={"type": "number"},
    )
    meter: Literal["lifetime", "day", "week", "month", "year", "block", "static"] = Field(
        default="lifetime", description="Of which meter: the lifetime's, or that of every window or block of a kind."
    )
    reason: Reason = Field(
        description="Why; it stands in the ledger forever.", examples=["Approved for the spring study"]
    )


UnitId = (
    Annotated[int, Field(ge=-_INT64, lt=_INT64)]
    | Annotated[str, StringConstraints(min_length=1, max_length=MOST_ID_CHARACTERS)]
)


class ExclusionBody(Strict):
    """Units to be left out of every later snapshot, or to be let in again."""

    units: Annotated[list[UnitId], Field(min_length=1, max_length=1_000)] = Field(
        description="Ids as the sources have them, letter by letter; they are kept as keyed pseudonyms only.",
        examples=[["4711", "4712"]],
    )
    level: Level = Field(
        default="all", description="Everything of the unit, or only the tables that the policy declares line items."
    )
    kind: Kind = Field(
        default="opt-out",
        description="`opt-out` can be taken back; rows of an `erasure` do not come back; `withdrawal` takes back.",
    )
    reason: Reason = Field(
        description="Why; it is kept forever, so it names no id.", examples=["Asked for at the service desk"]
    )


class DecisionBody(Strict):
    """What is decided of a proposal."""

    decision: Literal["approve", "decline", "withdraw"] = Field(description="Only who proposed it can withdraw it.")
    reason: Reason = Field(description="Why; it stands in the ledger forever.", examples=["As agreed in the board"])


class FreezeBody(Strict):
    """What is to be stopped."""

    dataset: Name | None = Field(description="The dataset, or null for all of them.")
    reason: Reason = Field(description="Why; it stands in the ledger forever.", examples=["A key may have leaked"])


PurposeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Role = Literal["analyst", "dashboard", "officer", "auditor", "admin"]
Owner = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,62}$")]


class KeyRequest(Strict):
    """A key to be made."""

    owner: Owner = Field(description="The person or program that will hold the key; budgets are kept by owner.")
    role: Role
    expires_in_days: Annotated[int, Field(ge=1, le=3_650)] | None = Field(
        default=None, description="Default: no expiry."
    )
    purposes: Annotated[list[PurposeName], Field(max_length=20)] = Field(
        default_factory=list, description="The purposes that queries with this key may have; default: any."
    )
