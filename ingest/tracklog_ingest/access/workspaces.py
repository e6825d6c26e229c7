"""Makes and changes workspaces."""

import re
from typing import Any, Final

from tracklog_contract.access_events import WorkspaceDeleted, WorkspaceSet
from tracklog_contract.caller import Level
from tracklog_contract.errors import EXISTS, INVALID, INVALID_STATE, NOT_FOUND, Rejected
from tracklog_contract.ids import DEFAULT_WORKSPACE
from tracklog_ingest.access.turn import Turn

# MLflow's own rule: they stand in URLs.
NAME: Final = re.compile(r"(?!-)[a-z0-9-]{2,63}(?<!-)\Z", re.ASCII)
RESERVED: Final = frozenset({"workspaces", "api", "ajax-api", "static-files"})
DESCRIPTION_CHARS_MAX: Final = 4000


def no_workspace(name: str) -> Rejected:
    """The error of a workspace that there is not, or that must seem so."""
    return Rejected(NOT_FOUND, f"Workspace '{name}' not found")


async def require_workspace(turn: Turn, name: str) -> Any:
    """A workspace's row.

    Raises: Rejected, when there is none.
    """
    rows = await turn.fetch("get_workspaces", name)
    if not rows:
        raise no_workspace(name)
    return rows[0]


async def workspace_of_experiment(turn: Turn, experiment_id: int) -> str | None:
    """The workspace of an experiment; None for one that there is not."""
    rows = await turn.fetch("load_experiments", [experiment_id])
    return str(rows[0]["workspace"]) if rows else None


async def all_workspaces(turn: Turn) -> list[Any]:
    """The rows of all workspaces, by name."""
    return await turn.fetch("get_workspaces", None)


async def create_workspace(
    turn: Turn, name: str, *, description: str = "", default_level: Level = Level.READ
) -> None:
    """A new workspace, empty.

    Raises: Rejected, for a name that is taken or wrong.
    """
    if name == DEFAULT_WORKSPACE:
        raise Rejected(INVALID, f"The '{name}' workspace is reserved and cannot be created")
    if not NAME.match(name) or name in RESERVED:
        raise Rejected(
            INVALID,
            "A workspace's name has 2 to 63 lower-case letters, digits and hyphens, no hyphen at its ends.",
        )
    _check(description, default_level)
    if await turn.value("create_workspace", name, description, default_level) is None:
        raise Rejected(EXISTS, f"Workspace '{name}' already exists.")
    turn.record(WorkspaceSet(name, description, default_level), workspace=name)


async def change_workspace(
    turn: Turn, name: str, *, description: str | None = None, default_level: Level | None = None
) -> None:
    """Change what is not None.

    Raises: Rejected, when there is no such workspace.
    """
    _check(description or "", default_level or Level.READ)
    if await turn.value("set_workspace", name, description, default_level) is None:
        raise no_workspace(name)
    row = await require_workspace(turn, name)
    turn.record(WorkspaceSet(name, row["description"], row["default_level"]), workspace=name)


async def delete_workspace(turn: Turn, name: str) -> None:
    """Delete a workspace with its roles, permissions and tokens.

    Raises: Rejected, when there is none, or it holds experiments, deleted ones too, or is someone's home.
    """
    if name == DEFAULT_WORKSPACE:
        raise Rejected(INVALID, f"The '{name}' workspace is reserved and cannot be deleted")
    await require_workspace(turn, name)
    if await turn.value("workspace_in_use", name):
        raise Rejected(
            INVALID_STATE,
            f"Workspace '{name}' has experiments or users; the log keeps what was in it, so it stays.",
        )
    await turn.fetch("delete_workspace", name)
    turn.record(WorkspaceDeleted(name), workspace=name)


def _check(description: str, default_level: Level) -> None:
    if len(description) > DESCRIPTION_CHARS_MAX:
        raise Rejected(INVALID, f"A description can have at most {DESCRIPTION_CHARS_MAX} characters.")
    if default_level == Level.DENY:
        raise Rejected(INVALID, "A workspace's default level cannot be DENY; NO_PERMISSIONS gives nothing.")
