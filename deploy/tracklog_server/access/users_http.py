"""The endpoints about users of MLflow's own authentication app, which its AuthServiceClient calls."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from tracklog_contract.caller import Caller, Level, caller
from tracklog_contract.errors import BAD_REQUEST, DENIED, EXISTS, INVALID, NOT_FOUND, Rejected
from tracklog_ingest.access import permissions, principals, teams
from tracklog_ingest.access.permissions import Resource
from tracklog_ingest.access.turn import Turn
from tracklog_server.access import passwords
from tracklog_server.access.fields import Fields, answer
from tracklog_server.access.office import (
    Office,
    check_experiment,
    check_manages,
    is_admin,
    manages,
    visible_principal,
)
from tracklog_server.access.roles_http import described_roles, no_workspace_grants, resource_of
from tracklog_server.access.words import level_of, mlflow_word

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
USERS: Final = "/2.0/mlflow/users"
USERS_3: Final = "/3.0/mlflow/users"


def routes(office: Office) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""
    users = Users(office)
    return [
        ("POST", f"{USERS}/create", users.create),
        ("GET", f"{USERS}/get", users.get),
        ("GET", f"{USERS}/list", users.list),
        ("GET", f"{USERS}/current", users.current),
        ("PATCH", f"{USERS}/update-password", users.update_password),
        ("PATCH", f"{USERS}/update-admin", users.update_admin),
        ("DELETE", f"{USERS}/delete", users.delete),
        ("GET", f"{USERS_3}/current/permissions", users.own_permissions),
        ("GET", f"{USERS_3}/permissions/list", users.permissions),
        ("POST", f"{USERS_3}/permissions/grant", users.grant),
        ("POST", f"{USERS_3}/permissions/revoke", users.revoke),
        ("GET", f"{USERS_3}/permissions/get", users.permission),
        ("GET", f"{USERS_3}/roles/list", users.roles),
    ]


class Users:
    """The handlers, over one `Office`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def create(self, request: web.Request) -> web.Response:
        """users/create, of administrators: a member of the request's workspace."""
        fields = await Fields.of(request)
        name, password = fields.text("username"), fields.text("password")
        hashed = await asyncio.to_thread(passwords.hashed, password)
        async with self._office.change() as turn:
            await principals.create_principal(turn, name, home=caller().workspace, password=hashed)
            return answer({"user": _described(await principals.principal_of(turn, name))})

    async def get(self, request: web.Request) -> web.Response:
        """users/get, of oneself; administrators of anyone."""
        name = (await Fields.of(request)).text("username")
        _check_self_or_admin(caller(), name)
        async with self._office.look() as turn:
            return answer({"user": _described(await principals.principal_of(turn, name))})

    async def list(self, request: web.Request) -> web.Response:  # noqa: ARG002 (a handler's)
        """users/list: everybody for administrators, those of the workspace for who may make things there."""
        who = caller()
        who.check_create()
        async with self._office.look() as turn:
            rows = await principals.all_principals(turn, None if is_admin(who) else who.workspace)
            roles = await _roles_told_to(turn, who)
        return answer({"users": [{**_described(row), "roles": roles[row["principal_id"]]} for row in rows]})

    async def current(self, request: web.Request) -> web.Response:
        """users/current: who the request comes from."""
        async with self._office.look() as turn:
            row = await principals.principal_of(turn, caller().principal)
        is_basic = request.headers.get("Authorization", "").lower().startswith("basic ")
        return answer({"user": _described(row), "is_basic_auth": is_basic})

    async def update_password(self, request: web.Request) -> web.Response:
        """users/update-password: one's own with the current one, anybody's for administrators."""
        who, fields = caller(), await Fields.of(request)
        name, password = fields.text("username"), fields.text("password")
        _check_self_or_admin(who, name)
        if name == who.principal:
            current = fields.optional_text("current_password")
            if not current:
                raise Rejected(INVALID, "Current password is required when changing your own password.")
            if not await self._office.authenticator.password_is(name, current, request.remote or ""):
                raise Rejected(INVALID, "Current password does not match.")
            if current == password:
                raise Rejected(INVALID, "New password must differ from the current password.")
        hashed = await asyncio.to_thread(passwords.hashed, password)
        async with self._office.change() as turn:
            await principals.change_principal(turn, name, password=hashed)
        return answer({})

    async def update_admin(self, request: web.Request) -> web.Response:
        """users/update-admin, of administrators."""
        fields = await Fields.of(request)
        name, admin = fields.text("username"), fields.flag("is_admin")
        async with self._office.change() as turn:
            await principals.change_principal(turn, name, admin=admin)
        return answer({})

    async def delete(self, request: web.Request) -> web.Response:
        """users/delete, of administrators, but not of themselves."""
        name = (await Fields.of(request)).text("username")
        if name == caller().principal:
            raise Rejected(
                BAD_REQUEST,
                "Users cannot delete their own account. Ask another admin to delete this user instead.",
            )
        async with self._office.change() as turn:
            await principals.delete_principal(turn, name)
        return answer({})

    async def own_permissions(self, request: web.Request) -> web.Response:  # noqa: ARG002 (a handler's)
        """users/current/permissions."""
        who = caller()
        async with self._office.look() as turn:
            return answer(await _all_permissions(turn, who.principal, None))

    async def permissions(self, request: web.Request) -> web.Response:
        """users/permissions/list: one's own; anybody's for administrators, in part for managers."""
        who, name = caller(), (await Fields.of(request)).text("username")
        async with self._office.look() as turn:
            workspaces = await _seen_workspaces(turn, who, name)
            return answer(await _all_permissions(turn, name, workspaces))

    async def roles(self, request: web.Request) -> web.Response:
        """users/roles/list, as `permissions`."""
        who, name = caller(), (await Fields.of(request)).text("username")
        async with self._office.look() as turn:
            workspaces = await _seen_workspaces(turn, who, name)
            await principals.principal_of(turn, name)
            return answer({"roles": await _roles(turn, name, workspaces)})

    async def grant(self, request: web.Request) -> web.Response:
        """users/permissions/grant."""
        who, fields = caller(), await Fields.of(request)
        name, resource = fields.text("username"), _single(fields)
        level = level_of(fields.text("permission"))
        if level == Level.NONE:
            raise Rejected(INVALID, "NO_PERMISSIONS cannot be granted: revoke what was, or use DENY.")
        async with self._office.change() as turn:
            await _check_may_grant(who, resource)
            await visible_principal(turn, who, name)
            if await permissions.permissions_on(turn, who.workspace, resource, principal=name):
                raise Rejected(EXISTS, f"Permission for user={name} on {_named(resource)} already exists.")
            await permissions.set_permission(turn, who.workspace, resource, level, principal=name)
        return answer({})

    async def revoke(self, request: web.Request) -> web.Response:
        """users/permissions/revoke."""
        who, fields = caller(), await Fields.of(request)
        name, resource = fields.text("username"), _single(fields)
        async with self._office.change() as turn:
            await _check_may_grant(who, resource)
            await visible_principal(turn, who, name)
            held = await permissions.permissions_on(turn, who.workspace, resource, principal=name)
            if not held:
                raise Rejected(NOT_FOUND, f"Permission for user={name} on {_named(resource)} not found.")
            await permissions.delete_permissions(turn, held)
        return answer({})

    async def permission(self, request: web.Request) -> web.Response:
        """users/permissions/get: what somebody may do in the end, as a request of theirs would find."""
        who, fields = caller(), await Fields.of(request)
        name, resource = fields.text("username"), _single(fields)
        if name != who.principal:
            await _check_may_grant(who, resource)
        async with self._office.look() as turn:
            row = await visible_principal(turn, who, name)
        rights = await self._office.authenticator.rights_of(row["principal_id"], who.workspace)
        level = rights.floor
        if resource.id != "*":
            level = (await rights.levels([resource.experiment_id])).get(resource.experiment_id, Level.NONE)
        return answer({"allowed": level >= Level.USE, "permission": mlflow_word(level)})


def _described(row: Any) -> dict[str, Any]:
    return {"id": row["principal_id"], "username": row["name"], "is_admin": row["admin"]}


def _check_self_or_admin(who: Caller, name: str) -> None:
    if name != who.principal and not is_admin(who):
        raise Rejected(DENIED, "Permission denied")


async def _seen_workspaces(turn: Turn, who: Caller, name: str) -> list[str] | None:
    """The workspaces in which the caller may see what somebody has; None for all.

    Raises: Rejected, when it is none.
    """
    if name == who.principal or is_admin(who):
        return None
    if not manages(who, who.workspace):
        raise Rejected(DENIED, "Permission denied")
    await visible_principal(turn, who, name)
    return [who.workspace]


async def _roles(turn: Turn, name: str, workspaces: list[str] | None) -> list[dict[str, Any]]:
    return await described_roles(turn, await teams.roles_in(turn, workspaces, of=name))


async def _roles_told_to(turn: Turn, who: Caller) -> Mapping[int, Sequence[dict[str, Any]]]:
    """The roles of everybody by id, as far as the caller may see them: their own, and those they manage."""
    managed = []
    if is_admin(who) or manages(who, who.workspace):
        managed = await teams.roles_in(turn, None if is_admin(who) else [who.workspace])
    rows = {row["team_id"]: row for row in await teams.roles_in(turn, None, of=who.principal)}
    seen = {row["team_id"] for row in managed}
    rows |= {row["team_id"]: row for row in managed}
    members: dict[int, list[Any]] = {}
    for member in await teams.members_of(turn, rows.values()):
        members.setdefault(member["team_id"], []).append(member)
    told: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for role in await described_roles(turn, list(rows.values())):
        for member in members.get(role["id"], ()):
            if role["id"] in seen or member["name"] == who.principal:
                told[member["principal_id"]].append(role)
    return told


async def _all_permissions(turn: Turn, name: str, workspaces: list[str] | None) -> dict[str, Any]:
    """Everything that is said of somebody, themselves and by role."""
    row = await principals.principal_of(turn, name)
    # MLflow shows what a user has themselves as that of a role of this name.
    own = f"__user_{row['principal_id']}__"
    held = [(0, own, item) for item in await permissions.permissions_on(turn, None, principal=name)]
    roles = [role["team_id"] for role in await teams.roles_in(turn, None, of=name)]
    of_roles = await permissions.permissions_on(turn, None, team_ids=roles)
    held += [(item["team_id"], item["grantee"], item) for item in of_roles]
    return {
        "is_admin": row["admin"],
        "permissions": [
            {
                "role_id": role_id,
                "role_name": role_name,
                "workspace": item["workspace"],
                "resource_type": item["resource_type"],
                "resource_pattern": item["resource_id"],
                "permission": mlflow_word(item["level"]),
            }
            for role_id, role_name, item in held
            if workspaces is None or item["workspace"] in workspaces
        ],
    }


def _single(fields: Fields) -> Resource:
    resource = resource_of(fields.text("resource_type"), fields.text("resource_id"))
    if resource.type == "workspace":
        raise no_workspace_grants()
    return resource


async def _check_may_grant(who: Caller, resource: Resource) -> None:
    if resource.id == "*":
        check_manages(who, who.workspace)
    else:
        await check_experiment(who, resource.experiment_id)


def _named(resource: Resource) -> str:
    return f"resource_type={resource.type}, resource_id={resource.id}"
