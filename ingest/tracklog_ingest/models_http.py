"""MLflow's write endpoints about logged models."""

import uuid

from aiohttp import web

from tracklog_contract import messages as m
from tracklog_contract import validate
from tracklog_contract.ids import parse_experiment_id
from tracklog_ingest.http import EMPTY, MLFLOW, Route, answer, body_fields, now_ms
from tracklog_ingest.models import ChangeModel, CreateModel, DeleteModel, DeleteModelTag, FinalizeModel
from tracklog_ingest.names import random_name
from tracklog_ingest.service import Ingest


def routes(ingest: Ingest) -> list[Route]:
    """Every write endpoint about logged models, as (method, path, handler)."""
    writes = ModelWrites(ingest)
    return [
        ("POST", f"{MLFLOW}/logged-models", writes.create),
        ("PATCH", f"{MLFLOW}/logged-models/{{model_id}}", writes.finalize),
        ("DELETE", f"{MLFLOW}/logged-models/{{model_id}}", writes.delete),
        ("PATCH", f"{MLFLOW}/logged-models/{{model_id}}/tags", writes.set_tags),
        ("DELETE", f"{MLFLOW}/logged-models/{{model_id}}/tags/{{key}}", writes.delete_tag),
        ("POST", f"{MLFLOW}/logged-models/{{model_id}}/params", writes.log_params),
    ]


class ModelWrites:
    """The handlers, over one `Ingest`."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def _answer_model(self, model_id: str) -> web.Response:
        return answer({"model": await self._ingest.read_model(model_id)})

    async def create(self, request: web.Request) -> web.Response:
        """POST logged-models."""
        fields = await body_fields(m.CREATE_LOGGED_MODEL, request)
        name = fields["name"] or random_name()
        validate.logged_model_name(name)
        model_id = f"m-{uuid.uuid4().hex}"
        await self._ingest.submit(
            CreateModel(
                model_id,
                parse_experiment_id(fields["experiment_id"]),
                name,
                fields["model_type"],
                fields["source_run_id"],
                _pairs(fields.get("params", [])),
                _pairs(fields.get("tags", [])),
                now_ms(),
            )
        )
        return await self._answer_model(model_id)

    async def finalize(self, request: web.Request) -> web.Response:
        """PATCH logged-models/{model_id}."""
        fields = await body_fields(m.FINALIZE_LOGGED_MODEL, request)
        model_id = _from_path(request, "model_id")
        # A status that MLflow does not know changes nothing, and is no error.
        if "status" in fields:
            await self._ingest.submit(FinalizeModel(model_id, fields["status"], now_ms()))
        return await self._answer_model(model_id)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE logged-models/{model_id}."""
        await self._ingest.submit(DeleteModel(_from_path(request, "model_id"), now_ms()))
        return web.Response(body=EMPTY, content_type="application/json")

    async def set_tags(self, request: web.Request) -> web.Response:
        """PATCH logged-models/{model_id}/tags."""
        fields = await body_fields(m.SET_LOGGED_MODEL_TAGS, request)
        model_id = _from_path(request, "model_id")
        await self._ingest.submit(ChangeModel(model_id, {}, _pairs(fields.get("tags", []))))
        return web.Response(body=EMPTY, content_type="application/json")

    async def delete_tag(self, request: web.Request) -> web.Response:
        """DELETE logged-models/{model_id}/tags/{key}."""
        model_id, key = _from_path(request, "model_id"), _from_path(request, "key")
        await self._ingest.submit(DeleteModelTag(model_id, key))
        return web.Response(body=EMPTY, content_type="application/json")

    async def log_params(self, request: web.Request) -> web.Response:
        """POST logged-models/{model_id}/params."""
        fields = await body_fields(m.LOG_LOGGED_MODEL_PARAMS, request)
        model_id = _from_path(request, "model_id")
        await self._ingest.submit(ChangeModel(model_id, _pairs(fields.get("params", [])), {}))
        return web.Response(body=EMPTY, content_type="application/json")


def _from_path(request: web.Request, name: str) -> str:
    return validate.path_part(name, request.match_info[name])


def _pairs(items: list[dict[str, str]]) -> dict[str, str]:
    for item in items:
        validate.free_key(item["key"])
    return {item["key"]: item["value"] for item in items}
