"""Makes and changes principals and their tokens."""

import datetime as dt
from typing import Any, Final

from tracklog_contract.access_events import (
    PrincipalChanged,
    PrincipalCreated,
    PrincipalDeleted,
    SessionStarted,
    TokenCreated,
    TokenRevoked,
)
from tracklog_contract.caller import Level
from tracklog_contract.errors import DENIED, EXISTS, INVALID, NOT_FOUND, Rejected
from tracklog_contract.ids import DEFAULT_WORKSPACE
from tracklog_ingest.access.permissions import Resource, set_permission
from tracklog_ingest.access.turn import Turn
from tracklog_ingest.access.workspaces import require_workspace

NAME_CHARS_MAX: Final = 255
COMMENT_CHARS_MAX: Final = 500


def check_name(name: str, what: str = "user") -> None:
    """Accept a principal's or team's name. HTTP basic ends a name at ":"; a line break forges log lines.

    Raises: Rejected.
    """
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable() or ":" in name or name != name.strip():
        raise Rejected(
            INVALID,
            f"The name of a {what} has 1 to {NAME_CHARS_MAX} printable characters, no ':' and no blanks"
            " around.",
        )


async def create_principal(
    turn: Turn,
    name: str,
    *,
    service: bool = False,
    admin: bool = False,
    home: str = DEFAULT_WORKSPACE,
    password: bytes | None = None,
) -> int:
    """A new principal, who is a member of the workspace `home`; the answer is its id.

    Args: password: scrypt's salt and digest.
    Raises: Rejected, for a name that is taken or wrong, and an unknown workspace.
    """
    check_name(name)
    await require_workspace(turn, home)
    principal_id: int | None = await turn.value("create_principal", name, service, admin, home, password)
    if principal_id is None:
        raise Rejected(EXISTS, f"User (username={name}) already exists.")
    turn.record(PrincipalCreated(name, service, admin, home))
    await set_permission(turn, home, Resource("workspace", "*"), Level.USE, principal=name)
    return principal_id


async def change_principal(
    turn: Turn,
    name: str,
    *,
    admin: bool | None = None,
    disabled: bool | None = None,
    password: bytes | None = None,
) -> None:
    """Change what is not None.

    Raises: Rejected, when there is no such principal.
    """
    if await turn.value("change_principal", name, admin, disabled, password) is None:
        raise no_principal(name)
    turn.record(PrincipalChanged(name, admin, disabled, password is not None))


async def delete_principal(turn: Turn, name: str) -> None:
    """Delete a principal with all that is theirs; what they logged stays.

    Raises: Rejected, when there is no such principal.
    """
    if await turn.value("delete_principal", name) is None:
        raise no_principal(name)
    turn.record(PrincipalDeleted(name))


async def principal_of(turn: Turn, name: str) -> Any:
    """A principal's row.

    Raises: Rejected, when there is none.
    """
    rows = await turn.fetch("get_principals", name)
    if not rows:
        raise no_principal(name)
    return rows[0]


async def all_principals(turn: Turn, workspace: str | None = None) -> list[Any]:
    """The rows of everybody, by name; with a workspace, of those who are at home or known there."""
    if workspace is not None:
        return await turn.fetch("get_principals_of_workspace", workspace)
    return await turn.fetch("get_principals", None)


def no_principal(name: str) -> Rejected:
    """The error of a name that nobody has."""
    return Rejected(NOT_FOUND, f"User with username={name} not found")


async def create_token(
    turn: Turn,
    name: str,
    token_id: str,
    digest: bytes,
    *,
    workspace: str | None = None,
    comment: str = "",
    expires_at: dt.datetime | None = None,
) -> None:
    """Remember a new token of a principal by its digest.

    Raises: Rejected, when there is no such principal or workspace.
    """
    if len(comment) > COMMENT_CHARS_MAX or not comment.isprintable():
        raise Rejected(
            INVALID, f"A token's comment has at most {COMMENT_CHARS_MAX} characters, all printable."
        )
    if workspace is not None:
        await require_workspace(turn, workspace)
    arguments = (token_id, digest, name, workspace, comment, expires_at)
    if await turn.value("create_token", *arguments) is None:
        raise no_principal(name)
    expires_ms = None if expires_at is None else int(expires_at.timestamp() * 1000)
    turn.record(TokenCreated(token_id, name, workspace or "", expires_ms, comment))


async def forget_ended_tokens(turn: Turn, token_id: str) -> None:
    """Forget those that were made of this token, and have ended."""
    await turn.fetch("delete_ended_tokens", token_id)


async def revoke_token(turn: Turn, token_id: str, *, of: str | None = None) -> None:
    """Make a token worthless.

    Args: of: only when it is this principal's.
    Raises: Rejected, when there is none, or it is revoked already.
    """
    name = await turn.value("revoke_token", token_id, of)
    if name is None:
        raise Rejected(NOT_FOUND, f"There is no token {token_id} that could be revoked.")
    turn.record(TokenRevoked(token_id, name))


async def tokens_of(turn: Turn, name: str | None) -> list[Any]:
    """The rows of a principal's tokens, or of all, oldest first."""
    return await turn.fetch("get_tokens", name)


async def start_session(turn: Turn, name: str, digest: bytes, ends: dt.datetime, issuer: str) -> None:
    """Remember that a principal has signed in by browser, until a time.

    Args: digest: of the cookie. issuer: who vouched for them, "" for a password.
    Raises: Rejected, when there is no such principal, or it is disabled.
    """
    if "\0" in name or await turn.value("create_session", name, digest, ends) is None:
        raise Rejected(DENIED, f"'{name[:NAME_CHARS_MAX]}' is no user here: an administrator can add them.")
    turn.record(SessionStarted(name, issuer))


async def end_session(turn: Turn, digest: bytes) -> None:
    """Forget a session, on every node."""
    await turn.fetch("end_session", digest)
