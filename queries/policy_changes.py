"""What a new policy changes of the one before: each difference in words, and whether it allows more than before.

Whoever loads data under a policy that allows more needs the approval of two officers first. So what no rule here knows
to be harmless counts as loosening, entries that come into being later included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal

from queries.policy_model import Policy

Effect = Literal["loosening", "tightening", "neutral"]
_Path = tuple[str, ...]
_Rule = Callable[[Any, Any], Effect]
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that differs: where, how in words, and what that does to the promise."""

    path: str
    effect: Effect
    words: str


def policy_changes(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """All differences between two policies of one dataset, in the order of the entries: of values, not spellings."""
    old_names = {group.name for group in before.sensitive}
    common = old_names & {group.name for group in after.sensitive}
    denied = {group.name for group in after.sensitive if group.rule == "deny"}
    found = _differences((), _document(before, common, denied), _document(after, common, denied))
    return tuple(
        Difference(".".join(path), _effect(path, old, new), _words(path, old, new)) for path, old, new in found
    )


def loosens(changes: tuple[Difference, ...]) -> bool:
    """Says whether anything is allowed that was not."""
    return any(change.effect == "loosening" for change in changes)


def _document(policy: Policy, common: set[str], denied: set[str]) -> dict[str, Any]:
    """The policy as nested mappings, with lists of entries keyed by what tells the entries apart.

    The first sensitive group that a row falls under counts, so the order of those that both policies have is an entry.
    """
    found = policy.model_dump()
    found["budget"]["conversion_delta"] = policy.budget.conversion_delta
    found["bounds"] = {_bound_name(bound): bound for bound in found["bounds"]}
    groups = found["sensitive"]
    for group in groups:
        if group["name"] in denied:
            group["denied_values"] = group.pop("values")
            group.pop("parent")
    last = max((place for place, group in enumerate(groups) if group["name"] in common), default=-1)
    before = [group for group in groups[:last] if group["name"] not in common | denied]
    found["sensitive_before_others"] = {group["name"]: group for group in before}
    found["sensitive"] = {group["name"]: group for group in groups if group not in before}
    found["order_of_sensitive"] = tuple(group["name"] for group in groups if group["name"] in common)
    return found


def _bound_name(bound: Mapping[str, Any]) -> str:
    keys = bound["keys"]
    return str(bound["measure"]) if keys is None else f"{bound['measure']} by ({', '.join(sorted(keys))})"


def _differences(path: _Path, old: Any, new: Any) -> Iterator[tuple[_Path, Any, Any]]:  # noqa: ANN401  # any entry
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            yield from _differences((*path, str(name)), old.get(name), new.get(name))
    elif old != new:
        yield path, old, new


def _more_is_looser(old: Any, new: Any) -> Effect:  # noqa: ANN401  # numbers
    """A limit: none at all allows the most."""
    if old is None or new is None:
        return "tightening" if old is None else "loosening"
    return "loosening" if new > old else "tightening"


def _range(old: Any, new: Any) -> Effect:  # noqa: ANN401  # pairs
    if old is None or new is None:
        return "tightening" if old is None else "loosening"
    same_type = type(old[0]) is type(new[0])
    return "tightening" if same_type and old[0] <= new[0] and new[1] <= old[1] else "loosening"


def _set_of_allowed(old: Any, new: Any) -> Effect:  # noqa: ANN401  # a domain
    if old is None or new is None:
        return "tightening" if old is None else "loosening"
    return "loosening" if set(new) - set(old) else "tightening"


def _purposes_of_group(old: Any, new: Any) -> Effect:  # noqa: ANN401  # lists of purposes
    return "loosening" if set(new) - set(old) else "tightening"


def _guarded(old: Any, new: Any) -> Effect:  # noqa: ANN401  # lists of values
    """Values of a group that is denied: more of them hide more. Other rules may take rows from stricter ones."""
    return "tightening" if set(old) <= set(new) else "loosening"


def _rule_of_group(old: Any, new: Any) -> Effect:  # noqa: ANN401  # names of rules
    return "tightening" if new == "deny" or (old, new) == ("allow_for", "coarsen") else "loosening"


def _person(old: Any, new: Any) -> Effect:  # noqa: ANN401  # an entry or None
    """Who is left out keeps the account and its cap, until an officer lowers it."""
    del old
    return "neutral" if new is None else "loosening"


def _visibility(old: Any, new: Any) -> Effect:  # noqa: ANN401  # public or private
    del old
    return "tightening" if new == "private" else "loosening"


def _entry_that_shows(old: Any, new: Any) -> Effect:  # noqa: ANN401  # an entry or None
    """Something of which there is more to see."""
    del old
    return "tightening" if new is None else "loosening"


def _retained_until(old: Any, new: Any) -> Effect:  # noqa: ANN401  # dates
    return "tightening" if old is not None and new is not None and new > old else "loosening"


def _neutral(old: Any, new: Any) -> Effect:  # noqa: ANN401  # whatever it is
    del old, new
    return "neutral"


def _sensitive_group(old: Any, new: Any) -> Effect:  # noqa: ANN401  # an entry or None
    """A new group hides more; unless it stands before others and takes rows from them, see `_document`."""
    del new
    return "tightening" if old is None else "loosening"


_OWNERS: Final = ("budget", "accounts *", "persons *")
# The first pattern that fits counts; what none fits is loosening.
_RULES: Final[tuple[tuple[str, _Rule], ...]] = (
    ("title", _neutral),
    ("description", _neutral),
    ("unit label", _neutral),
    ("max_units", _neutral),  # no price and no noise depends on it: it proves that sums fit in 64 bits
    ("max_groups_contributed", _more_is_looser),
    ("budget *", _more_is_looser),
    *((f"{owner} windows *{amount}", _more_is_looser) for owner in _OWNERS for amount in ("", " *")),
    ("query keep_bounds_days", _neutral),  # what was released is read again
    ("query *", _more_is_looser),
    ("purposes *", _entry_that_shows),
    ("purposes * label", _neutral),
    ("accounts * epsilon", _more_is_looser),
    ("accounts * delta_for_thresholds", _more_is_looser),
    ("persons *", _person),
    ("persons * epsilon", _more_is_looser),
    ("persons * delta_for_thresholds", _more_is_looser),
    ("tables *", _entry_that_shows),
    ("tables * visibility", _visibility),
    ("tables * description", _neutral),
    ("tables * columns *", _entry_that_shows),
    ("tables * columns * description", _neutral),
    ("tables * columns * nullable", _neutral),
    ("tables * columns * scale", _more_is_looser),
    ("tables * columns * range", _range),
    ("tables * columns * domain", _set_of_allowed),
    ("bounds * l2", _more_is_looser),
    ("retention days", _more_is_looser),
    ("retention as_of", _retained_until),
    ("sensitive *", _sensitive_group),
    ("sensitive * label", _neutral),
    ("sensitive * rule", _rule_of_group),
    ("sensitive * denied_values", _guarded),
    ("sensitive * purposes", _purposes_of_group),
    ("public_rows", _entry_that_shows),
    ("reliability *", _neutral),
)


def _effect(path: _Path, old: Any, new: Any) -> Effect:  # noqa: ANN401  # any entry
    for pattern, rule in _RULES:
        if _fits(pattern.split(), path):
            return rule(old, new)
    return "loosening"


def _fits(pattern: list[str], path: _Path) -> bool:
    return len(pattern) == len(path) and all(part in ("*", name) for part, name in zip(pattern, path, strict=True))


def _words(path: _Path, old: Any, new: Any) -> str:  # noqa: ANN401  # any entry
    place = ".".join(path)
    if old is None:
        return f"{place}: new, {_text(new)}"
    if new is None:
        return f"{place}: left out, was {_text(old)}"
    return f"{place}: {_text(old)} becomes {_text(new)}"


def _text(value: Any) -> str:  # noqa: ANN401  # any entry
    match value:
        case Fraction():
            return format(Decimal(value.numerator) / Decimal(value.denominator), "f")
        case date():
            return value.isoformat()
        case dict():
            shown = ", ".join(f"{name} {_text(each)}" for name, each in value.items() if each not in (None, {}, ()))
        case list() | tuple():
            shown = ", ".join(map(_text, value))
        case _:
            shown = str(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]} …"
