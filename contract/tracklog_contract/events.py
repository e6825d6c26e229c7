"""The events of experiments, runs and models, and an entry's two envelopes: before and after its append.

One entry is one log row. A field may be added with a default; a changed meaning is a new `version`.
Golden files pin the bytes of each type and version (tests/conformance/golden). Those of traces are in
trace_events.py, those of artifacts in artifact_events.py, and all together in event_types.py.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from tracklog_contract.ids import DEFAULT_WORKSPACE
from tracklog_contract.points import NO_POINTS, PointBlock


@dataclass(frozen=True)
class Event:
    """Something that happened; the entry around it says to which experiment and run."""

    kind: ClassVar[int]
    version: ClassVar[int] = 1

    def pack(self) -> dict[str, Any]:
        """Plain maps, lists, text and numbers for msgpack; fields that hold their default are left out."""
        return {f.name: _plain(value) for f in fields(self) if (value := getattr(self, f.name)) != f.default}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave; fields of a later version are ignored."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in packed.items() if name in known})


def _plain(value: Any) -> Any:
    if isinstance(value, PointBlock):
        return [list(value.keys), list(value.counts), value.steps, value.timestamps, value.values]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, (MetricLink, DatasetUse, ModelUse)):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return dict(value) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class MetricLink:
    """Series number `series` of the same event was measured on this model and dataset."""

    series: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True)
class DatasetUse:
    """A dataset that a run used, and the tags of that use."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelUse:
    """A logged model that a run read (no step) or made (at a step)."""

    model_id: str
    step: int | None = None


@dataclass(frozen=True)
class ExperimentCreated(Event):
    """An experiment came to be. `created_ms`: ms since 1970."""

    kind: ClassVar[int] = 1
    name: str
    artifact_location: str
    created_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentRenamed(Event):
    """An experiment has a new name."""

    kind: ClassVar[int] = 2
    name: str
    updated_ms: int


@dataclass(frozen=True)
class ExperimentDeleted(Event):
    """An experiment and all of its runs are deleted."""

    kind: ClassVar[int] = 3
    updated_ms: int


@dataclass(frozen=True)
class ExperimentRestored(Event):
    """An experiment and all of its runs are active again."""

    kind: ClassVar[int] = 4
    updated_ms: int


@dataclass(frozen=True)
class ExperimentTagSet(Event):
    """An experiment's tag has this value."""

    kind: ClassVar[int] = 5
    key: str
    value: str


@dataclass(frozen=True)
class ExperimentTagDeleted(Event):
    """An experiment's tag is gone."""

    kind: ClassVar[int] = 6
    key: str


@dataclass(frozen=True)
class RunCreated(Event):
    """A run started. Its name is also its tag `mlflow.runName`, which `tags` holds."""

    kind: ClassVar[int] = 10
    name: str
    user_id: str
    start_ms: int
    artifact_uri: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunUpdated(Event):
    """A run's status, end or name changed; None leaves one as it was."""

    kind: ClassVar[int] = 11
    status: int | None = None
    end_ms: int | None = None
    name: str | None = None


@dataclass(frozen=True)
class RunDeleted(Event):
    """A run is deleted (its data stays until garbage collection)."""

    kind: ClassVar[int] = 12
    deleted_ms: int


@dataclass(frozen=True)
class RunRestored(Event):
    """A run is active again."""

    kind: ClassVar[int] = 13


@dataclass(frozen=True)
class RunLogged(Event):
    """Metric points, new params and set tags of one run, as one batch.

    A key stands twice in `points` only when its points have different links.
    """

    kind: ClassVar[int] = 14
    points: PointBlock = NO_POINTS
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    links: tuple[MetricLink, ...] = ()

    def pack(self) -> dict[str, Any]:
        """As `Event.pack`, without what is empty: most batches hold points only."""
        return {name: value for name, value in super().pack().items() if value and value != _PACKED_NO_POINTS}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        keys, counts, *columns = packed.get("points", _PACKED_NO_POINTS)
        return cls(
            PointBlock(tuple(keys), tuple(counts), *columns),
            packed.get("params", {}),
            packed.get("tags", {}),
            tuple(MetricLink(**link) for link in packed.get("links", ())),
        )


_PACKED_NO_POINTS: list[Any] = [[], [], b"", b"", b""]


@dataclass(frozen=True)
class RunTagDeleted(Event):
    """A run's tag is gone."""

    kind: ClassVar[int] = 15
    key: str


@dataclass(frozen=True)
class RunInputsLogged(Event):
    """A run used these datasets and models."""

    kind: ClassVar[int] = 16
    datasets: tuple[DatasetUse, ...] = ()
    models: tuple[ModelUse, ...] = ()

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        return cls(
            tuple(DatasetUse(**dataset) for dataset in packed.get("datasets", ())),
            tuple(ModelUse(**model) for model in packed.get("models", ())),
        )


@dataclass(frozen=True)
class RunOutputsLogged(Event):
    """A run made these models."""

    kind: ClassVar[int] = 17
    models: tuple[ModelUse, ...] = ()

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        return cls(tuple(ModelUse(**model) for model in packed.get("models", ())))


@dataclass(frozen=True)
class RunModelRecorded(Event):
    """MLflow 2's `runs/log-model`: one more item of the tag `mlflow.log-model.history`, as JSON text."""

    kind: ClassVar[int] = 18
    model_json: str


@dataclass(frozen=True)
class LoggedModelCreated(Event):
    """A logged model (MLflow 3) came to be, pending until finalized."""

    kind: ClassVar[int] = 20
    model_id: str
    name: str
    artifact_uri: str
    created_ms: int
    model_type: str = ""
    source_run_id: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedModelFinalized(Event):
    """A logged model is ready, or its upload failed. `status` is MLflow's LoggedModelStatus number."""

    kind: ClassVar[int] = 21
    model_id: str
    status: int
    updated_ms: int


@dataclass(frozen=True)
class LoggedModelChanged(Event):
    """A logged model has more params or tags."""

    kind: ClassVar[int] = 22
    model_id: str
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedModelTagDeleted(Event):
    """A logged model's tag is gone."""

    kind: ClassVar[int] = 23
    model_id: str
    key: str


@dataclass(frozen=True)
class LoggedModelDeleted(Event):
    """A logged model is deleted."""

    kind: ClassVar[int] = 24
    model_id: str
    updated_ms: int


EVENT_TYPES: tuple[type[Event], ...] = (
    ExperimentCreated,
    ExperimentRenamed,
    ExperimentDeleted,
    ExperimentRestored,
    ExperimentTagSet,
    ExperimentTagDeleted,
    RunCreated,
    RunUpdated,
    RunDeleted,
    RunRestored,
    RunLogged,
    RunTagDeleted,
    RunInputsLogged,
    RunOutputsLogged,
    RunModelRecorded,
    LoggedModelCreated,
    LoggedModelFinalized,
    LoggedModelChanged,
    LoggedModelTagDeleted,
    LoggedModelDeleted,
)


@dataclass(frozen=True)
class NewEntry:
    """An event to append: everything a log row needs but its position and time."""

    event: Event
    experiment_id: int
    run_id: uuid.UUID | None = None
    workspace: str = DEFAULT_WORKSPACE
    principal: str = ""
    producer_id: uuid.UUID | None = None
    producer_seq: int | None = None


@dataclass(frozen=True)
class StoredEntry:
    """A log row. `event` is None when this version does not know its kind: it is kept, and skipped."""

    position: int
    recorded_at: dt.datetime
    workspace: str
    experiment_id: int
    run_id: uuid.UUID | None
    principal: str
    payload_bytes: int
    event: Event | None
