"""Makes the views' tables, in a schema of the given name, and says which version of them is there."""

import hashlib
from typing import Any

from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_projector")
LIVE = "tracklog_view"
NEXT = "tracklog_view_next"
OLD = "tracklog_view_old"
# Folds, compactions, document writes and the switch after a rebuild take turns by this advisory lock.
VIEWS_LOCK = 0x747261636B766965
# Held by the process that folds, for as long as it lives.
PROJECTOR_LOCK = 0x747261636B70726F
# Views made by other code than this are rebuilt: raise it when a fold gives other rows than before.
FOLD_VERSION = 3


def version() -> str:
    """What the views' tables and their content depend on, as a short text."""
    text = f"{FOLD_VERSION}\n{SQL['views']}\n{SQL['search_indexes']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def create_views(connection: Any, schema: str, *, searchable: bool = True) -> None:
    """Create empty views in `schema`, one of LIVE and NEXT, which must not exist.

    Args: searchable: with the indexes that only searches need; a rebuild makes them later.
    """
    assert schema in (LIVE, NEXT)
    async with connection.transaction():
        await connection.execute(f"create schema {schema}")
        await connection.execute(f"set local search_path = {schema}")
        await connection.execute(SQL["views"])
        if searchable:
            await connection.execute(SQL["search_indexes"])
        await connection.execute("insert into version (digest) values ($1)", version())


async def views_version(connection: Any) -> str | None:
    """The version of the live views, None when there are none."""
    exists = await connection.fetchval("select to_regclass('tracklog_view.version') is not null")
    if not exists:
        return None
    digest: str = await connection.fetchval("select digest from tracklog_view.version")
    return digest


async def ensure_views(connection: Any) -> bool:
    """Create the live views where there are none; False when they are another version's: rebuild them."""
    found = await views_version(connection)
    if found is None:
        await connection.execute("drop schema if exists tracklog_view cascade")
        await create_views(connection, LIVE)
        return True
    return found == version()
