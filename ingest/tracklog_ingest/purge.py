"""Commands of garbage collection: what was deleted long ago is gone for good.

Each names what shall go with the position of its last entry, as seen when it was found to be due. What has
an entry since, as when it was restored, stays.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tracklog_contract.artifact_places import root_of
from tracklog_contract.events import Event, NewEntry
from tracklog_contract.ids import DEFAULT_EXPERIMENT_ID
from tracklog_contract.purge_events import ExperimentPurged, LoggedModelPurged, RunPurged
from tracklog_ingest.artifact_state import Total
from tracklog_ingest.purge_state import Purged
from tracklog_ingest.state import Experiment, Run, State, Wants


@dataclass
class Purge:
    """What commands that purge share. `principal`: who does it."""

    principal: str
    payload_bytes: int = field(default=0, kw_only=True)
    # What goes is summed up before the group is decided.
    alone: ClassVar[bool] = True

    def append(
        self, state: State, event: Event, experiment: Experiment, run_id: uuid.UUID | None = None
    ) -> int:
        """Append an event of what is gone."""
        entry = NewEntry(
            event, experiment.experiment_id, run_id, workspace=experiment.workspace, principal=self.principal
        )
        return state.append(entry)


@dataclass
class PurgeRuns(Purge):
    """Answers how many of the runs are gone. What they had counts for no quota any more."""

    runs: Sequence[tuple[uuid.UUID, int]]

    def wants(self, wants: Wants) -> None:
        """The runs, their experiments, and where their last entries are."""
        run_ids = [run_id for run_id, _ in self.runs]
        wants.runs.update(run_ids)
        wants.purges.runs.update(run_ids)

    def admit(self, state: State) -> int:
        """Never refused."""
        due = [state.runs[run_id] for run_id, seen in self.runs if self._is_due(state, run_id, seen)]
        for run in due:
            self._purge(state, run)
        return len(due)

    def _is_due(self, state: State, run_id: uuid.UUID, seen: int) -> bool:
        run = state.runs.get(run_id)
        return run is not None and run.deleted and state.purges.positions.get(run_id) == seen

    def _purge(self, state: State, run: Run) -> None:
        path = root_of(run.artifact_uri) or ""
        experiment = state.experiments[run.experiment_id]
        total = state.artifacts.totals.pop((run.experiment_id, run.run_id), Total())
        # Most runs have no files, and nothing is then to be looked for in the views.
        event = RunPurged(path if total.files else "")
        position = self.append(state, event, experiment, run.run_id)
        experiment.runs -= 1
        run.name, run.end_ms = "", None
        run.points = run.params = run.tags = 0
        state.artifacts.add(run.experiment_id, None, Total(-total.files, -total.bytes, position=position))
        state.purges.purged.append(Purged(position, path, run.run_id))


@dataclass
class PurgeModels(Purge):
    """Answers how many of the logged models are gone. Each has its last position and where its files lie."""

    models: Sequence[tuple[str, int, str]]

    def wants(self, wants: Wants) -> None:
        """The models, their experiments and files, and where their last entries are."""
        for model_id, _, path in self.models:
            wants.models.add(model_id)
            wants.purges.models.add(model_id)
            if path:
                wants.artifacts.paths.add(path)
                wants.artifacts.trees.add(path)

    def admit(self, state: State) -> int:
        """Never refused."""
        gone = 0
        for model_id, seen, path in self.models:
            model = state.models.get(model_id)
            if model is None or state.purges.positions.get(model_id) != seen:
                continue
            experiment = state.experiments[model.experiment_id]
            if not (model.deleted or experiment.deleted):
                continue
            model.deleted = True
            model.position = self.append(state, LoggedModelPurged(model_id, path), experiment)
            for _, _, _, files, size_bytes in state.artifacts.below.get(path, ()):
                total = Total(-files, -size_bytes, position=model.position)
                state.artifacts.add(model.experiment_id, None, total)
            if path:
                state.artifacts.removed.add(path)
            state.purges.models.append(model_id)
            state.purges.purged.append(Purged(model.position, path))
            gone += 1
        return gone


@dataclass
class PurgeExperiment(Purge):
    """Answers whether the experiment is gone, which must have nothing left but files of its own at `path`.

    Its name is free then. The default experiment stays: clients rely on it.
    """

    experiment_id: int
    seen: int
    path: str

    def wants(self, wants: Wants) -> None:
        """The experiment, its files, and where its last entry is."""
        wants.experiments.add(self.experiment_id)
        wants.purges.experiments.add(self.experiment_id)
        if self.path:
            wants.artifacts.paths.add(self.path)
            wants.artifacts.trees.add(self.path)

    def admit(self, state: State) -> bool:
        """Never refused."""
        experiment = state.experiments.get(self.experiment_id)
        if (
            experiment is None
            or not experiment.deleted
            or experiment.runs
            or state.purges.positions.get(self.experiment_id) != self.seen
            or self.experiment_id == DEFAULT_EXPERIMENT_ID
        ):
            return False
        found = state.artifacts.below.get(self.path, ())
        # Another experiment may have been told to keep its artifacts there too.
        path = self.path if all(row[0] == self.experiment_id for row in found) else ""
        position = self.append(state, ExperimentPurged(path), experiment)
        if path:
            state.artifacts.removed.add(path)
        state.purges.experiments.append(self.experiment_id)
        state.purges.purged.append(Purged(position, path))
        return True
