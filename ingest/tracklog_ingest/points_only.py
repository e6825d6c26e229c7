"""The short way of a group that only logs points: decided and appended by one database function.

Most writes are of this kind, and a round trip costs more than all the rest of them. The function accepts only
what `LogToRun` would accept, with the same outcome; for anything else the group takes the general way.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

from tracklog_contract import codec
from tracklog_contract.events import RunLogged
from tracklog_contract.ids import DEFAULT_WORKSPACE, parse_run_id
from tracklog_contract.limits import Quotas
from tracklog_ingest.runs import LogToRun
from tracklog_ingest.state import SQL


def only_points(commands: Sequence[Any]) -> TypeGuard[Sequence[LogToRun]]:
    """Do these commands log points to runs, and nothing else."""
    return all(
        isinstance(command, LogToRun)
        and command.points.counts
        and not (command.params or command.tags or command.links)
        for command in commands
    )


async def append_points(connection: Any, commands: Sequence[LogToRun], quotas: Quotas) -> int | None:
    """Append these commands, in a transaction of its own; the last position.

    Returns: None, having changed nothing, when one of them cannot be admitted.
    """
    run_ids = [parse_run_id(command.run_id) for command in commands]
    if None in run_ids:
        return None
    position: int | None = await connection.fetchval(
        SQL["append_points"],
        run_ids,
        [command.points.points for command in commands],
        RunLogged.kind,
        RunLogged.version,
        DEFAULT_WORKSPACE,
        "",
        [codec.encode(RunLogged(command.points)) for command in commands],
        quotas.run_points,
    )
    return position
