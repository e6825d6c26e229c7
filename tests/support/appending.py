"""A process that appends to a log as fast as it can: `python -m … DSN NAME WRITERS ENTRIES`."""

import asyncio
import sys

from tests.support.rooms import appending, new_run, points_of
from tracklog_ingest.runs import LogToRun


async def append_entries(dsn: str, name: str, writers: int, entries: int) -> None:
    """Append that many entries, from so many writers at a time, to one new run."""
    async with appending(dsn) as appender:
        run_id = await new_run(appender, name)
        numbers = iter(range(entries))

        async def write() -> None:
            for number in numbers:
                await appender.submit(LogToRun(run_id.hex, points_of("k", [number])))

        await asyncio.gather(*(write() for _ in range(writers)))


if __name__ == "__main__":
    asyncio.run(append_entries(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
