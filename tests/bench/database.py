"""What tracklog's and FastTrackML's PostgreSQL say about what they hold."""

import asyncio
from typing import Any

import asyncpg


def fetch(dsn: str, query: str) -> list[dict[str, Any]]:
    """The rows that a query gives."""
    return asyncio.run(_fetch(dsn, query))


async def _fetch(dsn: str, query: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
