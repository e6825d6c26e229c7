"""Commands that record artifacts: files that are in the store, and what is gone from it."""

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from tracklog_contract.artifact_events import ArtifactFile, ArtifactsRemoved, ArtifactsStored
from tracklog_contract.artifact_places import Owner, places
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.events import NewEntry
from tracklog_contract.ids import parse_run_id
from tracklog_contract.limits import (
    ARTIFACT_BYTES_MAX,
    ARTIFACT_ETAG_CHARS_MAX,
    ARTIFACT_FILES_MAX,
    ARTIFACT_NAME_BYTES_MAX,
    ARTIFACT_NAMES_MAX,
    ARTIFACT_PATH_BYTES_MAX,
)
from tracklog_contract.quotas import STORAGE_BYTES
from tracklog_ingest.artifact_state import ALL_RUNS, ArtifactState, File, Intent, Subject, Total, subjects
from tracklog_ingest.state import State, Wants, artifact_owner
from tracklog_ingest.tally import Growth

_SHA256: Final = re.compile(r"(?:[0-9a-f]{64})?")


@dataclass
class OfArtifacts(ABC):
    """What commands about artifacts share. `now_s`: since 1970."""

    now_s: float
    payload_bytes: int = field(default=0, kw_only=True)

    def wants(self, wants: Wants) -> None:
        """Whatever the paths may belong to, and what is there already."""
        wants.artifacts.now_s = max(wants.artifacts.now_s, self.now_s)
        for path in self.paths():
            wants_of_path(wants, path)
            wants.artifacts.paths.add(path)

    @abstractmethod
    def paths(self) -> Iterable[str]:
        """The paths this is about."""


def wants_of_path(wants: Wants, path: str) -> None:
    """Ask for whatever a path may belong to."""
    for place in places(path):
        if place.kind == "run" and (run_id := parse_run_id(place.subject)):
            wants.runs.add(run_id)
        elif place.kind == "model":
            wants.models.add(place.subject)
        elif place.kind == "trace":
            wants.traces.add(place.subject)
        elif place.kind == "experiment":
            wants.experiments.add(int(place.subject))


@dataclass
class RecordArtifacts(OfArtifacts):
    """Files are in the store, all or none of them; answers nothing. Uploads intended there are settled.

    `replaces` tells of paths which ETag was recorded there ("" for none) before the file was sent or looked
    at. Where another has been recorded since, either may be the later one: nothing is recorded, and an
    intent is left for whoever looks into the store next. `principal` says it, where that is not the caller
    of a server.
    """

    files: Sequence[ArtifactFile]
    replaces: Mapping[str, str] = field(default_factory=dict)
    principal: str = field(default="", kw_only=True)

    def paths(self) -> Iterable[str]:
        """The files'."""
        return (file.path for file in self.files)

    def admit(self, state: State) -> None:
        """Refused for an owner unknown or deleted, and for more bytes than a quota allows."""
        files = {file.path: file for file in self.files}
        owners = {path: checked_owner(state, path) for path in files}
        for file in files.values():
            check_file(file)
        known = state.artifacts
        for path in [path for path, file in files.items() if self._is_overtaken(file, known.files.get(path))]:
            del files[path]
            self._leave_intent(state, owners[path], path)
        new = [file for file in files.values() if not _is_recorded(file, known.files.get(file.path))]
        groups = list(self._by_owner(state, owners, new))
        growth = BytesGrowth(state)
        for owner, principal, of_owner in groups:
            for file in of_owner:
                growth.add(owner.experiment_id, owner.run_id, principal, file.size_bytes)
                if old := known.files.get(file.path):
                    growth.add(old.experiment_id, old.run_id, old.principal, -old.size_bytes)
        for path in files:
            for intent in known.intents.get(path, {}).values():
                growth.give_back(intent)
        growth.check()
        growth.count()
        for path in files:
            for upload_id in list(known.intents.get(path, ())):
                known.drop_intent(path, upload_id)
        for owner, principal, of_owner in groups:
            for begin in range(0, len(of_owner), ARTIFACT_FILES_MAX):
                _record(state, owner, principal, of_owner[begin : begin + ARTIFACT_FILES_MAX])

    def _is_overtaken(self, file: ArtifactFile, old: File | None) -> bool:
        expected = self.replaces.get(file.path)
        return expected is not None and (old.etag if old else "") not in (expected, file.etag)

    def _leave_intent(self, state: State, owner: Owner, path: str) -> None:
        """Have somebody look for what is at a path, once, unless they will anyway."""
        if not state.artifacts.intents.get(path):
            state.artifacts.set_intent(
                Intent(
                    path,
                    "",
                    owner.experiment_id,
                    owner.run_id,
                    None,
                    "",
                    self.now_s,
                    0,
                    False,
                    self._storing(state, path),
                )
            )

    def _by_owner(
        self, state: State, owners: dict[str, Owner], files: Iterable[ArtifactFile]
    ) -> Iterable[tuple[Owner, str, list[ArtifactFile]]]:
        """The files by whom they belong to, and by the principal through whom they came."""
        found: dict[tuple[int, uuid.UUID | None, str], tuple[Owner, str, list[ArtifactFile]]] = {}
        for file in files:
            owner, principal = owners[file.path], self._storing(state, file.path)
            key = (owner.experiment_id, owner.run_id, principal)
            found.setdefault(key, (owner, principal, []))[2].append(file)
        return found.values()

    def _storing(self, state: State, path: str) -> str:
        """Through whom a file came: who says so, or had its upload signed where the server finds it."""
        named = state.caller.principal or self.principal
        intents = state.artifacts.intents.get(path, {}).values()
        if named or not intents:
            return named
        return max(intents, key=lambda intent: intent.expires_at_s).principal


def _is_recorded(file: ArtifactFile, old: File | None) -> bool:
    """Are the same bytes recorded there, as a complete that is sent again finds them."""
    if old is None or not file.sha256 or not file.etag:
        return False
    return (old.size_bytes, old.sha256, old.etag) == (file.size_bytes, file.sha256, file.etag)


def _record(state: State, owner: Owner, principal: str, files: Sequence[ArtifactFile]) -> None:
    event = ArtifactsStored(tuple(files))
    workspace = state.workspace_of(owner.experiment_id)
    position = state.append(NewEntry(event, owner.experiment_id, owner.run_id, workspace, principal))
    for file in files:
        old = state.artifacts.files.get(file.path)
        if old is not None:
            gone = Total(files=-1, bytes=-old.size_bytes, position=position)
            _count(state, Owner(old.experiment_id, "", old.run_id), gone)
        added = Total(files=1, bytes=file.size_bytes, position=position)
        _count(state, owner, added)
        state.artifacts.files[file.path] = File(
            file.path, owner.experiment_id, owner.run_id, file.size_bytes, file.sha256, file.etag, principal
        )  # fmt: skip
        state.artifacts.stored.add(file.path)


def _count(state: State, owner: Owner, total: Total) -> None:
    """Add to what a run and its experiment have in the store."""
    before = {
        subject: state.artifacts.bytes_of(subject) for subject in subjects(owner.experiment_id, owner.run_id)
    }
    state.artifacts.add(owner.experiment_id, owner.run_id, total)
    for subject, count in before.items():
        after = state.artifacts.bytes_of(subject)
        whole = subject[1] == ALL_RUNS
        about = owner.experiment_id if whole else subject[1]
        state.note_count(_limit_of(subject), owner.experiment_id, about, count, after)


def _limit_of(subject: Subject) -> str:
    return "experiment_artifact_bytes" if subject[1] == ALL_RUNS else "run_artifact_bytes"


class BytesGrowth:
    """What a command would add to the bytes of runs, experiments and all whose storage may be limited.

    Uploads under way count with what they have reserved.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._bytes: dict[Subject, int] = {}
        self._stored: list[Growth] = []

    def add(self, experiment_id: int, run_id: uuid.UUID | None, principal: str, count: int) -> None:
        """So many bytes more, through this principal."""
        for subject in subjects(experiment_id, run_id):
            self._bytes[subject] = self._bytes.get(subject, 0) + count
        workspace = self._state.workspace_of(experiment_id)
        self._stored.append(Growth(experiment_id, workspace, principal, count))

    def give_back(self, intent: Intent) -> None:
        """What an upload has reserved."""
        if intent.counted:
            self.add(intent.experiment_id, intent.run_id, intent.principal, -intent.reserved)

    def check(self) -> None:
        """Pass when every quota has room.

        Raises: Rejected.
        """
        for subject, more in self._bytes.items():
            total = self._state.artifacts.totals.get(subject, Total())
            if more > 0:
                count = total.bytes + total.reserved + more
                self._state.check_count(_limit_of(subject), subject[0], count)
        self._state.tally.check_total(STORAGE_BYTES, self._stored)

    def count(self) -> None:
        """Count it for all whose storage may be limited; runs and experiments have their totals."""
        self._state.tally.count(STORAGE_BYTES, self._state.caller, self._stored)


@dataclass
class RemoveArtifacts(OfArtifacts):
    """A file or directory is gone from the store with all it held; answers nothing."""

    path: str
    # What it takes away is summed up before the group is decided.
    alone: ClassVar[bool] = True

    def paths(self) -> Iterable[str]:
        """The one."""
        return (self.path,)

    def wants(self, wants: Wants) -> None:
        """Also what lies below."""
        super().wants(wants)
        wants.artifacts.trees.add(self.path)

    def admit(self, state: State) -> None:
        """Refused for an owner unknown, not for a deleted one. Nothing happens where nothing is."""
        owner = artifact_owner(state, self.path)
        if owner is None:
            raise _nobody(self.path)
        state.experiment(owner.experiment_id)
        # Files of purged runs were given back with these.
        found = [row for row in state.artifacts.below[self.path] if _is_counted(state.artifacts, row)]
        if any(row[0] != owner.experiment_id for row in found):
            raise Rejected(INVALID, f"Artifacts of other experiments lie below '{self.path}': it is kept.")
        if not found:
            return
        event = ArtifactsRemoved(self.path)
        position = state.append(NewEntry(event, owner.experiment_id, owner.run_id))
        growth = BytesGrowth(state)
        for of_experiment, of_run, principal, files, size_bytes in found:
            gone = Total(files=-files, bytes=-size_bytes, position=position)
            _count(state, Owner(of_experiment, "", of_run), gone)
            growth.add(of_experiment, of_run, principal, -size_bytes)
        growth.count()
        state.artifacts.removed.add(self.path)


def _is_counted(known: ArtifactState, row: tuple[int, uuid.UUID | None, str, int, int]) -> bool:
    return (row[0], row[1] or ALL_RUNS) in known.totals


def checked_owner(state: State, path: str) -> Owner:
    """Whom a path belongs to.

    Raises: Rejected, when that is nobody, or deleted, or the path is none.
    """
    _check_path(path)
    _check_known(state, path)
    owner = artifact_owner(state, path)
    if owner is None:
        raise _nobody(path)
    if owner.run_id is not None:
        state.run(owner.run_id.hex).check_active()
    state.experiment(owner.experiment_id).check_active()
    if owner.deleted:
        raise Rejected(INVALID, f"What the artifacts at '{path}' belong to is deleted.")
    return owner


def _check_known(state: State, path: str) -> None:
    """Refuse a run or model that is not there: its folder is not just any of the experiment."""
    for place in places(path):
        if place.kind == "run" and place.is_usual:
            state.run(place.subject)
        elif place.kind == "model" and place.is_usual:
            state.model(place.subject)


def _nobody(path: str) -> Rejected:
    return Rejected(
        NOT_FOUND,
        f"The path '{path}' belongs to no experiment, run, model or trace of this server. Artifacts lie "
        "below the artifact URI of one of these.",
    )


def _check_path(path: str) -> None:
    names = path.split("/")
    if (
        len(path.encode()) > ARTIFACT_PATH_BYTES_MAX
        or len(names) > ARTIFACT_NAMES_MAX
        or "\0" in path
        or any(not name or len(name.encode()) > ARTIFACT_NAME_BYTES_MAX for name in names)
    ):
        raise Rejected(INVALID, "Invalid path")


def check_file(file: ArtifactFile) -> None:
    """Pass for a file that the log can hold.

    Raises: Rejected.
    """
    if not 0 <= file.size_bytes <= ARTIFACT_BYTES_MAX:
        raise Rejected(INVALID, f"A file has at most {ARTIFACT_BYTES_MAX:,} bytes.")
    if not _SHA256.fullmatch(file.sha256):
        raise Rejected(INVALID, "A SHA-256 is 64 lower-case hexadecimal digits.")
    if len(file.etag) > ARTIFACT_ETAG_CHARS_MAX or "\0" in file.etag:
        raise Rejected(INVALID, f"An ETag has at most {ARTIFACT_ETAG_CHARS_MAX} characters.")
