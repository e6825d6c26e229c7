"""Writes what a group of commands came to: its entries into the log, its changes into admission's tables."""

from typing import Any

from tracklog_contract import codec
from tracklog_contract.caller import Level
from tracklog_ingest.artifact_state import save_artifacts
from tracklog_ingest.purge_state import save_purges
from tracklog_ingest.state import SQL, Experiment, Run, State, columns
from tracklog_ingest.tally import save_meters
from tracklog_ingest.trace_state import save_traces


async def save(connection: Any, state: State) -> None:
    """Append the group's entries and write its changes, inside the caller's transaction."""
    for lifecycle in state.lifecycles:
        await connection.execute(SQL["save_lifecycle"], *lifecycle)
    touched = state.touched_experiments
    known = [state.experiments[number] for number in touched if number in state.experiments]
    others = [(number, position) for number, position in touched.items() if number not in state.experiments]
    models = [model for model in state.models.values() if model.position]
    await connection.execute(
        SQL["append_and_save"],
        state.position,
        *_entries(state),
        *columns(((*_experiment(e), touched[e.experiment_id]) for e in known), 8),
        *columns(others, 2),
        *columns(
            ((*_run(state.runs[run_id]), position) for run_id, position in state.touched_runs.items()), 13
        ),
        *columns(state.new_params, 3),
        *columns(state.tags.added, 2),
        *columns(state.tags.removed, 2),
        *columns(state.experiment_tags.added, 2),
        *columns(state.experiment_tags.removed, 2),
        *columns(((m.model_id, m.experiment_id, m.deleted, m.position) for m in models), 4),
        *columns(state.new_model_params, 3),
        *columns(state.model_tags.added, 2),
        *columns(state.model_tags.removed, 2),
    )
    if state.touched_producers:
        producers = [state.producers[producer_id] for producer_id in state.touched_producers]
        rows = ((p.producer_id, p.sequence, p.position, p.rejected) for p in producers)
        await connection.execute(SQL["save_producers"], *columns(rows, 4))
    await save_traces(connection, state.traces)
    await save_artifacts(connection, state.artifacts)
    await save_meters(connection, state.tally)
    made = [(number, maker) for number, maker in state.makers.items() if maker]
    if made:
        workspaces = [state.experiments[number].workspace for number, _ in made]
        await connection.execute(SQL["grant_to_makers"], *columns(made, 2), workspaces, Level.MANAGE)
    await save_purges(connection, state.purges)


def _entries(state: State) -> list[list[Any]]:
    rows = (
        (
            entry.experiment_id, entry.run_id, entry.producer_id, entry.producer_seq, entry.event.kind,
            entry.event.version, entry.workspace, entry.principal, codec.encode(entry.event),
        )
        for entry in state.entries
    )  # fmt: skip
    return columns(rows, 9)


def _experiment(e: Experiment) -> tuple[Any, ...]:
    return e.experiment_id, e.workspace, e.name, e.artifact_location, e.deleted, e.runs, e.tags


def _run(run: Run) -> tuple[Any, ...]:
    return (
        run.run_id, run.experiment_id, run.name, run.user_id, run.artifact_uri, run.status, run.start_ms,
        run.end_ms, run.deleted, run.points, run.params, run.tags,
    )  # fmt: skip
