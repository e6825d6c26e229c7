"""The events of quotas: what an administrator limits, and that a limit is nearly used."""

from dataclasses import dataclass
from typing import ClassVar, Final

from tracklog_contract.events import Event


@dataclass(frozen=True)
class QuotaSet(Event):
    """A workspace, experiment or principal (`scope`) has this limit from now on; None: no longer."""

    kind: ClassVar[int] = 70
    scope: str
    subject: str
    name: str
    most: int | None = None


@dataclass(frozen=True)
class QuotaNearlyUsed(Event):
    """What is counted has come to 80 % of its limit; said once, until it has fallen below again.

    `scope` is what has the limit: a workspace, principal, experiment, or a run.
    """

    kind: ClassVar[int] = 71
    scope: str
    subject: str
    name: str
    used: int
    most: int


QUOTA_EVENT_TYPES: Final[tuple[type[Event], ...]] = (QuotaSet, QuotaNearlyUsed)
