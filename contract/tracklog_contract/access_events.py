"""The events of who may do what: principals, their tokens and teams, permissions, workspaces.

Audits are read from these. No secret is ever part of one, nor what a secret could be found from.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from tracklog_contract.events import Event

# What entries have as their experiment that are about none.
NO_EXPERIMENT: Final = -1


@dataclass(frozen=True)
class PrincipalCreated(Event):
    """A person (or a `service`) may sign in from now on; `home` is their workspace unless they name one."""

    kind: ClassVar[int] = 50
    name: str
    service: bool = False
    admin: bool = False
    home: str = "default"


@dataclass(frozen=True)
class PrincipalChanged(Event):
    """A principal is admin or disabled, or no longer (None: as before), or has a new password."""

    kind: ClassVar[int] = 51
    name: str
    admin: bool | None = None
    disabled: bool | None = None
    password: bool = False


@dataclass(frozen=True)
class PrincipalDeleted(Event):
    """A principal is gone, with their tokens, memberships and permissions."""

    kind: ClassVar[int] = 52
    name: str


@dataclass(frozen=True)
class TokenCreated(Event):
    """A principal has one more token. `token_id` is the beginning by which people know it."""

    kind: ClassVar[int] = 53
    token_id: str
    name: str
    workspace: str = ""
    expires_ms: int | None = None
    comment: str = ""


@dataclass(frozen=True)
class TokenRevoked(Event):
    """A token is worth nothing any more."""

    kind: ClassVar[int] = 54
    token_id: str
    name: str


@dataclass(frozen=True)
class TeamSet(Event):
    """There is a group (of the whole server), or a role (of a workspace), or it has a new name or words."""

    kind: ClassVar[int] = 55
    team: str
    name: str
    workspace: str = ""
    description: str = ""
    old_name: str = ""


@dataclass(frozen=True)
class TeamDeleted(Event):
    """A group or role is gone, with its permissions."""

    kind: ClassVar[int] = 56
    team: str
    name: str
    workspace: str = ""


@dataclass(frozen=True)
class MemberSet(Event):
    """A principal is in a group or has a role, or no longer."""

    kind: ClassVar[int] = 57
    team: str
    name: str
    member: str
    workspace: str = ""
    gone: bool = False


@dataclass(frozen=True)
class PermissionSet(Event):
    """A user, group or role has a level on something of a workspace; None: nothing is said any more."""

    kind: ClassVar[int] = 58
    workspace: str
    grantee_kind: str
    grantee: str
    resource_type: str
    resource_id: str
    level: int | None = None


@dataclass(frozen=True)
class WorkspaceSet(Event):
    """There is a workspace, with this description and level of its members on its experiments."""

    kind: ClassVar[int] = 59
    name: str
    description: str = ""
    default_level: int = 1


@dataclass(frozen=True)
class WorkspaceDeleted(Event):
    """A workspace that held nothing is gone."""

    kind: ClassVar[int] = 60
    name: str


@dataclass(frozen=True)
class SessionStarted(Event):
    """Someone signed in to the web page, as the identity provider `issuer` says."""

    kind: ClassVar[int] = 61
    name: str
    issuer: str = ""


ACCESS_EVENT_TYPES: tuple[type[Event], ...] = (
    PrincipalCreated,
    PrincipalChanged,
    PrincipalDeleted,
    TokenCreated,
    TokenRevoked,
    TeamSet,
    TeamDeleted,
    MemberSet,
    PermissionSet,
    WorkspaceSet,
    WorkspaceDeleted,
    SessionStarted,
)
