"""Reads what a group of commands wants to know, in one round trip for most groups."""

import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec

from tracklog_contract.limits import Quotas
from tracklog_ingest.artifact_state import load_artifacts, load_totals
from tracklog_ingest.purge_state import load_purges
from tracklog_ingest.state import SQL, Experiment, Model, Producer, Run, State, Wants, artifact_owner, columns
from tracklog_ingest.trace_state import load_traces


async def load(connection: Any, wants: Wants, quotas: Quotas) -> State:
    """Read what a group wants to know. The caller holds the head's lock, so nothing can change under it."""
    rows = await connection.fetch(
        SQL["load_state"],
        list(wants.runs),
        list(wants.experiments),
        *columns(wants.names | wants.names_to_begin, 2),
        *columns(wants.params, 2),
        *columns(wants.tags, 2),
        *columns(wants.experiment_tags, 2),
        list(wants.models),
        *columns(wants.model_params, 2),
        *columns(wants.model_tags, 2),
        wants.new_experiments,
    )
    state = State(quotas)
    for kind, text in rows:
        _READERS[kind](state, msgspec.json.decode(text))
    await _load_rest(connection, wants, state)
    return state


async def _load_rest(connection: Any, wants: Wants, state: State) -> None:
    """What few groups want: requests of the native lane, and those about traces and artifacts."""
    if wants.producers:
        for row in await connection.fetch(SQL["load_producers"], list(wants.producers)):
            state.producers[row["producer_id"]] = Producer(*row)
    missing = wants.names_to_begin - state.names.keys()
    if missing:
        rows = await connection.fetch(SQL["new_experiment_ids"], len(missing))
        state.new_experiment_ids.extend(row["experiment_id"] for row in rows)
    if wants.traces:
        state.traces = await load_traces(
            connection, wants.traces, columns(wants.trace_tags, 2), wants.assessed_traces
        )
    if wants.artifacts.paths or wants.purges:
        await _load_experiments(connection, state, _owning(state))
    if wants.artifacts.paths:
        state.artifacts = await load_artifacts(
            connection, wants.artifacts, lambda path: artifact_owner(state, path)
        )
        await _load_experiments(connection, state, state.artifacts.experiments())
    if wants.purges:
        state.purges = await load_purges(connection, wants.purges)
        of_runs = [(run.experiment_id, run.run_id) for run in state.runs.values()]
        of_models = [(model.experiment_id, None) for model in state.models.values()]
        await load_totals(connection, state.artifacts, [*of_runs, *of_models])


def _owning(state: State) -> set[int]:
    """The experiments of what artifacts may belong to."""
    found = {run.experiment_id for run in state.runs.values()}
    found.update(model.experiment_id for model in state.models.values())
    found.update(trace.experiment_id for trace in state.traces.traces.values())
    return found


async def _load_experiments(connection: Any, state: State, wanted: set[int]) -> None:
    missing = list(wanted - state.experiments.keys())
    if missing:
        for row in await connection.fetch(SQL["load_experiments"], missing):
            _read_experiment(state, list(row))


def _read_head(state: State, item: list[int]) -> None:
    state.position, state.quota_changes = item


def _read_run(state: State, item: list[Any]) -> None:
    run_id, *columns_of_run, purged = item
    run = Run(uuid.UUID(run_id), *columns_of_run)
    if purged:
        state.purged_runs.add(run.run_id)
    else:
        state.runs[run.run_id] = run


def _read_experiment(state: State, item: list[Any]) -> None:
    experiment = Experiment(*item)
    state.experiments[experiment.experiment_id] = experiment
    state.names[experiment.workspace, experiment.name] = experiment.experiment_id


def _read_param(state: State, item: list[str]) -> None:
    state.params[uuid.UUID(item[0]), item[1]] = item[2]


def _read_tag(state: State, item: list[str]) -> None:
    state.tags.read((uuid.UUID(item[0]), item[1]))


def _read_model(state: State, item: list[Any]) -> None:
    state.models[item[0]] = Model(*item)


def _read_model_param(state: State, item: list[str]) -> None:
    state.model_params[item[0], item[1]] = item[2]


_READERS: Final[dict[str, Callable[[State, Any], None]]] = {
    "head": _read_head,
    "run": _read_run,
    "experiment": _read_experiment,
    "param": _read_param,
    "tag": _read_tag,
    "experiment_tag": lambda state, item: state.experiment_tags.read((item[0], item[1])),
    "model": _read_model,
    "model_param": _read_model_param,
    "model_tag": lambda state, item: state.model_tags.read((item[0], item[1])),
    "new_experiment_id": lambda state, item: state.new_experiment_ids.append(item),
}
