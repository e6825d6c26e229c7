"""A sweep as ingest's commands: runs with ten params, five tags and five metrics each, and some datasets."""

import random
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.payloads import EPOCH_MS
from tracklog_contract.answers import RUN_STATUS
from tracklog_contract.events import DatasetUse
from tracklog_contract.points import PointBlock
from tracklog_ingest.native import NativeBatch
from tracklog_ingest.native_wire import Begin, Decoded, Part
from tracklog_ingest.runs import LogInputs, SetRunDeleted

RUNS_PER_BATCH: Final = 250
# A run in so many used a dataset; a run in so many is deleted.
PER_DATASET: Final = 10
PER_DELETED: Final = 200
# Of a batch, as the append queue counts it: about what the runs would be on the wire.
_BYTES_PER_RUN: Final = 1_000

_STATUS: Final = tuple(RUN_STATUS[name] for name in ("FINISHED", "FAILED", "KILLED"))
# The optimizer decides which other param there is: half of the runs lack either.
_MOMENTUM: Final = {"sgd": "momentum", "adam": "beta2", "lamb": "beta2", "lion": "momentum"}


@dataclass(frozen=True)
class Sweep:
    """`count` runs of one experiment, one started a second after the other; equal seeds give equal runs."""

    experiment_id: int
    count: int
    seed: int

    def commands(self) -> Iterator[list[Any]]:
        """What to submit at once, one list after the other."""
        chance = random.Random(self.seed)
        producer_id = uuid.UUID(int=chance.getrandbits(128))
        for sequence, first in enumerate(range(0, self.count, RUNS_PER_BATCH), start=1):
            numbers = range(first, min(first + RUNS_PER_BATCH, self.count))
            parts = tuple(self._part(number, chance) for number in numbers)
            batch = NativeBatch(
                Decoded(producer_id, sequence, parts, ()), EPOCH_MS, _BYTES_PER_RUN * len(parts)
            )
            yield [batch, *self._about(numbers, parts)]

    def _about(self, numbers: range, parts: tuple[Part, ...]) -> Iterator[Any]:
        for number, part in zip(numbers, parts, strict=True):
            if number % PER_DATASET == 0:
                yield LogInputs(part.run_id.hex, (_dataset(number),), ())
            if number % PER_DELETED == 0:
                yield SetRunDeleted(part.run_id.hex, deleted=True, now_ms=EPOCH_MS)

    def _part(self, number: int, chance: random.Random) -> Part:
        start_ms = EPOCH_MS + 1000 * number
        end_ms = start_ms + chance.randrange(60_000, 600_000)
        team = chance.choice(("vision", "speech", "ranking", "ads"))
        optimizer = chance.choice(tuple(_MOMENTUM))
        running = chance.random() < 0.05
        return Part(
            number=number % RUNS_PER_BATCH,
            run_id=uuid.UUID(int=chance.getrandbits(128)),
            begin=Begin(
                None,
                self.experiment_id,
                f"sweep-{number:07d}",
                chance.choice(("ada", "grace", "edsger", "barbara")),
                start_ms,
            ),
            params=_params(number, team, optimizer, chance),
            tags=_tags(number, team, chance),
            points=_points(team, end_ms, chance),
            status=None if running else chance.choices(_STATUS, (8, 1, 1))[0],
            end_ms=None if running else end_ms,
        )


def _params(number: int, team: str, optimizer: str, chance: random.Random) -> dict[str, str]:
    return {
        "lr": chance.choice(("0.1", "0.03", "0.01", "0.003", "0.001")),
        "batch_size": chance.choice(("32", "64", "128", "256")),
        "optimizer": optimizer,
        _MOMENTUM[optimizer]: f"{0.8 + chance.random() / 5:.3f}",
        "layers": str(chance.randrange(2, 48)),
        "dropout": f"{chance.random() / 2:.3f}",
        "weight_decay": f"{chance.random() / 100:.5f}",
        "seed": str(number),
        # Tells the team, as params tell each other in real sweeps.
        "model": f"{team}-{chance.choice(('small', 'base', 'large'))}",
        "data": f"s3://bucket/{team}/{chance.randrange(100):02d}",
    }


def _tags(number: int, team: str, chance: random.Random) -> dict[str, str]:
    return {
        "mlflow.source.name": "train.py",
        "mlflow.source.type": "LOCAL",
        "team": team,
        "stage": chance.choices(("dev", "staging", "prod"), (90, 9, 1))[0],
        # One run in a thousand has the rare one of the two.
        ("reviewed" if number % 1000 == 1 else "host"): f"node-{chance.randrange(500):03d}",
    }


def _points(team: str, end_ms: int, chance: random.Random) -> PointBlock:
    acc = chance.random()
    values = {
        "acc": acc,
        "val_acc": acc * (0.9 + chance.random() / 10),
        "loss": float("nan") if chance.random() < 0.01 else 3 * (1 - acc) + chance.random() / 10,
        "epoch_seconds": float(chance.randrange(10, 100)),
        # Half of the teams measure one, half the other.
        ("f1" if team in ("vision", "ads") else "bleu"): chance.random(),
    }
    count = len(values)
    return PointBlock(
        tuple(values),
        (1,) * count,
        bytes(8 * count),
        struct.pack("<q", end_ms) * count,
        struct.pack(f"<{count}d", *values.values()),
    )


def _dataset(number: int) -> DatasetUse:
    name = f"set-{number // PER_DATASET % 20:02d}"
    context = ("train", "validation", "test")[number // PER_DATASET % 3]
    return DatasetUse(name, f"{name}-v1", "s3", f"s3://bucket/{name}", tags={"mlflow.data.context": context})
