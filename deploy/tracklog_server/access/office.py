"""Where the endpoints about access go for their work: turns at the log, and who may take one for what."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tracklog_contract.caller import Caller, Level, caller
from tracklog_contract.errors import DENIED, Rejected
from tracklog_ingest.access import permissions
from tracklog_ingest.access.principals import no_principal, principal_of
from tracklog_ingest.access.turn import Turn, turn_of
from tracklog_ingest.access.workspaces import no_workspace
from tracklog_server.access.authenticator import Authenticator
from tracklog_server.access.rights import DatabaseRights


class Office:
    """Changes and reads of access for the callers of requests.

    Args: pool: connections of its own; authenticator: forgets what it knew when something changed.
    """

    def __init__(self, pool: Any, authenticator: Authenticator) -> None:
        self._pool = pool
        self.authenticator = authenticator

    @contextlib.asynccontextmanager
    async def change(self, principal: str | None = None) -> AsyncIterator[Turn]:
        """A change by the caller, or `principal`: committed on leaving, and true here from then on."""
        by = caller().principal if principal is None else principal
        async with self._pool.acquire() as connection, turn_of(connection, by) as turn:
            yield turn
        self.authenticator.forget()

    @contextlib.asynccontextmanager
    async def look(self) -> AsyncIterator[Turn]:
        """Reads only: nobody waits for them."""
        async with self._pool.acquire() as connection:
            yield Turn(connection, caller().principal)


def is_admin(who: Caller) -> bool:
    """Is the caller an administrator of the server."""
    return isinstance(who.rights, DatabaseRights) and who.rights.is_admin


def manages(who: Caller, workspace: str) -> bool:
    """May the caller say who may do what in a workspace: they manage it, and the request is about it."""
    return isinstance(who.rights, DatabaseRights) and who.rights.manages and who.workspace == workspace


def check_manages(who: Caller, workspace: str) -> None:
    """Pass when the caller manages a workspace; an administrator manages them all.

    Raises: Rejected; for another workspace than the request's own in the words for none.
    """
    if manages(who, workspace) or is_admin(who):
        return
    if who.workspace != workspace:
        raise no_workspace(workspace)
    raise Rejected(DENIED, f"User {who.principal} does not manage workspace '{workspace}'.")


async def check_experiment(who: Caller, experiment_id: int) -> None:
    """Pass when the caller may change an experiment's permissions.

    Raises: Rejected.
    """
    await who.check(experiment_id, level=Level.MANAGE)


async def visible_principal(turn: Turn, who: Caller, name: str) -> Any:
    """A principal's row, for who may know of them: administrators, themselves, and people of one workspace.

    Raises: Rejected, for anybody else as for nobody.
    """
    row = await principal_of(turn, name)
    if is_admin(who) or who.principal == name or row["home"] == who.workspace:
        return row
    if await permissions.is_known_in(turn, who.workspace, row["principal_id"]):
        return row
    raise no_principal(name)
