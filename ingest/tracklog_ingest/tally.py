"""What admission knows of quotas while it decides a group: the limits, and what is used of them.

Limits of each run or experiment: what is said of the experiment goes before its workspace's, and that before
the server's; what is said of a principal holds beside them, the smaller one. Limits of totals and rates hold
each for itself. A rate is a bucket of one second: a write is taken while it is not full, and whoever
overfills it waits the longer.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.caller import Caller
from tracklog_contract.errors import QUOTA, Rejected, TooMany
from tracklog_contract.events import NewEntry
from tracklog_contract.limits import Quotas
from tracklog_contract.quota_events import QuotaNearlyUsed
from tracklog_contract.quotas import (
    EXPERIMENT,
    OF_EACH,
    POINTS_PER_SECOND,
    PRINCIPAL,
    RATES,
    RUNS_PER_DAY,
    STORAGE_BYTES,
    TOTALS,
    WORDS,
    WORKSPACE,
    warns_at,
)
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_ingest")
Subject = tuple[str, str]
# What admission itself counts; requests are counted where they come in.
METERED: Final = (*TOTALS, POINTS_PER_SECOND)
# In which a bucket's content is counted.
PARTS: Final = 1000
DAY_S: Final = 86_400
NOTHING_SAID: Final[Mapping[str, int]] = {}


@dataclass(frozen=True)
class QuotaBook:
    """All that administrators limit, as of the head's count of changes; `metered`: who has meters."""

    changes: int = -1
    limits: Mapping[Subject, Mapping[str, int]] = field(default_factory=dict)
    metered: frozenset[Subject] = frozenset()

    def of(self, server: Quotas, who: Caller, experiment_id: int) -> Quotas:
        """The limits of an experiment and each of its runs, for a caller."""
        if not self.limits:
            return server
        said = {**self._of_each(WORKSPACE, who.workspace), **self._of_each(EXPERIMENT, str(experiment_id))}
        for name, most in self._of_each(PRINCIPAL, who.principal).items():
            said[name] = min(most, said.get(name, getattr(server, name)))
        return replace(server, **said) if said else server

    def _of_each(self, scope: str, subject: str) -> dict[str, int]:
        said = self.limits.get((scope, subject), NOTHING_SAID)
        return {name: most for name, most in said.items() if name in OF_EACH}

    def counts_points(self, callers: Iterable[Caller]) -> bool:
        """May points of these callers, to whatever experiments, have other limits than the server's."""
        if not self.limits:
            return False
        subjects = {subject for who in callers for subject in _subjects_of(who)}
        return any(
            ("run_points" in said or POINTS_PER_SECOND in said)
            and (subject[0] == EXPERIMENT or subject in subjects)
            for subject, said in self.limits.items()
        )


NO_BOOK: Final = QuotaBook()


@dataclass(slots=True)
class Meter:
    """A limit of a total or rate, and what was used of it at `at_s`."""

    scope: str
    subject: str
    name: str
    most: int
    used: int
    at_s: float
    changed: bool = False

    def come_to(self, now_s: float) -> None:
        """Forget what no longer counts by now."""
        if self.name == RUNS_PER_DAY and self.at_s // DAY_S < now_s // DAY_S:
            self.used, self.at_s = 0, now_s
        elif self.name in RATES:
            gone = int(max(0.0, now_s - self.at_s) * self.most * PARTS)
            self.used, self.at_s = max(0, self.used - gone), max(self.at_s, now_s)

    @property
    def told(self) -> int | None:
        """What is used, as it is told: whole points or requests, of which a full bucket holds a second's."""
        if self.name in RATES:
            return -(-self.used // PARTS)
        return self.used if self.name in TOTALS else None

    def check(self, more: int) -> None:
        """Accept so much more.

        Raises: Rejected, for what would be too much in total.
        """
        if more > 0 and self.used + more > self.most:
            raise quota_exceeded(self.name, limit=self.most, count=self.used + more, scope=self.scope)

    def check_rate(self) -> None:
        """Accept another write.

        Raises: TooMany, while the bucket is full.
        """
        full = self.most * PARTS
        if self.used >= full:
            wait_s = max(1, math.ceil((self.used - full + 1) / full))
            raise rate_exceeded(self.name, self.most, self.scope, wait_s)


@dataclass(frozen=True)
class Growth:
    """How much more an experiment has of something, and through which principal; less is negative.

    `workspace` is the experiment's.
    """

    experiment_id: int
    workspace: str
    principal: str
    more: int


@dataclass
class Tally:
    """The quotas that concern a group. `warnings` say which of them its commands have come near to."""

    book: QuotaBook = NO_BOOK
    meters: dict[tuple[str, str, str], Meter] = field(default_factory=dict)
    warnings: list[NewEntry] = field(default_factory=list)

    @property
    def changed(self) -> list[Meter]:
        """The meters to save."""
        return [meter for meter in self.meters.values() if meter.changed]

    def check_total(self, name: str, growths: Sequence[Growth]) -> None:
        """Accept these growths.

        Raises: Rejected, when one of the totals that they add to would be too much.
        """
        for meter, more in self._shares(name, growths):
            meter.check(more)

    def count(self, name: str, who: Caller, growths: Sequence[Growth]) -> None:
        """Count growths that were accepted, all that a command makes at once; `who` gave it."""
        for meter, more in self._shares(name, growths):
            used, meter.used = meter.used, max(0, meter.used + more)
            meter.changed = meter.changed or more != 0
            experiment_id = int(meter.subject) if meter.scope == EXPERIMENT else NO_EXPERIMENT
            about = (meter.scope, meter.subject, name)
            self.warn(about, who, experiment_id, most=meter.most, before=used, after=meter.used)

    def check_point_rate(self, who: Caller, experiment_ids: Iterable[int]) -> None:
        """Accept points of a caller to these experiments.

        Raises: TooMany, when there were too many of late.
        """
        for number in experiment_ids:
            one_more = Growth(number, who.workspace, who.principal, 1)
            for meter, _ in self._shares(POINTS_PER_SECOND, (one_more,)):
                meter.check_rate()

    def count_points(self, who: Caller, experiment_id: int, points: int) -> None:
        """Count points that were accepted."""
        growth = Growth(experiment_id, who.workspace, who.principal, points)
        for meter, more in self._shares(POINTS_PER_SECOND, (growth,)):
            meter.used += more * PARTS
            meter.changed = True

    def warn(
        self,
        about: tuple[str, str, str],
        who: Caller,
        experiment_id: int,
        *,
        most: int,
        before: int,
        after: int,
    ) -> None:
        """Say that a limit (`about`: scope, subject, name) is nearly used, when it was not before."""
        if before < warns_at(most) <= after:
            event = QuotaNearlyUsed(*about, used=after, most=most)
            self.warnings.append(NewEntry(event, experiment_id, None, who.workspace, who.principal))

    def _shares(self, name: str, growths: Iterable[Growth]) -> Iterator[tuple[Meter, int]]:
        """The meters that growths add to, and how much to each."""
        if not self.meters:
            return
        shares: dict[tuple[str, str, str], int] = {}
        for growth in growths:
            for scope, subject in (
                (WORKSPACE, growth.workspace),
                (EXPERIMENT, str(growth.experiment_id)),
                (PRINCIPAL, growth.principal),
            ):
                key = (scope, subject, name)
                shares[key] = shares.get(key, 0) + growth.more
        for key, more in shares.items():
            if key in self.meters:
                yield self.meters[key], more


def quota_exceeded(name: str, *, limit: int, count: int, scope: str = "") -> Rejected:
    """The refusal of a write that would take the `count` of what `name` limits past its `limit`."""
    what, advice = WORDS[name]
    return Rejected(
        QUOTA,
        f"Quota exceeded: {what.format(scope)} would be {count:,}, and the limit is {limit:,}. {advice}",
    )


def rate_exceeded(name: str, limit: int, scope: str, wait_s: int) -> TooMany:
    """The refusal of what comes too fast, for so many seconds."""
    what, advice = WORDS[name]
    return TooMany(
        f"Too fast: the limit is {limit:,} {what.format(scope)}; try again in {wait_s} s. {advice}",
        retry_after_s=wait_s,
    )


async def load_book(connection: Any, changes: int) -> QuotaBook:
    """All that is limited; the head's count of changes is `changes`."""
    limits: dict[Subject, dict[str, int]] = {}
    for row in await connection.fetch(SQL["load_quotas"]):
        limits.setdefault((row["scope"], row["subject"]), {})[row["name"]] = row["most"]
    metered = frozenset(subject for subject, said in limits.items() if said.keys() & set(METERED))
    return QuotaBook(changes, limits, metered)


async def load_tally(connection: Any, book: QuotaBook, subjects: Iterable[Subject]) -> Tally:
    """The quotas of a group that concerns these subjects."""
    tally = Tally(book)
    wanted = list(book.metered.intersection(subjects))
    if wanted:
        rows = await connection.fetch(
            SQL["load_meters"], *map(list, zip(*wanted, strict=True)), list(METERED)
        )
        for scope, subject, name, most, used, at_s, now_s in rows:
            meter = Meter(scope, subject, name, most, used, at_s)
            meter.come_to(now_s)
            tally.meters[scope, subject, name] = meter
    return tally


async def save_meters(connection: Any, tally: Tally) -> None:
    """Write what the group used."""
    rows = [(m.scope, m.subject, m.name, m.used, m.at_s) for m in tally.changed]
    if rows:
        await connection.execute(SQL["save_meters"], *map(list, zip(*rows, strict=True)))


def subjects_of(
    callers: Iterable[Caller],
    workspaces: Iterable[str],
    principals: Iterable[str],
    experiments: Iterable[int],
) -> set[Subject]:
    """Whose quotas count for what these callers do to these experiments and things of these principals.

    `workspaces` are the experiments': the server itself acts in all of them.
    """
    subjects = {subject for who in callers for subject in _subjects_of(who)}
    subjects.update((WORKSPACE, name) for name in workspaces)
    subjects.update((PRINCIPAL, name) for name in principals)
    subjects.update((EXPERIMENT, str(number)) for number in experiments)
    return subjects


def _subjects_of(who: Caller) -> tuple[Subject, Subject]:
    return (WORKSPACE, who.workspace), (PRINCIPAL, who.principal)


assert set(METERED) == {STORAGE_BYTES, RUNS_PER_DAY, POINTS_PER_SECOND}
