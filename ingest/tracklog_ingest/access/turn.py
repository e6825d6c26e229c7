"""One change of who may do what: a transaction that takes the log's turn, and appends what it did."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracklog_contract import codec
from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.events import Event, NewEntry
from tracklog_contract.sqlfiles import statements

SQL: Mapping[str, str] = statements("tracklog_ingest")


@dataclass
class Turn:
    """The transaction of a change. `principal`: who changes something; "" for the operator at the machine."""

    connection: Any
    principal: str
    entries: list[NewEntry] = field(default_factory=list)

    def record(self, event: Event, *, experiment_id: int = NO_EXPERIMENT, workspace: str = "") -> None:
        """Append an event when the transaction ends."""
        self.entries.append(NewEntry(event, experiment_id, None, workspace, self.principal))

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """The rows that a statement of ours gives."""
        rows: list[Any] = await self.connection.fetch(SQL[statement], *arguments)
        return rows

    async def value(self, statement: str, *arguments: Any) -> Any:
        """The first value of the first row, or None."""
        return await self.connection.fetchval(SQL[statement], *arguments)


@contextlib.asynccontextmanager
async def turn_of(connection: Any, principal: str) -> AsyncIterator[Turn]:
    """A change by `principal`: committed on leaving, whole or not at all.

    From the turn's beginning nobody else appends; so no write is admitted by what is about to change.
    """
    async with connection.transaction():
        position = await connection.fetchval(SQL["take_turn"])
        turn = Turn(connection, principal)
        yield turn
        if turn.entries:
            await connection.execute(SQL["append_access"], position, *_columns(turn.entries))


def _columns(entries: list[NewEntry]) -> list[list[Any]]:
    return [
        [entry.experiment_id for entry in entries],
        [entry.event.kind for entry in entries],
        [entry.event.version for entry in entries],
        [entry.workspace for entry in entries],
        [entry.principal for entry in entries],
        [codec.encode(entry.event) for entry in entries],
    ]
