"""The endpoint of audits, of administrators: who did what when."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tracklog_contract.errors import INVALID, Rejected
from tracklog_contract.ids import parse_experiment_id
from tracklog_projector.audit import PAGE_MAX, AuditFilter, begin_of, page
from tracklog_server.access.fields import Fields, answer
from tracklog_server.access.office import Office
from tracklog_server.access.times import moment_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(office: Office) -> list[tuple[str, str, Handler]]:
    """Routes to mount under each API prefix."""

    async def audit(request: web.Request) -> web.Response:
        fields = await Fields.of(request)
        wanted = filter_of(
            fields.optional_text("since"),
            fields.optional_text("principal"),
            fields.optional_text("experiment_id"),
        )
        after = fields.number("after") if fields.optional_text("after") else None
        limit = fields.number("max_results") if fields.optional_text("max_results") else PAGE_MAX
        if not 1 <= limit <= PAGE_MAX:
            raise Rejected(INVALID, f"max_results must be from 1 to {PAGE_MAX}.")
        async with office.look() as turn:
            begin = await begin_of(turn.connection, wanted.since) if after is None else after
            lines, more_after = await page(turn.connection, begin, wanted, limit=limit)
        more = {} if more_after is None else {"next_after": str(more_after)}
        return answer({"entries": [line.answer() for line in lines], **more})

    return [("GET", "/tracklog/v1/audit", audit)]


def filter_of(since: str | None, principal: str | None, experiment: str | None) -> AuditFilter:
    """The lines that are wanted, from texts.

    Raises: Rejected, when one of them is wrong.
    """
    return AuditFilter(
        None if since is None else moment_of(since),
        principal,
        None if experiment is None else parse_experiment_id(experiment),
    )
