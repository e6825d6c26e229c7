"""What `tracklog user`, `group`, `token`, `workspace` and `permission` do: each one change, or a list."""

import datetime as dt
import getpass
import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.caller import Level
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.ids import DEFAULT_WORKSPACE
from tracklog_ingest.access import permissions, principals, teams, workspaces
from tracklog_ingest.access.permissions import Resource
from tracklog_ingest.access.turn import Turn
from tracklog_server.access import passwords, tokens
from tracklog_server.access.quota_commands import QUOTA_ACTIONS
from tracklog_server.access.times import span_of
from tracklog_server.access.words import databricks_word, level_of, mlflow_word

NEVER: Final = "never"

Lines = Iterable[str]


async def create_user(turn: Turn, given: Namespace) -> Lines:
    """A new person or program."""
    await principals.create_principal(
        turn, given.name, service=given.service, admin=given.admin, home=given.workspace
    )
    name = shlex.quote(given.name)
    return [f"{given.name} is there; `tracklog token create --user {name}` gives a token."]


async def list_users(turn: Turn, _: Namespace) -> Lines:
    """Everybody, one a line."""
    return [
        "\t".join(
            (
                row["name"],
                "service" if row["service"] else "user",
                "admin" if row["admin"] else "-",
                "disabled" if row["disabled"] else "-",
                row["home"],
            )
        )
        for row in await principals.all_principals(turn)
    ]


async def enable_user(turn: Turn, given: Namespace) -> Lines:
    """Let somebody in, or no longer."""
    await principals.change_principal(turn, given.name, disabled=given.action == "disable")
    return []


async def delete_user(turn: Turn, given: Namespace) -> Lines:
    """Somebody is gone."""
    await principals.delete_principal(turn, given.name)
    return []


async def set_password(turn: Turn, given: Namespace) -> Lines:
    """A password from the terminal, or from a pipe."""
    await principals.principal_of(turn, given.name)
    await principals.change_principal(turn, given.name, password=given.hashed)
    return []


def read_password(given: Namespace) -> None:
    """Ask for the password of `set_password` before anything waits for it."""
    if getattr(given, "run", None) is set_password:
        text = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline()
        given.hashed = passwords.hashed(text.removesuffix("\n"))


async def create_token(turn: Turn, given: Namespace) -> Lines:
    """A new token, which is told this once."""
    token = tokens.new_token()
    await principals.create_token(
        turn,
        given.user,
        token.token_id,
        token.digest,
        workspace=given.workspace,
        comment=given.comment,
        expires_at=expiry(given.expires),
    )
    return [token.text]


def expiry(text: str) -> dt.datetime | None:
    """When something ends that is good for "90d", "12h" or "30m" from now on; None for "never".

    Raises: Rejected, for other texts.
    """
    if text == NEVER:
        return None
    span = span_of(text)
    if span is None:
        raise Rejected(INVALID, f"--expires must be like 90d, 12h, 30m or {NEVER}, not {text!r}.")
    return dt.datetime.now(dt.UTC) + span


async def list_tokens(turn: Turn, given: Namespace) -> Lines:
    """Tokens by their beginnings, one a line."""
    return [
        "\t".join(
            (
                row["token_id"],
                row["name"],
                row["workspace"] or "-",
                _state(row),
                f"used {row['last_used_at']:%Y-%m-%dT%H:%MZ}" if row["last_used_at"] else "never used",
                row["comment"],
            )
        )
        for row in await principals.tokens_of(turn, given.user)
    ]


def _state(row: Any) -> str:
    if row["revoked"]:
        return "revoked"
    if row["expires_at"] is None:
        return "does not expire"
    word = "expired" if row["expires_at"] <= dt.datetime.now(dt.UTC) else "expires"
    return f"{word} {row['expires_at']:%Y-%m-%dT%H:%MZ}"


async def revoke_token(turn: Turn, given: Namespace) -> Lines:
    """A token is worth nothing any more; its whole text names it too."""
    await principals.revoke_token(turn, "_".join(given.token.split("_")[:2]))
    return []


async def create_group(turn: Turn, given: Namespace) -> Lines:
    """A new group."""
    await teams.create_team(turn, "group", given.name)
    return []


async def delete_group(turn: Turn, given: Namespace) -> Lines:
    """A group is gone."""
    await teams.delete_team(turn, await teams.group_named(turn, given.name))
    return []


async def add_to_group(turn: Turn, given: Namespace) -> Lines:
    """Somebody is in a group."""
    await teams.add_member(turn, await teams.group_named(turn, given.name), given.user)
    return []


async def remove_from_group(turn: Turn, given: Namespace) -> Lines:
    """Somebody is in a group no longer."""
    await teams.remove_member(turn, await teams.group_named(turn, given.name), given.user)
    return []


async def list_groups(turn: Turn, _: Namespace) -> Lines:
    """Groups and who is in them."""
    groups = await teams.all_groups(turn)
    members = await teams.members_of(turn, groups)
    return [
        f"{group['name']}\t{', '.join(row['name'] for row in members if row['team_id'] == group['team_id'])}"
        for group in groups
    ]


async def create_workspace(turn: Turn, given: Namespace) -> Lines:
    """A new workspace."""
    level = level_of(given.default_level or "CAN_READ")
    await workspaces.create_workspace(
        turn, given.name, description=given.description or "", default_level=level
    )
    return []


async def change_workspace(turn: Turn, given: Namespace) -> Lines:
    """Another default level or description."""
    level = None if given.default_level is None else level_of(given.default_level)
    await workspaces.change_workspace(turn, given.name, description=given.description, default_level=level)
    return []


async def delete_workspace(turn: Turn, given: Namespace) -> Lines:
    """A workspace that held nothing is gone."""
    await workspaces.delete_workspace(turn, given.name)
    return []


async def list_workspaces(turn: Turn, _: Namespace) -> Lines:
    """Workspaces and what their members may do by default."""
    return [
        f"{row['name']}\t{databricks_word(row['default_level']) or mlflow_word(row['default_level'])}"
        f"\t{json.dumps(row['description'])}"
        for row in await workspaces.all_workspaces(turn)
    ]


async def grant(turn: Turn, given: Namespace) -> Lines:
    """A user or group has a level on an experiment, or on a workspace."""
    await workspaces.require_workspace(turn, given.workspace)
    resource, level = _resource(given), level_of(given.level)
    if level == Level.NONE:
        await _take_away(turn, given, resource)
    else:
        await _require_there(turn, given.workspace, resource)
        await permissions.set_permission(
            turn, given.workspace, resource, level, **await _grantee(turn, given)
        )
    return []


async def _require_there(turn: Turn, workspace: str, resource: Resource) -> None:
    """Nobody is to be given what somebody else may make one day. Raises: Rejected."""
    if (number := resource.experiment_id) != NO_EXPERIMENT:
        rows = await turn.fetch("load_experiments", [number])
        if not rows or rows[0]["workspace"] != workspace:
            raise Rejected(NOT_FOUND, f"No Experiment with id={number} exists in workspace {workspace}")


async def _take_away(turn: Turn, given: Namespace, resource: Resource) -> None:
    found = await permissions.permissions_on(turn, given.workspace, resource)
    rows = [row for row in found if (row["kind"], row["grantee"]) in _names(given)]
    await permissions.delete_permissions(turn, rows)


def _names(given: Namespace) -> tuple[tuple[str, str | None], ...]:
    return ("user", given.user), ("group", given.group)


async def _grantee(turn: Turn, given: Namespace) -> dict[str, Any]:
    if given.group is not None:
        return {"team": await teams.group_named(turn, given.group)}
    return {"principal": given.user}


def _resource(given: Namespace) -> Resource:
    if given.experiment is None:
        return Resource("workspace", "*")
    return Resource("experiment", given.experiment).normal()


async def list_permissions(turn: Turn, given: Namespace) -> Lines:
    """Who may do what in a workspace."""
    return [
        f"{row['resource_type']} {row['resource_id']}\t{row['kind']} {row['grantee']}"
        f"\t{mlflow_word(row['level'])}"
        for row in await permissions.permissions_on(turn, given.workspace)
    ]


Run = Callable[[Turn, Namespace], Awaitable[Lines]]
Arguments = tuple[tuple[str, dict[str, Any]], ...]
NAME: Final[Arguments] = (("name", {"metavar": "NAME"}),)
USER: Final[Arguments] = (("--user", {"metavar": "NAME", "required": True, "help": "whose it is"}),)
WORKSPACE: Final[Arguments] = (
    (
        "--workspace",
        {"metavar": "NAME", "default": DEFAULT_WORKSPACE, "help": "in this workspace (default: %(default)s)"},
    ),
)
SETTINGS_OF_WORKSPACE: Final[Arguments] = (
    (
        "--default-level",
        {"metavar": "LEVEL", "help": "of members on every experiment: CAN_READ, CAN_EDIT, NO_PERMISSIONS"},
    ),
    ("--description", {"metavar": "TEXT"}),
)

ACTIONS: Final[dict[str, tuple[str, dict[str, tuple[str, Run, Arguments]]]]] = {
    "user": (
        "who may sign in, people and programs",
        {
            "create": (
                "make a user",
                create_user,
                (
                    *NAME,
                    ("--admin", {"action": "store_true", "help": "who may do everything"}),
                    ("--service", {"action": "store_true", "help": "a program, not a person"}),
                    *WORKSPACE,
                ),
            ),
            "list": ("list users: name, kind, admin, disabled, workspace", list_users, ()),
            "disable": ("let a user in no longer", enable_user, NAME),
            "enable": ("let a user in again", enable_user, NAME),
            "delete": ("delete a user; what they logged stays", delete_user, NAME),
            "password": ("set a password, read from the terminal or stdin", set_password, NAME),
        },
    ),
    "group": (
        "groups of users",
        {
            "create": ("make a group", create_group, NAME),
            "delete": ("delete a group", delete_group, NAME),
            "add": ("put a user into a group", add_to_group, (*NAME, *USER)),
            "remove": ("take a user out of a group", remove_from_group, (*NAME, *USER)),
            "list": ("list groups and who is in them", list_groups, ()),
        },
    ),
    "token": (
        "what programs sign in with",
        {
            "create": (
                "make a token; it is printed this once",
                create_token,
                (
                    *USER,
                    (
                        "--expires",
                        {
                            "metavar": "TIME",
                            "default": "90d",
                            "help": "90d, 12h, 30m or never (default: %(default)s)",
                        },
                    ),
                    ("--workspace", {"metavar": "NAME", "help": "good for this workspace only"}),
                    ("--comment", {"metavar": "TEXT", "default": "", "help": "what it is for"}),
                ),
            ),
            "list": ("list tokens by their beginnings", list_tokens, (("--user", {"metavar": "NAME"}),)),
            "revoke": ("make a token worthless", revoke_token, (("token", {"metavar": "TOKEN"}),)),
        },
    ),
    "workspace": (
        "tenants of the server",
        {
            "create": ("make a workspace", create_workspace, (*NAME, *SETTINGS_OF_WORKSPACE)),
            "set": ("change a workspace", change_workspace, (*NAME, *SETTINGS_OF_WORKSPACE)),
            "delete": ("delete a workspace that holds nothing", delete_workspace, NAME),
            "list": ("list workspaces and their default levels", list_workspaces, ()),
        },
    ),
    "quota": ("what workspaces, experiments and users may use", QUOTA_ACTIONS),
    "permission": (
        "who may do what",
        {
            "set": (
                "give a user or group a level on an experiment or a workspace; NO_PERMISSIONS takes it away",
                grant,
                (
                    ("level", {"metavar": "LEVEL", "help": "CAN_READ, CAN_EDIT, CAN_MANAGE, USE or DENY"}),
                    ("--user", {"metavar": "NAME"}),
                    ("--group", {"metavar": "NAME"}),
                    ("--experiment", {"metavar": "ID"}),
                    *WORKSPACE,
                ),
            ),
            "list": ("list the permissions of a workspace", list_permissions, WORKSPACE),
        },
    ),
}
