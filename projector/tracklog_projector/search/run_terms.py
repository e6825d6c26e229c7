"""A run filter's terms, sorted by how they help to find its runs."""

from dataclasses import dataclass, field

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.candidates import SETS_MAX, Findable
from tracklog_projector.search.predicate import predicate
from tracklog_projector.search.run_filter import (
    RUNS,
    Scope,
    findable,
    findable_absent,
    findable_any,
    is_findable,
    run_matches,
)
from tracklog_projector.search.tree import Comparison, Either, Node, conjuncts
from tracklog_projector.search.vocabulary import ATTRIBUTE, DATASET, Condition, Name, condition


@dataclass(frozen=True)
class RunTerms:
    """What must all hold: conditions on the leading sort key, what an index finds, and other tests."""

    about_leading: list[Condition] = field(default_factory=list)
    findable: list[Findable] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)


def sorted_out(tree: Node | None, leading: Name, scope: Scope, arguments: Arguments) -> RunTerms:
    """The terms of a filter, for an order that `leading` leads."""
    terms = RunTerms()
    by_name: dict[Name | int, list[Condition]] = {}
    absent: list[Condition] = []
    for number, term in enumerate(conjuncts(tree)):
        if not isinstance(term, Comparison):
            _sort_out_joint(term, terms, scope, arguments)
            continue
        meets = condition(term, RUNS)
        if meets.name == leading and leading.entity != ATTRIBUTE:
            terms.about_leading.append(meets)
        elif is_findable(meets):
            # Of a metric, param or tag a run has one value, so that one look at it decides on all of them.
            alone = meets.name.entity in (ATTRIBUTE, DATASET)
            by_name.setdefault(number if alone else meets.name, []).append(meets)
        elif meets.comparator == "IS NULL":
            absent.append(meets)
        else:
            terms.tests.append(run_matches(meets, scope.experiment, arguments))
    terms.findable.extend(findable(meets, scope.experiment, arguments) for meets in by_name.values())
    if terms.findable:
        terms.tests.extend(run_matches(meets, scope.experiment, arguments) for meets in absent)
    else:
        # Finding what is absent reads all that is there: only where nothing else finds the runs.
        terms.findable.extend(findable_absent(meets, scope, arguments) for meets in absent)
    terms.tests.extend(found.test for found in terms.findable[SETS_MAX:])
    del terms.findable[SETS_MAX:]
    return terms


def _sort_out_joint(term: Node, terms: RunTerms, scope: Scope, arguments: Arguments) -> None:
    if isinstance(term, Either):
        any_of = [condition(one, RUNS) for one in term.terms if isinstance(one, Comparison)]
        if len(any_of) == len(term.terms) and all(map(is_findable, any_of)):
            terms.findable.append(findable_any(any_of, scope.experiment, arguments))
            return

    def leaf(comparison: Comparison) -> str:
        return run_matches(condition(comparison, RUNS), scope.experiment, arguments)

    terms.tests.append(predicate(term, leaf))
