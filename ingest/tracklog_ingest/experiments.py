"""Commands that make and change experiments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tracklog_contract.access_events import NO_EXPERIMENT
from tracklog_contract.caller import Level, caller
from tracklog_contract.errors import DENIED, EXISTS, INVALID, INVALID_STATE, NOT_FOUND, Rejected
from tracklog_contract.events import (
    Event,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagDeleted,
    ExperimentTagSet,
    NewEntry,
)
from tracklog_ingest.state import Experiment, State, Wants

# Databricks' folder of everybody's own folders.
USERS: Final = "/Users/"
# Whoever could name a place of another's experiment there could write into it.
OUR_SCHEME: Final = "mlflow-artifacts"


@dataclass
class CreateExperiment:
    """Answers the new experiment's id."""

    name: str
    artifact_location: str | None
    tags: Mapping[str, str]
    now_ms: int
    workspace: str = field(default_factory=lambda: caller().workspace)
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """Is the name free; an id to give."""
        wants.names.add((self.workspace, self.name))
        wants.new_experiments += 1

    def admit(self, state: State) -> int:
        """Refused when an active or deleted experiment has the name, or the caller may make none."""
        state.caller.check_create()
        _check_folder(state, self.name)
        if state.caller.rights is not None and urlsplit(self.artifact_location or "").scheme == OUR_SCHEME:
            raise Rejected(
                INVALID,
                f"The server chooses where an experiment lies in its own store ({OUR_SCHEME}:): leave the"
                " artifact location out.",
            )
        if (self.workspace, self.name) in state.names:
            raise Rejected(EXISTS, f"Experiment(name={self.name}) already exists.")
        state.check_count("experiment_tags", NO_EXPERIMENT, len(self.tags))
        experiment_id = state.new_experiment_ids.pop()
        location = self.artifact_location or f"mlflow-artifacts:/{experiment_id}"
        experiment = Experiment(experiment_id, self.workspace, self.name, location, tags=len(self.tags))
        state.experiments[experiment_id] = experiment
        state.makers[experiment_id] = state.caller.principal
        state.names[self.workspace, self.name] = experiment_id
        for key in self.tags:
            state.experiment_tags.add((experiment_id, key))
        state.note_count("experiment_tags", experiment_id, experiment_id, 0, len(self.tags))
        event = ExperimentCreated(self.name, location, self.now_ms, self.tags)
        state.append(NewEntry(event, experiment_id, workspace=self.workspace))
        return experiment_id


@dataclass
class RenameExperiment:
    """Answers nothing."""

    experiment_id: int
    name: str
    now_ms: int
    workspace: str = field(default_factory=lambda: caller().workspace)
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment; is the name free."""
        wants.experiments.add(self.experiment_id)
        wants.names.add((self.workspace, self.name))

    def admit(self, state: State) -> None:
        """Refused for a deleted experiment, and for a name that another one has."""
        experiment = state.experiment(self.experiment_id)
        if experiment.deleted:
            raise Rejected(INVALID_STATE, "Cannot rename a non-active experiment.")
        if self.name != experiment.name:
            _check_folder(state, self.name)
        if state.names.get((self.workspace, self.name), self.experiment_id) != self.experiment_id:
            raise Rejected(EXISTS, f"Experiment(name={self.name}) already exists.")
        state.names.pop((self.workspace, experiment.name), None)
        state.names[self.workspace, self.name] = self.experiment_id
        experiment.name = self.name
        state.append(_entry(experiment, ExperimentRenamed(self.name, self.now_ms)))


@dataclass
class SetExperimentDeleted:
    """Delete (or restore) an experiment and all of its runs; answers nothing."""

    experiment_id: int
    deleted: bool
    now_ms: int
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment."""
        wants.experiments.add(self.experiment_id)

    def admit(self, state: State) -> None:
        """Refused as unknown when the experiment is in that state already, as MLflow does."""
        experiment = state.experiment(self.experiment_id)
        if experiment.deleted == self.deleted:
            raise Rejected(NOT_FOUND, f"No Experiment with id={self.experiment_id} exists")
        event: Event = ExperimentDeleted(self.now_ms) if self.deleted else ExperimentRestored(self.now_ms)
        position = state.append(_entry(experiment, event))
        state.set_lifecycle(experiment, deleted=self.deleted, position=position)


@dataclass
class SetExperimentTag:
    """Answers nothing."""

    experiment_id: int
    key: str
    value: str
    payload_bytes: int = field(default=0)

    def wants(self, wants: Wants) -> None:
        """The experiment; is the key set."""
        wants.experiments.add(self.experiment_id)
        wants.experiment_tags.add((self.experiment_id, self.key))

    def admit(self, state: State) -> None:
        """Refused for a deleted experiment, and for one key too many."""
        experiment = state.experiment(self.experiment_id)
        experiment.check_active()
        tag = (self.experiment_id, self.key)
        if tag not in state.experiment_tags:
            state.check_count("experiment_tags", self.experiment_id, experiment.tags + 1)
            state.experiment_tags.add(tag)
            experiment.tags += 1
            state.note_count(
                "experiment_tags",
                self.experiment_id,
                self.experiment_id,
                experiment.tags - 1,
                experiment.tags,
            )
        state.append(_entry(experiment, ExperimentTagSet(self.key, self.value)))


@dataclass
class DeleteExperimentTag:
    """Answers nothing."""

    experiment_id: int
    key: str
    payload_bytes: int = 0

    def wants(self, wants: Wants) -> None:
        """The experiment; is the key set."""
        wants.experiments.add(self.experiment_id)
        wants.experiment_tags.add((self.experiment_id, self.key))

    def admit(self, state: State) -> None:
        """Refused for a deleted experiment, and for a key that is not set."""
        experiment = state.experiment(self.experiment_id)
        experiment.check_active()
        tag = (self.experiment_id, self.key)
        if tag not in state.experiment_tags:
            raise Rejected(
                NOT_FOUND, f"No tag with name: {self.key} in experiment with id {self.experiment_id}"
            )
        state.experiment_tags.remove(tag)
        experiment.tags -= 1
        state.append(_entry(experiment, ExperimentTagDeleted(self.key)))


def _check_folder(state: State, name: str) -> None:
    """Refuse a name in another user's folder, but to whoever manages the workspace."""
    who = state.caller
    if who.rights is None or not name.startswith(USERS) or who.rights.floor >= Level.MANAGE:
        return
    owner = name.removeprefix(USERS).partition("/")[0]
    if owner != who.principal:
        raise Rejected(
            DENIED,
            f"User {who.principal} does not have permission to create experiments in '{USERS}{owner}': use"
            f" '{USERS}{who.principal}' or '/Shared'.",
        )


def _entry(experiment: Experiment, event: Event) -> NewEntry:
    return NewEntry(event, experiment.experiment_id, workspace=experiment.workspace)
