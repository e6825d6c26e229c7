"""The projector's process."""

import asyncio

from tracklog_projector.projector import run_projector
from tracklog_server.task import Task


async def run(task: Task, stop: asyncio.Event) -> None:
    """Fold the log into the views until `stop` is set."""
    await run_projector(task.dsn, stop)
