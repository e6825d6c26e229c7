"""Sets what workspaces, experiments and principals may use, and tells what is limited and used."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.errors import NOT_FOUND, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_contract.quota_events import QuotaSet
from tracklog_contract.quotas import EXPERIMENT, RUNS_PER_DAY, SCOPES, STORAGE_BYTES, WORKSPACE, check_limit
from tracklog_ingest.access.principals import principal_of
from tracklog_ingest.access.turn import Turn
from tracklog_ingest.access.workspaces import require_workspace, workspace_of_experiment
from tracklog_ingest.tally import Meter


@dataclass(frozen=True)
class Limit:
    """A limit that an administrator has set. `used`: None for what is counted elsewhere."""

    scope: str
    subject: str
    name: str
    most: int
    used: int | None = None


async def set_quota(turn: Turn, scope: str, subject: str, name: str, most: int | None) -> None:
    """Limit something from now on; None: no longer.

    Raises: Rejected, when there is no such scope, subject or limit.
    """
    check_limit(scope, name, most)
    subject, experiment_id, workspace = await _placed(turn, scope, subject)
    if most is None:
        if await turn.value("delete_quota", scope, subject, name) is None:
            raise Rejected(NOT_FOUND, f"{name} is not limited for {scope} {subject}.")
    else:
        used = await _used(turn, scope, subject, name)
        await turn.fetch("set_quota", scope, subject, name, most, *used)
    await turn.fetch("tell_quotas")
    event = QuotaSet(scope, subject, name, most)
    turn.record(event, experiment_id=experiment_id, workspace=workspace)


async def _used(turn: Turn, scope: str, subject: str, name: str) -> tuple[int, dt.datetime | None]:
    """What is used already of what is not limited yet, and when that was; None: now."""
    if name == STORAGE_BYTES:
        return await turn.value("get_storage_bytes", scope, subject), None
    if name == RUNS_PER_DAY:
        ((used, at),) = await turn.fetch("count_runs_today", scope, subject)
        return used, at
    return 0, None


async def _placed(turn: Turn, scope: str, subject: str) -> tuple[str, int, str]:
    """A subject as it is looked up, its experiment and workspace.

    Raises: Rejected, when there is none.
    """
    if scope == WORKSPACE:
        await require_workspace(turn, subject)
        return subject, NO_EXPERIMENT, subject
    if scope != EXPERIMENT:
        await principal_of(turn, subject)
        return subject, NO_EXPERIMENT, ""
    number = parse_experiment_id(subject)
    workspace = await workspace_of_experiment(turn, number)
    if workspace is None:
        raise Rejected(NOT_FOUND, f"No Experiment with id={number} exists")
    return str(number), number, workspace


async def quotas_of(turn: Turn, scope: str | None = None, subject: str | None = None) -> list[Limit]:
    """What is limited, of a scope and of one subject, or (None) of all; by scope, subject and name."""
    rows = await turn.fetch("get_quotas", scope, subject)
    return sorted((limit_of(row) for row in rows), key=lambda found: SCOPES.index(found.scope))


def limit_of(row: Any) -> Limit:
    """A row of get_quotas as what holds now."""
    meter = Meter(row["scope"], row["subject"], row["name"], row["most"], row["used"], row["at_s"])
    meter.come_to(row["now_s"])
    return Limit(meter.scope, meter.subject, meter.name, meter.most, meter.told)
