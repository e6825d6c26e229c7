"""The short way of a group that only logs points: decided and appended by one database function.

Most writes are of this kind, and a round trip costs more than all the rest of them. The function accepts only
what `LogToRun` and `NativeBatch` would accept whole, with the same outcome; for anything else the group takes
the general way.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from tracklog_contract import codec
from tracklog_contract.caller import Caller, Level
from tracklog_contract.events import RunLogged
from tracklog_contract.ids import parse_run_id
from tracklog_contract.limits import Quotas
from tracklog_contract.points import PointBlock
from tracklog_ingest.native import Answer, NativeBatch
from tracklog_ingest.runs import LogToRun
from tracklog_ingest.state import SQL, State, Wants

PointsCommand = LogToRun | NativeBatch


def only_points(commands: Sequence[Any]) -> TypeGuard[Sequence[PointsCommand]]:
    """Do these commands log points to runs, and nothing else."""
    return all(isinstance(command, PointsCommand) and command.is_points for command in commands)


# Whoever writes to more runs than these at a time takes the general way now and then.
PLACES_MAX: Final = 100_000


class RunPlaces:
    """Which experiments runs are in, as far as writers who are checked asked; no run ever leaves its own."""

    def __init__(self) -> None:
        self._experiments: dict[uuid.UUID, int] = {}

    def learn(self, state: State, wants: Wants, who: Caller) -> None:
        """Remember where the runs of a command are."""
        if not who.is_checked:
            return
        if len(self._experiments) > PLACES_MAX:
            self._experiments.clear()
        for run_id in wants.runs:
            if run_id in state.runs:
                self._experiments[run_id] = state.runs[run_id].experiment_id

    def all_open(self, commands: Sequence[PointsCommand], callers: Sequence[Caller]) -> bool:
        """Is it known that every caller may write to the runs of their command, as often as they like."""
        return all(
            not who.is_checked or all(self._is_open(run_id, who) for run_id in _run_ids(command))
            for command, who in zip(commands, callers, strict=True)
        )

    def _is_open(self, run_id: uuid.UUID | None, who: Caller) -> bool:
        experiment_id = self._experiments.get(run_id) if run_id else None
        if experiment_id is None or (who.requests is not None and who.requests.limits(experiment_id)):
            return False
        return who.rights is None or (who.rights.known(experiment_id) or Level.NONE) >= who.need.level


def _run_ids(command: PointsCommand) -> Sequence[uuid.UUID | None]:
    if isinstance(command, NativeBatch):
        return [part.run_id for part in command.request.parts]
    return [parse_run_id(command.run_id)]


async def append_points(
    connection: Any,
    commands: Sequence[PointsCommand],
    callers: Sequence[Caller],
    quotas: Quotas,
    quota_changes: int,
) -> tuple[list[Answer | None], int] | None:
    """Append these commands, in a transaction of its own; their answers and the last position.

    Args: quota_changes: as of which of them no caller's points have other limits than `quotas` says.
    Returns: None, having changed nothing, when one of them cannot be admitted whole, or a limit is nearly
    used.
    """
    entries: list[tuple[uuid.UUID, PointBlock]] = []
    of_entries: list[Caller] = []
    numbered: list[tuple[uuid.UUID, int, int, int]] = []
    for command, who in zip(commands, callers, strict=True):
        of_entries.extend([who] * (len(command.request.parts) if isinstance(command, NativeBatch) else 1))
        if isinstance(command, NativeBatch):
            first = len(entries) + 1
            entries.extend((part.run_id, part.points) for part in command.request.parts)
            numbered.append((command.request.producer_id, command.request.sequence, first, len(entries)))
            continue
        run_id = parse_run_id(command.run_id)
        if run_id is None:
            return None
        entries.append((run_id, command.points))
    position: int | None = await connection.fetchval(
        SQL["append_points"],
        [run_id for run_id, _ in entries],
        [points.points for _, points in entries],
        RunLogged.kind,
        RunLogged.version,
        [who.workspace for who in of_entries],
        [who.principal for who in of_entries],
        [codec.encode(RunLogged(points)) for _, points in entries],
        quotas.run_points,
        quota_changes,
        *([row[column] for row in numbered] for column in range(4)),
    )
    if position is None:
        return None
    lasts = iter(position - len(entries) + last for *_, last in numbered)
    answers = [Answer(next(lasts)) if isinstance(command, NativeBatch) else None for command in commands]
    return answers, position
