"""Commands that make and change runs."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracklog_contract.answers import LOGGED_MODELS_TAG, RUN_NAME_TAG, RUN_STATUS
from tracklog_contract.errors import INVALID, NOT_FOUND, Rejected
from tracklog_contract.events import (
    DatasetUse,
    Event,
    MetricLink,
    ModelUse,
    NewEntry,
    RunCreated,
    RunDeleted,
    RunInputsLogged,
    RunLogged,
    RunModelRecorded,
    RunOutputsLogged,
    RunRestored,
    RunTagDeleted,
    RunUpdated,
)
from tracklog_contract.ids import parse_run_id
from tracklog_contract.locations import below
from tracklog_contract.points import NO_POINTS, PointBlock
from tracklog_contract.quotas import RUNS_PER_DAY
from tracklog_ingest.names import random_name
from tracklog_ingest.state import Run, State, Wants
from tracklog_ingest.tally import Growth


@dataclass
class CreateRun:
    """Answers the new run and its tags."""

    experiment_id: int
    run_id: uuid.UUID
    name: str
    user_id: str
    start_ms: int
    tags: dict[str, str]
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment."""
        wants.experiments.add(self.experiment_id)

    def admit(self, state: State) -> tuple[Run, dict[str, str]]:
        """Refused for an unknown or deleted experiment, and for one run or tag too many."""
        experiment = state.experiment(self.experiment_id)
        experiment.check_active()
        tags = self._named_tags()
        state.check_count("experiment_runs", self.experiment_id, experiment.runs + 1)
        state.check_count("run_tags", self.experiment_id, len(tags))
        one_more = (Growth(self.experiment_id, experiment.workspace, state.caller.principal, 1),)
        state.tally.check_total(RUNS_PER_DAY, one_more)
        run = Run(
            run_id=self.run_id,
            experiment_id=self.experiment_id,
            name=tags[RUN_NAME_TAG],
            user_id=self.user_id,
            artifact_uri=below(experiment.artifact_location, f"{self.run_id.hex}/artifacts"),
            status=RUN_STATUS["RUNNING"],
            start_ms=self.start_ms,
            tags=len(tags),
        )
        state.tally.count(RUNS_PER_DAY, state.caller, one_more)
        experiment.runs += 1
        number = self.experiment_id
        state.note_count("experiment_runs", number, number, experiment.runs - 1, experiment.runs)
        state.note_count("run_tags", self.experiment_id, run.run_id, 0, len(tags))
        state.runs[run.run_id] = run
        for key in tags:
            state.tags.add((run.run_id, key))
        event = RunCreated(run.name, run.user_id, run.start_ms, run.artifact_uri, tags)
        state.append(NewEntry(event, self.experiment_id, run.run_id, experiment.workspace))
        return run, tags

    def _named_tags(self) -> dict[str, str]:
        """The tags with `mlflow.runName`, which is the run's name whichever way it was given."""
        tag = self.tags.get(RUN_NAME_TAG)
        if self.name and tag and self.name != tag:
            raise Rejected(
                INVALID,
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{self.name}', mlflow.runName='{tag}').",
            )
        return {**self.tags, RUN_NAME_TAG: self.name or tag or random_name()}


@dataclass
class OfRun:
    """What commands about one existing run share."""

    run_id: str
    payload_bytes: int = field(default=0, kw_only=True)

    def wants(self, wants: Wants) -> None:
        """The run."""
        run_id = parse_run_id(self.run_id)
        if run_id is not None:
            wants.runs.add(run_id)
            self.wants_of_run(wants, run_id)

    def wants_of_run(self, wants: Wants, run_id: uuid.UUID) -> None:
        """More of the run than its row."""

    def active_run(self, state: State) -> Run:
        """The run, refused when it is unknown or deleted."""
        run = state.run(self.run_id)
        run.check_active()
        return run


def append(state: State, run: Run, event: Event) -> None:
    """Append an event of `run`."""
    state.append(NewEntry(event, run.experiment_id, run.run_id))


@dataclass
class UpdateRun(OfRun):
    """Answers the run as it is afterwards. None leaves a thing as it was, and so does an empty name."""

    status: int | None
    end_ms: int | None
    name: str | None

    def wants_of_run(self, wants: Wants, run_id: uuid.UUID) -> None:
        """Is the name's tag set."""
        if self.name:
            wants.tags.add((run_id, RUN_NAME_TAG))

    def admit(self, state: State) -> Run:
        """Refused for a deleted run."""
        run = self.active_run(state)
        if self.name:
            set_tag_keys(state, run, {RUN_NAME_TAG: self.name})
        if self.status is None and self.end_ms is None and not self.name:
            return run
        if self.status is not None:
            run.status = self.status
        if self.end_ms is not None:
            run.end_ms = self.end_ms
        append(state, run, RunUpdated(self.status, self.end_ms, self.name or None))
        return run


@dataclass
class SetRunDeleted(OfRun):
    """Delete or restore a run, if it is not already; answers nothing."""

    deleted: bool
    now_ms: int

    def admit(self, state: State) -> None:
        """Refused for an unknown run only."""
        run = state.run(self.run_id)
        if run.deleted == self.deleted:
            return
        run.deleted = self.deleted
        append(state, run, RunDeleted(self.now_ms) if self.deleted else RunRestored())


@dataclass
class LogToRun(OfRun):
    """Points, params and tags of one request, all or nothing; answers nothing."""

    points: PointBlock = NO_POINTS
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    links: tuple[MetricLink, ...] = ()
    single: bool = False

    @property
    def is_points(self) -> bool:
        """Does it log points and nothing else."""
        return bool(self.points.counts) and not (self.params or self.tags or self.links)

    def wants_of_run(self, wants: Wants, run_id: uuid.UUID) -> None:
        """Which of the params and tags are there already; the models that points were measured on."""
        wants.params.update((run_id, key) for key in self.params)
        wants.tags.update((run_id, key) for key in self.tags)
        wants.models.update(link.model_id for link in self.links if link.model_id)

    def admit(self, state: State) -> None:
        """Refused for a deleted run, a changed param, and a quota that would be exceeded."""
        run = self.active_run(state)
        self._check_models(state)
        params = self._new_params(state, run)
        # An empty name leaves the run's name, and with it the tag, as it was.
        tags = {key: value for key, value in self.tags.items() if value or key != RUN_NAME_TAG}
        points = self.points.points
        if points:
            state.check_count("run_points", run.experiment_id, run.points + points)
            state.tally.check_point_rate(state.caller, (run.experiment_id,))
        state.check_count("run_params", run.experiment_id, run.params + len(params))
        set_tag_keys(state, run, tags)
        if points:
            count_points(state, run, points)
        if params:
            count_params(state, run, len(params))
            for key, value in params.items():
                state.params[run.run_id, key] = value
                state.new_params.append((run.run_id, key, value))
        if params or tags or self.points.counts:
            append(state, run, RunLogged(self.points, params, tags, self.links))
            state.touch_models(link.model_id for link in self.links)

    def _check_models(self, state: State) -> None:
        """With authentication, points go to models only that there are and that the caller may change."""
        if state.caller.rights is not None:
            for model_id in {link.model_id for link in self.links if link.model_id}:
                state.model(model_id)

    def _new_params(self, state: State, run: Run) -> dict[str, str]:
        new: dict[str, str] = {}
        changed: list[dict[str, str]] = []
        for key, value in self.params.items():
            old = state.params.get((run.run_id, key))
            if old is None:
                new[key] = value
            elif old != value:
                changed.append({"key": key, "old_value": old, "new_value": value})
        if changed:
            raise self._changed_params(changed)
        return new

    def _changed_params(self, changed: list[dict[str, str]]) -> Rejected:
        if not self.single:
            return Rejected(
                INVALID,
                f"Changing param values is not allowed. Params were already logged='{changed}' "
                f"for run ID='{self.run_id}'.",
            )
        (param,) = changed
        return Rejected(
            INVALID,
            f"Changing param values is not allowed. Param with key='{param['key']}' was already logged with "
            f"value='{param['old_value']}' for run ID='{self.run_id}'. Attempted logging new value "
            f"'{param['new_value']}'.",
        )


@dataclass
class DeleteRunTag(OfRun):
    """Answers nothing."""

    key: str

    def wants_of_run(self, wants: Wants, run_id: uuid.UUID) -> None:
        """Is the key set."""
        wants.tags.add((run_id, self.key))

    def admit(self, state: State) -> None:
        """Refused for a deleted run, and for a key that is not set."""
        run = self.active_run(state)
        if (run.run_id, self.key) not in state.tags:
            raise Rejected(NOT_FOUND, f"No tag with name: {self.key} in run with id {self.run_id}")
        state.tags.remove((run.run_id, self.key))
        run.tags -= 1
        append(state, run, RunTagDeleted(self.key))


@dataclass
class LogInputs(OfRun):
    """Datasets and models a run used; answers nothing."""

    datasets: tuple[DatasetUse, ...]
    models: tuple[ModelUse, ...]

    def admit(self, state: State) -> None:
        """Refused for a deleted run."""
        run = self.active_run(state)
        if self.datasets or self.models:
            append(state, run, RunInputsLogged(self.datasets, self.models))


@dataclass
class LogOutputs(OfRun):
    """Models a run made; answers nothing."""

    models: tuple[ModelUse, ...]

    def admit(self, state: State) -> None:
        """Refused for a deleted run."""
        run = self.active_run(state)
        if self.models:
            append(state, run, RunOutputsLogged(self.models))


@dataclass
class RecordModel(OfRun):
    """MLflow 2's model record, kept in the tag `mlflow.log-model.history`; answers nothing."""

    model_json: str

    def wants_of_run(self, wants: Wants, run_id: uuid.UUID) -> None:
        """Is the history's tag set."""
        wants.tags.add((run_id, LOGGED_MODELS_TAG))

    def admit(self, state: State) -> None:
        """Refused for a deleted run, and for one tag too many."""
        run = self.active_run(state)
        set_tag_keys(state, run, {LOGGED_MODELS_TAG: self.model_json})
        append(state, run, RunModelRecorded(self.model_json))


def count_points(state: State, run: Run, more: int) -> None:
    """Count a run's points."""
    before, run.points = run.points, run.points + more
    state.tally.count_points(state.caller, run.experiment_id, more)
    state.note_count("run_points", run.experiment_id, run.run_id, before, run.points)


def count_params(state: State, run: Run, more: int) -> None:
    """Count a run's params."""
    before, run.params = run.params, run.params + more
    state.note_count("run_params", run.experiment_id, run.run_id, before, run.params)


def set_tag_keys(state: State, run: Run, tags: Mapping[str, Any]) -> None:
    """Note that these tags of `run` are set; the name's tag is also its name. Checks before it changes."""
    new = [key for key in tags if (run.run_id, key) not in state.tags]
    state.check_count("run_tags", run.experiment_id, run.tags + len(new))
    for key in new:
        state.tags.add((run.run_id, key))
    before, run.tags = run.tags, run.tags + len(new)
    state.note_count("run_tags", run.experiment_id, run.run_id, before, run.tags)
    if RUN_NAME_TAG in tags:
        run.name = tags[RUN_NAME_TAG]
