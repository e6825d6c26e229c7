"""The events of garbage collection: what was deleted long ago is gone for good from then on.

A purged run's points are taken out of the log too: `PointsFreed` then stands where a RunLogged stood.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from tracklog_contract.events import Event

# What the payload of a PointsFreed may have; the database enforces it.
FREED_PAYLOAD_BYTES_MAX: Final = 64


@dataclass(frozen=True)
class PointsFreed(Event):
    """What a purged run logged here was taken out of the log; this is how much it was, for usage counters."""

    kind: ClassVar[int] = 0
    payload_bytes: int
    points: int = 0
    params: int = 0
    tags: int = 0

    def pack(self) -> dict[str, int]:
        """Under short names, to need few bytes."""
        return {"b": self.payload_bytes, "p": self.points, "k": self.params, "t": self.tags}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """The event that `pack` gave."""
        return cls(packed["b"], packed["p"], packed["k"], packed["t"])


@dataclass(frozen=True)
class RunPurged(Event):
    """A deleted run is gone, with all it logged.

    `artifact_path`: where its files lie in the store; "" when it has none there.
    """

    kind: ClassVar[int] = 42
    artifact_path: str = ""


@dataclass(frozen=True)
class LoggedModelPurged(Event):
    """A deleted logged model is gone; `artifact_path` as of RunPurged."""

    kind: ClassVar[int] = 43
    model_id: str
    artifact_path: str = ""


@dataclass(frozen=True)
class ExperimentPurged(Event):
    """A deleted experiment is gone; its runs, models and traces went before.

    `artifact_path` as of RunPurged.
    """

    kind: ClassVar[int] = 44
    artifact_path: str = ""


PURGE_EVENT_TYPES: tuple[type[Event], ...] = (PointsFreed, RunPurged, LoggedModelPurged, ExperimentPurged)
