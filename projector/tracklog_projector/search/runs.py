"""Runs search: MLflow's filter and order over the run views, one page a statement."""

from collections.abc import Sequence
from typing import Final

from tracklog_projector.search.arguments import Arguments
from tracklog_projector.search.grammar import parse_filter
from tracklog_projector.search.keyset import Value
from tracklog_projector.search.pages import Query, fingerprint, read_token, token_writer
from tracklog_projector.search.run_filter import RUNS, Scope, run_matches
from tracklog_projector.search.run_order import OrderedBy, run_order, run_walks
from tracklog_projector.search.run_page import RunPage
from tracklog_projector.search.run_terms import sorted_out
from tracklog_projector.search.select import ids_of, select_per_scope
from tracklog_projector.search.tree import Node, comparisons
from tracklog_projector.search.vocabulary import METRIC, condition

_SCOPES: Final = "{} as of_experiment(id) cross join unnest({}) as of_stage(deleted)"


def compile_runs(
    *,
    experiment_ids: Sequence[int] | None,
    filter: str,  # noqa: A002  # the protocol's own word
    order_by: Sequence[str],
    deleted: bool | None,
    limit: int,
    page_token: str,
    readable: Sequence[int] | None = None,
) -> Query:
    """The statement that finds a page of runs.

    `experiment_ids`: None for all experiments, however many there are by the next page; of which only those
    that are `readable` are looked at, unless that is None.
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
    if experiments is None and readable is not None:
        experiments = sorted(readable)
    stages = [False, True] if deleted is None else [deleted]
    if experiments is not None and len(experiments) == len(stages) == 1:
        experiment = arguments.bind(experiments[0], "bigint")
        stage = arguments.bind(stages[0], "boolean")
        sql = _scope_page(tree, ordered, Scope(experiment, stage), after, limit + 1, arguments)
    else:
        scopes = _SCOPES.format(ids_of(experiments, arguments), arguments.bind(stages, "boolean[]"))
        scope = Scope("of_experiment.id", "of_stage.deleted")
        page = _scope_page(tree, ordered, scope, after, limit + 1, arguments)
        sql = select_per_scope(scopes, page, keys, arguments.bind(limit + 1, "bigint"))
    of_metrics = any(by.name.entity == METRIC for by in ordered) or any(
        condition(comparison, RUNS).name.entity == METRIC for comparison in comparisons(tree)
    )
    return Query(sql, arguments.values, limit, token_writer(search, keys), of_metrics)


def _scope_page(
    tree: Node | None,
    ordered: Sequence[OrderedBy],
    scope: Scope,
    after: Sequence[Value] | None,
    limit: int,
    arguments: Arguments,
) -> str:
    """The page of one experiment and one stage of its runs' life; an index is in order within these."""
    terms = sorted_out(tree, ordered[0].name, scope, arguments)
    walks = run_walks(ordered, terms.about_leading, scope, after, arguments)
    page = RunPage(scope, limit, arguments)
    page.glance(walks[0], [*terms.tests, *(found.test for found in terms.findable)])
    tests = terms.tests
    if terms.findable:
        about_leading = [run_matches(meets, scope.experiment, arguments) for meets in terms.about_leading]
        tests = page.look_up(ordered, terms.findable, about_leading, tests, after)
    for walk in walks:
        page.walk(walk, tests)
    return page.sql()
