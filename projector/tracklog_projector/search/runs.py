"""Runs search: MLflow's filter and order over the run views, one page a statement."""

from collections.abc import Sequence
from typing import Final

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.grammar import parse_filter
from tracklog_projector.search.keyset import Value
from tracklog_projector.search.pages import Query, fingerprint, read_token, token_writer
from tracklog_projector.search.predicate import predicate
from tracklog_projector.search.run_filter import RUNS, run_matches
from tracklog_projector.search.run_order import OrderedBy, run_branches, run_order
from tracklog_projector.search.select import select, select_in_turn, select_per_scope
from tracklog_projector.search.tree import Comparison, Node, conjuncts
from tracklog_projector.search.vocabulary import ATTRIBUTE, Condition, condition

_SCOPES: Final = "unnest({}) as of_experiment(id) cross join unnest({}) as of_stage(deleted)"


def compile_runs(
    *,
    experiment_ids: Sequence[int],
    filter: str,  # noqa: A002  # the protocol's own word
    order_by: Sequence[str],
    deleted: bool | None,
    limit: int,
    page_token: str,
) -> Query:
    """The statement that finds a page of runs.

    `deleted`: only deleted runs (True), only others (False), or both (None). Beyond MLflow's language a
    filter may hold OR, NOT and parentheses. Rows: run_id (uuid), and the sort keys of page tokens.
    Raises: Rejected, for a filter, order or token that is not valid.
    """
    tree, ordered = parse_filter(filter), run_order(order_by)
    keys = [by.key for by in ordered]
    search = fingerprint("runs", sorted(set(experiment_ids)), filter, list(order_by), deleted)
    after = read_token(page_token, search, keys)
    arguments = Arguments()
    row_limit = arguments.bind(limit + 1, "bigint")
    stages = [False, True] if deleted is None else [deleted]
    if len(experiment_ids) == len(stages) == 1:
        experiment = arguments.bind(experiment_ids[0], "bigint")
        stage = arguments.bind(stages[0], "boolean")
        sql = _scope_page(tree, ordered, (experiment, stage), after, row_limit, arguments)
    else:
        experiments = arguments.bind(sorted(set(experiment_ids)), "bigint[]")
        scopes = _SCOPES.format(experiments, arguments.bind(stages, "boolean[]"))
        scope = ("of_experiment.id", "of_stage.deleted")
        page = _scope_page(tree, ordered, scope, after, row_limit, arguments)
        sql = select_per_scope(scopes, page, keys, row_limit)
    return Query(sql, arguments.values, limit, token_writer(search, keys))


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
    conditions = [f"r.experiment_id = {experiment}", f"r.deleted = {stage}"]
    about_leading: list[Condition] = []

    def leaf(comparison: Comparison) -> str:
        return run_matches(condition(comparison, RUNS), experiment, arguments)

    for term in conjuncts(tree):
        if isinstance(term, Comparison):
            meets = condition(term, RUNS)
            if ordered[0].name == meets.name and meets.name.entity != ATTRIBUTE:
                about_leading.append(meets)
                continue
        conditions.append(predicate(term, leaf))
    branches = run_branches(ordered, about_leading, conditions, experiment, after, arguments)
    selects = [select(branch, start, limit, arguments) for branch, start in branches]
    return select_in_turn(selects, limit)
