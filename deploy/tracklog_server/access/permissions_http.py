"""Permissions on experiments as Databricks has them: who may do what with one, asked and changed."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from tracklog_contract.caller import Caller, Level, caller
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_ingest.access import permissions, teams
from tracklog_ingest.access.permissions import Resource
from tracklog_ingest.access.turn import Turn
from tracklog_ingest.access.workspaces import require_workspace
from tracklog_server.access.fields import Fields, answer
from tracklog_server.access.office import Office, check_experiment, is_admin, visible_principal
from tracklog_server.access.words import databricks_word, level_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATH: Final = "/2.0/permissions/experiments/{experiment_id}"
ENTRIES_MAX: Final = 1000
GRANTEES: Final = ("user_name", "service_principal_name", "group_name")
WORDS: Final = ("CAN_READ", "CAN_EDIT", "CAN_MANAGE")
DESCRIPTIONS: Final = (
    "Can view and search runs, and download artifacts",
    "Can view, log, change and delete runs and artifacts",
    "Can delete the experiment and change its permissions too",
)


def routes(office: Office) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    handlers = ExperimentPermissions(office)
    return [
        ("GET", PATH, handlers.get),
        ("PUT", PATH, handlers.replace),
        ("PATCH", PATH, handlers.update),
        ("GET", f"{PATH}/permissionLevels", handlers.levels),
    ]


class ExperimentPermissions:
    """The handlers, over one `Office`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def get(self, request: web.Request) -> web.Response:
        """GET permissions/experiments/{experiment_id}."""
        who, resource = await _asked(request)
        async with self._office.look() as turn:
            return answer(await _described(turn, who.workspace, resource))

    async def levels(self, request: web.Request) -> web.Response:
        """GET permissions/experiments/{experiment_id}/permissionLevels."""
        await _asked(request)
        pairs = zip(WORDS, DESCRIPTIONS, strict=True)
        return answer(
            {"permission_levels": [{"permission_level": word, "description": text} for word, text in pairs]}
        )

    async def replace(self, request: web.Request) -> web.Response:
        """PUT permissions/experiments/{experiment_id}: these, and no others but those of roles."""
        return await self._set(request, keep=False)

    async def update(self, request: web.Request) -> web.Response:
        """PATCH permissions/experiments/{experiment_id}: these too."""
        return await self._set(request, keep=True)

    async def _set(self, request: web.Request, *, keep: bool) -> web.Response:
        who, resource = await _asked(request)
        wanted = _wanted((await Fields.of(request)).items("access_control_list"))
        async with self._office.change() as turn:
            # Again, now that nobody can change it meanwhile.
            await check_experiment(who, resource.experiment_id)
            # Before any goes: somebody may be known here by that one alone.
            grantees = [(await _grantee(turn, who, *named), level) for named, level in wanted.items()]
            if not keep:
                held = await permissions.permissions_on(turn, who.workspace, resource)
                await permissions.delete_permissions(turn, [row for row in held if row["kind"] != "role"])
            for grantee, level in grantees:
                await permissions.set_permission(turn, who.workspace, resource, level, **grantee)
            return answer(await _described(turn, who.workspace, resource))


async def _asked(request: web.Request) -> tuple[Caller, Resource]:
    """Who asks, and about which experiment.

    Raises: Rejected, for who may not manage it.
    """
    experiment_id = parse_experiment_id(request.match_info["experiment_id"])
    await check_experiment(caller(), experiment_id)
    return caller(), Resource("experiment", str(experiment_id))


def _wanted(entries: Iterable[Fields]) -> Mapping[tuple[str, str], Level]:
    wanted: dict[tuple[str, str], Level] = {}
    for entry in entries:
        named = [(kind, name) for kind in GRANTEES if (name := entry.optional_text(kind))]
        if len(named) != 1:
            raise Rejected(INVALID, f"Each entry names one of {', '.join(GRANTEES)}.")
        word = entry.text("permission_level")
        if word not in WORDS:
            raise Rejected(
                INVALID, f"The permission_level must be one of {', '.join(WORDS)}, not '{word[:100]}'."
            )
        if named[0] in wanted:
            raise Rejected(INVALID, f"'{named[0][1]}' is named twice.")
        wanted[named[0]] = level_of(word)
    if len(wanted) > ENTRIES_MAX:
        raise Rejected(INVALID, f"At most {ENTRIES_MAX} entries can be set at once.")
    return wanted


async def _grantee(turn: Turn, who: Caller, kind: str, name: str) -> dict[str, Any]:
    """Whom to give a permission, as `set_permission` takes it.

    Raises: Rejected, when nobody of that name is known in the workspace.
    """
    if kind == "group_name":
        group = await teams.group_named(turn, name)
        known = is_admin(who) or await permissions.group_is_known_in(turn, who.workspace, group["team_id"])
        if not known:
            raise Rejected(NOT_FOUND, f"Group with name={name} not found")
        return {"team": group}
    await visible_principal(turn, who, name)
    return {"principal": name}


async def _described(turn: Turn, workspace: str, resource: Resource) -> dict[str, Any]:
    """All permissions on an experiment: its own, and what it has of its workspace."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}

    def add(field: str, name: str, level: int, inherited_from: str | None) -> None:
        word = databricks_word(level) if level > Level.NONE else None
        if word is None:
            return
        entry = entries.setdefault((field, name), {field: name, "display_name": name, "all_permissions": []})
        source = {"inherited_from_object": [inherited_from]} if inherited_from else {}
        entry["all_permissions"].append(
            {"permission_level": word, "inherited": inherited_from is not None, **source}
        )

    for row in await permissions.permissions_on(turn, workspace, resource):
        add(_field(row), row["grantee"], row["level"], None)
    above = f"/workspaces/{workspace}"
    for row in await permissions.permissions_on(turn, workspace, Resource("experiment", "*")):
        add(_field(row), row["grantee"], row["level"], above)
    for row in await permissions.permissions_on(turn, workspace, Resource("workspace", "*")):
        if row["level"] >= Level.MANAGE:
            add(_field(row), row["grantee"], row["level"], above)
    add("group_name", "admins", Level.MANAGE, "/")
    default = (await require_workspace(turn, workspace))["default_level"]
    add("group_name", "users", default, above)
    return {
        "object_id": f"/experiments/{resource.id}",
        "object_type": "mlflowExperiment",
        "access_control_list": list(entries.values()),
    }


def _field(row: Mapping[str, Any]) -> str:
    if row["kind"] != "user":
        return "group_name"
    return "service_principal_name" if row["service"] else "user_name"
