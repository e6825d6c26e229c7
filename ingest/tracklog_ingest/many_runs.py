"""The command that deletes or restores many runs of an experiment in one transaction."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from tracklog_contract.events import RunDeleted, RunRestored
from tracklog_ingest.runs import append
from tracklog_ingest.state import State, Wants


@dataclass
class SetRunsDeleted:
    """Answers how many of these runs were not so before; those of other experiments stay as they are."""

    experiment_id: int
    run_ids: Sequence[uuid.UUID]
    deleted: bool = field(kw_only=True)
    now_ms: int = field(kw_only=True)
    payload_bytes: int = field(default=0, kw_only=True)

    def wants(self, wants: Wants) -> None:
        """The experiment and the runs."""
        wants.experiments.add(self.experiment_id)
        wants.runs.update(self.run_ids)

    def admit(self, state: State) -> int:
        """Refused for an unknown or deleted experiment."""
        state.experiment(self.experiment_id).check_active()
        count = 0
        for run_id in self.run_ids:
            run = state.runs.get(run_id)
            if run is None or run.experiment_id != self.experiment_id or run.deleted == self.deleted:
                continue
            run.deleted = self.deleted
            append(state, run, RunDeleted(self.now_ms) if self.deleted else RunRestored())
            count += 1
        return count
