"""The data that is logged: metric series as JSON, and whole runs; seeded, so both servers get the same."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.bench.settings import POINTS_PER_REQUEST

EPOCH_MS = 1_700_000_000_000
STEP_MS = 100


@dataclass(frozen=True)
class Shape:
    """How the points of one request divide: `keys` keys with equally many steps each."""

    keys: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Steps per key in a request."""
        return POINTS_PER_REQUEST // len(self.keys)


WIDE = Shape(tuple(f"train/metric_{number}" for number in range(10)))
LONG = Shape(("train/loss",))
assert WIDE.steps * len(WIDE.keys) == POINTS_PER_REQUEST

FloatArray = NDArray[np.float64]


class TrainingSeries:
    """Values as training logs them: a noisy walk of float32 precision."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._level = 1.0

    def values(self, count: int) -> FloatArray:
        """The next `count` values."""
        walk = self._level + np.cumsum(self._random.normal(0, 0.003, count))
        self._level = float(walk[-1])
        noisy = walk * self._random.normal(1, 0.05, count)
        return noisy.astype(np.float32).astype(np.float64)


class NoiseSeries:
    """Values of which every bit of the fraction is noise."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def values(self, count: int) -> FloatArray:
        """The next `count` values."""
        return self._random.normal(0, 1, count)


def metrics_json(shape: Shape, series: Sequence[TrainingSeries | NoiseSeries], seed: int) -> Iterator[bytes]:
    """The JSON arrays for the `metrics` of one log-batch after another, without end.

    Steps count on from request to request; timestamps are about STEP_MS apart. `series`: one for each key.
    """
    jitter = np.random.default_rng(seed)
    first_step = 0
    while True:
        steps = np.arange(first_step, first_step + shape.steps)
        timestamps = (EPOCH_MS + STEP_MS * steps + jitter.normal(0, 8, shape.steps)).astype(np.int64)
        when = [
            f'"timestamp": {timestamp}, "step": {step}}}'
            for timestamp, step in zip(timestamps.tolist(), steps.tolist(), strict=True)
        ]
        points = (
            f'{{"key": "{key}", "value": {value!r}, {tail}'
            for key, source in zip(shape.keys, series, strict=True)
            for value, tail in zip(source.values(shape.steps).tolist(), when, strict=True)
        )
        yield f"[{', '.join(points)}]".encode()
        first_step += shape.steps


def training_json(shape: Shape, seed: int) -> Iterator[bytes]:
    """`metrics_json` of training series."""
    return metrics_json(shape, [TrainingSeries(seed * 1000 + n) for n in range(len(shape.keys))], seed)


def noise_json(shape: Shape, seed: int) -> Iterator[bytes]:
    """`metrics_json` of full noise."""
    return metrics_json(shape, [NoiseSeries(seed * 1000 + n) for n in range(len(shape.keys))], seed)


@dataclass(frozen=True)
class RunContent:
    """A finished run: everything both servers are told about it."""

    name: str
    start_ms: int
    end_ms: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]

    def create_json(self, experiment_id: str) -> bytes:
        """The body of runs/create."""
        fields = {
            "experiment_id": experiment_id,
            "start_time": self.start_ms,
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
            "run_name": self.name,
        }
        return msgspec.json.encode(fields)

    def batch_json(self) -> bytes:
        """The body of runs/log-batch, without the opening brace and the run id."""
        fields = {
            "metrics": [
                {"key": key, "value": value, "timestamp": self.end_ms, "step": 0}
                for key, value in self.metrics.items()
            ],
            "params": [{"key": key, "value": value} for key, value in self.params.items()],
        }
        return msgspec.json.encode(fields)[1:]


def runs(count: int, seed: int = 7) -> Iterator[RunContent]:
    """Runs of a parameter sweep, one started a second after the other."""
    chance = random.Random(seed)
    for number in range(count):
        start_ms = EPOCH_MS + 1000 * number
        yield RunContent(
            name=f"sweep-{number:06d}",
            start_ms=start_ms,
            end_ms=start_ms + chance.randrange(60_000, 600_000),
            tags={
                "mlflow.user": chance.choice(("ada", "grace", "edsger", "barbara")),
                "mlflow.source.name": "train.py",
                "mlflow.source.type": "LOCAL",
                "team": chance.choice(("vision", "speech", "ranking")),
            },
            params={
                "lr": chance.choice(("0.1", "0.03", "0.01", "0.003", "0.001")),
                "batch_size": chance.choice(("32", "64", "128", "256")),
                "optimizer": chance.choice(("adam", "sgd", "lamb")),
                "layers": str(chance.randrange(2, 48)),
                "dropout": f"{chance.random() / 2:.3f}",
                "weight_decay": f"{chance.random() / 100:.5f}",
                "seed": str(number),
                "dataset": "imagenet",
            },
            metrics={
                "acc": chance.random(),
                "loss": chance.random() * 3,
                "val_acc": chance.random(),
                "val_loss": chance.random() * 3,
                "epoch_seconds": chance.random() * 90,
                "f1": chance.random(),
            },
        )
