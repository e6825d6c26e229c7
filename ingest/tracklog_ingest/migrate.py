"""Brings a database's log and admission schema up to this version, under an advisory lock."""

import hashlib
import time
from importlib import resources

import asyncpg

from tracklog_contract import codec
from tracklog_contract.errors import INVALID_STATE, Rejected
from tracklog_contract.events import ExperimentCreated
from tracklog_contract.ids import DEFAULT_EXPERIMENT_ID, DEFAULT_WORKSPACE
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_ingest")
# Any process that changes the schema holds this lock; the number is "tracklog" in ASCII.
SCHEMA_LOCK = 0x747261636B6C6F67


def migrations() -> dict[str, str]:
    """Every migration's text by file name, in the order they apply."""
    folder = resources.files("tracklog_ingest") / "migrations"
    found = {
        item.name: item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")
    }
    return dict(sorted(found.items()))


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Apply the migrations this database lacks; concurrent callers wait for each other.

    Raises: Rejected, when the schema is not ours, or was made by a newer version.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", SCHEMA_LOCK)
        applied = await _applied(connection)
        known = migrations()
        for name in applied.keys() - known.keys():
            raise Rejected(
                INVALID_STATE,
                f"this database was migrated by a newer tracklog ({name} is unknown here): upgrade tracklog.",
            )
        for name, text in known.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            if name not in applied:
                await connection.execute(text)
                await connection.execute(SQL["record_migration"], name, digest)
            elif applied[name] != digest:
                raise Rejected(
                    INVALID_STATE,
                    f"this database was migrated by another build of tracklog ({name} differs): "
                    "use the version that made it, or another database.",
                )


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    ours = await connection.fetchval("select to_regclass('tracklog_meta.migration') is not null")
    if not ours:
        foreign = await connection.fetchval(SQL["foreign_schema"])
        if foreign:
            raise Rejected(
                INVALID_STATE,
                f"this database has a schema {foreign} that tracklog did not make: use another database.",
            )
        await connection.execute(SQL["create_migration_table"])
    rows = await connection.fetch("select name, digest from tracklog_meta.migration")
    return {row["name"]: row["digest"] for row in rows}


async def seed(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give a new log its first event: experiment 0, "Default", which every MLflow server has."""
    event = ExperimentCreated(
        name="Default",
        artifact_location=f"mlflow-artifacts:/{DEFAULT_EXPERIMENT_ID}",
        created_ms=time.time_ns() // 1_000_000,
    )
    await connection.execute(
        SQL["seed"],
        DEFAULT_EXPERIMENT_ID,
        DEFAULT_WORKSPACE,
        event.name,
        event.artifact_location,
        event.kind,
        event.version,
        codec.encode(event),
    )
