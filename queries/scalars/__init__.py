"""Scalar expressions of the statement, typed and made total: what `emit.py` can say, and nothing else.

Results are in a normal form (constants folded, conjuncts sorted, comparisons turned one way: `forms.py`), so that
spellings of one question become one plan. `functions.py` lists what there is; each kind has a module of its own.
"""

from __future__ import annotations

from queries.scalars.forms import conjunction, conjuncts, formed, is_present, selection, summed
from queries.scalars.functions import Resolver, UnitColumn, condition, scalar
from queries.scalars.literals import exact_type
from queries.scalars.operands import rescaled

__all__ = [
    "Resolver",
    "UnitColumn",
    "condition",
    "conjunction",
    "conjuncts",
    "exact_type",
    "formed",
    "is_present",
    "rescaled",
    "scalar",
    "selection",
    "summed",
]
