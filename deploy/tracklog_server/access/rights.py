"""What one principal may do in one workspace: asked of the database, and kept for as long as it holds."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tracklog_contract.caller import Level
from tracklog_contract.sqlfiles import statements

SQL: Final = statements("tracklog_server")
LEVELS_MAX: Final = 100_000


class DatabaseRights:
    """The rights that a row of get_rights.sql says, over a pool for further questions.

    Only what is granted is kept: a refusal is always the database's word of this moment, so whoever was given
    access has it at once, on every node. What is kept ends with this object (Authenticator says when).

    Args: bound: to this workspace, by a token that is good for no other: its owner is no administrator by it.
    """

    def __init__(self, pool: Any, workspace: str, row: Mapping[str, Any], *, bound: bool = False) -> None:
        self._pool = pool
        self._workspace = workspace
        self._principal_id: int = row["principal_id"]
        self._levels: dict[int, Level] = {}
        self.is_admin = bool(row["admin"]) and not bound
        self.manages = bool(row["admin"]) or (row["of_workspace"] or 0) >= Level.MANAGE
        member = (row["of_workspace"] or 0) >= Level.READ
        self.enters = self.manages or member or bool(row["has_any"])
        self.may_create = self.manages or (row["of_workspace"] or 0) >= Level.USE
        self._denied = bool(row["denied"]) and not self.manages
        self._denials = bool(row["has_denials"]) and not self.manages
        highest = max(row["of_experiments"] or 0, row["default_level"] if member else 0)
        self.floor = Level.MANAGE if self.manages else Level.DENY if self._denied else Level(highest)

    def known(self, experiment_id: int) -> Level | None:
        """The level on an experiment, if it was asked for and is READ at least."""
        return self._levels.get(experiment_id)

    async def levels(self, experiment_ids: Iterable[int]) -> Mapping[int, Level]:
        """The levels on those of these experiments that are in the workspace."""
        known: dict[int, Level] = {}
        others: list[int] = []
        for number in experiment_ids:
            level = self._levels.get(number)
            if level is None:
                others.append(number)
            else:
                known[number] = level
        if others:
            if len(self._levels) > LEVELS_MAX:
                self._levels.clear()
            for row in await self._pool.fetch(SQL["get_levels"], self._workspace, self._principal_id, others):
                level = self._level(row["lowest"], row["highest"])
                known[row["experiment_id"]] = level
                if level >= Level.READ:
                    self._levels[row["experiment_id"]] = level
        return known

    async def readable(self) -> frozenset[int] | None:
        """The experiments that may be read; None for all of the workspace."""
        if self.floor >= Level.READ and not self._denials:
            return None
        if self.floor is Level.DENY:
            return frozenset()
        rows = await self._pool.fetch(
            SQL["get_readable"], self._workspace, self._principal_id, self.floor >= Level.READ
        )
        return frozenset(row["experiment_id"] for row in rows)

    def _level(self, lowest: int | None, highest: int | None) -> Level:
        if self.manages:
            return Level.MANAGE
        if self._denied or lowest == Level.DENY:
            return Level.DENY
        return max(self.floor, Level(highest or 0))
