"""The short way of a group that only logs points: decided and appended by one database function.

Most writes are of this kind, and a round trip costs more than all the rest of them. The function accepts only
what `LogToRun` and `NativeBatch` would accept whole, with the same outcome; for anything else the group takes
the general way.
"""

import uuid
from collections.abc import Sequence
from typing import Any, TypeGuard

from tracklog_contract import codec
from tracklog_contract.events import RunLogged
from tracklog_contract.ids import DEFAULT_WORKSPACE, parse_run_id
from tracklog_contract.limits import Quotas
from tracklog_contract.points import PointBlock
from tracklog_ingest.native import Answer, NativeBatch
from tracklog_ingest.runs import LogToRun
from tracklog_ingest.state import SQL

PointsCommand = LogToRun | NativeBatch


def only_points(commands: Sequence[Any]) -> TypeGuard[Sequence[PointsCommand]]:
    """Do these commands log points to runs, and nothing else."""
    return all(isinstance(command, PointsCommand) and command.is_points for command in commands)


async def append_points(
    connection: Any, commands: Sequence[PointsCommand], quotas: Quotas
) -> tuple[list[Answer | None], int] | None:
    """Append these commands, in a transaction of its own; their answers and the last position.

    Returns: None, having changed nothing, when one of them cannot be admitted whole.
    """
    entries: list[tuple[uuid.UUID, PointBlock]] = []
    numbered: list[tuple[uuid.UUID, int, int, int]] = []
    for command in commands:
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
        DEFAULT_WORKSPACE,
        "",
        [codec.encode(RunLogged(points)) for _, points in entries],
        quotas.run_points,
        *([row[column] for row in numbered] for column in range(4)),
    )
    if position is None:
        return None
    lasts = iter(position - len(entries) + last for *_, last in numbered)
    answers = [Answer(next(lasts)) if isinstance(command, NativeBatch) else None for command in commands]
    return answers, position
