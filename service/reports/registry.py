"""The record of a dataset for the Privacy Deployments Registry, in YAML: one file a deployment."""

from __future__ import annotations

import io
from fractions import Fraction
from importlib.metadata import version
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString, SingleQuotedScalarString

from budgets.evidence.chain import ReadableLedger
from budgets.meters import BLOCK, LIFETIME
from queries.policy import Policy
from service.accounts import plain
from service.catalogue import CurrentSnapshot
from service.guarantees import Promise
from service.reports.transparency import asked
from service.settings import Settings

_TIER: Final = 3
_UNNAMED: Final = "The operator of this service"
_MECHANISMS: Final = (
    (
        "- Sums, counts and numbers of customers: discrete Gaussian noise on integers, after each unit's vector was "
        "scaled down to a bound on its L2 norm. Quantiles are read from noised counts of a tree. The most frequent "
        "keys, and bounds that nobody declared, are chosen by the exponential mechanism. Keys that are not public "
        "appear only where a noised number of units passes a threshold."
    ),
    "- Implementation: Kvitto {kvitto}, on OpenDP {opendp} (samplers and privacy maps) and DuckDB.",
    "- Timing: answers leave on a fixed time grid, which limits what response times tell; the proof leaves time out.",
    "- Floating point: no floating-point number touches private rows; amounts are integers from loading on.",
    "- Platform: exact figures exist only in a worker process of their own, which has no files, network or ledger.",
    "- Security: rows are encrypted at rest, and card numbers are replaced by keyed pseudonyms before they are stored.",
)
_COMPOSITION: Final = (
    "Every release spends a rho (zero-concentrated differential privacy), and some a delta. They add up over all "
    "people and time, and a release is admitted only while the sums stay within the budget: a filter that is valid "
    "for adaptively chosen queries (Whitehouse et al., arXiv:2203.05481). Epsilon: Proposition 7 of Canonne, "
    "Kamath and Steinke (arXiv:2004.00010)."
)
_ACTORS: Final = (
    "- The curator holds the data and runs the service. It is trusted to load the data as declared and to keep keys.",
    (
        "- Analysts ask questions and see noised figures only. They are not trusted, and may combine answers: the "
        "budget holds for all of them together."
    ),
    "- Officers set budgets; every change is recorded with a reason. Auditors read the whole record.",
    "- Everybody else sees what is published of the answers.",
)


def registry_yaml(settings: Settings, ledger: ReadableLedger, snapshot: CurrentSnapshot, evidence: str) -> str:
    """The record as YAML; `evidence` names the state of the ledger that it is about."""
    text = io.StringIO()
    writer = YAML()
    writer.width = 10**6
    writer.dump(_styled(registry_record(settings, ledger, snapshot, evidence)), text)
    return text.getvalue()


def registry_record(
    settings: Settings, ledger: ReadableLedger, snapshot: CurrentSnapshot, evidence: str
) -> dict[str, Any]:
    """The record as a document. The number of units is private and left out; the registry has no sector of retail."""
    policy = snapshot.policy
    first = min((record.at[:10] for record in asked(ledger, policy.dataset)), default=snapshot.created[:10])
    return {
        "url_slug": f"kvitto-{policy.dataset.replace('_', '-')}-{first[:4]}",
        "deployment": {
            "basic": _basic(settings, policy, first),
            "dp_variant": _variant(policy),
            "privacy_loss": _loss(policy, ledger),
            "deployment_model": _model(policy),
            "implementation": _implementation(),
            "administrative": {
                "evidence_sources": {
                    "transparency_report": {
                        "evidence_source_type": "Authorized organizational attestation",
                        "misc": {
                            "title": "Transparency report, and the signed ledger of all releases",
                            "note": evidence,
                        },
                    }
                },
                "status": "Draft",
                "registry_authors": [settings.publisher_name or _UNNAMED],
                "tier": _TIER,
            },
        },
    }


def _basic(settings: Settings, policy: Policy, first: str) -> dict[str, Any]:
    curator = {
        "data_curator_name": settings.publisher_name or _UNNAMED,
        "data_curator_type": settings.publisher_type,
    }
    return {
        "name": policy.title,
        "data_curators": [curator],
        "description": policy.description or f"Noised statistics on the dataset {policy.dataset}, on request.",
        "intended_use": "Statistics for analysts: counts, sums, means, quantiles and numbers of customers by group.",
        "data_product_type": "SQL queries",
        "data_product_region": settings.publisher_region or "Not stated",
        "publication_date": first,
    }


def _variant(policy: Policy) -> dict[str, Any]:
    tables = ", ".join(policy.private_tables())
    public = ", ".join(policy.public_tables()) or "none"
    return {
        "variant_name": "Zero-concentrated DP",
        "data_domain": f"All rows of the private tables ({tables}), with their columns as the policy declares them.",
        "unprotected_quantities": f"Tables that are declared public ({public}), the policy itself, and response times.",
    }


def _loss(policy: Policy, ledger: ReadableLedger) -> dict[str, Any]:
    meters = {balance.meter: balance for balance in ledger.meters(policy.dataset)}
    limit, spent = meters.get(BLOCK, meters[LIFETIME]).cap, meters[LIFETIME].spent
    promised, lost = Promise.of(limit, policy), Promise.of(spent, policy)
    months = BLOCK in meters
    rows, whose = ("its rows of one calendar month", "each month") if months else ("all its rows", "the whole life")
    return {
        "privacy_unit": f"{policy.unit.label}, in one calendar month" if months else policy.unit.label,
        "privacy_unit_details": f"Neighbouring datasets differ by one {policy.unit.name}, with {rows} in all "
        "private tables, added or removed. The number of units is not told: it is private itself.",
        "privacy_parameters": {
            "epsilon": float(promised.epsilon),
            "delta": float(promised.delta),
            "rho": float(Fraction(limit.rho_nano, 10**9)),
        },
        "privacy_parameters_details": f"The budget of all releases to all people together, for {whose}: "
        f"rho {plain(Fraction(limit.rho_nano, 10**9))}, or epsilon {promised.epsilon} at delta {promised.delta}. "
        f"So far one {policy.unit.name} with all its rows lost rho {plain(Fraction(spent.rho_nano, 10**9))} at most, "
        f"or epsilon {lost.epsilon} at delta {lost.delta}.",
    }


def _model(policy: Policy) -> dict[str, Any]:
    return {
        "model_name": "Central",
        "trust_assumptions": "The curator is trusted with the data. Who receives answers is not, whatever they know.",
        "actors": _lines(_ACTORS),
        "release_type": "Many releases",
        "release_type_details": "Questions are answered until the budget is used up. New versions of the data are "
        "charged to the same budget, and nothing refills it."
        + (" Rows of a new month have a budget of their own." if policy.blocks else ""),
        "data_source_type": "Static" if policy.retention.as_of is not None else "Dynamic",
        "data_source_type_details": f"Rows are kept for {policy.retention.days} days.",
        "access_type": "Interactive",
        "access_type_details": f"{len(policy.persons)} persons may ask, each within an own budget. That of "
        "the dataset holds for all of them together, so collusion gains nothing beyond it.",
    }


def _implementation() -> dict[str, Any]:
    return {
        "preprocessing_and_hyperparameter_tuning": "Loading clamps values to declared ranges, and leaves out rows "
        "beyond the retention and units that opted out. Bounds are declared without looking at the data, or chosen "
        "privately at a part of each release's price.",
        "mechanisms": _lines(_MECHANISMS).format(kvitto=version("kvitto"), opendp=version("opendp")),
        "composition": _COMPOSITION,
        "post_processing": "Ratios, sorting, filters, rounding and intervals are computed from noised figures.",
        "justification": "Gaussian noise on L2-bounded vectors is the least noise for many figures at once under "
        "zero-concentrated differential privacy. The tests attack neighbouring datasets and notice half of the noise.",
        "utility": "Each figure comes with a 95% interval for noise and clipping. Expected errors are told before a "
        "question is paid for.",
    }


def _lines(texts: tuple[str, ...]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _styled(value: Any) -> Any:  # noqa: ANN401  # any YAML value
    """Texts of several lines as blocks, and dates in quotes, so that YAML reads them as texts."""
    if isinstance(value, dict):
        return {name: _styled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_styled(member) for member in value]
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    if isinstance(value, str) and value[:4].isdigit():
        return SingleQuotedScalarString(value)
    return value
