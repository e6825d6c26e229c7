"""Takes commands, decides them in groups, and appends what is admitted: one transaction a group.

Every group of every process takes its turn by the head's row lock (sql/lock_head.sql), which it keeps until
its commit. So decisions are made on settled data, positions have no gaps, and they become visible in order.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

import asyncpg
import structlog

from tracklog_contract.caller import Caller, Level, caller
from tracklog_contract.errors import Busy, Rejected, TooMany, TracklogError, Unavailable
from tracklog_contract.events import NewEntry
from tracklog_contract.limits import Quotas
from tracklog_contract.quota_events import QuotaNearlyUsed
from tracklog_ingest.load import load
from tracklog_ingest.points_only import RunPlaces, append_points, only_points
from tracklog_ingest.save import save
from tracklog_ingest.state import NO_LEVELS, SQL, State, Wants
from tracklog_ingest.tally import NO_BOOK, load_book, load_tally, subjects_of

log = structlog.get_logger()


class Command(Protocol):
    """One request to change something, as admission sees it.

    One whose class says `alone = True` is decided in a group of its own.
    """

    payload_bytes: int

    def wants(self, wants: Wants) -> None:
        """Add what must be read before `admit` can decide."""

    def admit(self, state: State) -> Any:
        """Decide, change `state` and append to it; what is returned is the caller's answer.

        Raises: Rejected or TooMany, having changed nothing.
        """


class Views(Protocol):
    """How far the projector has come, for slowing writers that run ahead of it."""

    position: int

    async def reach(self, position: int, *, timeout_s: float) -> bool:
        """Wait until the views hold everything up to `position`; False when the time is up first."""


@dataclass(frozen=True)
class AppendConfig:
    """Bounds of the append queue, and how far the views may fall behind it."""

    queue_commands_max: int = 2048
    queue_bytes_max: int = 64 * 2**20
    group_commands_max: int = 256
    group_bytes_max: int = 8 * 2**20
    append_timeout_s: float = 10.0
    views_lag_max_s: float = 1.0

    def __post_init__(self) -> None:
        assert self.group_commands_max <= self.queue_commands_max
        assert self.group_bytes_max <= self.queue_bytes_max


@dataclass
class Waiting:
    """A command in the queue, who gave it, and the answer they await."""

    command: Command
    caller: Caller = field(default_factory=caller)
    answer: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, outcome: Any) -> None:
        """Answer the caller, unless it has gone away meanwhile."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


# Where several clients write at once, a moment for them to join costs less than a commit of their own.
GATHER_S: Final = 0.0005
LOST: Final = "the database did not confirm the write: send the request again."


class Appender:
    """A bounded queue of commands and the loop that empties it, one group a transaction.

    The loop keeps one connection of the pool for as long as it works: handing it back after each group would
    cost a round trip.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        quotas: Quotas,
        views: Views,
        config: AppendConfig | None = None,
    ) -> None:
        self._pool = pool
        self._quotas = quotas
        self._views = views
        self._config = config or AppendConfig()
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(self._config.queue_commands_max)
        self._queue_bytes = 0
        self._unfolded: deque[tuple[int, float]] = deque()
        self._connection: Any = None
        self._had_company = False
        self._places = RunPlaces()
        self._book = NO_BOOK

    async def submit(self, command: Command) -> Any:
        """The command's answer, once what it changed is durable.

        Raises: Rejected; TooMany; Busy, at once when the queue is full; Unavailable, when the outcome is
        unknown.
        """
        if self._queue_bytes + command.payload_bytes > self._config.queue_bytes_max:
            raise Busy("too many writes are waiting: send the request again in a second.")
        waiting = Waiting(command)
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise Busy("too many writes are waiting: send the request again in a second.") from None
        self._queue_bytes += command.payload_bytes
        return await waiting.answer

    async def drain(self) -> None:
        """Wait until every command taken has its answer."""
        await self._queue.join()

    async def run(self) -> None:
        """Decide and append groups until cancelled."""
        try:
            await self._run()
        finally:
            self._disconnect()

    async def _run(self) -> None:
        while True:
            group = await self._next_group()
            try:
                await self._wait_for_views()
                for part in _parts(group):
                    await self._append_apart(part)
            finally:
                for waiting in group:
                    waiting.settle(Unavailable(LOST))  # no effect on those answered already
                    self._queue_bytes -= waiting.command.payload_bytes
                    self._queue.task_done()

    async def _next_group(self) -> list[Waiting]:
        # What came during the last append goes at once: the database works on it while those are answered.
        none_waits = self._queue.empty()
        group = [await self._queue.get()]
        if none_waits and self._had_company:
            await asyncio.sleep(GATHER_S)
        size = group[0].command.payload_bytes
        while len(group) < self._config.group_commands_max and size < self._config.group_bytes_max:
            try:
                group.append(self._queue.get_nowait())
            except asyncio.QueueEmpty:
                break
            size += group[-1].command.payload_bytes
        self._had_company = len(group) > 1
        return group

    async def _wait_for_views(self) -> None:
        """Hold the group back while the views lack something this process appended over a second ago."""
        while self._unfolded:
            position, appended_at = self._unfolded[0]
            if position <= self._views.position:
                self._unfolded.popleft()
            elif time.monotonic() - appended_at < self._config.views_lag_max_s:
                return
            else:
                await self._views.reach(position, timeout_s=self._config.views_lag_max_s)

    async def _append_apart(self, group: Sequence[Waiting]) -> None:
        """Append a group; if the database refuses it, each command alone, so that none spoils the rest."""
        try:
            await self._append(group)
        except asyncpg.PostgresError as error:
            if isinstance(error, CONNECTION_ERRORS):
                log.warning("append_failed", commands=len(group), reason=str(error))
                return
            if len(group) > 1:
                for waiting in group:
                    await self._append_apart([waiting])
                return
            log.exception("command_refused_by_database", command=type(group[0].command).__name__)
            group[0].settle(TracklogError("the database refused this request."))
        except LOST_CONNECTION as error:
            log.warning("append_failed", commands=len(group), reason=str(error) or type(error).__name__)

    async def _append(self, group: Sequence[Waiting]) -> None:
        try:
            async with asyncio.timeout(self._config.append_timeout_s):
                answers, position = await self._answered(await self._connected(), group)
        except BaseException:
            # Whatever state the connection is in: without it, the database rolls back.
            self._disconnect()
            raise
        if position is not None:
            self._unfolded.append((position, time.monotonic()))
        for waiting, answer in zip(group, answers, strict=True):
            waiting.settle(answer)

    async def _connected(self) -> Any:
        if self._connection is None:
            self._connection = await self._pool.acquire()
            await self._connection.execute(SQL["plan_by_key"])
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # One that was lost has left the pool already, which its proxy tells by this error.
            with contextlib.suppress(asyncpg.InterfaceError):
                connection.terminate()

    async def _answered(self, connection: Any, group: Sequence[Waiting]) -> tuple[Sequence[Any], int | None]:
        """The commands' answers and the last position appended, or None when nothing was."""
        commands = [waiting.command for waiting in group]
        callers = [waiting.caller for waiting in group]
        if (
            only_points(commands)
            and self._places.all_open(commands, callers)
            and not self._book.counts_points(callers)
        ):
            appended = await append_points(connection, commands, callers, self._quotas, self._book.changes)
            if appended is not None:
                return appended
        return await self._transact(connection, group)

    async def _transact(self, connection: Any, group: Sequence[Waiting]) -> tuple[list[Any], int | None]:
        """As `_answered`, the general way."""
        wants = Wants()
        of_each: list[Wants] = []
        for waiting in group:
            own = Wants() if waiting.caller.is_checked else wants
            waiting.command.wants(own)
            if own is not wants:
                wants.add(own)
            of_each.append(own)
        await connection.execute(SQL["lock_head"])
        state = await load(connection, wants, self._quotas)
        await self._load_tally(connection, state, group)
        answers = []
        for waiting, own in zip(group, of_each, strict=True):
            answers.append(await _decide(waiting, state, own))
            self._places.learn(state, own, waiting.caller)
        if not state.changed:
            await connection.execute("rollback")
            return answers, None
        state.entries.extend(state.tally.warnings)
        await save(connection, state)
        await connection.execute("commit")
        _tell(state.tally.warnings)
        return answers, state.position + len(state.entries)

    async def _load_tally(self, connection: Any, state: State, group: Sequence[Waiting]) -> None:
        """The quotas that count for a group. Nobody can change them meanwhile: that takes the head's lock."""
        if self._book.changes != state.quota_changes:
            self._book = await load_book(connection, state.quota_changes)
        subjects: set[tuple[str, str]] = set()
        if self._book.metered:
            of_runs = (run.experiment_id for run in state.runs.values())
            subjects = subjects_of(
                (waiting.caller for waiting in group),
                {experiment.workspace for experiment in state.experiments.values()},
                state.artifacts.principals(),
                {*state.experiments, *of_runs, *state.artifacts.experiments()},
            )
        state.tally = await load_tally(connection, self._book, subjects)


def _parts(group: Sequence[Waiting]) -> Iterator[Sequence[Waiting]]:
    """The group in its order, cut so that commands that want to be alone are."""
    begin = 0
    for number, waiting in enumerate(group):
        if getattr(waiting.command, "alone", False):
            if begin < number:
                yield group[begin:number]
            yield group[number : number + 1]
            begin = number + 1
    if begin < len(group):
        yield group[begin:]


CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
)

# An InternalClientError is what asyncpg makes of a statement sent just as the server ends the connection.
LOST_CONNECTION = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)


async def _levels(who: Caller, state: State, wants: Wants) -> Mapping[int, Level]:
    """The caller's levels on all that their command touches.

    Nobody can change these meanwhile: changes of permissions take their turn by the head's lock too.
    """
    return NO_LEVELS if who.rights is None else await who.rights.levels(state.touches(wants))


async def _decide(waiting: Waiting, state: State, wants: Wants) -> Any:
    """The answer to a command that wanted this, or its refusal."""
    who = waiting.caller
    state.caller, state.levels = who, await _levels(who, state, wants)
    try:
        if who.requests is not None:
            # Nobody uses up what an experiment takes that they may not write to.
            open_to = who.rights is None
            await who.requests.take(
                number
                for number in state.touches(wants)
                if open_to or state.levels.get(number, Level.NONE) >= who.need.level
            )
        return waiting.command.admit(state)
    except (Rejected, TooMany) as refusal:
        return refusal


def _tell(warnings: Sequence[NewEntry]) -> None:
    for entry in warnings:
        if isinstance(entry.event, QuotaNearlyUsed):
            log.warning("quota_nearly_used", **asdict(entry.event), workspace=entry.workspace)
