"""Entry point of the parent's children: `python -m tracklog_server.process ROLE`, the task by environment."""

import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast

import structlog
import uvloop

from tracklog_server.database import unavailable
from tracklog_server.logs import configure
from tracklog_server.parent_death import signal_on_parent_death
from tracklog_server.problems import FAILED, StartError
from tracklog_server.task import Role, Task

MODULES: Final[dict[Role, str]] = {
    "prepare": "tracklog_server.prepare",
    "projector": "tracklog_server.projection",
    "worker": "tracklog_server.worker",
}
# What a request makes hardly ever refers to itself, so that it need not be looked for often.
GARBAGE_OBJECTS: Final = 10_000
# A fifth of Python's own.
SWITCH_S: Final = 0.001
log = structlog.get_logger()


class RoleModule(Protocol):
    """What each of MODULES has."""

    run: Callable[[Task, asyncio.Event], Awaitable[None]]


def main() -> int:
    """Carry out this process's task; its exit code."""
    task = Task.from_environment(os.environ)
    # Nothing is lost by it: whatever was acknowledged is committed, and the rest is resent.
    signal_on_parent_death(signal.SIGKILL, task.parent_pid)
    configure(task.role)
    module = cast(RoleModule, importlib.import_module(MODULES[task.role]))
    # What is loaded now stays: looking through it again and again took a tenth of a busy worker's time.
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    # Threads that write files wait for the event loop's after each call to the system.
    sys.setswitchinterval(SWITCH_S)
    if not os.read(0, 1):
        return FAILED  # the parent ended before there was anything to do
    try:
        uvloop.run(_until_stopped(module, task))
    except StartError as problem:
        sys.stderr.write(f"tracklog: {problem}\n")
        return FAILED
    except Exception as error:  # noqa: BLE001 - the process's edge
        _log_failure(error)
        return FAILED
    return 0


async def _until_stopped(module: RoleModule, task: Task) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # The pipe's other end is the parent's alone. Where the kernel does not tell of its death, this does.
    loop.add_reader(0, lambda: os._exit(1))
    await module.run(task, stop)


def _log_failure(error: Exception) -> None:
    causes = _leaves(error)
    expected = [known for cause in causes if (known := unavailable(cause)) is not None]
    if len(expected) == len(causes):
        log.warning("process_failed", reason="; ".join(str(known) for known in expected))
    else:
        log.critical("process_failed", exc_info=error)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


if __name__ == "__main__":
    sys.exit(main())
