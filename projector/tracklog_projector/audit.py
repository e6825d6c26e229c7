"""Who did what when, from the log itself: its entries as lines, without what was logged in them."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tracklog_contract import codec
from tracklog_contract.access_events import ACCESS_EVENT_TYPES, NO_EXPERIMENT
from tracklog_contract.event_types import ALL_EVENT_TYPES
from tracklog_contract.events import Event, RunLogged
from tracklog_contract.quota_events import QUOTA_EVENT_TYPES
from tracklog_contract.sqlfiles import statements
from tracklog_contract.trace_events import SpansRecorded

SQL = statements("tracklog_projector")
# Entries looked at for one page, whoever they are of: a page costs this much at most.
SPAN: Final = 50_000
PAGE_MAX: Final = 1000
ITEMS_SHOWN: Final = 10
# The clocks of machines that append one after the other may differ by so much.
CLOCKS_DIFFER: Final = dt.timedelta(minutes=5)
# What lines tell of an event beside its name: names, keys and ids. Values may hold anything, secrets too.
TOLD: Final = frozenset(
    {"name", "key", "status", "model_id", "trace_id", "trace_ids", "assessment_id", "path", "files"}
)
# Events that are told with all they hold.
WHOLE: Final = (*ACCESS_EVENT_TYPES, *QUOTA_EVENT_TYPES)
NAMES: Final = {(event.kind, event.version): event.__name__ for event in ALL_EVENT_TYPES}
# The many, of which nothing is told but their size; they are not even read.
UNREAD: Final = (RunLogged.kind, SpansRecorded.kind)


@dataclass(frozen=True)
class AuditLine:
    """One entry of the log. `principal`: "" for whoever had no need to sign in, at the server's machine."""

    position: int
    recorded_at: dt.datetime
    principal: str
    workspace: str
    what: str
    experiment_id: int | None
    run_id: uuid.UUID | None
    details: Mapping[str, Any]

    def answer(self) -> dict[str, Any]:
        """The line as JSON has it."""
        return {
            "position": self.position,
            "time": self.recorded_at.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
            "principal": self.principal,
            "workspace": self.workspace,
            "what": self.what,
            "experiment_id": None if self.experiment_id is None else str(self.experiment_id),
            "run_id": self.run_id.hex if self.run_id else None,
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class AuditFilter:
    """Which lines are wanted; None where it is all the same."""

    since: dt.datetime | None = None
    principal: str | None = None
    experiment_id: int | None = None


async def begin_of(connection: Any, since: dt.datetime | None) -> int:
    """A position before all that was recorded since a time, and not long before it."""
    if since is None:
        return 0
    low, high = 0, int(await connection.fetchval(SQL["head"]) or 0)
    while low < high:
        middle = (low + high + 1) // 2
        if await connection.fetchval(SQL["recorded_at"], middle) < since - CLOCKS_DIFFER:
            low = middle
        else:
            high = middle - 1
    return low


async def page(
    connection: Any, after: int, wanted: AuditFilter, *, limit: int = PAGE_MAX
) -> tuple[list[AuditLine], int | None]:
    """Lines in log order, strictly after a position, and the position to go on after.

    Returns: at most `limit` lines, maybe none though more follow; None at the end of the log.
    """
    head = int(await connection.fetchval(SQL["head"]) or 0)
    rows = await connection.fetch(
        SQL["audit_entries"],
        after,
        SPAN,
        wanted.principal,
        wanted.experiment_id,
        wanted.since,
        limit,
        list(UNREAD),
    )
    lines = [_line(row) for row in rows]
    reached = lines[-1].position if len(lines) == limit else min(after + SPAN, head)
    return lines, reached if reached < head else None


def _line(row: Mapping[str, Any]) -> AuditLine:
    kind = (row["kind"], row["version"])
    event = None if row["payload"] is None else codec.decode(*kind, row["payload"])
    experiment_id = row["experiment_id"]
    return AuditLine(
        row["position"],
        row["recorded_at"],
        row["principal"],
        row["workspace"],
        NAMES.get(kind, f"kind {kind[0]}"),
        None if experiment_id == NO_EXPERIMENT else experiment_id,
        row["run_id"],
        {"bytes": row["size_bytes"]} if event is None else details_of(event),
    )


def details_of(event: Event) -> dict[str, Any]:
    """What a line tells of an event: all of one about access and quotas, of any other only TOLD."""
    packed = event.pack()
    if isinstance(event, WHOLE):
        return packed
    return {name: _shown(value) for name, value in packed.items() if name in TOLD}


def _shown(value: Any) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    # Files are packed as lists that begin with their paths.
    items = [item[0] if isinstance(item, list) else item for item in value[:ITEMS_SHOWN]]
    return items if len(value) <= ITEMS_SHOWN else [*items, f"and {len(value) - ITEMS_SHOWN} more"]
