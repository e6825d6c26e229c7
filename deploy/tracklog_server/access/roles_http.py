"""The endpoints about roles of MLflow's own authentication app: named permissions of one workspace."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.caller import Level, caller
from tracklog_contract.errors import DENIED, EXISTS, INVALID, NOT_FOUND, Rejected
from tracklog_ingest.access import permissions, teams
from tracklog_ingest.access.permissions import Resource
from tracklog_ingest.access.turn import Turn
from tracklog_ingest.access.workspaces import no_workspace, require_workspace, workspace_of_experiment
from tracklog_server.access.fields import Fields, answer
from tracklog_server.access.office import Office, check_manages, is_admin, visible_principal
from tracklog_server.access.words import level_of, mlflow_word

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ROLES: Final = "/3.0/mlflow/roles"
TYPES: Final = ("experiment", "workspace")


def routes(office: Office) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    roles = Roles(office)
    return [
        ("POST", f"{ROLES}/create", roles.create),
        ("GET", f"{ROLES}/get", roles.get),
        ("GET", f"{ROLES}/list", roles.list),
        ("PATCH", f"{ROLES}/update", roles.update),
        ("DELETE", f"{ROLES}/delete", roles.delete),
        ("POST", f"{ROLES}/permissions/add", roles.add_permission),
        ("DELETE", f"{ROLES}/permissions/remove", roles.remove_permission),
        ("GET", f"{ROLES}/permissions/list", roles.permissions),
        ("PATCH", f"{ROLES}/permissions/update", roles.update_permission),
        ("POST", f"{ROLES}/assign", roles.assign),
        ("DELETE", f"{ROLES}/unassign", roles.unassign),
        ("GET", f"{ROLES}/users/list", roles.users),
    ]


class Roles:
    """The handlers, over one `Office`. Whoever manages a workspace manages its roles."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def create(self, request: web.Request) -> web.Response:
        """roles/create."""
        fields = await Fields.of(request)
        name, workspace = fields.text("name"), fields.text("workspace")
        description = fields.optional_text("description")
        check_manages(caller(), workspace)
        if name.startswith("__user_"):
            raise Rejected(
                INVALID, "Role names beginning with '__user_' stand for single users: choose another."
            )
        async with self._office.change() as turn:
            await require_workspace(turn, workspace)
            role_id = await teams.create_team(
                turn, "role", name, workspace=workspace, description=description or ""
            )
            return answer({"role": await described_role(turn, await teams.role_with_id(turn, role_id))})

    async def get(self, request: web.Request) -> web.Response:
        """roles/get."""
        role_id = (await Fields.of(request)).number("role_id")
        async with self._office.look() as turn:
            return answer({"role": await described_role(turn, await _role(turn, role_id))})

    async def list(self, request: web.Request) -> web.Response:
        """roles/list: those of the workspaces that are named; of all, for administrators."""
        who, named = caller(), request.query.getall("workspace", [])
        for workspace in named:
            if not workspace.isprintable():
                raise no_workspace(workspace)
        if not named and not is_admin(who):
            raise Rejected(DENIED, "Permission denied")
        for workspace in named:
            check_manages(who, workspace)
        async with self._office.look() as turn:
            roles = await teams.roles_in(turn, named or None)
            return answer({"roles": await described_roles(turn, roles)})

    async def update(self, request: web.Request) -> web.Response:
        """roles/update."""
        fields = await Fields.of(request)
        role_id, name = fields.number("role_id"), fields.optional_text("name")
        description = fields.optional_text("description")
        if name is None and description is None:
            raise Rejected(
                INVALID, "At least one of 'name' or 'description' must be provided to update a role."
            )
        async with self._office.change() as turn:
            await teams.change_team(turn, await _role(turn, role_id), name=name, description=description)
            return answer({"role": await described_role(turn, await _role(turn, role_id))})

    async def delete(self, request: web.Request) -> web.Response:
        """roles/delete."""
        role_id = (await Fields.of(request)).number("role_id")
        async with self._office.change() as turn:
            await teams.delete_team(turn, await _role(turn, role_id))
        return answer({})

    async def add_permission(self, request: web.Request) -> web.Response:
        """roles/permissions/add."""
        fields = await Fields.of(request)
        role_id = fields.number("role_id")
        resource = resource_of(fields.text("resource_type"), fields.text("resource_pattern"))
        level = _level(fields, resource)
        async with self._office.change() as turn:
            role = await _role(turn, role_id)
            await _check_within(turn, role["workspace"], resource)
            if await permissions.permissions_on(turn, role["workspace"], resource, team_ids=[role_id]):
                raise Rejected(
                    EXISTS,
                    f"Role permission (role_id={role_id}, resource_type={resource.type}, "
                    f"resource_pattern={resource.id}) already exists.",
                )
            number = await permissions.set_permission(turn, role["workspace"], resource, level, team=role)
            return answer({"role_permission": _described_permission(await _permission(turn, number))})

    async def remove_permission(self, request: web.Request) -> web.Response:
        """roles/permissions/remove."""
        number = (await Fields.of(request)).number("role_permission_id")
        async with self._office.change() as turn:
            await permissions.delete_permissions(turn, [await _permission(turn, number)])
        return answer({})

    async def permissions(self, request: web.Request) -> web.Response:
        """roles/permissions/list."""
        role_id = (await Fields.of(request)).number("role_id")
        async with self._office.look() as turn:
            role = await described_role(turn, await _role(turn, role_id))
        return answer({"role_permissions": role["permissions"]})

    async def update_permission(self, request: web.Request) -> web.Response:
        """roles/permissions/update."""
        fields = await Fields.of(request)
        number = fields.number("role_permission_id")
        async with self._office.change() as turn:
            row = await _permission(turn, number)
            resource = Resource(row["resource_type"], row["resource_id"])
            role = await _role(turn, row["team_id"])
            await permissions.set_permission(
                turn, row["workspace"], resource, _level(fields, resource), team=role
            )
            return answer({"role_permission": _described_permission(await _permission(turn, number))})

    async def assign(self, request: web.Request) -> web.Response:
        """roles/assign."""
        fields = await Fields.of(request)
        name, role_id = fields.text("username"), fields.number("role_id")
        async with self._office.change() as turn:
            role = await _role(turn, role_id)
            await visible_principal(turn, caller(), name)
            row = await teams.add_member(turn, role, name)
        return answer({"assignment": _described_member(role_id, row)})

    async def unassign(self, request: web.Request) -> web.Response:
        """roles/unassign."""
        fields = await Fields.of(request)
        name, role_id = fields.text("username"), fields.number("role_id")
        async with self._office.change() as turn:
            role = await _role(turn, role_id)
            await visible_principal(turn, caller(), name)
            await teams.remove_member(turn, role, name)
        return answer({})

    async def users(self, request: web.Request) -> web.Response:
        """roles/users/list."""
        role_id = (await Fields.of(request)).number("role_id")
        async with self._office.look() as turn:
            members = await teams.members_of(turn, [await _role(turn, role_id)])
        return answer({"assignments": [_described_member(role_id, row) for row in members]})


def resource_of(kind: str, pattern: str) -> Resource:
    """What MLflow names by a type and a pattern.

    Raises: Rejected, for a type that is not enforced here: a permission without effect is worse than none.
    """
    if kind not in TYPES:
        raise Rejected(
            INVALID, f"Invalid resource type '{kind[:100]}'. Valid resource types are: {', '.join(TYPES)}"
        )
    if kind == "workspace" and pattern != "*":
        raise Rejected(
            INVALID,
            f"Invalid resource_pattern '{pattern[:100]}' for resource_type='workspace'. This resource type"
            " supports only wildcard ('*') grants.",
        )
    return Resource(kind, pattern).normal()


def no_workspace_grants() -> Rejected:
    """The error of a grant on a workspace where only single resources can be granted."""
    return Rejected(
        INVALID,
        "resource_type 'workspace' is not supported by the per-user permission convenience APIs: "
        "assign a role that has it.",
    )


def _level(fields: Fields, resource: Resource) -> Level:
    level = level_of(fields.text("permission"))
    if level == Level.NONE or (resource.type == "workspace" and level not in (Level.USE, Level.MANAGE)):
        accepted = "USE, MANAGE" if resource.type == "workspace" else "READ, USE, EDIT, MANAGE, DENY"
        raise Rejected(
            INVALID,
            f"Invalid permission '{mlflow_word(level)}' for resource_type='{resource.type}':"
            f" it takes {accepted}.",
        )
    return level


async def _role(turn: Turn, role_id: int) -> Any:
    """A role that the caller manages.

    Raises: Rejected; for one of another workspace as for none.
    """
    absent = Rejected(NOT_FOUND, f"Role with id={role_id} not found")
    who = caller()
    role = await teams.role_with_id(turn, role_id)
    if role["workspace"] != who.workspace and not is_admin(who):
        raise absent
    check_manages(who, role["workspace"])
    return role


async def _check_within(turn: Turn, workspace: str, resource: Resource) -> None:
    """Accept what is of a workspace: a permission on another's would have no effect, but stand in its audit.

    Raises: Rejected, in the words for what is not there.
    """
    number = resource.experiment_id
    if number != NO_EXPERIMENT and await workspace_of_experiment(turn, number) != workspace:
        raise Rejected(NOT_FOUND, f"No Experiment with id={number} exists")


async def _permission(turn: Turn, number: int) -> Any:
    """A permission of a role that the caller manages.

    Raises: Rejected; for one of another workspace as for none.
    """
    absent = Rejected(NOT_FOUND, f"Role permission with id={number} not found")
    rows = await permissions.permissions_on(turn, None, permission_id=number)
    if not rows or rows[0]["kind"] != "role":
        raise absent
    who = caller()
    if rows[0]["workspace"] != who.workspace and not is_admin(who):
        raise absent
    check_manages(who, rows[0]["workspace"])
    return rows[0]


async def described_role(turn: Turn, role: Any) -> dict[str, Any]:
    """A role as MLflow has it."""
    (described,) = await described_roles(turn, [role])
    return described


async def described_roles(turn: Turn, roles: Sequence[Any]) -> list[dict[str, Any]]:
    """As `described_role`, of many with one question to the database."""
    held: dict[int, list[Any]] = {role["team_id"]: [] for role in roles}
    for row in await permissions.permissions_on(turn, None, team_ids=list(held)):
        held[row["team_id"]].append(row)
    return [
        {
            "id": role["team_id"],
            "name": role["name"],
            "workspace": role["workspace"],
            "description": role["description"] or None,
            "permissions": [_described_permission(row) for row in held[role["team_id"]]],
        }
        for role in roles
    ]


def _described_permission(row: Any) -> dict[str, Any]:
    return {
        "id": row["permission_id"],
        "role_id": row["team_id"],
        "resource_type": row["resource_type"],
        "resource_pattern": row["resource_id"],
        "permission": mlflow_word(row["level"]),
    }


def _described_member(role_id: int, row: Any) -> dict[str, Any]:
    return {"id": row["member_id"], "user_id": row["principal_id"], "role_id": role_id}
