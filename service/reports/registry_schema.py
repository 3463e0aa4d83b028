"""The fields of a record of the Privacy Deployments Registry, and the check of a record against them.

The registry is that of OpenDP and others, after the "epsilon registry" of Dwork, Kohli and Mulligan (Differential
privacy in practice: expose your epsilons, 2019). The facts are those of schemas/deployments-schema.yaml of
github.com/opendp/deployments-registry-data at commit 057e5d81cf60150dd3307e0cf4504b957802fb3b: names, which of them are
required, types and enumerations. A record holds no other members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Field:
    """A value: its types, and where there is an enumeration its values."""

    types: tuple[type, ...] = (str,)
    values: tuple[object, ...] = ()
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A mapping with these members and no other; `listed` is a list of such, `named` one under names of one's own."""

    members: Mapping[str, Field | Group]
    required: frozenset[str] = frozenset()
    is_listed: bool = False
    is_named: bool = field(default=False)


TEXT: Final = Field()
NUMBER: Final = Field((int, float))
TEXTS: Final = Field((list,))


def _texts(*names: str) -> dict[str, Field | Group]:
    return dict.fromkeys(names, TEXT)


_CURATORS: Final = Group(
    {"data_curator_name": TEXT, "data_curator_type": Field(values=("Government", "Industry", "Nonprofit"))},
    frozenset({"data_curator_name", "data_curator_type"}),
    is_listed=True,
)
_PRODUCT_TYPES: Final = (
    "Summary statistics",
    "Machine learning model",
    "Dataset",
    "Synthetic data",
    "Interactive API",
    "SQL queries",
)
_SECTORS: Final = ("Technology", "Healthcare", "Education", "Government", "Energy", "Finance")
_BASIC: Final = Group(
    {
        **_texts("name", "description", "intended_use", "data_product_region"),
        "data_curators": _CURATORS,
        "data_product_type": Field(values=_PRODUCT_TYPES),
        "data_product_sector": Field(values=_SECTORS),
        "publication_date": Field(is_date=True),
    },
    frozenset({"name", "data_curators", "description", "intended_use", "data_product_type"})
    | {"data_product_region", "publication_date"},
)
_VARIANTS: Final = ("Pure DP", "Approximate DP", "Zero-concentrated DP", "Renyi DP", "Custom")
_VARIANT: Final = Group(
    {"variant_name": Field(values=_VARIANTS), **_texts("data_domain", "unprotected_quantities")},
)
_LOSS: Final = Group(
    {
        **_texts("privacy_unit", "privacy_unit_details", "privacy_parameters_details"),
        "number_of_privacy_units": Field((int,)),
        "privacy_parameters": Group({"epsilon": NUMBER, "delta": Field((int, float, str)), "rho": NUMBER}),
    }
)
_MODEL: Final = Group(
    {
        **_texts("model_name_details", "trust_assumptions", "actors", "release_type_details"),
        **_texts("data_source_type_details", "access_type_details"),
        "model_name": Field(values=("Local", "Central", "Shuffle", "Federated", "Varies")),
        "release_type": Field(values=("One release", "Many releases")),
        "data_source_type": Field(values=("Static", "Dynamic")),
        "access_type": Field(values=("Interactive", "Non-interactive")),
    }
)
_IMPLEMENTATION: Final = Group(
    _texts("preprocessing_and_hyperparameter_tuning", "mechanisms", "composition", "post_processing", "justification")
    | _texts("utility", "additional_information")
)
_SOURCE_TYPES: Final = (
    "Peer-reviewed publication",
    "Formal publication by the deploying organization",
    "Authorized organizational attestation",
    "Other public source",
)
# Of the kinds of BibTeX entries only the one that is written here.
_SOURCES: Final = Group(
    {
        "evidence_source_type": Field(values=_SOURCE_TYPES),
        "misc": Group(_texts("title", "note", "howpublished", "url")),
    },
    is_named=True,
)
_STATUSES: Final = (
    "Converted",
    "Draft",
    "Pending",
    "Changes Required",
    "Approved",
    "Approved (Update Requested)",
    "Approved (Pending)",
)
_ADMINISTRATIVE: Final = Group(
    {
        "evidence_sources": _SOURCES,
        "status": Field(values=_STATUSES),
        "registry_authors": TEXTS,
        "tier": Field((int,), (1, 2, 3)),
    },
    frozenset({"status", "registry_authors", "tier"}),
)
RECORD: Final = Group(
    {
        "url_slug": TEXT,
        "deployment": Group(
            {
                "basic": _BASIC,
                "dp_variant": _VARIANT,
                "privacy_loss": _LOSS,
                "deployment_model": _MODEL,
                "implementation": _IMPLEMENTATION,
                "administrative": _ADMINISTRATIVE,
            },
            frozenset({"basic", "administrative"}),
        ),
    },
    frozenset({"url_slug", "deployment"}),
)


def mistakes(record: object) -> list[str]:
    """What the registry would not take of a record, each with its place."""
    return list(_mistakes(record, RECORD, ""))


def places(shape: Group = RECORD, place: str = "") -> Iterator[str]:
    """The places of all fields, such as `deployment/basic/name`; names of one's own as `*`."""
    for name, member in shape.members.items():
        own = f"{place}/*/{name}" if shape.is_named else f"{place}/{name}"
        if isinstance(member, Group):
            yield from places(member, own)
        else:
            yield own.removeprefix("/")


def _mistakes(value: Any, shape: Field | Group, place: str) -> Iterator[str]:  # noqa: ANN401  # whatever YAML gave
    if isinstance(shape, Field):
        yield from _of_field(value, shape, place)
        return
    kind = list if shape.is_listed else dict
    if not isinstance(value, kind) or not value:
        yield f"{place or '/'} must be a {'list' if shape.is_listed else 'mapping'} with members"
        return
    if isinstance(value, list):
        each = Group(shape.members, shape.required)
        for number, item in enumerate(value):
            yield from _mistakes(item, each, f"{place}/{number}")
        return
    if shape.is_named:
        each = Group(shape.members, shape.required)
        for name, item in value.items():
            if not _WORD.fullmatch(str(name)):
                yield f"{place}/{name} is no name"
            yield from _mistakes(item, each, f"{place}/{name}")
        return
    yield from (f"{place}/{name} is missing" for name in sorted(shape.required - set(value)))
    for name, member in value.items():
        if name in shape.members:
            yield from _mistakes(member, shape.members[name], f"{place}/{name}")
        else:
            yield f"{place}/{name} is not a field of the registry"


def _of_field(value: Any, shape: Field, place: str) -> Iterator[str]:  # noqa: ANN401  # whatever YAML gave
    if not isinstance(value, shape.types) or isinstance(value, bool):
        yield f"{place} is of another type"
    elif shape.values and value not in shape.values:
        yield f"{place} is not one of {', '.join(map(str, shape.values))}"
    elif isinstance(value, list) and not (value and all(isinstance(item, str) for item in value)):
        yield f"{place} must be a list of texts"
    elif shape.is_date and not _is_date(str(value)):
        yield f"{place} is not a date as YYYY-MM-DD"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
