"""The examples of the OpenAPI document: one request and one response a call, as the demo dataset would give them."""

from __future__ import annotations

from typing import Any, Final

_SQL: Final = (
    "SELECT department, SUM(amount) AS spend FROM purchases JOIN products USING (product_id) "
    "GROUP BY department ORDER BY spend DESC LIMIT 3"
)
_COST: Final = {"epsilon": "0.1", "delta": "0", "rho": "0.000173228"}
_DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

QUERY: Final[dict[str, Any]] = {"dataset": "journey", "sql": _SQL, "epsilon": "0.1"}
RECEIPT: Final[dict[str, Any]] = {
    "account": "journey/person/analyst",
    "answer_sha256": _DIGEST,
    "charged": {"epsilon": "0.1", "delta": "0", "rho": "0.000173228"},
    "dataset": "journey",
    "guarantee": {"unit": "household", "neighbours": "add-or-remove-one", "epsilon": "10", "delta": "0.000001"},
    "issued_at": "2026-11-23T08:21:07.123456Z",
    "ledger": {"entry": "begun", "seq": 11, "hash": _DIGEST},
    "purpose": None,
    "query_id": "q_01kaqv9d3m2w8xk4",
    "releases": [
        {
            "digest": _DIGEST,
            "stored": False,
            "reads": ["products", "purchases"],
            "keys": "public",
            "key_sources": ["values of department in the public table products"],
            "groups": 32,
            "mechanism": "discrete Gaussian on L2-clipped sums",
            "noise": {
                "distribution": "discrete Gaussian",
                "scales": ["3263323648.1"],
                "unit": "smallest unit / 65536",
            },
            "rho": "0.000173228",
            "delta": "0",
            "measures": [
                {
                    "kind": "sum",
                    "columns": ["spend"],
                    "l2_bound": "926.819",
                    "standard_error": 497947.3,
                    "largest_standard_error": 497947.3,
                    "interval_half_width": 975958.8,
                }
            ],
            "released_by": {"query_id": "q_01kaqv9d3m2w8xk4", "rho": "0.000173228", "seq": 11, "hash": _DIGEST},
            "table_sha256": _DIGEST,
        }
    ],
    "snapshot": "20261123T081500Z-5f2c",
    "software": {"kvitto": "0.1.0", "opendp": "0.16.0", "duckdb": "1.5.5"},
    "sql": _SQL,
    "type": "kvitto-receipt-1",
}
_SIGNATURE: Final = {"algorithm": "Ed25519", "key": "56475aa75463474c", "value": "A" * 86 + "=="}
SEALED_RECEIPT: Final[dict[str, Any]] = {"receipt": RECEIPT, "signature": _SIGNATURE}
ANSWER: Final[dict[str, Any]] = {
    "id": "q_01kaqv9d3m2w8xk4",
    "status": "done",
    "cost": {**_COST, "reused_from": None},
    "guarantee": {"unit": "household", "neighbours": "add-or-remove-one", "epsilon": "0.1", "delta": "0.0000008"},
    "columns": [
        {"name": "department", "type": "VARCHAR", "role": "dimension"},
        {"name": "spend", "type": "DECIMAL(19,2)", "role": "estimate", "confidence": 0.95},
        {"name": "spend_lower", "type": "DOUBLE", "role": "lower", "of": "spend"},
        {"name": "spend_upper", "type": "DOUBLE", "role": "upper", "of": "spend"},
        {"name": "spend_standard_error", "type": "DOUBLE", "role": "standard_error", "of": "spend"},
        {"name": "spend_clipping_lower", "type": "DOUBLE", "role": "clipping_lower", "of": "spend"},
        {"name": "spend_clipping_upper", "type": "DOUBLE", "role": "clipping_upper", "of": "spend"},
        {"name": "spend_display", "type": "DECIMAL(19,2)", "role": "display", "of": "spend"},
        {"name": "spend_reliability", "type": "VARCHAR", "role": "reliability", "of": "spend"},
    ],
    "rows": [
        {
            "department": "GROCERY",
            "spend": 2316394.2,
            "spend_lower": 2231898.2,
            "spend_upper": 2421990.2,
            "spend_standard_error": 43111.0,
            "spend_clipping_lower": 0.0,
            "spend_clipping_upper": 21100.0,
            "spend_display": 2320000.0,
            "spend_reliability": "good",
        }
    ],
    "notices": [],
    "receipt": RECEIPT,
    "signature": _SIGNATURE,
}
NOTICE: Final[dict[str, Any]] = {
    "code": "bound-too-high",
    "columns": ["spend"],
    "kind": "sum",
    "text": "An earlier release of this question chose about 612 from the data: the bound of spend, 4,000 "
    "(stated), is 6.54 times higher, and so is the noise. With "
    '"auto" in its place it is chosen from the data, at 20% of its price.',
    "l2_bound": "4000",
    "bound_source": "stated",
    "expected_l2_bound": 612.033,
    "factor": 6.53559,
    "clipped_share": None,
    "noise_share": None,
    "query": "q_01kaqt3x5n8r1bzz",
    "choice_share": 0.2,
    "options": None,
}

QUOTE: Final[dict[str, Any]] = {
    "status": "quote",
    "dataset": "journey",
    "snapshot": "20261123T081500Z-5f2c",
    "cost": {"epsilon": "0.684408", "delta": "0", "rho": "0.01173258", "reused_from": None},
    "charges": None,
    "target": {"error": "50000", "confidence": "0.95", "column": "spend", "interval_half_width": 49999.9992567},
    "affordable": True,
    "remaining": {"epsilon": "7.970863", "delta": "0.0000002", "rho": "1.031316551"},
    "repeats": 87,
    "stored": {"complete": False, "queries": []},
    "columns": [
        {
            "name": "department",
            "type": "VARCHAR",
            "role": "dimension",
            "confidence": None,
            "standard_error": None,
            "interval_half_width": None,
            "largest_interval_half_width": None,
            "unknown": None,
        },
        {
            "name": "spend",
            "type": "DECIMAL(19,2)",
            "role": "estimate",
            "confidence": 0.95,
            "standard_error": 6377.66825115,
            "interval_half_width": 12500.0000776,
            "largest_interval_half_width": 49999.9992567,
            "unknown": None,
        },
    ],
    "releases": [
        {
            "digest": "06e2a64bdf1863d689a78d230d15792f305e59898152db32c18e79d449c4608c",
            "stored": False,
            "keys": "public",
            "key_sources": [{"columns": ["department"], "source": "values of department in the public table products"}],
            "groups": 32,
            "max_groups_contributed": None,
            "threshold": None,
            "nodes_per_group": None,
            "months": None,
            "mechanism": "discrete Gaussian on L2-clipped sums",
            "rho": "0.01173258",
            "delta": "0",
            "measures": [
                {
                    "kind": "sum",
                    "columns": ["spend"],
                    "l2_bound": "926.819",
                    "bound_source": "chosen at an earlier release, used again at no price",
                    "standard_error": 6377.66825115,
                    "largest_standard_error": 25510.672467,
                    "interval_half_width": 12500.0000776,
                    "clipping": {
                        "possible": True,
                        "explanation": "The bound is chosen so that noise and clipping balance: about 77 households "
                        "are scaled down, and at most a quarter.",
                    },
                    "node_standard_error": None,
                }
            ],
        }
    ],
    "notices": [],
    "prices": [
        {"epsilon": "0.473419", "rho": "0.00586629", "interval_half_widths": {"spend": 17677.6696394}},
        {"epsilon": "0.684408", "rho": "0.01173258", "interval_half_widths": {"spend": 12500.0000776}},
        {"epsilon": "0.990644", "rho": "0.02346516", "interval_half_widths": {"spend": 8838.8348197}},
        {"epsilon": "1.436686", "rho": "0.04693032", "interval_half_widths": {"spend": 6250.0000388}},
    ],
}
ACCURACY_REQUEST: Final[dict[str, Any]] = {
    "sql": "SELECT week, COUNT(DISTINCT household_id) AS households FROM purchases GROUP BY week",
    "epsilons": ["0.5"],
}
ACCURACY: Final[dict[str, Any]] = {
    "status": "accuracy",
    "dataset": "journey",
    "simulated_on": {
        "kind": "public",
        "description": "the dataset's own rows, which its policy declares public: the research data "
        "'The Complete Journey', published by 84.51°",
        "units": None,
    },
    "bounds": [{"columns": ["households"], "kind": "units", "l2_bound": "8", "bound_source": "a unit in 53 groups"}],
    "prices": [
        {
            "epsilon": "0.5",
            "rho": "0.006501683",
            "delta": "0",
            "repeats": 233,
            "draws": 10,
            "rows": 53.0,
            "released_share": 1.0,
            "matched_share": 1.0,
            "columns": [
                {
                    "name": "households",
                    "rmse": 69.82,
                    "relative_error_median": 0.03581,
                    "relative_error_p90": 0.08977,
                    "coverage": 0.9566,
                    "half_width_within_10_percent": 0.2849,
                    "half_width_within_30_percent": 0.9811,
                    "clipping_share": 0.00294,
                }
            ],
        }
    ],
    "recommended": {"wanted_relative_error": "0.1", "epsilon": "0.5"},
}
EXCLUSION: Final[dict[str, Any]] = {
    "units": ["4711", "4712"],
    "level": "all",
    "kind": "opt-out",
    "reason": "Asked for at the service desk",
}
RECORDED: Final[dict[str, Any]] = {"dataset": "journey", "level": "all", "kind": "opt-out", "status": "recorded"}
HISTORY_ITEM: Final[dict[str, Any]] = {
    "id": "q_01kaqv9d3m2w8xk4",
    "dataset": "journey",
    "owner": "analyst",
    "account": "journey/person/analyst",
    "at": "2026-11-23T08:21:07.123456Z",
    "state": "settled",
    "reused": False,
    "charged": True,
    "cost": {**_COST, "reused_from": None},
    "sql": _SQL,
    "purpose": None,
    "snapshot": "20261123T081500Z-5f2c",
}
HISTORY: Final[dict[str, Any]] = {"items": [HISTORY_ITEM], "next": None}
BUDGET: Final[dict[str, Any]] = {
    "id": "journey/person/analyst",
    "dataset": "journey",
    "kind": "person",
    "parent": "journey",
    "owner": "analyst",
    "conversion_delta": "0.0000008",
    "cap": {"epsilon": "8", "delta": "0.0000002", "rho": "0.790512348"},
    "spent": _COST,
    "remaining": {"epsilon": "7.99901", "delta": "0.0000002", "rho": "0.79033912"},
    "guarantee": "All that is released to analyst within this cap is (8, 0.000001)-differentially private for one "
    "household with all its rows (neighbours: add or remove one).",
    "meters": [
        {
            "meter": "lifetime",
            "kind": "lifetime",
            "since": None,
            "until": None,
            "cap": {"epsilon": "8", "delta": "0.0000002", "rho": "0.790512348"},
            "spent": _COST,
            "remaining": {"epsilon": "7.99901", "delta": "0.0000002", "rho": "0.79033912"},
        },
        {
            "meter": "month:2026-11",
            "kind": "month",
            "since": "2026-11-01T00:00:00Z",
            "until": "2026-12-01T00:00:00Z",
            "cap": {"epsilon": "2", "delta": "0.0000002", "rho": "0.062491203"},
            "spent": _COST,
            "remaining": {"epsilon": "1.99715", "delta": "0.0000002", "rho": "0.062317975"},
        },
    ],
    "forecast": {
        "pace": {"rho_per_day": "0.000086614", "delta_per_day": "0", "days": 2},
        "cap_reached_on": "2051-11-24",
        "words": "At the pace of the last 2 days, the cap is reached on 2051-11-24.",
    },
    "about_queries_left": 359,
}
BUDGETS: Final[dict[str, Any]] = {"items": [BUDGET], "next": None}
BUDGET_CHANGE: Final[dict[str, Any]] = {"epsilon": "6", "reason": "The spring study is over"}
BUDGET_REQUEST: Final[dict[str, Any]] = {"epsilon": "9", "reason": "The study needs one more figure"}
PROPOSAL: Final[dict[str, Any]] = {
    "id": "p_5f0c9a4e1b7d2c38",
    "url": "/v1/approvals/p_5f0c9a4e1b7d2c38",
    "dataset": "journey",
    "kind": "cap",
    "words": "The cap of journey/person/analyst (lifetime) becomes epsilon 9, delta 0.0000002.",
    "change": {
        "kind": "cap",
        "account_id": "journey/person/analyst",
        "meter": "lifetime",
        "cap": {"rho_nano": 978123456, "delta_atto": 200000000000},
    },
    "proposer": "officer",
    "reason": "Approved for the spring study",
    "at": "2026-11-23T08:21:07.123456Z",
    "state": "waiting",
    "approvals_needed": 1,
    "decisions": [
        {
            "decision": "approved",
            "by": "officer",
            "at": "2026-11-23T08:21:07.123456Z",
            "reason": "Approved for the spring study",
        }
    ],
}
REQUESTED: Final[dict[str, Any]] = {
    **PROPOSAL,
    "proposer": "analyst",
    "reason": "The study needs one more figure",
    "approvals_needed": 2,
    "decisions": [],
}
PROPOSALS: Final[dict[str, Any]] = {"items": [PROPOSAL], "next": None}
DECISION: Final[dict[str, Any]] = {"decision": "approve", "reason": "As agreed in the board"}
MADE: Final[dict[str, Any]] = {
    **PROPOSAL,
    "state": "made",
    "approvals_needed": 0,
    "decisions": [
        *PROPOSAL["decisions"],
        {
            "decision": "approved",
            "by": "officer2",
            "at": "2026-11-23T09:00:00.000000Z",
            "reason": "As agreed in the board",
        },
        {
            "decision": "made",
            "by": "officer2",
            "at": "2026-11-23T09:00:00.000000Z",
            "reason": "Approved for the spring study",
        },
    ],
}
FREEZE_REQUEST: Final[dict[str, Any]] = {"dataset": "journey", "reason": "A key may have leaked"}
FREEZE: Final[dict[str, Any]] = {"everything": False, "datasets": ["journey"]}
DATASETS: Final[dict[str, Any]] = {
    "items": [
        {
            "name": "journey",
            "title": "Complete Journey: purchases of 2,469 households",
            "unit": "household",
            "snapshot": "20261123T081500Z-5f2c",
            "frozen": False,
        }
    ],
    "next": None,
}
DATASET: Final[dict[str, Any]] = {
    "name": "journey",
    "title": "Complete Journey: purchases of 2,469 households",
    "description": None,
    "unit": {"name": "household", "label": "household"},
    "budget": {"epsilon": "10", "delta": "0.000001", "delta_for_thresholds": "0.0000002", "windows": {}},
    "query": {"default_epsilon": "0.1", "max_epsilon": "2"},
    "purposes": {},
    "tables": {
        "purchases": {
            "visibility": "private",
            "unit_column": "household_id",
            "columns": {"amount": {"type": "decimal", "scale": 2, "range": ["0.00", "1000.00"]}},
        }
    },
    "bounds": [{"measure": "values purchases.basket_id", "l2": "100", "keys": []}],
    "retention": {"days": 1000, "column": "purchases.day", "as_of": "2018-01-01"},
    "blocks": None,
    "sensitive": [],
    "public_rows": {"source": "the research data 'The Complete Journey', published by 84.51°"},
    "reliability": {"good": "0.1", "fair": "0.3"},
    "snapshot": {"id": "20261123T081500Z-5f2c", "created": "2026-11-23T08:15:00Z"},
    "frozen": False,
    "waiting": None,
}
KEY_REQUEST: Final[dict[str, Any]] = {
    "owner": "maria",
    "role": "analyst",
    "expires_in_days": 90,
    "purposes": ["assortment"],
}
KEY: Final[dict[str, Any]] = {
    "id": "k3v9x1q8m2ab",
    "owner": "maria",
    "role": "analyst",
    "created": "2026-11-23T08:21:07.123456Z",
    "expires": "2027-02-21T08:21:07.123456Z",
    "revoked": None,
    "purposes": ["assortment"],
}
NEW_KEY: Final[dict[str, Any]] = {**KEY, "key": "kvitto_k3v9x1q8m2ab_(43 characters, shown this once)"}
KEYS: Final[dict[str, Any]] = {"items": [KEY], "next": None}
ME: Final[dict[str, Any]] = {"owner": "analyst", "role": "analyst", "purposes": [], "budgets": [BUDGET]}
HEAD: Final[dict[str, Any]] = {"seq": 12, "hash": _DIGEST}
ENTRIES: Final[dict[str, Any]] = {
    "items": [
        {
            "seq": 12,
            "at": "2026-11-23T08:21:07.123456Z",
            "kind": "settled",
            "actor": "analyst",
            "payload": {"reservation": "q_01kaqv9d3m2w8xk4"},
            "prev_hash": _DIGEST,
            "hash": _DIGEST,
        }
    ],
    "next": None,
}
_PRIVACY: Final = {"epsilon": "10", "delta": "0.0000002", "rho": "1.519040221"}
TRANSPARENCY: Final[dict[str, Any]] = {
    "title": "What is asked about our customers, and what is told",
    "made_at": "2026-11-23T08:21:07Z",
    "publisher": {"name": "The Shop", "region": "Sweden", "contact": "privacy@shop.example"},
    "datasets": [
        {
            "dataset": "journey",
            "title": "Complete Journey: purchases of 2,469 households",
            "description": None,
            "unit": "household",
            "recorded": [{"table": "purchases", "columns": ["household_id", "product_id", "day", "amount"]}],
            "public_tables": ["products"],
            "public_rows": None,
            "persons": 2,
            "spent": {"loss": _COST, "right_percent": "50.4"},
            "cap": {"loss": _PRIVACY, "right_percent": "80.9"},
            "spent_percent": "0.1",
            "blocks": None,
            "released": {
                "questions": 1,
                "free_repeats": 0,
                "first_day": "2026-11-23",
                "last_day": "2026-11-23",
                "by_purpose": [{"purpose": None, "questions": 1}],
            },
            "changes": [
                {
                    "day": "2026-11-23",
                    "what": "Budget of everybody together opened: now ε = 10",
                    "reason": "declared in the policy",
                }
            ],
            "sensitive": [{"label": "Alcohol", "rule": "left out of every answer"}],
            "retention": "Rows whose purchases.day lies more than 1,000 days before the load are left out whenever the "
            "data are loaded, and so are customers who have no other row.",
            "opting_out": "Ask privacy@shop.example.",
        }
    ],
    "not_told": ["How many questions were refused: a refusal leaves no record, and depends on the question alone."],
    "evidence": {"entries": 12, "root_hash": _DIGEST, "ledger_head": _DIGEST, "key": "56475aa75463474c"},
}
READINESS: Final[dict[str, Any]] = {"status": "ok", "anchor": {"entries": 0, "seconds": 0}}
_ENTRY: Final = ENTRIES["items"][0]
TREE_HEAD: Final[dict[str, Any]] = {
    "head": {
        "ledger_head": _DIGEST,
        "root_hash": _DIGEST,
        "timestamp": "2026-11-23T08:21:09.123456Z",
        "tree_size": 12,
        "type": "kvitto-tree-head-1",
    },
    "signature": _SIGNATURE,
}
CHARGE_PROOF: Final[dict[str, Any]] = {
    "seq": 12,
    "hash": _DIGEST,
    "leaf_index": 11,
    "leaf_hash": _DIGEST,
    "audit_path": [_DIGEST, _DIGEST],
    "tree_head": TREE_HEAD,
}
PROOF: Final[dict[str, Any]] = {**CHARGE_PROOF, "entry": _ENTRY}
CONSISTENCY: Final[dict[str, Any]] = {"first": 8, "second": 12, "proof": [_DIGEST], "tree_head": TREE_HEAD}
_PUBLIC_KEY: Final = "O2onvM62pC1imaM6q7Oe2o2hfDfHvKNpw6fVdwNrTig="
AUDIT_KEY: Final[dict[str, Any]] = {
    "key": "56475aa75463474c",
    "algorithm": "Ed25519",
    "public_key": _PUBLIC_KEY,
    "pem": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA…\n-----END PUBLIC KEY-----\n",
    "keys": [
        {
            "key": "56475aa75463474c",
            "public_key": _PUBLIC_KEY,
            "made_at": "2026-11-23T08:00:00.123456Z",
            "until_seq": None,
            "endorsement": None,
        }
    ],
}


def content(example: object, media_type: str = "application/json") -> dict[str, Any]:
    """The OpenAPI content that shows `example`."""
    return {media_type: {"example": example}}


def body(schema: str, example: object) -> dict[str, Any]:
    """The OpenAPI request body of the model named `schema`, with an example."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
