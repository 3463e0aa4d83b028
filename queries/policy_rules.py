"""What the entries of a policy must be to each other: every broken rule is one problem with the path of its entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from queries.policy_columns import Column, Table
from queries.policy_model import COUNTED, VALUES_OF, Budget, PersonBudget, Policy, SharedBudget
from queries.policy_yaml import Path

Problem = tuple[Path, str]

MONTHS_LIMIT = 1_200
WEIGHT_UNIT = 2**16  # a clipped contribution is a weight of at most 2^16 times an integer: see the overflow rule


def broken_rules(policy: Policy) -> Iterator[Problem]:
    """All rules between entries that the policy breaks."""
    for rule in _RULES:
        yield from rule(policy)


def _budget(policy: Policy) -> Iterator[Problem]:
    budget, query = policy.budget, policy.query
    if budget.delta_for_thresholds >= budget.delta:
        yield ("budget", "delta_for_thresholds"), "must be below budget.delta: the rest of it turns rho into epsilon"
    if query.max_epsilon > budget.epsilon:
        yield ("query", "max_epsilon"), "is above budget.epsilon"
    if query.default_epsilon > query.max_epsilon:
        yield ("query", "default_epsilon"), "is above query.max_epsilon"
    yield from _windows(("budget",), budget, budget.delta_for_thresholds)


def _windows(path: Path, owner: Budget | SharedBudget | PersonBudget, share: Fraction) -> Iterator[Problem]:
    """A window is a sub-limit: what it allows beyond the lifetime could never be spent."""
    for kind, limit in owner.windows.items():
        here: Path = (*path, "windows", kind)
        if limit.epsilon > owner.epsilon:
            yield (*here, "epsilon"), "is above the epsilon of the whole life"
        if limit.delta_for_thresholds is not None and limit.delta_for_thresholds > share:
            yield (*here, "delta_for_thresholds"), "is above delta_for_thresholds of the whole life"


def _purposes(policy: Policy) -> Iterator[Problem]:
    """Where purposes are declared, there are no others."""
    if not policy.purposes:
        return
    for index, group in enumerate(policy.sensitive):
        for position, purpose in enumerate(group.purposes):
            if purpose not in policy.purposes:
                yield ("sensitive", index, "purposes", position), f"'{purpose}' is not declared in purposes"


def _accounts(policy: Policy) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, shared in policy.accounts.items():
        path: Path = ("accounts", name)
        yield from _part(path, policy, shared)
        if shared.kind == "team" and shared.purpose is not None:
            yield (*path, "purpose"), "a team has no purpose; use kind: purpose"
        if shared.kind == "purpose" and shared.purpose is None:
            yield path, "kind purpose needs the purpose"
        if shared.purpose is None or shared.kind == "team":
            continue
        if shared.purpose not in policy.known_purposes():
            yield (*path, "purpose"), f"'{shared.purpose}' is not declared in purposes"
        if seen.setdefault(shared.purpose, name) != name:
            yield (*path, "purpose"), f"queries for it are paid from '{seen[shared.purpose]}' already"


def _persons(policy: Policy) -> Iterator[Problem]:
    for name, person in policy.persons.items():
        path: Path = ("persons", name)
        yield from _part(path, policy, person)
        team: str | None = None
        for position, account in enumerate(person.under):
            here: Path = (*path, "under", position)
            if account not in policy.accounts:
                yield here, f"there is no account '{account}' in accounts"
            elif account in person.under[:position]:
                yield here, f"'{account}' stands twice"
            elif policy.accounts[account].kind == "team":
                if team is not None:
                    yield here, f"a person is in one team at most, and '{team}' is one"
                team = team or account


def _part(path: Path, policy: Policy, part: SharedBudget | PersonBudget) -> Iterator[Problem]:
    """Parts of a budget may add up to more than it, but none may be above it."""
    if part.epsilon > policy.budget.epsilon:
        yield (*path, "epsilon"), "is above budget.epsilon"
    share = policy.budget.delta_for_thresholds
    if part.delta_for_thresholds is not None and part.delta_for_thresholds > share:
        yield (*path, "delta_for_thresholds"), "is above budget.delta_for_thresholds"
    yield from _windows(path, part, share if part.delta_for_thresholds is None else part.delta_for_thresholds)


def _reliability(policy: Policy) -> Iterator[Problem]:
    if policy.reliability.good > policy.reliability.fair:
        yield ("reliability", "good"), "is above reliability.fair"


def _tables(policy: Policy) -> Iterator[Problem]:
    if not any(table.is_private for table in policy.tables.values()):
        yield ("tables",), "at least one table must be private"
    for name, table in policy.tables.items():
        yield from _private_table(name, table) if table.is_private else _public_table(name, table)
        for column_name, column in table.columns.items():
            yield from _column(("tables", name, "columns", column_name), column)
    yield from _one_unit_type(policy)


def _private_table(name: str, table: Table) -> Iterator[Problem]:
    path: Path = ("tables", name)
    if table.key is not None:
        yield (*path, "key"), "only a public table has a key"
    if table.values is not None:
        yield (*path, "values"), "only a public table has its rows in the policy"
    if table.line_items and table.unique_per_unit:
        yield (*path, "line_items"), "a table with one row a unit holds no line items"
    if table.unit_column is None:
        yield path, "a private table needs unit_column"
        return
    unit = table.columns.get(table.unit_column)
    if unit is None:
        yield (*path, "unit_column"), f"there is no column '{table.unit_column}' in this table"
        return
    unit_path: Path = (*path, "columns", table.unit_column)
    if unit.type not in {"integer", "string"}:
        yield (*unit_path, "type"), "the unit column must be an integer or a string"
    for name_of, value in (("range", unit.range), ("domain", unit.domain), ("references", unit.references)):
        if value is not None:
            yield (*unit_path, name_of), f"the unit column has no {name_of}"
    if unit.nullable:
        yield (*unit_path, "nullable"), "the unit column is never NULL"
    if len(table.columns) == 1:
        yield (*path, "columns"), "needs a column beside the unit column"


def _public_table(name: str, table: Table) -> Iterator[Problem]:
    path: Path = ("tables", name)
    if table.unit_column is not None:
        yield (*path, "unit_column"), "a public table has no unit column"
    if table.unique_per_unit:
        yield (*path, "unique_per_unit"), "a public table has no unit column"
    if table.line_items:
        yield (*path, "line_items"), "only a private table holds line items of units"
    if table.key is None:
        return
    key = table.columns.get(table.key)
    if key is None:
        yield (*path, "key"), f"there is no column '{table.key}' in this table"
        return
    if key.nullable:
        yield (*path, "columns", table.key, "nullable"), "the key of a public table is never NULL"
    position = list(table.columns).index(table.key)
    seen: dict[object, int] = {}
    for index, row in enumerate(table.values or ()):
        if seen.setdefault(row[position], index) != index:
            yield (*path, "values", index), f"the key stands twice, first in row {seen[row[position]]}"


def _column(path: Path, column: Column) -> Iterator[Problem]:
    if column.scale and column.type != "decimal":
        yield (*path, "scale"), f"only a decimal column has a scale, the type here is {column.type}"
    if column.range is not None and column.domain is not None:
        yield (*path, "domain"), "declare a range or a domain, not both"


def _one_unit_type(policy: Policy) -> Iterator[Problem]:
    first: tuple[str, str] | None = None
    for name, table in policy.private_tables().items():
        unit = table.columns.get(table.unit_column or "")
        if unit is None:
            continue
        first = first or (name, unit.type)
        if unit.type != first[1]:
            path: Path = ("tables", name, "columns", table.unit_column or "", "type")
            yield path, f"the unit column has the type {first[1]} in table '{first[0]}'"


def _references(policy: Policy) -> Iterator[Problem]:
    for table_name, table in policy.tables.items():
        for name, column in table.columns.items():
            if column.references is None:
                continue
            path: Path = ("tables", table_name, "columns", name, "references")
            for message in _reference(policy, table, column):
                yield path, message


def _reference(policy: Policy, table: Table, column: Column) -> Iterator[str]:
    reference = column.references or ""
    target_name, _, key_name = reference.partition(".")
    target = policy.tables.get(target_name)
    if not table.is_private:
        yield "only a column of a private table refers to a public table"
    elif target is None:
        yield f"there is no table '{target_name}'"
    elif target.is_private:
        yield f"'{target_name}' is private: only a public table can be referred to"
    elif target.key != key_name:
        yield f"must refer to the key of '{target_name}', which is {target.key or 'not declared'}"
    elif key_name in target.columns and target.columns[key_name].type != column.type:
        yield f"'{reference}' has the type {target.columns[key_name].type}, and this column has {column.type}"
    if column.range is not None or column.domain is not None:
        yield "a reference has no range or domain of its own: the public table's rows are its values"


def _bounds(policy: Policy) -> Iterator[Problem]:
    seen: dict[tuple[str, frozenset[str] | None], int] = {}
    for index, bound in enumerate(policy.bounds):
        keys = None if bound.keys is None else frozenset(bound.keys)
        if seen.setdefault((bound.measure, keys), index) != index:
            yield ("bounds", index), f"the same measure and keys stand in bounds[{seen[bound.measure, keys]}]"
        counted = bound.measure.removeprefix(VALUES_OF)
        if counted != bound.measure and policy.column(counted) is None:
            yield ("bounds", index, "measure"), f"there is no column '{counted}'"
        elif counted == bound.measure not in COUNTED:
            yield from _measure(policy, index, bound.measure)
        for position, key in enumerate(bound.keys or ()):
            column = policy.column(key)
            path: Path = ("bounds", index, "keys", position)
            if column is None:
                yield path, f"there is no column '{key}'"
            elif policy.tables[key.partition(".")[0]].unit_column == key.partition(".")[2]:
                yield path, "the unit column is never a key"


def _measure(policy: Policy, index: int, measure: str) -> Iterator[Problem]:
    column = policy.column(measure)
    path: Path = ("bounds", index, "measure")
    if column is None:
        yield path, f"there is no column '{measure}'"
    elif not policy.tables[measure.partition(".")[0]].is_private:
        yield path, f"'{measure}' is public: a bound is for a column of a private table"
    elif column.type not in {"integer", "decimal"}:
        yield path, f"'{measure}' has the type {column.type}: only integers and decimals are summed"
    elif policy.tables[measure.partition(".")[0]].unit_column == measure.partition(".")[2]:
        yield path, "the unit column is not a measure"


def _overflow(policy: Policy) -> Iterator[Problem]:
    """Sums of clipped contributions stay within int64: max_units * bound in minor units * 2^16 < 2^63.

    Where a unit is an account in one month, there are as many for each of the `max_units` accounts as there are months.
    """
    units, what = policy.max_units, "max_units times this bound"
    if policy.calendar is not None:
        units, what = units * policy.calendar.count, "max_units times the number of months times this bound"
    for index, bound in enumerate(policy.bounds):
        column = policy.column(bound.measure)
        minor_units = column.minor_units if column else 1
        if units * bound.l2 * minor_units * WEIGHT_UNIT >= 2**63:
            yield ("bounds", index, "l2"), f"{what} does not fit in 64 bits; lower one of them"


def _retention(policy: Policy) -> Iterator[Problem]:
    path: Path = ("retention", "column")
    column = policy.column(policy.retention.column)
    if column is None:
        yield path, f"there is no column '{policy.retention.column}'"
        return
    if not policy.tables[policy.retention.column.partition(".")[0]].is_private:
        yield path, "must be a column of a private table"
    if column.type != "date":
        yield path, f"must be a date column, and its type is {column.type}"
    if column.nullable:
        yield path, "must not be nullable: the age of a row must be known"


def _blocks(policy: Policy) -> Iterator[Problem]:
    """A row's block is the month of its day: one that is there, and lies in a range that everybody knows."""
    yield from _lifetime(policy)
    for table_name, name in ({} if policy.blocks is None else policy.blocks.columns).items():
        path: Path = ("blocks", "columns", table_name)
        table = policy.tables.get(table_name)
        if table is None or not table.is_private:
            yield path, f"there is no private table '{table_name}'"
            continue
        if table.unique_per_unit:
            yield path, f"'{table_name}' is unique_per_unit: what a unit has once is of no month, leave the table out"
        yield from ((path, message) for message in _day(table_name, name, table.columns.get(name)))
    calendar = policy.calendar
    if calendar is not None and not 1 < calendar.count <= MONTHS_LIMIT:
        yield ("blocks",), f"the declared ranges span {calendar.count} months: at least 2 and at most {MONTHS_LIMIT:,}"
    if calendar is not None and policy.max_units * calendar.count >= 2**31:
        yield ("blocks",), "max_units times the number of months must be below 2^31; lower one of them"


def _lifetime(policy: Policy) -> Iterator[Problem]:
    """A limit of the lifetime beside that of blocks is a whole one, and no smaller than that of one block."""
    budget, path = policy.budget, ("budget", "lifetime_epsilon")
    if budget.lifetime_epsilon is None and budget.lifetime_delta is None:
        return
    if policy.blocks is None:
        yield path, "is for datasets with blocks: without them epsilon and delta are the lifetime's"
    elif budget.lifetime_epsilon is None or budget.lifetime_delta is None:
        yield path, "and lifetime_delta limit the lifetime together: state both, or neither"
    elif budget.lifetime_epsilon < budget.epsilon or budget.lifetime_delta < budget.delta:
        yield path, "and lifetime_delta must not be below epsilon and delta: these are one month's"


def _day(table: str, name: str, column: Column | None) -> Iterator[str]:
    if column is None:
        yield f"there is no column '{table}.{name}'"
    elif column.type != "date":
        yield f"must be a date column, and '{table}.{name}' has the type {column.type}"
    elif column.range is None:
        yield f"'{table}.{name}' needs a range: its months are the blocks"
    if column is not None and column.nullable:
        yield f"'{table}.{name}' must not be nullable: the month of a row must be known"


def _sensitive(policy: Policy) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for index, group in enumerate(policy.sensitive):
        path: Path = ("sensitive", index)
        if names.setdefault(group.name, index) != index:
            yield (*path, "name"), f"stands twice, first in sensitive[{names[group.name]}]"
        if group.table != policy.sensitive[0].table:
            yield (*path, "table"), "all sensitive groups must be of one public table"
        if group.rule == "allow_for" and not group.purposes:
            yield path, "rule allow_for needs purposes"
        if group.rule != "allow_for" and group.purposes:
            yield (*path, "purposes"), f"rule {group.rule} has no purposes; use allow_for"
        if group.rule == "coarsen" and group.parent is None:
            yield path, "rule coarsen needs parent"
        if group.rule == "deny" and group.parent is not None:
            yield (*path, "parent"), "rule deny has no parent"
        table = policy.tables.get(group.table)
        if table is None or table.is_private:
            yield (*path, "table"), f"there is no public table '{group.table}'"
        else:
            yield from _sensitive_columns(path, policy, index, table)
    yield from _sensitive_references(policy)


def _sensitive_columns(path: Path, policy: Policy, index: int, table: Table) -> Iterator[Problem]:
    group = policy.sensitive[index]
    column = table.columns.get(group.column)
    if column is None:
        yield (*path, "column"), f"there is no column '{group.table}.{group.column}'"
    elif column.type not in {"string", "integer"}:
        yield (*path, "column"), "must be a string or an integer column"
    else:
        expected = str if column.type == "string" else int
        for position, value in enumerate(group.values):
            if not isinstance(value, expected):
                yield (*path, "values", position), f"must be of the column's type: {column.type}"
            elif column.domain is not None and value not in column.domain:
                yield (*path, "values", position), f"is not in the domain of '{group.table}.{group.column}'"
    if table.key is None:
        yield (*path, "table"), f"'{group.table}' needs a key"
    if group.parent is None:
        return
    if group.parent not in table.columns:
        yield (*path, "parent"), f"there is no column '{group.table}.{group.parent}'"
        return
    if group.parent in {table.key, group.column}:
        yield (*path, "parent"), "must be coarser than the key and the column of the group"
        return
    yield from _stand_in(path, group.parent, table)


def _stand_in(path: Path, parent: str, table: Table) -> Iterator[Problem]:
    """A stand-in row has a negative key, its parent, and NULL elsewhere: the table must have room for it."""
    key = table.columns.get(table.key or "")
    if key is None:
        return
    if key.type != "integer" or key.stored_range is None or key.stored_range[0] < 0:
        yield (*path, "parent"), f"the key '{table.key}' must be an integer with a range from 0 or more"
    tight = [name for name, column in table.columns.items() if name not in {table.key, parent} and not column.nullable]
    if tight:
        yield (*path, "parent"), f"these columns must be nullable, a stand-in has no value there: {', '.join(tight)}"


def _sensitive_references(policy: Policy) -> Iterator[Problem]:
    guarded = {group.table for group in policy.sensitive}
    for table_name, table in policy.private_tables().items():
        referring = [n for n, c in table.columns.items() if (c.references or "").partition(".")[0] in guarded]
        for name in referring[1:]:
            path: Path = ("tables", table_name, "columns", name, "references")
            yield path, f"'{referring[0]}' refers to the same sensitive table; one column of a table may"


_RULES: tuple[Callable[[Policy], Iterator[Problem]], ...] = (
    *(_budget, _purposes, _accounts, _persons, _reliability, _tables, _references),
    *(_bounds, _overflow, _retention, _blocks, _sensitive),
)
