"""The endpoints about quotas: administrators set them, and everybody may see what they use themselves."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web

from tracklog_contract.caller import Caller, Level, caller
from tracklog_contract.errors import DENIED, NOT_FOUND, Rejected
from tracklog_contract.ids import parse_experiment_id, parse_run_id
from tracklog_contract.limits import Quotas
from tracklog_contract.quotas import EXPERIMENT, PRINCIPAL, WORKSPACE, warns_at
from tracklog_ingest.access import quotas
from tracklog_ingest.access.quotas import Limit
from tracklog_ingest.access.turn import Turn, turn_of
from tracklog_ingest.usage import experiment_of_run, experiment_usage, run_usage
from tracklog_projector.service import Queries
from tracklog_server.access.fields import Fields, answer
from tracklog_server.access.office import is_admin
from tracklog_server.access.quota_commands import percent

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUOTAS: Final = "/tracklog/v1/quotas"
USAGE: Final = "/tracklog/v1/usage"


class QuotaDesk:
    """The handlers. `pool`: connections of its own; `server`: the server's own limits."""

    def __init__(self, pool: Any, queries: Queries, server: Quotas) -> None:
        self._pool = pool
        self._queries = queries
        self._server = server

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Routes to mount under each API prefix."""
        return [("GET", QUOTAS, self.show), ("PUT", QUOTAS, self.set), ("GET", USAGE, self.usage)]

    @contextlib.asynccontextmanager
    async def _look(self) -> AsyncIterator[Turn]:
        async with self._pool.acquire() as connection:
            yield Turn(connection, caller().principal)

    async def show(self, request: web.Request) -> web.Response:
        """GET quotas[?scope=&subject=], of administrators: what is limited, and used."""
        fields = await Fields.of(request)
        async with self._look() as turn:
            found = await quotas.quotas_of(
                turn, fields.optional_text("scope"), fields.optional_text("subject")
            )
        return answer({"quotas": [_told(limit) for limit in found]})

    async def set(self, request: web.Request) -> web.Response:
        """PUT quotas, of administrators: {scope, subject, limits: {name: number, or null for none}}."""
        fields = await Fields.of(request)
        scope, subject, limits = fields.text("scope"), fields.text("subject"), fields.numbers("limits")
        async with (
            self._pool.acquire() as connection,
            turn_of(connection, caller().principal) as turn,
        ):
            for name, most in limits.items():
                await quotas.set_quota(turn, scope, subject, name, most)
            found = await quotas.quotas_of(turn, scope, subject)
        return answer({"quotas": [_told(limit) for limit in found]})

    async def usage(self, request: web.Request) -> web.Response:
        """GET usage[?run_id=|experiment_id=|principal=]: of the caller and their workspace, or what is named.

        The workspace's is told to those who may read all of it, another principal's to administrators.
        """
        fields, who = await Fields.of(request), caller()
        async with self._look() as turn:
            limits = await self._limits(turn, who, fields)
        written = await self._queries.usage(list(limits))
        return answer({"usage": [_of_subject(each, limits[each], written.get(each, {})) for each in limits]})

    async def _limits(
        self, turn: Turn, who: Caller, fields: Fields
    ) -> dict[tuple[str, str], Sequence[Limit]]:
        run_id, experiment_id = fields.optional_text("run_id"), fields.optional_text("experiment_id")
        if run_id is not None:
            return await self._of_run(turn, who, run_id)
        if experiment_id is not None:
            number = parse_experiment_id(experiment_id)
            await who.check(number, level=Level.READ)
            return await self._of_experiment(turn, who, number)
        name = fields.optional_text("principal")
        if name is not None:
            if who.rights is not None and name != who.principal and not is_admin(who):
                raise Rejected(DENIED, "Only administrators may see what others use.")
            return {(PRINCIPAL, name): await quotas.quotas_of(turn, PRINCIPAL, name)}
        found = {(PRINCIPAL, who.principal): await quotas.quotas_of(turn, PRINCIPAL, who.principal)}
        if await who.readable() is None:
            found[WORKSPACE, who.workspace] = await quotas.quotas_of(turn, WORKSPACE, who.workspace)
        return found  # type: ignore[return-value] # a list is a sequence

    async def _of_run(self, turn: Turn, who: Caller, text: str) -> dict[tuple[str, str], Sequence[Limit]]:
        absent = Rejected(NOT_FOUND, f"Run with id={text} not found")
        run_id = parse_run_id(text)
        number = None if run_id is None else await experiment_of_run(turn.connection, run_id)
        if run_id is None or number is None:
            raise absent
        await who.check(number, absent, level=Level.READ)
        of_run = await run_usage(turn.connection, self._server, who, run_id)
        return {("run", run_id.hex): of_run, **await self._of_experiment(turn, who, number)}

    async def _of_experiment(
        self, turn: Turn, who: Caller, experiment_id: int
    ) -> dict[tuple[str, str], Sequence[Limit]]:
        limits = await experiment_usage(turn.connection, self._server, who, experiment_id)
        known = {limit.name for limit in limits}
        said = await quotas.quotas_of(turn, EXPERIMENT, str(experiment_id))
        more = [limit for limit in said if limit.name not in known and limit.used is not None]
        return {(EXPERIMENT, str(experiment_id)): [*limits, *more]}


def _of_subject(subject: tuple[str, str], limits: Sequence[Limit], written: dict[str, int]) -> dict[str, Any]:
    told = [_told(limit) for limit in limits]
    for limit in told:
        del limit["scope"], limit["subject"]
    return {"scope": subject[0], "subject": subject[1], "limits": told, "written": written}


def _told(limit: Limit) -> dict[str, Any]:
    told: dict[str, Any] = {
        "scope": limit.scope, "subject": limit.subject, "name": limit.name, "limit": limit.most
    }  # fmt: skip
    if limit.used is not None:
        told |= {
            "used": limit.used,
            "percent": percent(limit.used, limit.most),
            "nearly_used": limit.used >= warns_at(limit.most),
        }
    return told
