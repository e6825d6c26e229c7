"""Runs search: MLflow's filter and order over the run views, one page a statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.candidates import SETS_MAX, Candidates, Findable
from tracklog_projector.search.grammar import parse_filter
from tracklog_projector.search.keyset import Value
from tracklog_projector.search.pages import Query, fingerprint, read_token, token_writer
from tracklog_projector.search.predicate import predicate
from tracklog_projector.search.run_filter import RUNS, findable, run_matches
from tracklog_projector.search.run_order import OrderedBy, order_joins, run_branches, run_order
from tracklog_projector.search.select import Branch, ids_of, select, select_in_turn, select_per_scope
from tracklog_projector.search.tree import Comparison, Node, comparisons, conjuncts
from tracklog_projector.search.vocabulary import ATTRIBUTE, METRIC, Condition, Name, condition

_SCOPES: Final = "{} as of_experiment(id) cross join unnest({}) as of_stage(deleted)"


def compile_runs(
    *,
    experiment_ids: Sequence[int] | None,
    filter: str,  # noqa: A002  # the protocol's own word
    order_by: Sequence[str],
    deleted: bool | None,
    limit: int,
    page_token: str,
) -> Query:
    """The statement that finds a page of runs.

    `experiment_ids`: None for all experiments, however many there are by the next page.
    `deleted`: only deleted runs (True), only others (False), or both (None). Beyond MLflow's language a
    filter may hold OR, NOT and parentheses. Rows: run_id (uuid), and the sort keys of page tokens.
    Raises: Rejected, for a filter, order or token that is not valid.
    """
    tree, ordered = parse_filter(filter), run_order(order_by)
    keys = [by.key for by in ordered]
    experiments = None if experiment_ids is None else sorted(set(experiment_ids))
    search = fingerprint("runs", experiments, filter, list(order_by), deleted)
    after = read_token(page_token, search, keys)
    arguments = Arguments()
    row_limit = arguments.bind(limit + 1, "bigint")
    stages = [False, True] if deleted is None else [deleted]
    if experiments is not None and len(experiments) == len(stages) == 1:
        experiment = arguments.bind(experiments[0], "bigint")
        stage = arguments.bind(stages[0], "boolean")
        sql = _scope_page(tree, ordered, (experiment, stage), after, row_limit, arguments)
    else:
        scopes = _SCOPES.format(ids_of(experiments, arguments), arguments.bind(stages, "boolean[]"))
        scope = ("of_experiment.id", "of_stage.deleted")
        page = _scope_page(tree, ordered, scope, after, row_limit, arguments)
        sql = select_per_scope(scopes, page, keys, row_limit)
    of_metrics = any(by.name.entity == METRIC for by in ordered) or any(
        condition(comparison, RUNS).name.entity == METRIC for comparison in comparisons(tree)
    )
    return Query(sql, arguments.values, limit, token_writer(search, keys), of_metrics)


def _scope_page(
    tree: Node | None,
    ordered: Sequence[OrderedBy],
    scope: tuple[str, str],
    after: Sequence[Value] | None,
    limit: str,
    arguments: Arguments,
) -> str:
    """The page of one experiment and one stage of its runs' life; an index is in order within these."""
    experiment, stage = scope
    in_scope = [f"r.experiment_id = {experiment}", f"r.deleted = {stage}"]
    parts = _sorted_out(tree, ordered[0].name, experiment, arguments)
    conditions = [*in_scope, *parts.conditions]
    if not parts.findable:
        branches = run_branches(ordered, parts.about_leading, conditions, experiment, after, arguments)
        return select_in_turn([select(branch, start, limit, arguments) for branch, start in branches], limit)
    candidates = Candidates(parts.findable)
    about_leading = [run_matches(meets, experiment, arguments) for meets in parts.about_leading]
    conditions += candidates.tests()
    few = Branch(
        "candidate c join run r on r.partition = c.partition and r.run_id = c.run_id"
        + order_joins(ordered, arguments, start=0),
        (candidates.are_few, *conditions, *about_leading),
        tuple(by.key for by in ordered),
    )
    walked = [candidates.are_many, candidates.walk_test(), *conditions]
    branches = run_branches(ordered, parts.about_leading, walked, experiment, after, arguments)
    selects = [select(branch, start, limit, arguments) for branch, start in [(few, after), *branches]]
    return f"with {candidates.tables()} {select_in_turn(selects, limit)}"


@dataclass(frozen=True)
class _Parts:
    """A filter's terms: on the leading sort key, those an index finds the runs of, and the others as SQL."""

    about_leading: list[Condition] = field(default_factory=list)
    findable: list[Findable] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)


def _sorted_out(tree: Node | None, leading: Name, experiment: str, arguments: Arguments) -> _Parts:
    def leaf(comparison: Comparison) -> str:
        return run_matches(condition(comparison, RUNS), experiment, arguments)

    parts = _Parts()
    for term in conjuncts(tree):
        if not isinstance(term, Comparison):
            parts.conditions.append(predicate(term, leaf))
            continue
        meets = condition(term, RUNS)
        if meets.name == leading and leading.entity != ATTRIBUTE:
            parts.about_leading.append(meets)
        elif len(parts.findable) < SETS_MAX and (found := findable(meets, experiment, arguments)):
            parts.findable.append(found)
        else:
            parts.conditions.append(run_matches(meets, experiment, arguments))
    return parts
