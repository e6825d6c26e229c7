"""What admission knows while it decides a group: read under the head's lock, changed, then written."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tracklog_contract.artifact_places import Owner, Place, owner_of
from tracklog_contract.caller import ANYONE, Caller, Level
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.events import NewEntry
from tracklog_contract.ids import parse_run_id
from tracklog_contract.limits import Quotas
from tracklog_contract.locations import below
from tracklog_contract.sqlfiles import statements
from tracklog_ingest.artifact_state import ArtifactState, ArtifactWants
from tracklog_ingest.key_set import KeySet
from tracklog_ingest.purge_state import PurgeState, PurgeWants
from tracklog_ingest.tally import Tally, quota_exceeded
from tracklog_ingest.trace_state import Trace, TraceState

SQL = statements("tracklog_ingest")
Connection = "asyncpg.Connection[asyncpg.Record]"
NO_LEVELS: Final[Mapping[int, Level]] = {}


@dataclass(slots=True)
class Experiment:
    """An experiment as admission knows it."""

    experiment_id: int
    workspace: str
    name: str
    artifact_location: str
    deleted: bool = False
    runs: int = 0
    tags: int = 0

    def check_active(self) -> None:
        """Raises: Rejected, when the experiment is deleted."""
        if self.deleted:
            raise Rejected(
                INVALID,
                f"The experiment {self.experiment_id} must be in the 'active' state. "
                "Current state is deleted.",
            )


@dataclass(slots=True)
class Run:
    """A run as admission knows it."""

    run_id: uuid.UUID
    experiment_id: int
    name: str
    user_id: str
    artifact_uri: str
    status: int
    start_ms: int
    end_ms: int | None = None
    deleted: bool = False
    points: int = 0
    params: int = 0
    tags: int = 0

    def check_active(self) -> None:
        """Raises: Rejected, when the run is deleted."""
        if self.deleted:
            raise Rejected(
                INVALID, f"The run {self.run_id.hex} must be in the 'active' state. Current state is deleted."
            )


@dataclass(slots=True)
class Model:
    """A logged model as admission knows it."""

    model_id: str
    experiment_id: int
    deleted: bool = False
    position: int = 0


@dataclass(slots=True)
class Producer:
    """Who sends numbered requests; the last of them, its position (None: nothing stored) and rejections."""

    producer_id: uuid.UUID
    sequence: int
    position: int | None
    rejected: bytes | None


@dataclass
class Wants:
    """What a group's commands ask to be read before they are decided."""

    runs: set[uuid.UUID] = field(default_factory=set)
    experiments: set[int] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)
    params: set[tuple[uuid.UUID, str]] = field(default_factory=set)
    tags: set[tuple[uuid.UUID, str]] = field(default_factory=set)
    experiment_tags: set[tuple[int, str]] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    model_params: set[tuple[str, str]] = field(default_factory=set)
    model_tags: set[tuple[str, str]] = field(default_factory=set)
    new_experiments: int = 0
    # Of experiments that are to be made where they are not there.
    names_to_begin: set[tuple[str, str]] = field(default_factory=set)
    producers: set[uuid.UUID] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)
    trace_tags: set[tuple[str, str]] = field(default_factory=set)
    # Traces whose assessments all count.
    assessed_traces: set[str] = field(default_factory=set)
    artifacts: ArtifactWants = field(default_factory=ArtifactWants)
    purges: PurgeWants = field(default_factory=PurgeWants)

    def add(self, other: "Wants") -> None:
        """Want what another wants too."""
        self.new_experiments += other.new_experiments
        for name, wanted in vars(other).items():
            if isinstance(wanted, set):
                getattr(self, name).update(wanted)
        self.artifacts.add(other.artifacts)
        self.purges.add(other.purges)


@dataclass
class State:
    """Everything a group's commands read and change; they check first and change after: all or nothing.

    `caller` gave the command that is being decided, and has these `levels` on what it touches; of experiments
    that are made in this group, `makers` are who made them. `quotas` are the server's own, beside the
    `tally`'s.
    """

    quotas: Quotas
    tally: Tally = field(default_factory=Tally)
    quota_changes: int = 0
    caller: Caller = ANYONE
    levels: Mapping[int, Level] = field(default_factory=lambda: NO_LEVELS)
    makers: dict[int, str] = field(default_factory=dict)
    position: int = 0
    runs: dict[uuid.UUID, Run] = field(default_factory=dict)
    # Ids that can belong to no run any more.
    purged_runs: set[uuid.UUID] = field(default_factory=set)
    experiments: dict[int, Experiment] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    params: dict[tuple[uuid.UUID, str], str] = field(default_factory=dict)
    tags: KeySet = field(default_factory=KeySet)
    experiment_tags: KeySet = field(default_factory=KeySet)
    models: dict[str, Model] = field(default_factory=dict)
    model_params: dict[tuple[str, str], str] = field(default_factory=dict)
    model_tags: KeySet = field(default_factory=KeySet)
    new_experiment_ids: list[int] = field(default_factory=list)
    producers: dict[uuid.UUID, Producer] = field(default_factory=dict)
    traces: TraceState = field(default_factory=TraceState)
    artifacts: ArtifactState = field(default_factory=ArtifactState)
    purges: PurgeState = field(default_factory=PurgeState)

    entries: list[NewEntry] = field(default_factory=list)
    touched_runs: dict[uuid.UUID, int] = field(default_factory=dict)
    touched_experiments: dict[int, int] = field(default_factory=dict)
    new_params: list[tuple[uuid.UUID, str, str]] = field(default_factory=list)
    new_model_params: list[tuple[str, str, str]] = field(default_factory=list)
    lifecycles: list[tuple[int, bool, int]] = field(default_factory=list)
    touched_producers: set[uuid.UUID] = field(default_factory=set)

    @property
    def changed(self) -> bool:
        """Is there anything to save."""
        return bool(self.entries or self.touched_producers or self.artifacts.changed or self.tally.changed)

    def run(self, run_id: str) -> Run:
        """The run with this id, deleted or not.

        Raises: Rejected, when there is none, or the caller may not have it.
        """
        parsed = parse_run_id(run_id)
        run = self.runs.get(parsed) if parsed else None
        absent = Rejected(NOT_FOUND, f"Run with id={run_id} not found")
        if run is None:
            raise absent
        self.check(run.experiment_id, absent)
        return run

    def experiment(self, experiment_id: int) -> Experiment:
        """The experiment with this id, deleted or not.

        Raises: Rejected, when there is none, or the caller may not have it.
        """
        experiment = self.experiments.get(experiment_id)
        absent = Rejected(NOT_FOUND, f"No Experiment with id={experiment_id} exists")
        if experiment is None:
            raise absent
        self.check(experiment_id, absent)
        return experiment

    def model(self, model_id: str) -> Model:
        """The logged model with this id, unless it is deleted.

        Raises: Rejected, when there is none, or the caller may not have it.
        """
        model = self.models.get(model_id)
        absent = Rejected(NOT_FOUND, f"Logged model with ID '{model_id}' not found.")
        if model is None:
            raise absent
        self.check(model.experiment_id, absent)
        if model.deleted:
            raise absent
        return model

    def trace(self, trace_id: str) -> Trace:
        """The trace with this id.

        Raises: Rejected, when there is none, or the caller may not have it.
        """
        trace = self.traces.trace(trace_id)
        self.check_trace(trace)
        return trace

    def check_trace(self, trace: Trace) -> None:
        """As `check`, of a trace's experiment."""
        self.check(trace.experiment_id, Rejected(NOT_FOUND, f"Trace with ID '{trace.trace_id}' not found."))

    def sees(self, experiment_id: int) -> bool:
        """May the caller know that there is this experiment: is it in their workspace."""
        return self.caller.rights is None or experiment_id in self.levels or self._is_made_here(experiment_id)

    def _is_made_here(self, experiment_id: int) -> bool:
        """Did this group make the experiment, in the caller's workspace; other tenants are in it too."""
        made = self.experiments[experiment_id] if experiment_id in self.makers else None
        return made is not None and made.workspace == self.caller.workspace

    def workspace_of(self, experiment_id: int) -> str:
        """An experiment's workspace; the caller's for one that is gone."""
        experiment = self.experiments.get(experiment_id)
        return self.caller.workspace if experiment is None else experiment.workspace

    def check(self, experiment_id: int, absent: Rejected) -> None:
        """Accept that the caller changes this experiment.

        Raises: Rejected; `absent`, when it must seem not to be there.
        """
        rights = self.caller.rights
        if rights is None:
            return
        level = self.levels.get(experiment_id)
        if self._is_made_here(experiment_id):
            made = self.makers[experiment_id] == self.caller.principal
            level = Level.MANAGE if made else rights.floor
        self.caller.decide(experiment_id, level, absent)

    def limit(self, name: str, experiment_id: int) -> int:
        """A limit of an experiment, or of each of its runs, for the caller."""
        most: int = getattr(self.tally.book.of(self.quotas, self.caller, experiment_id), name)
        return most

    def check_count(self, name: str, experiment_id: int, count: int) -> None:
        """Accept that there is so much of what `name` limits.

        Raises: Rejected.
        """
        most = self.limit(name, experiment_id)
        if count > most:
            raise quota_exceeded(name, limit=most, count=count)

    def note_count(
        self, name: str, experiment_id: int, subject: int | uuid.UUID, before: int, after: int
    ) -> None:
        """Note what an experiment (its id) or a run has of something now."""
        about = (
            ("run", subject.hex, name)
            if isinstance(subject, uuid.UUID)
            else ("experiment", str(subject), name)
        )
        most = self.limit(name, experiment_id)
        self.tally.warn(about, self.caller, experiment_id, most=most, before=before, after=after)

    def touches(self, wants: Wants) -> set[int]:
        """The experiments of everything that is wanted and there."""
        runs = (self.runs[run_id].experiment_id for run_id in wants.runs if run_id in self.runs)
        models = (self.models[model_id].experiment_id for model_id in wants.models if model_id in self.models)
        names = (self.names[name] for name in wants.names | wants.names_to_begin if name in self.names)
        traces = self.traces.traces
        of_traces = (traces[trace_id].experiment_id for trace_id in wants.traces if trace_id in traces)
        return {*wants.experiments, *runs, *models, *names, *of_traces}

    def append(self, entry: NewEntry) -> int:
        """Put `entry` behind the group's others, as the caller's; the answer is its position."""
        if self.caller.rights is not None:
            # Whatever a command touches is in its caller's workspace.
            entry = replace(entry, principal=self.caller.principal, workspace=self.caller.workspace)
        self.entries.append(entry)
        position = self.position + len(self.entries)
        self.touched_experiments[entry.experiment_id] = position
        if entry.run_id is not None:
            self.touched_runs[entry.run_id] = position
        return position

    def set_producer(self, producer: Producer) -> None:
        """Note a producer's last request."""
        self.producers[producer.producer_id] = producer
        self.touched_producers.add(producer.producer_id)

    def touch_models(self, model_ids: Iterable[str | None]) -> None:
        """Note that the last entry changes these models' answers, of whichever experiment they are."""
        position = self.position + len(self.entries)
        for model_id in model_ids:
            model = self.models.get(model_id) if model_id else None
            if model is not None:
                self.touched_experiments[model.experiment_id] = position

    def set_lifecycle(self, experiment: Experiment, *, deleted: bool, position: int) -> None:
        """Delete or restore an experiment and every run of it, those not read by this group included."""
        experiment.deleted = deleted
        self.lifecycles.append((experiment.experiment_id, deleted, position))
        for run in self.runs.values():
            if run.experiment_id == experiment.experiment_id:
                run.deleted = deleted
                self.touched_runs[run.run_id] = position


def artifact_owner(state: State, path: str) -> Owner | None:
    """Whom a path in the artifact store belongs to, as far as the group has read it; None for nobody.

    Nor does it tell of what is in another workspace than the caller's.
    """

    def find(place: Place) -> Owner | None:
        if place.kind == "run":
            run = state.runs.get(uuid.UUID(hex=place.subject))
            return Owner(run.experiment_id, run.artifact_uri, run.run_id, run.deleted) if run else None
        if place.kind == "model":
            model = state.models.get(place.subject)
            return _owner_within(state, model.experiment_id, place, deleted=model.deleted) if model else None
        if place.kind == "trace":
            trace = state.traces.traces.get(place.subject)
            return _owner_within(state, trace.experiment_id, place) if trace else None
        experiment = state.experiments.get(int(place.subject))
        return Owner(experiment.experiment_id, "", deleted=experiment.deleted) if experiment else None

    owner = owner_of(path, find)
    return owner if owner is not None and state.sees(owner.experiment_id) else None


def _owner_within(state: State, experiment_id: int, place: Place, *, deleted: bool = False) -> Owner:
    """A model or trace of an experiment, whose location tells where its artifacts lie."""
    location = state.experiments[experiment_id].artifact_location
    return Owner(experiment_id, below(location, f"{place.kind}s/{place.subject}/artifacts"), deleted=deleted)


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as columns, the form in which arrays are bound."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
