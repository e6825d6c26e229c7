"""The generated script: rounds of calls in which each kind of call comes as often as its weight says."""

from tests.conformance.differential import (
    on_assessments,
    on_experiments,
    on_files,
    on_graphql,
    on_inputs,
    on_models,
    on_next_pages,
    on_pages,
    on_reads,
    on_runs,
    on_spans,
    on_traces,
)
from tests.conformance.differential.world import World

ROUND_CALLS = 400
WEIGHTS = {
    on_experiments.create: 1, on_experiments.get: 2, on_experiments.get_by_name: 2, on_experiments.update: 1,
    on_experiments.delete: 1, on_experiments.restore: 1, on_experiments.set_tag: 3,
    on_experiments.delete_tag: 2,
    on_experiments.search: 4, on_experiments.search_badly: 3,
    on_runs.create: 4, on_runs.update: 4, on_runs.delete: 2, on_runs.restore: 1, on_runs.log_metric: 8,
    on_runs.log_nan: 2, on_runs.log_tied: 1, on_runs.log_again: 3,
    on_runs.log_param: 5, on_runs.set_tag: 5, on_runs.delete_tag: 3, on_runs.log_batch: 8,
    on_runs.log_batch_at_its_limits: 1, on_inputs.log_inputs: 4, on_inputs.outputs: 2, on_inputs.log_model: 2,
    on_reads.get: 4, on_reads.search: 12, on_reads.probe: 6, on_reads.search_badly: 9,
    on_reads.get_history: 4,
    on_reads.get_history_bulk: 3, on_reads.get_history_bulk_interval: 3,
    on_models.create: 2, on_models.get: 2, on_models.finalize: 2, on_models.delete: 1,
    on_models.write_to_deleted: 1, on_models.set_tags: 2,
    on_models.delete_tag: 1, on_models.log_params: 1, on_models.log_metrics: 3, on_models.search: 7,
    on_models.probe: 3, on_models.search_badly: 5, on_next_pages.of_models: 1, on_next_pages.of_runs: 1,
    on_files.put: 3, on_files.get: 2, on_files.delete: 1, on_files.list_proxy: 2, on_files.list_run: 2,
    on_files.upload: 1, on_files.read_of_run: 2, on_files.read_of_model: 2, on_files.list_model: 2,
    on_files.presigned: 1, on_files.in_own_place: 1, on_files.in_parts: 1,
    on_graphql.get_run: 1, on_graphql.search_runs: 1, on_graphql.samples: 2,
    on_graphql.samples_of_nan: 1, on_graphql.get_experiment: 1,
    on_graphql.ask_badly: 1,
    on_traces.start: 10, on_traces.start_v2: 2, on_traces.end_v2: 2, on_traces.set_tag: 3,
    on_traces.delete_tag: 2, on_traces.link: 2, on_traces.delete_some: 2, on_traces.delete_until: 1,
    on_traces.get: 3, on_traces.get_with_spans: 3, on_traces.batch: 3, on_traces.search: 10,
    on_traces.search_badly: 5, on_assessments.create: 4, on_assessments.get: 2, on_assessments.update: 4,
    on_assessments.delete: 1, on_spans.export: 5, on_spans.export_badly: 2,
    on_pages.search_datasets: 2, on_pages.about: 1, on_pages.registry: 1, on_pages.unknown_path: 1,
}  # fmt: skip


def play(pair, seed, calls, differences_max=100):
    """Make about this many calls on both servers; fewer when there is so much that differs."""
    world = World(pair, seed)
    actions = [action for action, weight in WEIGHTS.items() for _ in range(weight)]
    end = pair.calls + calls
    while pair.calls < end and len(pair.differences) < differences_max:
        world.start_round()
        round_end = min(pair.calls + ROUND_CALLS, end)
        while len(world.made["experiment"]) < 3:
            on_experiments.create(world)
        while len(world.made["run"]) < 6:
            on_runs.create(world)
        while len(world.made["model"]) < 3:
            on_models.create(world)
        while pair.calls < round_end and len(pair.differences) < differences_max:
            world.deal("action", actions)(world)
