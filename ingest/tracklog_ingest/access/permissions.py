"""Sets what principals, groups and roles may do with the things of a workspace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracklog_contract.access_events import NO_EXPERIMENT, PermissionSet
from tracklog_contract.caller import Level
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_ingest.access.turn import Turn

RESOURCE_ID_CHARS_MAX = 500


@dataclass(frozen=True)
class Resource:
    """Something that permissions are on; the id "*" stands for all of the type."""

    type: str
    id: str

    @property
    def experiment_id(self) -> int:
        """The experiment that this is, NO_EXPERIMENT for anything else.

        Raises: Rejected, when it is one whose id is none.
        """
        single = self.type == "experiment" and self.id != "*"
        return parse_experiment_id(self.id) if single else NO_EXPERIMENT

    def normal(self) -> "Resource":
        """The same with its id written as it is looked up."""
        number = self.experiment_id
        return self if number == NO_EXPERIMENT else Resource(self.type, str(number))


@dataclass(frozen=True)
class Grantee:
    """Who has a permission: `kind` is user, group or role."""

    kind: str
    name: str


async def set_permission(
    turn: Turn,
    workspace: str,
    resource: Resource,
    level: Level,
    *,
    principal: str | None = None,
    team: Any = None,
) -> int:
    """Give a principal, or a team (its row), a level on something; the answer is the permission's id.

    Raises: Rejected, when there is no such principal.
    """
    resource = resource.normal()
    if len(resource.id) > RESOURCE_ID_CHARS_MAX:
        raise Rejected(INVALID, f"A resource's id can have at most {RESOURCE_ID_CHARS_MAX} characters.")
    principal_id = None
    grantee = Grantee(team["kind"], team["name"]) if team else Grantee("user", principal or "")
    if principal is not None:
        rows = await turn.fetch("get_principals", principal)
        if not rows:
            raise Rejected(NOT_FOUND, f"User with username={principal} not found")
        principal_id = rows[0]["principal_id"]
    permission_id: int = await turn.value(
        "set_permission",
        workspace,
        principal_id,
        team["team_id"] if team else None,
        resource.type,
        resource.id,
        level,
    )
    _record(turn, workspace, resource, grantee, level)
    return permission_id


async def permissions_on(
    turn: Turn,
    workspace: str | None,
    resource: Resource | None = None,
    *,
    team_ids: Sequence[int] | None = None,
    principal: str | None = None,
    permission_id: int | None = None,
) -> list[Any]:
    """The rows of permissions in a workspace, on a resource, and of whom; None where that is all the same."""
    kind, number = (None, None) if resource is None else (resource.type, resource.id)
    return await turn.fetch("get_permissions", workspace, kind, number, team_ids, principal, permission_id)


async def is_known_in(turn: Turn, workspace: str, principal_id: int) -> bool:
    """Does anything in a workspace speak of a principal, itself or as a member of a team."""
    return bool(await turn.value("principal_is_known", workspace, principal_id))


async def group_is_known_in(turn: Turn, workspace: str, team_id: int) -> bool:
    """Does anything in a workspace speak of a group."""
    return bool(await turn.value("group_is_known", workspace, team_id))


async def delete_permissions(turn: Turn, rows: Iterable[Mapping[str, Any]]) -> None:
    """Take away these permissions (rows of get_permissions)."""
    for row in rows:
        await turn.fetch("delete_permission", row["permission_id"])
        resource = Resource(row["resource_type"], row["resource_id"])
        _record(turn, row["workspace"], resource, Grantee(row["kind"], row["grantee"]), None)


def _record(turn: Turn, workspace: str, resource: Resource, grantee: Grantee, level: Level | None) -> None:
    turn.record(
        PermissionSet(
            workspace,
            grantee.kind,
            grantee.name,
            resource.type,
            resource.id,
            None if level is None else int(level),
        ),
        experiment_id=resource.experiment_id,
        workspace=workspace,
    )
