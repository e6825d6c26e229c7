"""What admission knows of artifacts while it decides a group: files, uploads under way, and their sums."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tracklog_contract.artifact_places import Owner, bounds_below, path_key
from tracklog_contract.sqlfiles import statements

SQL = statements("tracklog_ingest")
# Stands for a whole experiment where totals are kept by run.
ALL_RUNS: Final = uuid.UUID(int=0)
# Of more that expire together, the rest count a little longer: a group must end in time.
EXPIRED_AT_ONCE: Final = 20_000
# An experiment and a run of it, or ALL_RUNS.
Subject = tuple[int, uuid.UUID]


@dataclass(slots=True)
class File:
    """A file that is in the artifact store."""

    path: str
    experiment_id: int
    run_id: uuid.UUID | None
    size_bytes: int
    sha256: str
    etag: str
    principal: str


@dataclass(slots=True)
class Intent:
    """An upload under way; `reserved` bytes of it count for quotas as long as `counted` says so.

    `principal` is who had it signed.
    """

    path: str
    upload_id: str
    experiment_id: int
    run_id: uuid.UUID | None
    size_bytes: int | None
    sha256: str
    expires_at_s: float
    reserved: int
    counted: bool
    principal: str


@dataclass(slots=True)
class Total:
    """What a run or experiment has in the artifact store. `position`: of this group's last entry about it."""

    files: int = 0
    bytes: int = 0
    reserved: int = 0
    position: int = 0


@dataclass
class ArtifactWants:
    """What commands ask to be read of artifacts. `now_s`: since 1970; by then expired ones count no more."""

    paths: set[str] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    now_s: float = 0.0

    def add(self, other: "ArtifactWants") -> None:
        """Want what another wants too."""
        self.paths |= other.paths
        self.trees |= other.trees
        self.now_s = max(self.now_s, other.now_s)


@dataclass
class ArtifactState:
    """The artifacts a group's commands read and change.

    `intents` are by path and upload id; `below` what the files of a tree add up to, by owner, for a command
    that is alone in its group.
    """

    files: dict[str, File] = field(default_factory=dict)
    intents: dict[str, dict[str, Intent]] = field(default_factory=dict)
    totals: dict[Subject, Total] = field(default_factory=dict)
    below: dict[str, list[tuple[int, uuid.UUID | None, str, int, int]]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    intended: set[tuple[str, str]] = field(default_factory=set)
    settled: set[tuple[str, str]] = field(default_factory=set)
    touched: set[Subject] = field(default_factory=set)

    @property
    def changed(self) -> bool:
        """Is there anything to save."""
        return bool(self.stored or self.removed or self.intended or self.settled)

    def principals(self) -> set[str]:
        """Who stored the files that are there, and has uploads under way."""
        return {*(item.principal for item in self._items()), *(row[2] for row in self._sums())}

    def experiments(self) -> set[int]:
        """The experiments of all that is there or under way."""
        return {*(item.experiment_id for item in self._items()), *(row[0] for row in self._sums())}

    def owners(self) -> set[tuple[int, uuid.UUID | None]]:
        """The experiments and runs of all that is there or under way."""
        owners = {(item.experiment_id, item.run_id) for item in self._items()}
        return owners | {(row[0], row[1]) for row in self._sums()}

    def _items(self) -> Iterator[File | Intent]:
        yield from self.files.values()
        for intents in self.intents.values():
            yield from intents.values()

    def _sums(self) -> Iterator[tuple[int, uuid.UUID | None, str, int, int]]:
        for rows in self.below.values():
            yield from rows

    def bytes_of(self, subject: Subject) -> int:
        """How many bytes a run or experiment has in the store."""
        return self.totals.get(subject, Total()).bytes

    def add(self, experiment_id: int, run_id: uuid.UUID | None, total: Total) -> None:
        """Add to what a run and its experiment have."""
        for subject in subjects(experiment_id, run_id):
            known = self.totals.setdefault(subject, Total())
            known.files += total.files
            known.bytes += total.bytes
            known.reserved += total.reserved
            known.position = max(known.position, total.position)
            self.touched.add(subject)

    def set_intent(self, intent: Intent) -> None:
        """An upload is under way from now on."""
        self.drop_intent(intent.path, intent.upload_id)
        pair = (intent.path, intent.upload_id)
        self.intents.setdefault(intent.path, {})[intent.upload_id] = intent
        self.settled.discard(pair)
        self.intended.add(pair)
        self.add(intent.experiment_id, intent.run_id, Total(reserved=intent.reserved))

    def drop_intent(self, path: str, upload_id: str) -> None:
        """An upload is over, one way or the other; what it had reserved is given back."""
        intent = self.intents.get(path, {}).pop(upload_id, None)
        if intent is None:
            return
        self.intended.discard((path, upload_id))
        self.settled.add((path, upload_id))
        if intent.counted:
            self.add(intent.experiment_id, intent.run_id, Total(reserved=-intent.reserved))


def subjects(experiment_id: int, run_id: uuid.UUID | None) -> tuple[Subject, ...]:
    """Whose totals count what belongs to this run, or to the experiment alone."""
    whole = (experiment_id, ALL_RUNS)
    return (whole,) if run_id is None else (whole, (experiment_id, run_id))


async def load_artifacts(
    connection: Any, wants: ArtifactWants, owner_of: Callable[[str], Owner | None]
) -> ArtifactState:
    """Read what a group wants to know of artifacts. `owner_of` tells a path's owner, None for nobody's."""
    state = ArtifactState()
    keys = [path_key(path) for path in wants.paths]
    for row in await connection.fetch(SQL["load_artifacts"], keys):
        state.files[row["path"]] = File(*row)
    for path in wants.trees:
        rows = await connection.fetch(SQL["sum_artifacts_below"], path_key(path), *bounds_below(path))
        state.below[path] = [tuple(row) for row in rows]
    await connection.execute(SQL["expire_upload_intents"], wants.now_s, EXPIRED_AT_ONCE)
    for row in await connection.fetch(SQL["load_upload_intents"], keys):
        state.intents.setdefault(row["path"], {})[row["upload_id"]] = Intent(*row)
    owners = {(owner.experiment_id, owner.run_id) for path in wants.paths if (owner := owner_of(path))}
    await load_totals(connection, state, owners | state.owners())
    return state


async def load_totals(
    connection: Any, state: ArtifactState, owners: Iterable[tuple[int, uuid.UUID | None]]
) -> None:
    """Read what these runs and their experiments have."""
    wanted = {subject for owner in owners for subject in subjects(*owner)}
    rows = await connection.fetch(
        SQL["load_artifact_totals"], [subject[0] for subject in wanted], [subject[1] for subject in wanted]
    )
    for experiment_id, run_id, *numbers in rows:
        state.totals[experiment_id, run_id] = Total(*numbers)


async def save_artifacts(connection: Any, state: ArtifactState) -> None:
    """Write what a group changed of artifacts."""
    for path in state.removed:
        await connection.execute(SQL["remove_artifacts"], path_key(path), *bounds_below(path))
    files = [state.files[path] for path in state.stored]
    intents = [state.intents[path][upload_id] for path, upload_id in state.intended]
    for statement, rows in (
        ("save_artifacts", [_file_row(file) for file in files]),
        ("delete_upload_intents", [(path_key(path), path_key(path, more)) for path, more in state.settled]),
        ("save_upload_intents", [_intent_row(intent) for intent in intents]),
        ("save_artifact_totals", [_total_row(subject, state.totals[subject]) for subject in state.touched]),
    ):
        if rows:
            await connection.execute(SQL[statement], *map(list, zip(*rows, strict=True)))


def _file_row(file: File) -> tuple[Any, ...]:
    return (
        path_key(file.path), file.path, *_owner(file), file.size_bytes, file.sha256, file.etag, file.principal
    )  # fmt: skip


def _total_row(subject: Subject, total: Total) -> tuple[Any, ...]:
    return *subject, total.files, total.bytes, total.reserved, total.position


def _owner(file: File | Intent) -> tuple[int, uuid.UUID | None]:
    return file.experiment_id, file.run_id


def _intent_row(intent: Intent) -> tuple[Any, ...]:
    return (
        path_key(intent.path), path_key(intent.path, intent.upload_id), intent.path, intent.upload_id,
        *_owner(intent), intent.size_bytes, intent.sha256, intent.expires_at_s, intent.reserved,
        intent.counted, intent.principal,
    )  # fmt: skip
