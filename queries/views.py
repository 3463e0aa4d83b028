"""Views: select-project-join relations under construction, and how FROM items are put together into one.

A view knows its columns by the statement's names. The unit of a private view is not a column of its relation; it has
the name that the statement gives it, and stands for nothing but itself (`UnitColumn`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations, product

from sqlglot import exp

from queries.function_names import Function
from queries.months import is_of_one_month
from queries.parse import refusal
from queries.plan import BOOLEAN, INTEGER, Call, Column, Derived, Expression, Join, Relation, Source
from queries.scalars import UnitColumn, condition, conjunction, conjuncts, formed, scalar, selection
from queries.schema import Schema

Named = dict[str, "Expression | UnitColumn"]
EXPANSIONS_LIMIT = 500
_ORDERS_LIMIT = 6  # of tables that are alike
_MONTHS_HINT = (
    "Equate the months as well: AND DATE_TRUNC('month', a.{day}) = DATE_TRUNC('month', b.{day}). Or restrict each side "
    "to one month in WHERE."
)
_DATED_FIRST_HINT = "Begin with the table that has days: FROM the dated table JOIN the other."
_UNIT_HINT = "Join private tables on the unit: ON a.{unit} = b.{unit}."


@dataclass(frozen=True, slots=True)
class View:
    """A relation and its named columns."""

    relation: Relation
    columns: Named

    @property
    def private(self) -> bool:
        return self.relation.private


@dataclass(slots=True)
class Item:
    """One FROM item inside a scope: its alias and its columns, as expressions over the scope's sources."""

    alias: str
    columns: Named
    private: bool
    outer: bool = False  # on the right of a left join, so that its unit may be NULL


@dataclass(slots=True)
class Scope:
    """The FROM items so far, as one relation under construction. Start it with `add`, end it with `relation`."""

    items: list[Item] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    where: list[Expression] = field(default_factory=list)
    joined: dict[int, int] = field(default_factory=dict)  # item -> an item whose unit it is joined to (union-find)
    expansions: int = 0  # aliases that were written out
    marks: dict[str, Expression] = field(default_factory=dict)  # by a name that no table has: whether a row was found

    def add(self, alias: str, view: View, node: exp.Expr) -> Item:
        """Append an inner item; its join conditions follow through `restrict`."""
        if any(item.alias == alias for item in self.items):
            raise refusal("duplicate-alias", f"Two tables are called {alias} here.", node, hint="Give one an alias.")
        offset = len(self.sources)
        for index, source in enumerate(view.relation.sources):
            self.sources.append(source)
            if offset + index:
                inner = view.relation.joins[index - 1] if index else Join(source)
                self.joins.append(Join(source, tuple(shifted(on, offset) for on in inner.on), inner.left))
        self.where.extend(shifted(part, offset) for part in view.relation.where)
        return self._item(alias, view, {name: _shifted(value, offset) for name, value in view.columns.items()})

    def add_outer(self, alias: str, view: View, join: exp.Join) -> None:
        """Append the right side of a left join, ON condition included."""
        index = len(self.sources)
        plain = len(view.relation.sources) == 1
        if plain:
            source, columns = view.relation.first, {n: _shifted(v, index) for n, v in view.columns.items()}
        else:
            source, places = derived(view)
            columns = {n: v for n, v in view.columns.items() if isinstance(v, UnitColumn)}
            columns |= {name: Column(index, place.name, place.type) for name, place in places.items()}
        self.sources.append(source)
        item = self._item(alias, view, columns)
        item.outer = True
        conditions = [shifted(part, index) for part in view.relation.where] if plain else []
        conditions += self._conditions(join)
        self.joins.append(Join(source, tuple(conditions), left=True))

    def mark(self, source: Source, pairs: Sequence[tuple[Expression, Expression]]) -> exp.Column:
        """A column that says whether `source`, which has one row at most for each row so far, has one that fits it.

        `pairs` are expressions over the sources so far, and over the new source with number 0. A private source fits
        on the unit besides, as all of them do.
        """
        number, name = len(self.sources), f"#{len(self.marks)}"
        found = Column(number, "f0", INTEGER)
        conditions = tuple(_equality(own, shifted(other, number)) for own, other in pairs)
        self.sources.append(source)
        self.joins.append(Join(source, conditions, left=True))
        self.marks[name] = Call(Function.NOT, (Call(Function.IS_NULL, (found,), BOOLEAN),), BOOLEAN)
        return exp.column("found", table=name, quoted=True)

    def _item(self, alias: str, view: View, columns: Named) -> Item:
        number = len(self.items)
        own = {name: UnitColumn(number) if isinstance(v, UnitColumn) else v for name, v in columns.items()}
        item = Item(alias, own, view.private)
        self.items.append(item)
        self.joined[number] = number
        return item

    def join_inner(self, join: exp.Join) -> None:
        """Take in the conditions of an inner join of the item that was added last."""
        self.where.extend(self._conditions(join))

    def restrict(self, node: exp.Expr, resolve_alias: dict[str, exp.Expr]) -> None:
        """Take in a WHERE condition; equalities of two units join their items."""
        parts = node.flatten() if isinstance(node, exp.And) else [node]
        for part in parts:
            if not self._unit_equality(part, outer_allowed=False):
                self.where.extend(conjuncts(condition(part, lambda column: self.resolve(column, resolve_alias))))

    def _conditions(self, join: exp.Join) -> list[Expression]:
        found: list[Expression] = []
        using = join.args.get("using") or []
        for name in using:
            left = self._using(name.name.lower(), self.items[:-1], join)
            right = self._using(name.name.lower(), self.items[-1:], join)
            if isinstance(left, UnitColumn) and isinstance(right, UnitColumn):
                self._unite(left.item, right.item)
            elif isinstance(left, UnitColumn) or isinstance(right, UnitColumn):
                raise refusal("unit-in-expression", "The privacy unit can only be joined with itself.", join)
            else:
                found.append(_equality(left, right))
        on = join.args.get("on")
        if on is not None:
            for part in on.flatten() if isinstance(on, exp.And) else [on]:
                if not self._unit_equality(part):
                    found.extend(conjuncts(condition(part, lambda column: self.resolve(column, {}))))
        return found

    def _using(self, name: str, items: list[Item], node: exp.Expr) -> Expression | UnitColumn:
        for item in items:
            if name in item.columns:
                return item.columns[name]
        raise refusal("unknown-column", f"USING names {name}, which is not on both sides.", node)

    def _unit_equality(self, part: exp.Expr, *, outer_allowed: bool = True) -> bool:
        while isinstance(part, exp.Paren):
            part = part.this
        if not isinstance(part, exp.EQ) or not all(isinstance(s, exp.Column) for s in (part.this, part.expression)):
            return False
        sides = [self.resolve(side, {}, quiet=True) for side in (part.this, part.expression)]
        if not all(isinstance(side, UnitColumn) for side in sides):
            return False
        items = [side.item for side in sides if isinstance(side, UnitColumn)]
        if not outer_allowed and any(self.items[item].outer for item in items):
            raise refusal(
                "unit-in-expression", "The unit of a left join's right side may be NULL.", part, hint="Use JOIN."
            )
        self._unite(items[0], items[1])
        return True

    def _unite(self, one: int, other: int) -> None:
        self.joined[self._root(one)] = self._root(other)

    def _root(self, item: int) -> int:
        while self.joined[item] != item:
            item = self.joined[item]
        return item

    def resolve(
        self, column: exp.Column, aliases: dict[str, exp.Expr], *, quiet: bool = False
    ) -> Expression | UnitColumn:
        """What a column name stands for; a FROM column goes before an alias of the same SELECT."""
        name, table = column.name.lower(), column.table.lower()
        if table in self.marks:
            return self.marks[table]
        found = [i.columns[name] for i in self.items if (not table or i.alias == table) and name in i.columns]
        distinct = list(dict.fromkeys(found))
        if len(distinct) > 1 and all(isinstance(value, UnitColumn) for value in distinct):
            distinct = distinct[:1]
        if len(distinct) > 1:
            if (same := self._joined_by_equality(distinct)) is not None:
                return same
            raise refusal("ambiguous-column", f"{name} is in several tables.", column, hint="Write table.column.")
        if distinct:
            return distinct[0]
        if not table and not quiet and name in aliases:
            self.expand(column)
            others = {alias: node for alias, node in aliases.items() if alias != name}
            target = aliases[name]
            if isinstance(target, exp.Column):
                return self.resolve(target, others)
            return scalar(target, lambda inner: self.resolve(inner, others))
        known = sorted({n for i in self.items if not table or i.alias == table for n in i.columns})
        raise refusal("unknown-column", f"There is no column {column.sql()}.", column, hint=known_columns(known))

    def expand(self, column: exp.Column) -> None:
        """Count an alias that is written out: aliases of aliases can stand for exponentially many."""
        self.expansions += 1
        if self.expansions > EXPANSIONS_LIMIT:
            raise refusal("too-complex", "Aliases stand for aliases too many times.", column, hint="Use a subquery.")

    def _joined_by_equality(self, values: list[Expression | UnitColumn]) -> Expression | None:
        """The first of two columns that USING made equal."""
        equalities = [w for w in self.where if isinstance(w, Call) and w.function is Function.EQUAL]
        equalities += [o for j in self.joins for o in j.on if isinstance(o, Call) and o.function is Function.EQUAL]
        first, *rest = [value for value in values if not isinstance(value, UnitColumn)]
        if len(rest) + 1 != len(values):
            return None
        if all(any(set(e.arguments) == {first, other} for e in equalities) for other in rest):
            return first
        return None

    def relation(self, node: exp.Expr, schema: Schema) -> Relation:
        """The finished relation; raises unless all private items are joined on the unit, and are of one month."""
        private = [number for number, item in enumerate(self.items) if item.private]
        if len({self._root(number) for number in private}) > 1:
            raise refusal(
                "join-not-on-unit",
                "Private tables are joined, but not on the privacy unit.",
                node,
                hint=_UNIT_HINT.format(unit=schema.unit_column),
            )
        if self._keeps_rows_without_month():
            reason = "Rows without a month are kept here, and rows of one month are joined to them."
            raise refusal("unit-spans-blocks", reason, node, hint=_DATED_FIRST_HINT)
        found = Relation(self.sources[0], tuple(self.joins), tuple(dict.fromkeys(self.where)))
        if not is_of_one_month(found, schema):
            reason = "Rows of different months are put together here, and the privacy unit is of one month."
            raise refusal("unit-spans-blocks", reason, node, hint=_MONTHS_HINT.format(day=schema.day_column))
        return found

    def _keeps_rows_without_month(self) -> bool:
        """Whether a left join would keep rows that have no month, or no unit at all."""
        span = self.sources[0].span
        for join in self.joins:
            if join.left and 1 < join.source.span > span:
                return True
            span = max(span, join.source.span)
        return False


def _equality(left: Expression, right: Expression) -> Expression:
    sides = {"l": left, "r": right}
    return condition(exp.EQ(this=exp.column("l"), expression=exp.column("r")), lambda column: sides[column.name])


def derived(view: View) -> tuple[Derived, dict[str, Column]]:
    """The view as a source in normal form, and which of its columns each name of the view is; the unit has none."""
    relation, moved = canonical(view.relation)
    named = {n: renumbered(v, moved) for n, v in view.columns.items() if not isinstance(v, UnitColumn)}
    values = tuple(sorted(set(named.values()), key=repr))
    return Derived(relation, values), {n: Column(0, f"c{values.index(v)}", v.type) for n, v in named.items()}


def canonical(relation: Relation) -> tuple[Relation, dict[int, int]]:
    """The relation with its inner-joined sources in a fixed order, and where each source went."""
    if any(join.left for join in relation.joins):
        moved = {number: number for number in range(len(relation.sources))}
        joins = tuple(Join(j.source, _selected(j.on, moved), j.left) for j in relation.joins)
        return Relation(relation.first, joins, _selected(relation.where, moved)), moved
    parts = (*relation.where, *(on for join in relation.joins for on in join.on))
    orders = list(_orders(relation.sources))
    found = [(_selected(parts, {old: new for new, old in enumerate(order)}), order) for order in orders]
    where, order = found[0] if len(found) == 1 else min(found, key=repr)
    joins = tuple(Join(relation.sources[index]) for index in order[1:])
    return Relation(relation.sources[order[0]], joins, where), {old: new for new, old in enumerate(order)}


def _orders(sources: tuple[Source, ...]) -> Iterator[tuple[int, ...]]:
    """The orders of the sources that sort them; few, but more than one where a table is joined with itself."""
    alike = [
        tuple(index for index, source in enumerate(sources) if source == kind)
        for kind in sorted(dict.fromkeys(sources), key=repr)
    ]
    ways = [list(islice(permutations(each), _ORDERS_LIMIT)) for each in alike]
    for chosen in islice(product(*ways), _ORDERS_LIMIT):
        yield tuple(index for each in chosen for index in each)


def _selected(parts: Iterable[Expression], moved: dict[int, int]) -> tuple[Expression, ...]:
    """The conditions together in normal form, over renumbered sources."""
    return conjuncts(selection(conjunction(tuple(renumbered(part, moved) for part in parts))))


def renumbered(expression: Expression, moved: dict[int, int]) -> Expression:
    """The expression over renumbered sources, in its normal form again."""
    if isinstance(expression, Column):
        return Column(moved[expression.source], expression.name, expression.type)
    if isinstance(expression, Call):
        arguments = tuple(renumbered(argument, moved) for argument in expression.arguments)
        return formed(expression.function, expression.type, *arguments)
    return expression


def shifted(expression: Expression, offset: int) -> Expression:
    """The expression over sources that stand `offset` places further on."""
    if isinstance(expression, Column):
        return Column(expression.source + offset, expression.name, expression.type)
    if isinstance(expression, Call):
        arguments = tuple(shifted(argument, offset) for argument in expression.arguments)
        return Call(expression.function, arguments, expression.type)
    return expression


def _shifted(value: Expression | UnitColumn, offset: int) -> Expression | UnitColumn:
    return value if isinstance(value, UnitColumn) else shifted(value, offset)


def known_columns(names: list[str]) -> str:
    """The hint that lists the columns that there are."""
    if not names:
        return "There is no such table here. A table that has an alias goes by it alone."
    shown = ", ".join(names[:20])
    return f"Known columns: {shown}{', …' if len(names) > 20 else ''}."  # noqa: PLR2004
