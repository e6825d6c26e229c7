"""Makes and changes groups of principals, and the roles of a workspace."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tracklog_contract.access_events import MemberSet, TeamDeleted, TeamSet
from tracklog_contract.errors import EXISTS, INVALID, NOT_FOUND, Rejected
from tracklog_ingest.access.principals import check_name, principal_of
from tracklog_ingest.access.turn import Turn

DESCRIPTION_CHARS_MAX: Final = 4000


async def create_team(turn: Turn, kind: str, name: str, *, workspace: str = "", description: str = "") -> int:
    """A new group (kind "group", no workspace) or role ("role"); the answer is its id.

    Raises: Rejected, for a name that is taken or wrong.
    """
    check_name(name, kind)
    _check_description(description)
    team_id: int | None = await turn.value("create_team", kind, workspace, name, description)
    if team_id is None:
        where = f" in workspace '{workspace}'" if workspace else ""
        raise Rejected(EXISTS, f"{kind.capitalize()} (name={name}) already exists{where}.")
    turn.record(TeamSet(kind, name, workspace, description), workspace=workspace)
    return team_id


async def change_team(turn: Turn, team: Any, *, name: str | None, description: str | None) -> None:
    """Change what is not None of a team (its row).

    Raises: Rejected, for a name that is taken or wrong.
    """
    if name is not None and name != team["name"]:
        check_name(name, team["kind"])
        if await turn.fetch("get_teams", team["kind"], [team["workspace"]], name, None, None):
            raise Rejected(EXISTS, f"{team['kind'].capitalize()} (name={name}) already exists.")
    _check_description(description or "")
    await turn.value("change_team", team["team_id"], name, description)
    turn.record(
        TeamSet(
            team["kind"],
            name or team["name"],
            team["workspace"],
            team["description"] if description is None else description,
            team["name"],
        ),
        workspace=team["workspace"],
    )


async def delete_team(turn: Turn, team: Any) -> None:
    """Delete a team (its row) with its permissions."""
    await turn.fetch("delete_team", team["team_id"])
    turn.record(TeamDeleted(team["kind"], team["name"], team["workspace"]), workspace=team["workspace"])


async def group_named(turn: Turn, name: str) -> Any:
    """A group's row.

    Raises: Rejected, when there is none.
    """
    rows = await turn.fetch("get_teams", "group", None, name, None, None)
    if not rows:
        raise Rejected(NOT_FOUND, f"Group with name={name} not found")
    return rows[0]


async def role_with_id(turn: Turn, role_id: int) -> Any:
    """A role's row.

    Raises: Rejected, when there is none.
    """
    rows = await turn.fetch("get_teams", "role", None, None, role_id, None)
    if not rows:
        raise Rejected(NOT_FOUND, f"Role with id={role_id} not found")
    return rows[0]


async def all_groups(turn: Turn) -> list[Any]:
    """The rows of all groups, by name."""
    return await turn.fetch("get_teams", "group", None, None, None, None)


async def roles_in(turn: Turn, workspaces: Sequence[str] | None, *, of: str | None = None) -> list[Any]:
    """The rows of the roles in these workspaces (None: all); those only that `of` has, unless None."""
    return await turn.fetch("get_teams", "role", workspaces, None, None, of)


async def members_of(turn: Turn, teams: Iterable[Any]) -> list[Any]:
    """The rows of these teams' members, by name."""
    return await turn.fetch("get_members", [team["team_id"] for team in teams])


async def add_member(turn: Turn, team: Any, name: str) -> Any:
    """Add a principal to a team (its row); the answer is the membership's row.

    Raises: Rejected, when there is no such principal, or it is a member.
    """
    await principal_of(turn, name)
    rows = await turn.fetch("add_member", team["team_id"], name)
    if not rows:
        raise Rejected(EXISTS, f"User {name} has {team['kind']} {team['name']} already.")
    turn.record(MemberSet(team["kind"], team["name"], name, team["workspace"]), workspace=team["workspace"])
    return rows[0]


async def remove_member(turn: Turn, team: Any, name: str) -> None:
    """Take a principal out of a team (its row).

    Raises: Rejected, when it is no member.
    """
    if await turn.value("remove_member", team["team_id"], name) is None:
        raise Rejected(NOT_FOUND, f"User {name} does not have {team['kind']} {team['name']}.")
    turn.record(
        MemberSet(team["kind"], team["name"], name, team["workspace"], gone=True),
        workspace=team["workspace"],
    )


def _check_description(description: str) -> None:
    if len(description) > DESCRIPTION_CHARS_MAX:
        raise Rejected(INVALID, f"A description can have at most {DESCRIPTION_CHARS_MAX} characters.")
