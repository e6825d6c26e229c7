"""Who makes the request that is being served, and what they may do; every room asks it, deploy sets it."""

from contextvars import ContextVar
from dataclasses import dataclass

from tracklog_contract.ids import DEFAULT_WORKSPACE


@dataclass(frozen=True)
class Caller:
    """A principal in a workspace. This one may do everything: who calls a server without authentication."""

    principal: str = ""
    workspace: str = DEFAULT_WORKSPACE

    def check(self, experiment_id: int) -> None:
        """Pass when the request's need is granted on this experiment.

        Raises: Rejected, in the words for an experiment that may not be changed, or must not be known of.
        """

    def readable(self) -> frozenset[int] | None:
        """The experiments that searches may look at; None for all of the workspace."""
        return None


ANYONE = Caller()
CALLER: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def caller() -> Caller:
    """Who makes the request that is being served."""
    return CALLER.get()
