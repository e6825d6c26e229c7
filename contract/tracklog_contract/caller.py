"""Who makes the request that is being served, and what they may do; every room asks it, deploy sets it.

Access is granted on experiments; runs, models, traces and files have that of their experiment. Whoever is in
another workspace learns nothing: what they ask for does not exist. Within a workspace a refusal says so.
"""

from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, Protocol

from tracklog_contract.errors import DENIED, NOT_FOUND, Rejected
from tracklog_contract.ids import DEFAULT_WORKSPACE


class Level(IntEnum):
    """What one may do with an experiment: each level includes those before it, and DENY forbids them all."""

    DENY = -1
    NONE = 0
    READ = 1
    # Of a workspace: to be a member. Of an experiment it is READ.
    USE = 2
    EDIT = 3
    MANAGE = 4


class Need(Enum):
    """What a route asks of its caller: nothing, to be known, a level on what it touches, or to be admin.

    CREATE: that they may make experiments in the workspace.
    """

    OPEN = "open"
    SIGNED_IN = "signed in"
    READ = "read"
    EDIT = "edit"
    MANAGE = "manage"
    CREATE = "create"
    ADMIN = "admin"

    @property
    def level(self) -> Level:
        """The level on every experiment that the request touches."""
        return _LEVELS.get(self, Level.READ)


_LEVELS: Final = {Need.EDIT: Level.EDIT, Need.CREATE: Level.EDIT, Need.MANAGE: Level.MANAGE}
_ACTIONS: Final = {Level.READ: "View", Level.EDIT: "Edit", Level.MANAGE: "Manage"}


class Rights(Protocol):
    """What one principal may do in one workspace."""

    may_create: bool
    # On experiments of which nothing is said.
    floor: Level

    def known(self, experiment_id: int) -> Level | None:
        """The level on an experiment if it was asked for a moment ago, and is READ at least."""

    async def levels(self, experiment_ids: Iterable[int]) -> Mapping[int, Level]:
        """The levels on those of these experiments that are in the workspace."""

    async def readable(self) -> frozenset[int] | None:
        """The experiments that may be read; None for all of the workspace."""


class RequestCount(Protocol):
    """One request, as it is counted for experiments that take only so many a second."""

    def limits(self, experiment_id: int) -> bool:
        """Is this one of them."""

    async def take(self, experiment_ids: Iterable[int]) -> None:
        """Count the request for each of these experiments, once however often it asks.

        Raises: TooMany, when one of them had too many of late.
        """


@dataclass(frozen=True)
class Caller:
    """A principal in a workspace, and what the route asks for.

    Without `rights` it may do everything: this is who calls a server without authentication. Without
    `requests` no experiment counts requests.
    """

    principal: str = ""
    workspace: str = DEFAULT_WORKSPACE
    need: Need = Need.READ
    rights: Rights | None = None
    requests: RequestCount | None = None

    @property
    def is_checked(self) -> bool:
        """Does it matter at all which experiments the request touches."""
        return self.rights is not None or self.requests is not None

    async def check(
        self, experiment_id: int, absent: Rejected | None = None, *, level: Level | None = None
    ) -> None:
        """Pass when this experiment may be used as the route needs, or at `level`.

        Raises: `absent`, for an experiment of another workspace: the error for what is not there, by default
        of the experiment itself. Rejected (PERMISSION_DENIED), when it may be seen there, but not so used.
        TooMany, when it may, but had too many requests of late.
        """
        if self.rights is not None:
            found = await self.rights.levels((experiment_id,))
            self.decide(experiment_id, found.get(experiment_id), absent, level=level)
        if self.requests is not None:
            await self.requests.take((experiment_id,))

    def decide(
        self,
        experiment_id: int,
        held: Level | None,
        absent: Rejected | None = None,
        *,
        level: Level | None = None,
    ) -> None:
        """As `check`, where the level that is `held` is known; None: it is in another workspace."""
        if held is None:
            raise absent or Rejected(NOT_FOUND, f"No Experiment with id={experiment_id} exists")
        wanted = self.need.level if level is None else level
        if held < wanted:
            raise Rejected(
                DENIED,
                f"User {self.principal} does not have permission to '{_ACTIONS[wanted]}' experiment with id"
                f" {experiment_id}.",
            )

    def check_create(self) -> None:
        """Pass when experiments may be made in the workspace.

        Raises: Rejected (PERMISSION_DENIED).
        """
        if self.rights is not None and not self.rights.may_create:
            raise Rejected(
                DENIED,
                f"User {self.principal} does not have permission to create experiments in workspace"
                f" '{self.workspace}'.",
            )

    async def readable(self) -> frozenset[int] | None:
        """The experiments that searches may look at; None for all of the workspace."""
        return None if self.rights is None else await self.rights.readable()

    async def only_readable(self, experiment_ids: Collection[int]) -> list[int]:
        """Those of these experiments that may be read, in this order.

        Raises: TooMany, when one of them had too many requests of late.
        """
        readable = list(experiment_ids)
        if self.rights is not None:
            levels = await self.rights.levels(experiment_ids)
            readable = [number for number in readable if levels.get(number, Level.NONE) >= Level.READ]
        if self.requests is not None:
            await self.requests.take(readable)
        return readable


ANYONE: Final = Caller()
CALLER: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def caller() -> Caller:
    """Who makes the request that is being served."""
    return CALLER.get()
