"""Scalar expressions of the statement, typed and made total: what `emit.py` can say, and nothing else.

Results are in a normal form (constants folded, conjuncts sorted, comparisons turned one way), so that spellings of one
question become one plan. `functions.py` lists what there is; each kind of function has a module of its own.
"""

from __future__ import annotations

from queries.scalars.functions import Resolver, UnitColumn, condition, scalar
from queries.scalars.literals import exact_type
from queries.scalars.logic import conjunction, conjuncts
from queries.scalars.operands import rescaled

__all__ = [
    "Resolver",
    "UnitColumn",
    "condition",
    "conjunction",
    "conjuncts",
    "exact_type",
    "rescaled",
    "scalar",
]
