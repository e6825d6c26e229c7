"""Run and experiment ids: how they look, and which partition they belong to."""

import secrets
import uuid
from collections.abc import Sequence
from typing import Final

from tracklog_contract.errors import INVALID, Rejected

# A run id's first three hex digits name one of 4096 slots; slot % partitions is the run's partition.
SLOTS = 4096
EXPERIMENT_ID_MAX = 2**63 - 1
DEFAULT_EXPERIMENT_ID = 0
DEFAULT_WORKSPACE = "default"
# No experiment's id; MLflow refuses it.
ALL_EXPERIMENTS: Final = "*"


def new_run_id(partition: int, partitions: int) -> uuid.UUID:
    """A random run id of `partition`, one of `partitions`."""
    slot = secrets.randbelow(SLOTS // partitions) * partitions + partition
    return uuid.UUID(hex=f"{slot:03x}{secrets.token_hex(15)}"[:32])


def partition_of_run(run_id: uuid.UUID, partitions: int) -> int:
    """The partition that issued `run_id`. Ids made elsewhere may lie in another one: look them up."""
    return int(run_id.hex[:3], 16) % partitions


def partition_of_experiment(experiment_id: int, partitions: int) -> int:
    """The partition that holds every event of an experiment."""
    return experiment_id % partitions


def parse_run_id(text: str) -> uuid.UUID | None:
    """The run id in `text`, or None when no run can have that id."""
    if len(text) != 32 or not text.isascii() or not text.isalnum():
        return None
    try:
        return uuid.UUID(hex=text)
    except ValueError:
        return None


def parse_experiment_ids(texts: Sequence[str]) -> list[int] | None:
    """The experiments that a search names, as it names them; None for all, which "*" alone stands for.

    Raises: Rejected, when one of the texts is not a 64-bit integer.
    """
    if list(texts) == [ALL_EXPERIMENTS]:
        return None
    return [parse_experiment_id(text) for text in texts]


def parse_experiment_id(text: str) -> int:
    """The experiment id in `text`; no experiment has a negative one, but it may be asked for.

    Raises: Rejected, when it is not a 64-bit integer.
    """
    digits = text.removeprefix("-")
    # Python refuses to read thousands of digits, and 19 are all that 64 bits take.
    if digits.isascii() and digits.isdigit() and len(digits) <= 19 and int(digits) <= EXPERIMENT_ID_MAX:
        return int(text)
    raise Rejected(INVALID, f"Invalid experiment ID '{text[:100]}'. Experiment ID must be a valid integer.")
