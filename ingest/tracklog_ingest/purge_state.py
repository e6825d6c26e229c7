"""What admission knows while it purges: where the last entries of what shall go are, and what goes."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from tracklog_contract.artifact_places import bounds_below
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_ingest")


@dataclass
class PurgeWants:
    """The runs, models and experiments that shall go."""

    runs: set[uuid.UUID] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    experiments: set[int] = field(default_factory=set)

    def add(self, other: "PurgeWants") -> None:
        """Want what another wants too."""
        self.runs |= other.runs
        self.models |= other.models
        self.experiments |= other.experiments

    def __bool__(self) -> bool:
        return bool(self.runs or self.models or self.experiments)


@dataclass(frozen=True)
class Purged:
    """One thing that is gone: the entry that says so, its run if it is one, and where its files lie."""

    position: int
    path: str
    run_id: uuid.UUID | None = None


@dataclass
class PurgeState:
    """The last positions of what shall go, by id, and what a command made go."""

    positions: dict[Any, int] = field(default_factory=dict)
    purged: list[Purged] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    experiments: list[int] = field(default_factory=list)


async def load_purges(connection: Any, wants: PurgeWants) -> PurgeState:
    """Read where the last entries of what shall go are."""
    rows = await connection.fetch(
        SQL["load_last_positions"], list(wants.runs), list(wants.models), list(wants.experiments)
    )
    ids = (row["run_id"] or row["model_id"] or row["experiment_id"] for row in rows)
    return PurgeState({subject: row["last_position"] for subject, row in zip(ids, rows, strict=True)})


async def save_purges(connection: Any, state: PurgeState) -> None:
    """Take what is gone out of admission's tables, but for files of runs: these may be many, and go later."""
    if not state.purged:
        return
    runs = [purged.run_id for purged in state.purged if purged.run_id]
    if runs:
        await connection.execute(SQL["purge_runs"], runs)
    if state.models:
        await connection.execute(SQL["purge_models"], state.models)
    if state.experiments:
        await connection.execute(SQL["purge_experiments"], state.experiments)
    bounds = [bounds_below(purged.path) for purged in state.purged if purged.path]
    if bounds:
        await connection.execute(SQL["delete_upload_intents_below"], *zip(*bounds, strict=True))
    await connection.execute(
        SQL["record_purges"],
        [purged.position for purged in state.purged],
        [purged.run_id for purged in state.purged],
        [purged.path for purged in state.purged],
    )
