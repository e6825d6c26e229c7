"""MLflow's write endpoints: each decodes a request into a command, submits it, and answers."""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from tracklog_contract import messages as m
from tracklog_contract import validate
from tracklog_contract.answers import key_values, run_info
from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import new_run_id, parse_experiment_id
from tracklog_contract.protojson import decode_body
from tracklog_contract.shape import Message
from tracklog_ingest import fast
from tracklog_ingest.append import Command
from tracklog_ingest.experiments import (
    CreateExperiment,
    DeleteExperimentTag,
    RenameExperiment,
    SetExperimentDeleted,
    SetExperimentTag,
)
from tracklog_ingest.requests import (
    dataset_uses,
    log_batch_command,
    log_metric_command,
    model_uses,
)
from tracklog_ingest.runs import (
    CreateRun,
    DeleteRunTag,
    LogInputs,
    LogOutputs,
    LogToRun,
    RecordModel,
    SetRunDeleted,
    UpdateRun,
)
from tracklog_ingest.service import Ingest
from tracklog_ingest.state import Run

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]
MLFLOW: Final = "/2.0/mlflow"
EMPTY: Final = b"{}"
PARTITION: Final = 0
PARTITIONS: Final = 1


def routes(ingest: Ingest) -> list[Route]:
    """Every write endpoint about experiments and runs, as (method, path, handler)."""
    writes = Writes(ingest)
    experiments = {
        "create": writes.create_experiment,
        "update": writes.rename_experiment,
        "delete": writes.delete_experiment,
        "restore": writes.restore_experiment,
        "set-experiment-tag": writes.set_experiment_tag,
        "delete-experiment-tag": writes.delete_experiment_tag,
    }
    runs = {
        "create": writes.create_run,
        "update": writes.update_run,
        "delete": writes.delete_run,
        "restore": writes.restore_run,
        "log-batch": writes.log_batch,
        "log-metric": writes.log_metric,
        "log-parameter": writes.log_parameter,
        "set-tag": writes.set_tag,
        "delete-tag": writes.delete_tag,
        "log-inputs": writes.log_inputs,
        "outputs": writes.log_outputs,
        "log-model": writes.record_model,
    }
    return [
        *(("POST", f"{MLFLOW}/experiments/{name}", handler) for name, handler in experiments.items()),
        *(("POST", f"{MLFLOW}/runs/{name}", handler) for name, handler in runs.items()),
    ]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def answer(value: Any) -> web.Response:
    """A value as a JSON answer."""
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


async def body_fields(message: Message, request: web.Request) -> dict[str, Any]:
    """The fields of a request's body.

    Raises: Rejected, when they are not as `message` says.
    """
    return decode_body(message, await request.read(), request.headers.get("Content-Type", ""))


class Writes:
    """The handlers, over one `Ingest`."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def _done(self, command: Command) -> web.Response:
        """Submit a command that answers nothing."""
        await self._ingest.submit(command)
        return web.Response(body=EMPTY, content_type="application/json")

    async def create_experiment(self, request: web.Request) -> web.Response:
        """experiments/create."""
        fields = await body_fields(m.CREATE_EXPERIMENT, request)
        validate.experiment_name(fields["name"])
        location = fields["artifact_location"].strip()
        if location:
            validate.artifact_location(location)
        tags = _pairs(fields.get("tags", []))
        for key, value in tags.items():
            validate.experiment_tag(key, value)
        experiment_id = await self._ingest.submit(CreateExperiment(fields["name"], location, tags, now_ms()))
        return answer({"experiment_id": str(experiment_id)})

    async def rename_experiment(self, request: web.Request) -> web.Response:
        """experiments/update."""
        fields = await body_fields(m.UPDATE_EXPERIMENT, request)
        validate.experiment_name(fields["new_name"])
        experiment_id = parse_experiment_id(fields["experiment_id"])
        return await self._done(RenameExperiment(experiment_id, fields["new_name"], now_ms()))

    async def delete_experiment(self, request: web.Request) -> web.Response:
        """experiments/delete."""
        fields = await body_fields(m.DELETE_EXPERIMENT, request)
        experiment_id = parse_experiment_id(fields["experiment_id"])
        return await self._done(SetExperimentDeleted(experiment_id, deleted=True, now_ms=now_ms()))

    async def restore_experiment(self, request: web.Request) -> web.Response:
        """experiments/restore."""
        fields = await body_fields(m.RESTORE_EXPERIMENT, request)
        experiment_id = parse_experiment_id(fields["experiment_id"])
        return await self._done(SetExperimentDeleted(experiment_id, deleted=False, now_ms=now_ms()))

    async def set_experiment_tag(self, request: web.Request) -> web.Response:
        """experiments/set-experiment-tag."""
        fields = await body_fields(m.SET_EXPERIMENT_TAG, request)
        validate.experiment_tag(fields["key"], fields["value"])
        experiment_id = parse_experiment_id(fields["experiment_id"])
        return await self._done(SetExperimentTag(experiment_id, fields["key"], fields["value"]))

    async def delete_experiment_tag(self, request: web.Request) -> web.Response:
        """experiments/delete-experiment-tag."""
        fields = await body_fields(m.DELETE_EXPERIMENT_TAG, request)
        return await self._done(
            DeleteExperimentTag(parse_experiment_id(fields["experiment_id"]), fields["key"])
        )

    async def create_run(self, request: web.Request) -> web.Response:
        """runs/create."""
        fields = await body_fields(m.CREATE_RUN, request)
        validate.run_name(fields["run_name"])
        validate.user_id(fields["user_id"])
        tags = {key: validate.first_tag(key, value) for key, value in _pairs(fields.get("tags", [])).items()}
        run, all_tags = await self._ingest.submit(
            CreateRun(
                parse_experiment_id(fields["experiment_id"]),
                new_run_id(PARTITION, PARTITIONS),
                fields["run_name"],
                fields["user_id"],
                fields["start_time"],
                tags,
            )
        )
        data = {"tags": key_values(all_tags)}
        return answer({"run": {"info": info_of(run), "data": data, "inputs": {}}})

    async def update_run(self, request: web.Request) -> web.Response:
        """runs/update."""
        fields = await body_fields(m.UPDATE_RUN, request)
        name = fields.get("run_name")
        validate.run_name(name or "")
        run = await self._ingest.submit(
            UpdateRun(fields["run_id"], fields.get("status"), fields.get("end_time"), name)
        )
        return answer({"run_info": info_of(run)})

    async def delete_run(self, request: web.Request) -> web.Response:
        """runs/delete."""
        fields = await body_fields(m.DELETE_RUN, request)
        return await self._done(SetRunDeleted(fields["run_id"], deleted=True, now_ms=now_ms()))

    async def restore_run(self, request: web.Request) -> web.Response:
        """runs/restore."""
        fields = await body_fields(m.RESTORE_RUN, request)
        return await self._done(SetRunDeleted(fields["run_id"], deleted=False, now_ms=now_ms()))

    async def log_batch(self, request: web.Request) -> web.Response:
        """runs/log-batch."""
        command = await _read(request, fast.log_batch)
        if command is None:
            command = log_batch_command(await body_fields(m.LOG_BATCH, request))
        return await self._done(command)

    async def log_metric(self, request: web.Request) -> web.Response:
        """runs/log-metric."""
        command = await _read(request, fast.log_metric)
        if command is None:
            command = log_metric_command(await body_fields(m.LOG_METRIC, request))
        return await self._done(command)

    async def log_parameter(self, request: web.Request) -> web.Response:
        """runs/log-parameter."""
        command = await _read(request, fast.log_parameter)
        if command is None:
            fields = await body_fields(m.LOG_PARAMETER, request)
            params = {fields["key"]: validate.param(fields["key"], fields["value"])}
            command = LogToRun(fields["run_id"], params=params, single=True)
        return await self._done(command)

    async def set_tag(self, request: web.Request) -> web.Response:
        """runs/set-tag."""
        command = await _read(request, fast.set_tag)
        if command is None:
            fields = await body_fields(m.SET_TAG, request)
            tags = {fields["key"]: validate.tag(fields["key"], fields["value"])}
            command = LogToRun(fields["run_id"], tags=tags)
        return await self._done(command)

    async def delete_tag(self, request: web.Request) -> web.Response:
        """runs/delete-tag."""
        fields = await body_fields(m.DELETE_TAG, request)
        return await self._done(DeleteRunTag(fields["run_id"], fields["key"]))

    async def log_inputs(self, request: web.Request) -> web.Response:
        """runs/log-inputs."""
        fields = await body_fields(m.LOG_INPUTS, request)
        validate.run_id(fields["run_id"])
        datasets = fields.get("datasets", [])
        validate.dataset_inputs(datasets)
        models = model_uses(fields.get("models", []))
        return await self._done(LogInputs(fields["run_id"], dataset_uses(datasets), models))

    async def log_outputs(self, request: web.Request) -> web.Response:
        """runs/outputs."""
        fields = await body_fields(m.LOG_OUTPUTS, request)
        return await self._done(LogOutputs(fields["run_id"], model_uses(fields["models"])))

    async def record_model(self, request: web.Request) -> web.Response:
        """runs/log-model."""
        fields = await body_fields(m.LOG_MODEL, request)
        item = json.dumps(validate.model_history_item(fields["model_json"]))
        return await self._done(RecordModel(fields["run_id"], item))


async def _read(request: web.Request, decode: Callable[[bytes], LogToRun | None]) -> LogToRun | None:
    """The command in a body of the common form, None when the complete decoder must look at it."""
    if not request.headers.get("Content-Type", "").startswith("application/json"):
        return None
    return decode(await request.read())


def _pairs(items: Sequence[dict[str, str]]) -> dict[str, str]:
    """Tags as a mapping.

    Raises: Rejected, when a key comes twice.
    """
    pairs = {item["key"]: item["value"] for item in items}
    if len(pairs) != len(items):
        raise Rejected(INVALID, "Two tags have the same key. Send each key once.")
    return pairs


def info_of(run: Run) -> dict[str, Any]:
    """A run as MLflow's RunInfo."""
    return run_info(
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        name=run.name,
        user_id=run.user_id,
        status=run.status,
        start_ms=run.start_ms,
        end_ms=run.end_ms,
        artifact_uri=run.artifact_uri,
        deleted=run.deleted,
    )
