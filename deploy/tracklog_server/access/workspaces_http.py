"""MLflow's endpoints about workspaces; each caller sees those that they may enter."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from tracklog_contract.caller import caller
from tracklog_contract.errors import INVALID, UNIMPLEMENTED, Rejected
from tracklog_ingest.access import workspaces
from tracklog_ingest.access.turn import Turn
from tracklog_server.access.fields import Fields, answer
from tracklog_server.access.office import Office, check_manages

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WORKSPACES: Final = "/3.0/mlflow/workspaces"
ONE: Final = f"{WORKSPACES}/{{workspace_name}}"


def routes(office: Office) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    handlers = Workspaces(office)
    return [
        ("GET", WORKSPACES, handlers.list),
        ("POST", WORKSPACES, handlers.create),
        ("GET", ONE, handlers.get),
        ("PATCH", ONE, handlers.update),
        ("DELETE", ONE, handlers.delete),
    ]


class Workspaces:
    """The handlers, over one `Office`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def list(self, request: web.Request) -> web.Response:
        """GET workspaces: those that the caller may enter."""
        async with self._office.look() as turn:
            rows = await workspaces.all_workspaces(turn)
        entered = [row for row in rows if await self._enters(request, row["name"])]
        return answer({"workspaces": [_described(row) for row in entered]} if entered else {})

    async def create(self, request: web.Request) -> web.Response:
        """POST workspaces, of administrators."""
        fields = await Fields.of(request)
        name, description = fields.text("name"), fields.optional_text("description")
        _check_supported(fields)
        async with self._office.change() as turn:
            await workspaces.create_workspace(turn, name, description=description or "")
            return answer({"workspace": _described(await _row(turn, name))}, status=201)

    async def get(self, request: web.Request) -> web.Response:
        """GET workspaces/{workspace_name}."""
        name = _name(request)
        if not await self._enters(request, name):
            raise workspaces.no_workspace(name)
        async with self._office.look() as turn:
            return answer({"workspace": _described(await _row(turn, name))})

    async def update(self, request: web.Request) -> web.Response:
        """PATCH workspaces/{workspace_name}, of who manages it."""
        name, fields = _name(request), await Fields.of(request)
        check_manages(caller(), name)
        _check_supported(fields)
        description = fields.optional_text("description")
        if description is None:
            raise Rejected(INVALID, "Workspace update must have at least one key")
        async with self._office.change() as turn:
            await workspaces.change_workspace(turn, name, description=description)
            return answer({"workspace": _described(await _row(turn, name))})

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE workspaces/{workspace_name}, of administrators: only one that holds nothing."""
        if request.query.get("mode", "RESTRICT") != "RESTRICT":
            raise Rejected(
                UNIMPLEMENTED,
                "Only mode RESTRICT is supported: a workspace goes when there is nothing in it.",
            )
        async with self._office.change() as turn:
            await workspaces.delete_workspace(turn, _name(request))
        return web.Response(status=204)

    async def _enters(self, request: web.Request, name: str) -> bool:
        return await self._office.authenticator.enters(request, name)


def _name(request: web.Request) -> str:
    """The workspace that the URL names.

    Raises: Rejected, for what can be no name, nor be asked of the database.
    """
    name = request.match_info["workspace_name"]
    if not name.isprintable():
        raise workspaces.no_workspace(name)
    return name


async def _row(turn: Turn, name: str) -> Any:
    return await workspaces.require_workspace(turn, name)


def _described(row: Any) -> dict[str, Any]:
    described = {"name": row["name"]}
    return {**described, "description": row["description"]} if row["description"] else described


def _check_supported(fields: Fields) -> None:
    if fields.optional_text("default_artifact_root"):
        raise Rejected(INVALID, "All workspaces keep their artifacts in the server's own store.")
