"""Folds the events that are few: each is one or two statements of its own."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tracklog_contract import bounded_json
from tracklog_contract.answers import LOGGED_MODELS_TAG
from tracklog_contract.events import (
    Event,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagDeleted,
    ExperimentTagSet,
    LoggedModelChanged,
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelFinalized,
    LoggedModelTagDeleted,
    RunInputsLogged,
    RunModelRecorded,
    RunOutputsLogged,
    StoredEntry,
)
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_projector")


async def fold_rare(connection: Any, entry: StoredEntry, event: Event) -> None:
    """Write what one event says."""
    await FOLDS[type(event)](connection, entry, event)


async def _experiment_created(connection: Any, entry: StoredEntry, event: ExperimentCreated) -> None:
    await connection.execute(
        SQL["insert_experiment"],
        entry.experiment_id, entry.workspace, event.name, event.artifact_location, event.created_ms,
    )  # fmt: skip
    for key, value in event.tags.items():
        await connection.execute(SQL["upsert_experiment_tag"], entry.experiment_id, key, value)


async def _experiment_renamed(connection: Any, entry: StoredEntry, event: ExperimentRenamed) -> None:
    await connection.execute(SQL["rename_experiment"], entry.experiment_id, event.name, event.updated_ms)


async def _experiment_lifecycle(
    connection: Any, entry: StoredEntry, event: ExperimentDeleted | ExperimentRestored
) -> None:
    deleted = isinstance(event, ExperimentDeleted)
    await connection.execute(SQL["set_experiment_deleted"], entry.experiment_id, deleted, event.updated_ms)
    since_ms = event.updated_ms if deleted else None
    await connection.execute(SQL["set_runs_deleted"], entry.experiment_id, deleted, since_ms)


async def _experiment_tag_set(connection: Any, entry: StoredEntry, event: ExperimentTagSet) -> None:
    await connection.execute(SQL["upsert_experiment_tag"], entry.experiment_id, event.key, event.value)


async def _experiment_tag_deleted(connection: Any, entry: StoredEntry, event: ExperimentTagDeleted) -> None:
    await connection.execute(SQL["delete_experiment_tag"], entry.experiment_id, event.key)


async def _run_inputs(connection: Any, entry: StoredEntry, event: RunInputsLogged) -> None:
    for number, dataset in enumerate(event.datasets):
        await connection.execute(
            SQL["insert_dataset"],
            entry.experiment_id, dataset.name, dataset.digest, dataset.source_type, dataset.source,
            dataset.schema, dataset.profile,
        )  # fmt: skip
        await connection.execute(
            SQL["insert_run_dataset"],
            entry.run_id, entry.experiment_id, dataset.name, dataset.digest,
            entry.position * 1000 + number, json.dumps(dict(dataset.tags)),
        )  # fmt: skip
    for model in event.models:
        await connection.execute(
            SQL["insert_run_model"], entry.run_id, model.model_id, False, None, entry.position
        )


async def _run_outputs(connection: Any, entry: StoredEntry, event: RunOutputsLogged) -> None:
    for model in event.models:
        await connection.execute(
            SQL["insert_run_model"], entry.run_id, model.model_id, True, model.step, entry.position
        )


async def _run_model_recorded(connection: Any, entry: StoredEntry, event: RunModelRecorded) -> None:
    history = await connection.fetchval(SQL["get_tag"], entry.run_id, LOGGED_MODELS_TAG)
    value = json.dumps([*_json_list(history), json.loads(event.model_json)])
    await connection.execute(
        SQL["upsert_tags"], [entry.run_id], [entry.experiment_id], [LOGGED_MODELS_TAG], [value]
    )


def _json_list(text: str | None) -> list[Any]:
    """The list in `text`; a tag that a user overwrote with something else starts a new one."""
    try:
        # One deeper than a record may be, since the records stand in a list.
        value = bounded_json.loads(text, depth_max=bounded_json.DEPTH_MAX + 1) if text else []
    except ValueError:
        return []
    return value if isinstance(value, list) else []


async def _model_created(connection: Any, entry: StoredEntry, event: LoggedModelCreated) -> None:
    await connection.execute(
        SQL["insert_model"],
        event.model_id, entry.experiment_id, event.name, event.model_type, event.source_run_id,
        event.artifact_uri, event.created_ms,
    )  # fmt: skip
    await _model_params_and_tags(connection, event.model_id, event.params, event.tags)


async def _model_finalized(connection: Any, _entry: StoredEntry, event: LoggedModelFinalized) -> None:
    await connection.execute(SQL["update_model"], event.model_id, event.status, event.updated_ms, None)


async def _model_changed(connection: Any, _entry: StoredEntry, event: LoggedModelChanged) -> None:
    await _model_params_and_tags(connection, event.model_id, event.params, event.tags)


async def _model_params_and_tags(
    connection: Any, model_id: str, params: Mapping[str, str], tags: Mapping[str, str]
) -> None:
    if params:
        await connection.execute(SQL["insert_model_params"], model_id, list(params), list(params.values()))
    if tags:
        await connection.execute(SQL["upsert_model_tags"], model_id, list(tags), list(tags.values()))


async def _model_tag_deleted(connection: Any, _entry: StoredEntry, event: LoggedModelTagDeleted) -> None:
    await connection.execute(SQL["delete_model_tag"], event.model_id, event.key)


async def _model_deleted(connection: Any, _entry: StoredEntry, event: LoggedModelDeleted) -> None:
    await connection.execute(SQL["update_model"], event.model_id, None, event.updated_ms, True)


FOLDS: dict[type[Event], Callable[[Any, StoredEntry, Any], Awaitable[None]]] = {
    ExperimentCreated: _experiment_created,
    ExperimentRenamed: _experiment_renamed,
    ExperimentDeleted: _experiment_lifecycle,
    ExperimentRestored: _experiment_lifecycle,
    ExperimentTagSet: _experiment_tag_set,
    ExperimentTagDeleted: _experiment_tag_deleted,
    RunInputsLogged: _run_inputs,
    RunOutputsLogged: _run_outputs,
    RunModelRecorded: _run_model_recorded,
    LoggedModelCreated: _model_created,
    LoggedModelFinalized: _model_finalized,
    LoggedModelChanged: _model_changed,
    LoggedModelTagDeleted: _model_tag_deleted,
    LoggedModelDeleted: _model_deleted,
}
